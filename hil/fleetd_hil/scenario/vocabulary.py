"""What a site can say at all: an expectation of something that it cannot say could never hold, or never fail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from fleetd.config.site import Site
from fleetd.registers.loader import load_map
from fleetd.registers.model import RegisterMap
from fleetd_hil import catalogue
from fleetd_hil.scenario.model import KINDS, Expectation
from fleetd_hil.scenario.observer import AGE
from fleetd_hil.scenario.quantities import Condition
from fleetd_hil.scenario.world import sim_name

_POINTING = ("azimuth_deg", "elevation_deg", "commanded_azimuth_deg", "commanded_elevation_deg")
_TUNING = ("main_hz", "sub_hz", "transmitting")
_BY_CAPABILITY: Mapping[str, tuple[str, ...]] = {"rotator": _POINTING, "rig": _TUNING}
_A_TIME = "2026-11-11T00:00:00Z"
_NAMED = ("device", "satellite", "antenna")


@dataclass
class Vocabulary:
    """Of one site."""

    site: Site
    values: dict[str, frozenset[str]] = field(init=False)
    """By device: the names of what its readings may hold, where that is known."""
    names: Mapping[str, frozenset[str]] = field(init=False)

    def __post_init__(self) -> None:
        self.values = {}
        for device in self.site.devices:
            if (known := _values(sim_name(device), device.spec.capability)) is not None:
                self.values[device.name] = known
        satellites = frozenset(satellite.name for satellite in self.site.satellites)
        devices = frozenset(device.name for device in self.site.devices)
        antennas = frozenset(antenna.name for antenna in self.site.antennas)
        self.names = {"device": devices | satellites, "satellite": satellites, "antenna": antennas}

    def faults(self, each: Expectation) -> Iterator[str]:
        """What is wrong with an expectation."""
        if each.kind in ("reading", "status", "result", "frame", "contact"):
            for part in _NAMED:
                name = each.wanted.get(part)
                if name is not None and name not in self.names[part]:
                    there = ", ".join(sorted(self.names[part])) or "none"
                    yield f"{name!r} is no {part} of the site; there are {there}"
        for condition, wanted in zip(each.conditions, each.wanted.values(), strict=True):
            if words := self._condition_fault(each, condition, wanted):
                yield words

    def _condition_fault(self, each: Expectation, condition: Condition, wanted: Any) -> str:
        name, _, inner = condition.field.partition(".")
        hint = _fields(KINDS[each.kind]).get(name)
        if hint is None:  # of readings alone: others have been refused for it
            return self._value_fault(str(each.wanted.get("device", "")), name)
        if name in ("absent", "values") and inner:
            return self._value_fault(str(each.wanted.get("device", "")), inner)
        if inner:
            return ""
        return "" if _possible(hint, wanted) else f"{name} is never {wanted!r}{_choices(hint)}"

    def _value_fault(self, device: str, name: str) -> str:
        known = self.values.get(device)
        if known is None or name in known or name == AGE:
            return ""
        return f"readings of {device} have no {name!r}; they have {', '.join(sorted(known))}"


def _values(sim: str, capability: str) -> frozenset[str] | None:
    if capability in _BY_CAPABILITY:
        return frozenset(_BY_CAPABILITY[capability])
    if sim in catalogue.KINDS and catalogue.KINDS[sim].unit is not None:
        return frozenset(_in_map(load_map(sim)))
    return None


def _in_map(register_map: RegisterMap) -> Iterator[str]:
    for spec in register_map.values:
        yield spec.name
        yield from spec.fields


def _fields(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {each.name: each.type for each in msgspec.structs.fields(kind)}


def _possible(hint: Any, wanted: Any) -> bool:
    if isinstance(wanted, str) and wanted[:1] in ("<", ">"):
        return _takes(hint, 1.5)
    if isinstance(wanted, str) and wanted.startswith("~"):
        return _takes(hint, "text") or _takes(hint, _A_TIME)
    return _takes(hint, wanted)


def _takes(hint: Any, value: Any) -> bool:
    try:
        msgspec.convert(value, hint)
    except msgspec.ValidationError:
        # Whole numbers can be compared with parts of one.
        return isinstance(value, float) and value == 1.5 and _takes(hint, 1)
    return True


def _choices(hint: Any) -> str:
    choices = getattr(hint, "__members__", None)
    return f"; it is one of {', '.join(each.value for each in choices.values())}" if choices else ""
