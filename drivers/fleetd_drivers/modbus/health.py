"""How the units of one line fare, so that a silent one does not take the time of the others.

A unit is up, suspect once it has been silent, and dead after a few silences in a row. A dead one is asked rarely, at
jittered times, and all dead units together get no more than a twentieth of the line's time. Pure: times are handed in.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from enum import StrEnum

from fleetd.errors import Quarantined

SILENCES_TO_DEATH = 3
DEAD_SHARE = 0.05
"""The most that all dead units of a line together take of its time; stops are not held back by it."""

_FIRST_PROBE_S, _LONGEST_PROBE_S = 1.0, 60.0
_WINDOW_S = 60.0
_SMOOTHING = 8


class UnitState(StrEnum):
    """Where a unit stands with its line."""

    UP = "up"
    SUSPECT = "suspect"
    DEAD = "dead"


class Health:
    """One unit: its state, how fast it answers, and how much of the line's time it takes."""

    __slots__ = ("_before_s", "_now_s", "_window_at", "doubted", "probe_at", "silences", "turnaround_s", "unit")

    def __init__(self, unit: int, now: float) -> None:
        self.unit = unit
        self.silences = 0
        self.probe_at = 0.0  # not before then, once it is dead
        self.doubted: set[bytes] = set()  # how answers begin that may still come late
        self.turnaround_s: float | None = None
        self._window_at, self._now_s, self._before_s = now, 0.0, -1.0  # no window before this one yet

    @property
    def state(self) -> UnitState:
        """Up, suspect or dead."""
        if not self.silences:
            return UnitState.UP
        return UnitState.SUSPECT if self.silences < SILENCES_TO_DEATH else UnitState.DEAD

    @property
    def dead(self) -> bool:
        return self.silences >= SILENCES_TO_DEATH

    def took(self, now: float, used_s: float) -> None:
        """The line was this unit's for `used_s` up to `now`."""
        if now - self._window_at >= _WINDOW_S:
            self._turn(now)
        self._now_s += used_s

    def thought(self, turnaround_s: float) -> None:
        """It took so long from the end of a question to the begin of its answer."""
        if self.turnaround_s is None:
            self.turnaround_s = turnaround_s
        else:
            self.turnaround_s += (turnaround_s - self.turnaround_s) / _SMOOTHING

    def time_share(self, now: float) -> float:
        """How much of the line's time it took, 0 to 1, over the last minute or since it was first asked."""
        if now - self._window_at >= _WINDOW_S:
            self._turn(now)
        age_s = now - self._window_at
        if self._before_s < 0:
            return self._now_s / age_s if age_s > 0 else 0.0
        return (self._now_s + self._before_s * (1 - age_s / _WINDOW_S)) / _WINDOW_S

    def _turn(self, now: float) -> None:
        windows = int((now - self._window_at) / _WINDOW_S)
        self._before_s = self._now_s if windows == 1 else 0.0
        self._now_s = 0.0
        self._window_at += windows * _WINDOW_S


class Ward:
    """All units of one line that have ever been asked."""

    def __init__(self, draw: Callable[[], float] = random.random) -> None:
        self.units: dict[int, Health] = {}
        self._draw = draw
        self._probe_at = 0.0  # no dead unit is asked before then

    def of(self, unit: int, now: float) -> Health:
        """One unit's health."""
        health = self.units.get(unit)
        if health is None:
            health = self.units[unit] = Health(unit, now)
        return health

    def admit(self, health: Health, now: float, within_s: float) -> None:
        """Let a dead unit be asked, if it is time to or there is nobody else on the line. Raises Quarantined."""
        if len(self.units) == 1:
            return
        at = max(health.probe_at, self._probe_at)
        if now < at:
            raise Quarantined(
                f"unit {health.unit} has been silent {health.silences} times in a row; "
                f"the line is kept for the others for {at - now:.1f} s"
            )
        self._probe_at = now + within_s / DEAD_SHARE  # until it is known what this probe has cost

    def silent(self, health: Health, now: float, used_s: float) -> None:
        """A unit let a question pass without a usable answer, and cost the line `used_s`."""
        health.took(now, used_s)
        health.silences += 1
        if health.dead:
            probes = min(health.silences - SILENCES_TO_DEATH, 16)
            wait_s = min(_LONGEST_PROBE_S, _FIRST_PROBE_S * 2.0**probes)
            health.probe_at = now + wait_s * (0.5 + 0.5 * self._draw())
            self._probe_at = now + used_s * (1 / DEAD_SHARE - 1)

    def answered(self, health: Health) -> None:
        """A unit that was not up has answered. If none was, the line itself is back: everybody may be asked."""
        if health.dead:
            self._probe_at = 0.0
            if all(each.silences for each in self.units.values()):
                for each in self.units.values():
                    each.probe_at = 0.0
        health.silences = 0
