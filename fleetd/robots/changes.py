"""What changed with a robot, told once and not at each poll: its mode, its errand, and whether a stop is latched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from fleetd.records import Event, Quality, Reading, Severity, Value

_TOLD: Mapping[str, tuple[str, str]] = {
    "state": ("robot-mode", "mode"),
    "target_stop": ("robot-errand", "errand"),
    "stop_latched": ("robot-stop", "latched stop"),
}
"""The values whose changes are events: the event's name, and what people call it."""


@dataclass(slots=True)
class Changes:
    """What each robot said last of what is told."""

    _last: dict[str, tuple[Value, ...]] = field(default_factory=dict)

    def of(self, reading: Reading) -> Iterator[Event]:
        """An event for each told value that is otherwise than before; none for what a robot says first."""
        if reading.quality is not Quality.GOOD:
            return
        now = tuple(reading.values.get(name) for name in _TOLD)
        before = self._last.get(reading.device)
        if now == before:
            return
        self._last[reading.device] = now
        if before is None:
            return
        for (event, word), was, is_now in zip(_TOLD.values(), before, now, strict=True):
            if was != is_now:
                yield _event(reading, event, word, was, is_now)


def _event(reading: Reading, name: str, word: str, was: Value, is_now: Value) -> Event:
    return Event(
        at=reading.at,
        clock_synced=reading.clock_synced,
        source=reading.device,
        name=name,
        text=f"{reading.device}: {word} is {_shown(is_now)}, was {_shown(was)}",
        severity=Severity.WARNING if name == "robot-stop" and is_now is True else Severity.INFO,
        detail={"is": is_now, "was": was},
    )


def _shown(value: Value) -> str:
    return "unknown" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
