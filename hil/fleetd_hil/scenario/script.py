"""A scenario with its files, read and gone through: what could be misunderstood is refused by file, line and reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fleetd.config.site import DeviceSettings, Site, load_site
from fleetd.errors import ConfigError
from fleetd.strictyaml import Positions, load_strict, validate
from fleetd_hil import catalogue
from fleetd_hil.scenario.model import Scenario, Step
from fleetd_hil.scenario.vocabulary import Vocabulary
from fleetd_hil.scenario.world import World, build_world, sim_name


@dataclass(frozen=True, slots=True)
class Script:
    """A scenario with its files."""

    scenario: Scenario
    file: Path
    site: Site


def read_script(file: Path) -> Script:
    """Raises ConfigError with every fault by file, line and reason."""
    data, positions = load_strict(file)
    scenario = validate(Scenario, data, positions)
    if ".." in Path(scenario.site).parts:
        raise ConfigError(positions.line(("site",), "the site file lies beside the scenario or below it"))
    site = load_site(file.parent / scenario.site)
    script = Script(scenario, file, site)
    if faults := list(_Checker(script, positions).faults()):
        raise ConfigError(faults)
    return script


@dataclass(frozen=True, slots=True)
class _Checker:
    """Looks for what a site and its simulated devices do not have."""

    script: Script
    positions: Positions
    devices: dict[str, DeviceSettings] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "devices", {device.name: device for device in self.script.site.devices})

    def faults(self) -> Iterator[str]:
        """A line each."""
        yield from self._device_faults()
        scenario, known = self.script.scenario, Vocabulary(self.script.site)
        for index, each in enumerate(scenario.expect):
            yield from (self._line(("expect", index), words) for words in known.faults(each))
        satellites = [satellite.name for satellite in self.script.site.satellites]
        for name in scenario.orbits:
            if name not in satellites:
                words = f"{name!r} is no satellite of the site; there are {', '.join(satellites) or 'none'}"
                yield self._line(("orbits", name), words, at_key=True)

    def _device_faults(self) -> Iterator[str]:
        """What is simulated, and what of it is broken."""
        scenario, some = self.script.scenario, False
        for kind, names in (("simulate", scenario.simulate), ("real", scenario.real)):
            for index, name in enumerate(names):
                place = (kind, name if kind == "simulate" else index)
                if name not in self.devices:
                    some = True
                    yield self._line(place, f"{name!r} is no device of the site; there are {_listed(self.devices)}")
                elif kind == "simulate" and (words := self._option_fault(name)):
                    some = True
                    yield self._line(place, words)
        if not some:
            yield from self._step_faults()

    def _option_fault(self, name: str) -> str:
        options = self.script.scenario.simulate[name]
        try:
            catalogue.read_options([sim_name(self.devices[name])], [f"{key}={value}" for key, value in options.items()])
        except ConfigError as error:
            return str(error)
        return ""

    def _step_faults(self) -> Iterator[str]:
        scenario = self.script.scenario
        try:
            world = build_world(self.script.site, scenario.real, scenario.simulate, scenario.seed)
        except ConfigError as error:
            yield self._line(("site",), str(error))
            return
        for index, step in enumerate(scenario.timeline):
            if words := self._step_fault(step, world):
                yield self._line(("timeline", index), words)

    def _step_fault(self, step: Step, world: World) -> str:
        if step.of is not None and step.of not in world.seats:
            return f"{step.of!r} is no simulated device of the site; there are {_listed(world.seats)}"
        if step.of is not None:
            return _breakage_fault(step, world)
        orderable = {*self.devices, *(satellite.name for satellite in self.script.site.satellites)}
        if step.command is not None and step.command.device not in orderable:
            return f"{step.command.device!r} is no device of the site; there are {_listed(orderable)}"
        if step.write is not None and not (self.script.file.parent / step.write.source).is_file():
            return f"there is no file {step.write.source!r} beside the scenario"
        return ""

    def _line(self, place: tuple[str | int, ...], words: str, *, at_key: bool = False) -> str:
        return self.positions.line(place, words, at_key=at_key)


def _breakage_fault(step: Step, world: World) -> str:
    device = step.of or ""
    try:
        if step.fault is not None:
            world.inject(device, step.fault, 0.0)
    except ConfigError as error:
        return str(error)
    known = world.seats[device].sim.faults.kinds
    if step.clear is not None and step.clear not in known:
        return f"unknown fault {step.clear!r}; known here are {_listed(known)}"
    return ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
