"""Readings against their limits, by the time at which they were taken.

A reading that comes late (stored telemetry, a backlog) changes no live alarm, and neither does one that is STALE or
SUSPECT. How long a line has been crossed is counted from reading to reading; a step of the wall clock begins it anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from fleetd.alarms.entry import RANKS
from fleetd.alarms.register import Alarms
from fleetd.hub import Hub
from fleetd.records import Quality, Reading, Severity, Telemetry, Value
from fleetd.registers.limits import Limit, Scalar

LATE_AFTER_S = 60.0
_STEP_S = 1.0
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Watched:
    """One limit of one value."""

    value: str
    limit: Limit
    unit: str = ""

    @property
    def alarm(self) -> str:
        """Name of the alarm."""
        return self.limit.name(self.value)


@dataclass(slots=True)
class _Line:
    """One limit, and how one device stands to it."""

    watched: Watched
    severity: Severity
    crossed: bool = False
    since: datetime | None = None

    def judge(self, value: Scalar, at: datetime) -> None:
        limit = self.watched.limit
        if self.crossed:
            self.crossed = not limit.back(value)
        elif not limit.crossed(value):
            self.since = None
        else:
            self.since = at if self.since is None else min(self.since, at)
            self.crossed = (at - self.since).total_seconds() >= limit.for_s


@dataclass(slots=True)
class _Device:
    """The lines of one device, by alarm; the worst of an alarm comes first."""

    alarms: Mapping[str, list[_Line]]
    newest: datetime | None = None


class Limits:
    """Watches the readings of devices with limits."""

    def __init__(
        self, alarms: Alarms, watched: Mapping[str, Iterable[Watched]], late_after_s: float = LATE_AFTER_S
    ) -> None:
        self._alarms = alarms
        self._clock = alarms.clock
        self._late_after_s = late_after_s
        self._devices = {name: _Device(_lines(limits)) for name, limits in watched.items()}
        self._offset_s = self._offset()

    def claim(self) -> None:
        """What an earlier run left of these alarms stays until a reading says otherwise."""
        for name, device in self._devices.items():
            for alarm, lines in device.alarms.items():
                was_active = self._alarms.claim(name, alarm)
                for line in lines:
                    line.crossed = was_active

    async def watch(self, hub: Hub) -> None:
        """For ever: judge the readings that come."""
        self.claim()
        with hub.subscribe("limits", Reading, capacity=100_000) as readings:
            while True:
                for reading in await readings.get_batch(_BATCH):
                    if isinstance(reading, Reading):
                        self.take(reading)

    def take(self, reading: Reading) -> None:
        """Judge one reading."""
        device = self._devices.get(reading.device)
        if device is None or reading.quality is not Quality.GOOD:
            return
        self._notice_step()
        now = self._clock.now()
        late = (now - reading.at).total_seconds() > self._late_after_s
        if late or (device.newest is not None and reading.at < device.newest):
            return
        device.newest = reading.at
        for alarm, lines in device.alarms.items():
            self._judge(reading, alarm, lines)

    def _judge(self, reading: Reading, alarm: str, lines: list[_Line]) -> None:
        worst: _Line | None = None
        known = False
        for line in lines:
            value = reading.values.get(line.watched.value)
            if value is not None:
                known = True
                line.judge(value, reading.at)
            if line.crossed and worst is None:
                worst = line
        if worst is not None:
            self._raise(reading, alarm, worst)
        elif known:
            self._alarms.clear(reading.device, alarm)

    def _raise(self, reading: Reading, alarm: str, line: _Line) -> None:
        name, limit = line.watched.value, line.watched.limit
        value = reading.values.get(name)
        if value is None:
            return
        unit = reading.units.get(name, "") if isinstance(reading, Telemetry) else line.watched.unit
        said, at_line = _said(value, unit), _said(limit.line, unit)
        against = "" if limit.equals is not None else f", {limit.words} {at_line}"
        lasting = f" for {limit.for_s:g} s" if limit.for_s else ""
        text = f"{name} of {reading.device} is {said}{against}{lasting}"
        self._alarms.raise_(
            reading.device,
            alarm,
            line.severity,
            text,
            value=value,
            limit=limit.line,
            latch=limit.latch,
            at=line.since,
        )

    def _notice_step(self) -> None:
        """After a step of the wall clock, times before it mean nothing beside those after it."""
        offset_s = self._offset()
        if abs(offset_s - self._offset_s) > _STEP_S:
            for device in self._devices.values():
                device.newest = None
                for lines in device.alarms.values():
                    for line in lines:
                        line.since = None
        self._offset_s = offset_s

    def _offset(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()


def _lines(limits: Iterable[Watched]) -> dict[str, list[_Line]]:
    found: dict[str, list[_Line]] = {}
    for watched in limits:
        found.setdefault(watched.alarm, []).append(_Line(watched, Severity(watched.limit.severity)))
    for lines in found.values():
        lines.sort(key=lambda line: -RANKS[line.severity])
    return found


def _said(value: Value, unit: str) -> str:
    words = (
        ("no", "yes")[value] if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
    )
    return f"{words} {unit}".rstrip()
