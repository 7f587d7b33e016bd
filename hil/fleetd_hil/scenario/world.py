"""The far ends of a site's links: one sim for each line, built from what the site file says of the devices on it.

A device's driver has the name of its sim, or where it is nothing but a register map, that map has; devices that share a
Modbus link share a line. What is `real` is left alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fleetd.config.site import DeviceSettings, Site
from fleetd.errors import ConfigError
from fleetd_hil import catalogue
from fleetd_hil.line import FAULTS as LINE_FAULTS
from fleetd_hil.models.rig import RigModel
from fleetd_hil.models.rotator import RotatorModel
from fleetd_hil.scenario.given import Act
from fleetd_hil.scenario.model import OrbitWish
from fleetd_hil.scenario.sky import Sky, build_sky
from fleetd_hil.sim import Sim
from fleetd_hil.sims.little_donkey import LittleDonkeyUnit
from fleetd_hil.sims.modbus import Framing, ModbusSim

_LINE_FAULTS = frozenset(kind.name for kind in LINE_FAULTS)


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a simulated device sits: its sim, and its unit where it shares one."""

    device: DeviceSettings
    sim: Sim
    unit: int | None = None

    @property
    def part(self) -> Any:
        """The sim itself, or its unit where it shares one."""
        return self.sim.units[self.unit] if isinstance(self.sim, ModbusSim) and self.unit is not None else self.sim

    @property
    def model(self) -> Any:
        """The physics behind it; None where there is none to look at."""
        return getattr(self.part, "model", None)


@dataclass(slots=True)
class World:
    """All simulated devices by name, and the sims by the link that each stands behind."""

    seats: dict[str, Seat] = field(default_factory=dict)
    lines: dict[str, Sim] = field(default_factory=dict)
    rotators: list[Any] = field(default_factory=list)
    """Those of the sims and units that turn an antenna."""
    rigs: dict[str, RigModel] = field(default_factory=dict)
    sky: Sky | None = None

    def inject(self, device: str, spec: str, at_s: float) -> None:
        """Break something, from running time `at_s` on. Raises ConfigError naming what can be broken."""
        seat = self.seats[device]
        name, plus, lasting = spec.partition("+")
        own = seat.unit is not None and name.partition("=")[0] not in _LINE_FAULTS
        seat.sim.faults.inject(f"{name}/{seat.unit}{plus}{lasting}" if own else spec, at_s)

    def clear(self, device: str, name: str) -> None:
        """Mend it."""
        self.seats[device].sim.faults.clear(name)

    def advance(self, at_s: float) -> None:
        """Bring antennas and the sky up to running time `at_s`; all else is brought up by whoever asks it."""
        for rotator in self.rotators:
            rotator.advance(at_s)
        if self.sky is not None:
            self.sky.air.advance(at_s)

    def acts(self, orders: Mapping[int, str]) -> Iterator[Act]:
        """What robots and satellites were made to do; `orders` are the satellites' by their codes."""
        for name, seat in self.seats.items():
            if isinstance(seat.part, LittleDonkeyUnit):
                yield from (Act(at_s, name, action) for at_s, action in seat.part.acts)
        for each in self.sky.air.satellites if self.sky else ():
            yield from (Act(at_s, each.name, orders.get(code, str(code))) for at_s, code in each.obeyed)

    def violations(self) -> Iterator[str]:
        """What no well-behaved driver would have sent."""
        for sim in self.lines.values():
            yield from (f"{sim.name}: {what}" for what in sim.violations)


def build_world(site: Site, real: Collection[str], options: Mapping[str, Mapping[str, float]], seed: int) -> World:
    """Sims for every device that is not real. Raises ConfigError for a driver that has no sim, or unknown options."""
    names = {device.name for device in site.devices}
    for name in (*real, *options):
        if name not in names:
            raise ConfigError(f"{name!r} is no device of the site; there are {', '.join(sorted(names))}")
    world, lines = World(), _by_link([device for device in site.devices if device.name not in real])
    for link, devices in lines.items():
        kinds = {device.name: catalogue.find(sim_name(device)) for device in devices}
        chosen = {
            device.name: catalogue.read_options(
                [sim_name(device)], [f"{key}={value}" for key, value in options.get(device.name, {}).items()]
            )
            for device in devices
        }
        first = devices[0]
        if kinds[first.name].unit is None:
            sim = catalogue.build(first.driver, chosen[first.name], seed, catalogue.Bus("tcp"))
            world.seats[first.name] = Seat(first, sim)
        else:
            framing: Framing = "tcp" if first.url.scheme == "modbus+tcp" else "rtu"
            units = {device.settings.unit: (sim_name(device), chosen[device.name]) for device in devices}
            sim = catalogue.build_line(sim_name(first), units, seed, framing)
            world.seats |= {device.name: Seat(device, sim, device.settings.unit) for device in devices}
        sim.faults.learn(LINE_FAULTS)
        world.lines[link] = sim
    world.rotators = [seat.part for seat in world.seats.values() if isinstance(seat.model, RotatorModel)]
    world.rigs = {name: seat.model for name, seat in world.seats.items() if isinstance(seat.model, RigModel)}
    return world


def sim_name(device: DeviceSettings) -> str:
    """The sim that stands in for a device."""
    return str(device.settings.map) if device.driver == "modbus-sensor" else device.driver


def hang_sky(world: World, site: Site, wishes: Mapping[str, OrbitWish], start: datetime) -> None:
    """Let the site's satellites fly over it."""
    sims = {name: seat.part for name, seat in world.seats.items()}
    world.sky = build_sky(site, sims, wishes, start)


def _by_link(devices: Collection[DeviceSettings]) -> dict[str, list[DeviceSettings]]:
    """Devices by the line that they are on; what stands behind the ? of a URL does not make another line of it."""
    found: dict[str, list[DeviceSettings]] = {}
    for device in devices:
        found.setdefault(device.link.partition("?")[0], []).append(device)
    return found
