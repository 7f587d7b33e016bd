"""Anything that measures and is nothing but registers, such as a UPS: what it has stands in a register map."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fleetd.clock import Clock
from fleetd.devices import DriverSpec, LinkQuality, Sample
from fleetd.link.ports import Ports
from fleetd.link.url import LinkUrl
from fleetd_drivers.modbus.connecting import map_device
from fleetd_drivers.modbus.device import MapDevice
from fleetd_drivers.modbus.line import SCHEMES
from fleetd_drivers.modbus.settings import ModbusSettings


class ModbusSensorSettings(ModbusSettings):
    """One device."""

    map: str
    """Name of a shipped register map, such as `ups`, or path of one of your own."""


class ModbusSensor:
    """Reads what its map polls; writes nothing, whatever the map allows."""

    def __init__(self, device: MapDevice) -> None:
        self._device = device
        self.poll = device.poll

    @property
    def link_quality(self) -> LinkQuality:
        """How the line to it does."""
        return self._device.link_quality

    async def read(self) -> Sample:
        """One sample. Raises DeviceError."""
        return await self._device.read()


@asynccontextmanager
async def connect(
    ports: Ports, url: LinkUrl, settings: ModbusSensorSettings, clock: Clock
) -> AsyncIterator[ModbusSensor]:
    """The device behind `url`. Raises DeviceError, and ConfigError for a bad map."""
    async with map_device(ports, url, settings, clock) as device:
        await device.identify()
        yield ModbusSensor(device)


SPEC = DriverSpec(
    name="modbus-sensor",
    capability="sensor",
    summary="anything that measures and is nothing but registers, such as a UPS, by a register map",
    schemes=SCHEMES,
    settings=ModbusSensorSettings,
    connect=connect,
)
