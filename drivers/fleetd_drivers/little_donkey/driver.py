"""Little Donkey over Modbus TCP or RTU. What it knows stands in its register map; what is assumed, in the README."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from pydantic import Field

from fleetd.clock import Clock
from fleetd.devices import DriverSpec
from fleetd.link.ports import Ports
from fleetd.link.url import LinkUrl
from fleetd.settings import PositiveSeconds
from fleetd_drivers.modbus.connecting import map_device
from fleetd_drivers.modbus.device import MapDevice
from fleetd_drivers.modbus.line import SCHEMES
from fleetd_drivers.modbus.profile import load_profile
from fleetd_drivers.modbus.settings import ModbusSettings

MAP = "little-donkey"


class LittleDonkeySettings(ModbusSettings):
    """One robot."""

    heartbeat_s: PositiveSeconds = 1.0
    """Seconds from one heartbeat to the next; keep it well under the robot's own patience."""
    heartbeat_timeout_ms: Annotated[int, Field(ge=200, le=60_000)] | None = None
    """After how long without a heartbeat the robot stops by itself; written on connecting, unless left out."""
    map: str = MAP
    """Name of a shipped register map, or path of one of your own."""


@asynccontextmanager
async def connect(ports: Ports, url: LinkUrl, settings: LittleDonkeySettings, clock: Clock) -> AsyncIterator[MapDevice]:
    """A robot that has proved to be one. Raises DeviceError, and ConfigError for a bad map."""
    async with map_device(ports, url, settings, clock) as robot:
        await robot.identify()
        heartbeat = robot.profile.map.heartbeat
        if settings.heartbeat_timeout_ms is not None and heartbeat is not None:
            await robot.set(heartbeat.timeout_ms, settings.heartbeat_timeout_ms)
        yield robot


SPEC = DriverSpec(
    name="little-donkey",
    capability="robot",
    summary="Little Donkey delivery robot, by fleetd's reference register map",
    schemes=SCHEMES,
    settings=LittleDonkeySettings,
    connect=connect,
    actions=load_profile(MAP).actions,
)
