"""A WXT530-like weather station on Modbus. Its maker asks the master to try once more before it believes a silence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fleetd.clock import Clock
from fleetd.devices import DriverSpec, Sample
from fleetd.errors import BadReply, ReplyTimeout
from fleetd.link.ports import Ports
from fleetd.link.url import LinkUrl
from fleetd.settings import PositiveSeconds
from fleetd_drivers.modbus.connecting import map_device
from fleetd_drivers.modbus.device import MapDevice
from fleetd_drivers.modbus.line import SCHEMES
from fleetd_drivers.modbus.settings import ModbusSettings

MAP = "weather-station"


class WeatherStationSettings(ModbusSettings):
    """One weather station."""

    poll_s: PositiveSeconds = 10.0
    """Seconds from one poll to the next."""
    map: str = MAP
    """Name of a shipped register map, or path of one of your own."""


class WeatherStation:
    """A sensor that is asked once more when it stays silent or garbles its answer. Reading changes nothing in it."""

    def __init__(self, device: MapDevice) -> None:
        self._device = device

    async def read(self) -> Sample:
        """One sample. Raises DeviceError when the second try fails, too."""
        try:
            return await self._device.read()
        except (ReplyTimeout, BadReply):
            return await self._device.read()


@asynccontextmanager
async def connect(
    ports: Ports, url: LinkUrl, settings: WeatherStationSettings, clock: Clock
) -> AsyncIterator[WeatherStation]:
    """The station behind `url`. Raises DeviceError, and ConfigError for a bad map."""
    async with map_device(ports, url, settings, clock) as device:
        await device.identify()
        yield WeatherStation(device)


SPEC = DriverSpec(
    name="weather-station",
    capability="sensor",
    summary="weather station in the manner of the Vaisala WXT530",
    schemes=SCHEMES,
    settings=WeatherStationSettings,
    connect=connect,
)
