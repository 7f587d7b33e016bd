"""Faults by name: what can be broken, and when it is.

A fault is written NAME[=VALUE][/UNIT][@AFTER][+LASTING], seconds in scene time from the moment it is injected:
`silent/3@60+120` makes unit 3 fall silent after a minute for two. Whoever suffers a fault asks for it by name when the
time comes; nothing here acts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from fleetd.errors import ConfigError

_SPEC = re.compile(
    r"^(?P<name>[a-z][a-z0-9-]*)(=(?P<value>-?\d+(\.\d+)?))?(/(?P<unit>\d+))?"
    r"(@(?P<after>\d+(\.\d+)?))?(\+(?P<lasting>\d+(\.\d+)?))?$"
)


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One thing that can go wrong: its name, one line for people, and its value with unit where it has one."""

    name: str
    help: str
    value: float = 1.0
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault with its time: from `start_s` until `end_s` of running scene time, on one unit or on all."""

    name: str
    value: float
    unit: int | None
    start_s: float
    end_s: float


class Faults:
    """The faults of one sim or line; false while there is none. Cheap to ask while nothing is broken."""

    def __init__(self, kinds: Iterable[FaultKind]) -> None:
        self.kinds: dict[str, FaultKind] = {}
        self.listeners: list[Callable[[], None]] = []
        """Told when faults are injected or cleared; not when one begins or ends by itself."""
        self._faults: list[Fault] = []
        self.learn(kinds)

    def __bool__(self) -> bool:
        """Whether there are any, or were until now, or will be."""
        return bool(self._faults)

    def learn(self, kinds: Iterable[FaultKind]) -> None:
        """Know these kinds, too."""
        self.kinds.update((kind.name, kind) for kind in kinds)

    def inject(self, spec: str, at_s: float) -> Fault:
        """Schedule the fault that `spec` names, counted from `at_s`. Raises ConfigError naming what is known."""
        match = _SPEC.match(spec)
        if match is None:
            raise ConfigError(f"fault {spec!r}: write it as NAME[=VALUE][/UNIT][@AFTER_S][+LASTING_S]")
        kind = self.kinds.get(match["name"])
        if kind is None:
            raise ConfigError(f"unknown fault {match['name']!r}; known here are {', '.join(sorted(self.kinds))}")
        start_s = at_s + float(match["after"] or 0)
        fault = Fault(
            kind.name,
            float(match["value"]) if match["value"] else kind.value,
            int(match["unit"]) if match["unit"] else None,
            start_s,
            start_s + float(match["lasting"]) if match["lasting"] else math.inf,
        )
        self._faults.append(fault)
        self._tell()
        return fault

    def clear(self, name: str) -> None:
        """End every fault of this name, now and to come."""
        self._faults = [fault for fault in self._faults if fault.name != name]
        self._tell()

    def _tell(self) -> None:
        for listener in self.listeners:
            listener()

    def value(self, name: str, at_s: float, unit: int | None = None) -> float | None:
        """The value of the fault `name` if it holds at `at_s` (for `unit`), else None."""
        for fault in self._faults:
            if fault.name == name and fault.start_s <= at_s < fault.end_s and fault.unit in (None, unit):
                return fault.value
        return None

    def held(self, since_s: float, until_s: float) -> bool:
        """Whether anything was broken in that time."""
        return any(fault.start_s <= until_s and since_s < fault.end_s for fault in self._faults)

    def lie_ahead(self, names: Collection[str], at_s: float) -> bool:
        """Whether one of these holds at `at_s`, or will."""
        return any(fault.name in names and at_s < fault.end_s for fault in self._faults)

    def edges(self, from_s: float, to_s: float) -> Iterator[float]:
        """The instants in (`from_s`, `to_s`] at which faults begin or end, in order, and `to_s` itself last."""
        if not self._faults:
            yield to_s
            return
        times = {time for fault in self._faults for time in (fault.start_s, fault.end_s) if from_s < time < to_s}
        yield from sorted(times)
        yield to_s
