"""A register map made ready for polling: its read blocks and decoders, worked out once for all devices of a kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fleetd.devices import ActionSpec, ArgumentSpec
from fleetd.registers.codec import Decoder
from fleetd.registers.loader import load_map
from fleetd.registers.model import ActionMap, RegisterMap, ValueSpec
from fleetd.registers.plan import due_groups, plan, polled
from fleetd_drivers.modbus import wire

Reads = tuple[tuple[wire.Request, Decoder], ...]
"""The requests of one sample, each with what decodes its answer."""


class Profile:
    """What all devices with one map share."""

    def __init__(self, register_map: RegisterMap) -> None:
        self.map = register_map
        self.actions: Mapping[str, ActionSpec] = {action.name: _action_spec(action) for action in register_map.actions}
        self._reads: dict[tuple[str, ...], Reads] = {}
        self._reads_by_name: dict[tuple[str, ...], Reads] = {}
        self._spec_of = {name: spec for spec in register_map.values for name in spec.names}

    def reads_of_poll(self, poll: int) -> Reads:
        """The requests of the `poll`-th poll of a device, counted from 0."""
        groups = tuple(due_groups(self.map, poll))
        if groups not in self._reads:
            self._reads[groups] = self._planned(polled(self.map, groups))
        return self._reads[groups]

    def reads_of(self, names: Iterable[str]) -> Reads:
        """The requests that bring these values, and perhaps others near them."""
        key = tuple(names)
        if key not in self._reads_by_name:
            specs = {spec.name: spec for spec in (self._spec_of[name] for name in key)}
            self._reads_by_name[key] = self._planned(specs.values())
        return self._reads_by_name[key]

    def _planned(self, specs: Iterable[ValueSpec]) -> Reads:
        blocks = plan(self.map, specs)
        return tuple((wire.read(b.table, b.address, b.count), Decoder(self.map, b)) for b in blocks)


def _action_spec(action: ActionMap) -> ActionSpec:
    arguments = tuple(
        ArgumentSpec(part.name, part.minimum, part.maximum, part.whole, part.unit, part.help)
        for part in action.arguments
    )
    return ActionSpec(action.name, action.help, arguments, action.hazardous)


_PROFILES: dict[int, Profile] = {}


def load_profile(name_or_path: str) -> Profile:
    """The profile of a map; the same object for as long as the map's file does not change. Raises ConfigError."""
    register_map = load_map(name_or_path)
    # The loader hands out one object for one state of a file, and the profile keeps it alive, so its id is its own.
    return _PROFILES.setdefault(id(register_map), Profile(register_map))
