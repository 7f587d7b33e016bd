"""A register map made ready for polling: its read blocks and decoders, worked out once for all devices of a kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fleetd.devices import ActionSpec, ArgumentSpec, InterlockSpec, Sample
from fleetd.records import Value
from fleetd.registers.loader import load_map
from fleetd.registers.model import ActionMap, RegisterMap, ValueSpec
from fleetd.registers.plan import DEFAULT_GAP, Block, groups_of, plan, polled
from fleetd.registers.straight import Straight, straight
from fleetd_drivers.modbus import wire
from fleetd_drivers.modbus.halving import Lesson, Notebook

_MOST_PLANS = 1024  # before they are worked out afresh


@dataclass(frozen=True, slots=True, eq=False)
class Reads:
    """The requests of one sample, what decodes each answer, and what is absent from the start, with its reason."""

    blocks: tuple[Block, ...]
    requests: tuple[wire.Request, ...]
    decoders: tuple[Straight, ...]
    blank: dict[str, Value]
    """All names in their order, to be filled; a dictionary that has its size is filled in half the time."""
    absent: dict[str, str]

    def sample(self, answers: Sequence[bytes], *, suspect: bool) -> Sample:
        """What these answers, one to each request, say."""
        values, absent = self.blank.copy(), self.absent.copy()
        for decode, data in zip(self.decoders, answers, strict=True):
            decode(data, values, absent)
        return Sample(values, absent, suspect)


class Profile:
    """What all devices with one map share."""

    def __init__(self, register_map: RegisterMap) -> None:
        self.map = register_map
        self.actions: Mapping[str, ActionSpec] = {
            action.name: _action_spec(register_map, action) for action in register_map.actions
        }
        self.deadbands = {spec.name: spec.deadband for spec in register_map.values if spec.deadband is not None}
        self._reads: dict[tuple[tuple[str, ...], Lesson, int], Reads] = {}
        self._reads_by_name: dict[tuple[str, ...], Reads] = {}
        self._notebooks: dict[str, Notebook] = {}
        self._spec_of = {name: spec for spec in register_map.values for name in spec.names}
        every = {name: group.every for name, group in register_map.groups.items()}
        self._rhythm = tuple((name, every.get(name, 1)) for name in groups_of(register_map))
        self._always = tuple(name for name, _ in self._rhythm) if {n for _, n in self._rhythm} <= {1} else None

    def notebook(self, where: str) -> Notebook:
        """What is remembered of the device at a link and unit, for as long as the process lives."""
        return self._notebooks.setdefault(where, Notebook())

    def due(self, poll: int) -> tuple[str, ...]:
        """The groups to read at the `poll`-th poll of a device, counted from 0: all of them at the first."""
        return self._always or tuple(name for name, every in self._rhythm if poll % every == 0)

    def reads_of_groups(self, groups: tuple[str, ...], lesson: Lesson, max_gap: int) -> Reads:
        """The requests that bring these groups, but for what the device has been found to lack."""
        key = (groups, lesson, max_gap)
        if key not in self._reads:
            if len(self._reads) >= _MOST_PLANS:
                self._reads.clear()
            self._reads[key] = self._planned(polled(self.map, groups), lesson, max_gap)
        return self._reads[key]

    def reads_of(self, names: Iterable[str]) -> Reads:
        """The requests that bring these values, and perhaps others near them."""
        key = tuple(names)
        if key not in self._reads_by_name:
            specs = {spec.name: spec for spec in (self._spec_of[name] for name in key)}
            self._reads_by_name[key] = self._planned(specs.values(), Lesson(), DEFAULT_GAP)
        return self._reads_by_name[key]

    def _planned(self, specs: Iterable[ValueSpec], lesson: Lesson, max_gap: int) -> Reads:
        wanted = list(specs)
        there = [spec for spec in wanted if spec.name not in lesson.missing]
        blocks = plan(self.map, there, max_gap=max_gap, cuts=lesson.cuts)
        lacking = [spec for spec in wanted if spec.name in lesson.missing]
        return Reads(
            tuple(blocks),
            tuple(wire.read(block.table, block.address, block.count) for block in blocks),
            tuple(straight(self.map, block) for block in blocks),
            dict.fromkeys(name for spec in (*there, *lacking) for name in spec.names),
            {name: "the device has no such register" for spec in lacking for name in spec.names},
        )


def _action_spec(register_map: RegisterMap, action: ActionMap) -> ActionSpec:
    arguments = tuple(
        ArgumentSpec(part.name, part.minimum, part.maximum, part.whole, part.unit, part.help)
        for part in action.arguments
    )
    interlocks = {
        lock.name: InterlockSpec(lock.name, lock.values, lock.why, lock.one_of, lock.minimum, lock.maximum)
        for lock in register_map.interlocks
    }
    return ActionSpec(
        action.name,
        action.help,
        arguments,
        action.hazardous,
        tuple(interlocks[name] for name in action.interlocks),
        action.harmless_when,
    )


_PROFILES: dict[int, Profile] = {}


def load_profile(name_or_path: str) -> Profile:
    """The profile of a map; the same object for as long as the map's file does not change. Raises ConfigError."""
    register_map = load_map(name_or_path)
    # The loader hands out one object for one state of a file, and the profile keeps it alive, so its id is its own.
    return _PROFILES.setdefault(id(register_map), Profile(register_map))
