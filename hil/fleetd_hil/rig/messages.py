"""What a test waits for: messages of a site, by kind, device and fields.

    reading("robot-3", battery_charge_percent__lt=20)
    result("robot-3", stage="succeeded")
    contact(satellite="candy-tin", max_pointing_error_deg__lt=1.5)
    alarm("dish-rotator", name="motor-stalled", active=True)

A field ends in `__lt`, `__le`, `__gt`, `__ge` (numbers), `__ne`, or `__has` (a part of its text); without an ending it
must be the same. Any other `__` leads into what the field holds.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fleetd_hil.scenario.model import KINDS
from fleetd_hil.scenario.observer import Heard
from fleetd_hil.scenario.quantities import Condition

_COMPARED: Mapping[str, tuple[str, Callable[[float, float], bool]]] = {
    "lt": ("<", operator.lt),
    "le": ("<=", operator.le),
    "gt": (">", operator.gt),
    "ge": (">=", operator.ge),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A kind of message, perhaps of one device, and what its fields must be."""

    kind: str
    device: str | None
    conditions: tuple[Condition, ...]

    def fits(self, message: Heard) -> bool:
        """Whether this is such a message."""
        return self.concerns(message) and message.fits(list(self.conditions))

    def concerns(self, message: Heard) -> bool:
        """Whether it is at least of that kind and device."""
        return message.kind == self.kind and self.device in (None, message.body.get("device"))

    def off(self, message: Heard) -> list[str]:
        """The fields that keep a message from fitting, with what they were."""
        found = [(each.field, message.value(each.field)) for each in self.conditions]
        wrong = [pair for pair, each in zip(found, self.conditions, strict=True) if not each.holds(pair[1])]
        return [f"{field} was {value!r}" for field, value in wrong]

    def __str__(self) -> str:
        of = f" of {self.device}" if self.device else ""
        whose = f" whose {', '.join(each.words for each in self.conditions)}" if self.conditions else ""
        return f"{'an' if self.kind[0] in 'ae' else 'a'} {self.kind}{of}{whose}"


def reading(device: str, **fields: Any) -> Wanted:
    """What a device measured: its values by name, and `quality`."""
    return _wanted("reading", device, fields)


def status(device: str, **fields: Any) -> Wanted:
    """How a device stands: `state` is online, offline, stale or quarantined."""
    return _wanted("status", device, fields)


def result(device: str, **fields: Any) -> Wanted:
    """What became of a command: `id`, `action`, `stage`, `reason`."""
    return _wanted("result", device, fields)


def alarm(device: str | None = None, **fields: Any) -> Wanted:
    """What needs attention: `name`, `active`, `severity`, `value`."""
    return _wanted("alarm", device, fields)


def event(**fields: Any) -> Wanted:
    """What happened: `name` is for programs, `text` for people; `source`, `severity`, `detail`."""
    return _wanted("event", None, fields)


def contact(**fields: Any) -> Wanted:
    """The report of one worked pass: `satellite`, `outcome`, `max_pointing_error_deg`."""
    return _wanted("contact", None, fields)


def node(**fields: Any) -> Wanted:
    """The daemon itself: `state` is online or offline."""
    return _wanted("node", None, fields)


def _wanted(kind: str, device: str | None, fields: Mapping[str, Any]) -> Wanted:
    conditions = tuple(_condition(*parse(name), wanted) for name, wanted in fields.items())
    known = KINDS[kind].__struct_fields__
    for each in conditions:
        if kind != "reading" and each.field.split(".")[0] not in known:
            raise ValueError(f"a {kind} has no field {each.field!r}; it has {', '.join(sorted(known))}")
    return Wanted(kind, device, conditions)


def parse(name: str) -> tuple[str, str]:
    """The path of a field, with dots, and how it is compared ('' for: is the same)."""
    path, _, how = name.rpartition("__")
    if path and how in (*_COMPARED, "ne", "has"):
        return path.replace("__", "."), how
    return name.replace("__", "."), ""


def _condition(field: str, how: str, wanted: Any) -> Condition:
    if how == "ne":
        return Condition(field, f"{field} is not {wanted}", lambda found: found is not None and found != wanted)
    if how == "has":
        return Condition(
            field, f"{field} speaks of {wanted!r}", lambda found: found is not None and wanted in str(found)
        )
    if how:
        sign, compare = _COMPARED[how]
        return Condition(field, f"{field} {sign} {wanted}", lambda found: _is_number(found) and compare(found, wanted))
    return Condition(field, f"{field} is {wanted}", lambda found: bool(found == wanted))


def _is_number(found: Any) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool)
