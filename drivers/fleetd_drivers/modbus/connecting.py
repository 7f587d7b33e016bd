"""From what a site file says of a device that is only registers, to that device on its line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from fleetd.clock import Clock
from fleetd.link.ports import Ports
from fleetd.link.url import LinkUrl
from fleetd_drivers.modbus.device import MapDevice, Unit
from fleetd_drivers.modbus.line import bus_for
from fleetd_drivers.modbus.profile import load_profile


class OnALine(Protocol):
    """The settings that every such device has."""

    @property
    def unit(self) -> int: ...

    @property
    def timeout_ms(self) -> int: ...

    @property
    def map(self) -> str: ...


@asynccontextmanager
async def map_device(ports: Ports, url: LinkUrl, settings: OnALine, clock: Clock) -> AsyncIterator[MapDevice]:
    """The device behind `url`; nothing is sent yet. Raises LinkLost, and ConfigError for a bad map."""
    profile = load_profile(settings.map)
    async with bus_for(ports, url) as bus:
        yield MapDevice(profile, Unit(bus, settings.unit, settings.timeout_ms / 1000), clock)
