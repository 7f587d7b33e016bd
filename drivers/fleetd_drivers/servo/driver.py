"""A rotator of servo drives over Modbus TCP or RTU. Where its registers stand and what they may hold is in its map.

Not here: the site's own limits and the choice of a way round, which belong to whoever plans the motion.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from fleetd.clock import Clock
from fleetd.devices import AzEl, DriverSpec, RotatorLimits
from fleetd.errors import BadReply, ConfigError
from fleetd.link.ports import Ports
from fleetd.link.url import LinkUrl
from fleetd.link.words import LastWords
from fleetd.registers.codec import encode_write
from fleetd.registers.model import RegisterMap, ValueSpec
from fleetd.settings import Settings
from fleetd_drivers.modbus import wire
from fleetd_drivers.modbus.bus import Lane
from fleetd_drivers.modbus.device import MapDevice, Unit
from fleetd_drivers.modbus.line import SCHEMES, bus_for
from fleetd_drivers.modbus.profile import load_profile

MAP = "servo-rotator"


class ServoSettings(Settings):
    """One rotator on a Modbus line."""

    unit: Annotated[int, Field(ge=1, le=255)] = 1
    """Its unit (slave) id; a serial line knows 1 to 247, above that only TCP."""
    timeout_ms: Annotated[int, Field(ge=10, le=30_000)] = 500
    """How long it may think before it answers, in real milliseconds; the line's own time for the bytes is added."""
    map: str = MAP
    """Name of a shipped register map, or path of one of your own."""


@dataclass(frozen=True, slots=True)
class Axes:
    """What a map must say of a rotator: where it points and where it is to go, by axis, azimuth first."""

    measured: tuple[str, ...]
    targets: tuple[ValueSpec, ...]
    limits: RotatorLimits

    @classmethod
    def of(cls, register_map: RegisterMap) -> Axes:
        """Find the axes in a map. Raises ConfigError naming what it lacks."""
        known = register_map.by_name
        names = ("azimuth", "elevation") if "elevation_deg" in known else ("azimuth",)
        missing = [
            f"{word}{name}_deg" for word in ("", "target_") for name in names if f"{word}{name}_deg" not in known
        ]
        if register_map.stop is None:
            missing.append("a stop section")
        if missing:
            raise ConfigError(f"register map {register_map.name} describes no rotator: it lacks {', '.join(missing)}")
        targets = tuple(known[f"target_{name}_deg"] for name in names)
        for before, behind in itertools.pairwise(targets):
            if (behind.table, behind.address) != ("holding", before.end):
                text = f"{behind.name} must be the holding register behind {before.name}: both are written at once"
                raise ConfigError(f"register map {register_map.name}: {text}")
        return cls(tuple(f"{name}_deg" for name in names), targets, _limits(register_map, targets))


def _limits(register_map: RegisterMap, targets: Sequence[ValueSpec]) -> RotatorLimits:
    bounds: list[float] = []
    for spec in targets:
        if spec.minimum is None or spec.maximum is None:
            raise ConfigError(f"register map {register_map.name}: {spec.name} needs a minimum and a maximum")
        bounds += (spec.minimum, spec.maximum)
    low_deg, high_deg = bounds[2:] or (0.0, 0.0)
    return RotatorLimits(bounds[0], bounds[1], low_deg, high_deg, max(spec.scale or 1.0 for spec in targets))


class Servo:
    """One rotator on a bus; the bus sees to it that each answer finds its question, and that a stop goes first."""

    def __init__(self, device: MapDevice, unit: Unit) -> None:
        self._device = device
        self._unit = unit
        self._map = device.profile.map
        self._axes = Axes.of(self._map)

    @property
    def limits(self) -> RotatorLimits:
        """The least and greatest values of the targets in the map."""
        return self._axes.limits

    async def point(self, to: AzEl, /) -> None:
        """Write both targets in one request; the answer to it is the acceptance. Raises Refusal and Declined."""
        self.limits.admit(to)
        angles_deg = (to.azimuth_deg, to.elevation_deg)
        targets = self._axes.targets
        cells = [
            cell
            for spec, angle_deg in zip(targets, angles_deg, strict=False)
            for cell in encode_write(self._map, spec, angle_deg)
        ]
        request = wire.write_registers(targets[0].address, cells)
        await self._unit.bus.ask(self._unit.number, request, lane=Lane.COMMAND, within_s=self._unit.within_s)

    async def where(self) -> AzEl:
        """The measured direction. Raises BadReply while an encoder gives none."""
        sample = await self._device.get(self._axes.measured)
        angles_deg: list[float] = []
        for name in self._axes.measured:
            value = sample.values.get(name)
            if isinstance(value, (bool, str)) or value is None:
                raise BadReply(f"the controller gives no {name}: {sample.absent.get(name, 'it is no number')}")
            angles_deg.append(float(value))
        return AzEl(angles_deg[0], angles_deg[1] if len(angles_deg) > 1 else 0.0)

    async def stop(self) -> None:
        """Stop ahead of all else on the line, and see it in force. Raises DeviceError."""
        await self._device.stop()

    def last_words(self) -> LastWords | None:
        """What stops it when the daemon no longer can."""
        return self._device.last_words()


@asynccontextmanager
async def connect(ports: Ports, url: LinkUrl, settings: ServoSettings, clock: Clock) -> AsyncIterator[Servo]:
    """A rotator that has proved to be one. Raises DeviceError, and ConfigError for a map that describes none."""
    profile = load_profile(settings.map)
    async with bus_for(ports, url) as bus:
        unit = Unit(bus, settings.unit, settings.timeout_ms / 1000)
        device = MapDevice(profile, unit, clock)
        rotator = Servo(device, unit)
        await device.identify()
        yield rotator


SPEC = DriverSpec(
    name="servo-rotator",
    capability="rotator",
    summary="a rotator of servo drives on Modbus registers, by a register map",
    schemes=SCHEMES,
    settings=ServoSettings,
    connect=connect,
)
