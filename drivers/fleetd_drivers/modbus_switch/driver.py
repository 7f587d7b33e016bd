"""One output of a Modbus relay board as a Switch. Where it stands, and where its contact does, is in its map."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from pydantic import Field

from fleetd.clock import Clock
from fleetd.devices import DriverSpec
from fleetd.errors import BadReply, ConfigError
from fleetd.link.ports import Ports
from fleetd.link.url import LinkUrl
from fleetd.registers.model import RegisterMap
from fleetd.settings import Settings
from fleetd_drivers.modbus.bus import Lane
from fleetd_drivers.modbus.connecting import map_device
from fleetd_drivers.modbus.device import MapDevice
from fleetd_drivers.modbus.line import SCHEMES

MAP = "modbus-switch"
_OUTPUT, _CONTACT = "output", "contact"


class ModbusSwitchSettings(Settings):
    """One output of a relay board on a Modbus line."""

    unit: Annotated[int, Field(ge=1, le=255)] = 1
    """The board's unit (slave) id; a serial line knows 1 to 247, above that only TCP."""
    timeout_ms: Annotated[int, Field(ge=10, le=30_000)] = 500
    """How long it may think before it answers, in real milliseconds; the line's own time for the bytes is added."""
    map: str = MAP
    """Name of a shipped register map, or path of one of your own."""


class ModbusSwitch:
    """One output; what it says of itself is the contact's word where there is one."""

    def __init__(self, device: MapDevice, register_map: RegisterMap) -> None:
        known = register_map.by_name
        if _OUTPUT not in known or known[_OUTPUT].table != "coil":
            raise ConfigError(f"register map {register_map.name} describes no switch: it lacks a coil named {_OUTPUT}")
        self._device = device
        self._shows = _CONTACT if _CONTACT in known else _OUTPUT

    async def turn(self, *, on: bool) -> None:
        """Write the output; the board's answer is the acceptance. Raises DeviceError."""
        await self._device.set(_OUTPUT, on, Lane.COMMAND)

    async def is_on(self) -> bool:
        """What the contact says, or the output where none is wired. Raises DeviceError."""
        value = (await self._device.get([self._shows])).values.get(self._shows)
        if not isinstance(value, bool):
            raise BadReply(f"the board gives no {self._shows}")
        return value


@asynccontextmanager
async def connect(
    ports: Ports, url: LinkUrl, settings: ModbusSwitchSettings, clock: Clock
) -> AsyncIterator[ModbusSwitch]:
    """A board that answers. Raises DeviceError, and ConfigError for a map that describes no switch."""
    async with map_device(ports, url, settings, clock) as device:
        switch = ModbusSwitch(device, device.profile.map)
        await switch.is_on()
        yield switch


SPEC = DriverSpec(
    name="modbus-switch",
    capability="switch",
    summary="one output of a Modbus relay board, by a register map",
    schemes=SCHEMES,
    settings=ModbusSwitchSettings,
    connect=connect,
)
