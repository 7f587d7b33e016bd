"""Sees what civil time does that it should not: steps, a machine that slept, leap seconds, trust that comes or goes.

Civil time is compared with the running time that goes on while the machine sleeps, and that with the one that does
not. Each finding is an event, and whoever keeps something that depends on civil time is told. A smeared leap second
cannot be seen here: the time service slews the clock by no more than quartz drifts anyway.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import structlog

from fleetd.clock import Clock
from fleetd.kerneltime import Leap, kernel_leap
from fleetd.records import Event, Severity, Value

log = structlog.get_logger(__name__)

LOOK_S = 0.5
DEVICE, UNSYNCHRONISED = "clock", "clock-unsynchronised"
_UNSYNCED_AFTER_S = 60.0
_JITTER_S = 0.05  # the clocks are read one after the other
_TOGETHER_S, _TRIES = 0.005, 20
_SLEW = 0.0006  # the kernel lets civil time gain or lose at most 500 millionths: adjtimex(2)
_LEAP_S = 0.9, 1.1
_AFTER_LEAP_S = 86_400.0


class Instant(NamedTuple):
    """The three times at one moment, seconds."""

    civil_s: float
    boottime_s: float
    monotonic_s: float

    @classmethod
    def of(cls, clock: Clock) -> Instant:
        """Now; read again where the process was held up between one clock and the next."""
        for _ in range(_TRIES):
            before_s = clock.boottime()
            now = cls(clock.now().timestamp(), clock.boottime(), clock.monotonic())
            if clock.boottime() - before_s < _TOGETHER_S:
                return now
        return cls(clock.now().timestamp(), clock.boottime(), clock.monotonic())


class Disturbance(NamedTuple):
    """By how much civil time was set, and for how long the machine slept, between two looks; seconds."""

    stepped_s: float
    slept_s: float


def disturbance(before: Instant, now: Instant) -> Disturbance:
    """What happened between two looks; what is less than jitter and slewing explain counts as nothing."""
    slept_s = (now.boottime_s - before.boottime_s) - (now.monotonic_s - before.monotonic_s)
    passed_s = now.boottime_s - before.boottime_s
    stepped_s = (now.civil_s - before.civil_s) - passed_s
    allowed_s = _JITTER_S + _SLEW * passed_s
    return Disturbance(stepped_s if abs(stepped_s) > allowed_s else 0.0, slept_s if slept_s > _JITTER_S else 0.0)


class Register(Protocol):
    """Where alarms are raised and cleared."""

    def raise_(
        self, device: str, name: str, severity: Severity, text: str, *, value: Value = None, limit: Value = None
    ) -> None: ...

    def clear(self, device: str, name: str) -> None: ...


OnSynced = Callable[[int], Awaitable[None]]
"""Told how far civil time is ahead of the boot's running time, microseconds, whenever that becomes certain."""


@dataclass(slots=True)
class ClockWatch:
    """Looks twice a second. `moved` are called when civil time was set, the machine slept, or trust returned."""

    clock: Clock
    publish: Callable[[Event], None]
    alarms: Register
    moved: Sequence[Callable[[], None]] = ()
    synced: Sequence[OnSynced] = ()
    leap: Callable[[], Leap] = kernel_leap
    _trusted: bool | None = None
    _untrusted_since_s: float = field(default=0.0)
    _announced_s: float = float("-inf")
    _leap_seen: Leap = Leap.NONE

    async def run(self) -> None:
        """Look for ever."""
        before = Instant.of(self.clock)
        # On an accelerated clock nothing steps; half a second as people count it is often enough.
        period_s = LOOK_S * max(1.0, self.clock.rate)
        while True:
            now = Instant.of(self.clock)
            self._notice_leap()
            found = disturbance(before, now)
            if found.slept_s:
                self._say("machine-slept", f"the machine slept for {found.slept_s:.1f} s", Severity.WARNING, found)
            if found.stepped_s:
                self._tell_step(found)
            if found.slept_s or found.stepped_s:
                self.clock.stepped()
                for told in self.moved:
                    told()
            await self._judge_trust(anew=bool(found.stepped_s))
            before = now
            await self.clock.sleep(period_s)

    def _tell_step(self, found: Disturbance) -> None:
        least_s, most_s = _LEAP_S
        soon = self.clock.monotonic() - self._announced_s < _AFTER_LEAP_S
        if soon and least_s < abs(found.stepped_s) < most_s:
            self._say(
                "leap-second", f"a leap second: civil time moved by {found.stepped_s:+.0f} s", Severity.INFO, found
            )
        else:
            text = f"civil time was set by {found.stepped_s:+.3f} s"
            self._say("clock-stepped", text, Severity.WARNING, found)

    def _notice_leap(self) -> None:
        leap = self.leap()
        if leap in (Leap.INSERTING, Leap.DELETING, Leap.IN_PROGRESS):
            self._announced_s = self.clock.monotonic()
        if leap is not self._leap_seen and leap in (Leap.INSERTING, Leap.DELETING):
            what = "inserted" if leap is Leap.INSERTING else "left out"
            self._say("leap-second-announced", f"a second will be {what} at the end of this UTC day", Severity.INFO)
        self._leap_seen = leap

    async def _judge_trust(self, *, anew: bool) -> None:
        trusted, now_s = self.clock.synced, self.clock.monotonic()
        if trusted and (not self._trusted or anew):
            await self._tell_trusted()
        elif not trusted and self._trusted is not False:
            self._untrusted_since_s = now_s
            if self._trusted:
                text = "the clock is no longer synchronised; antennas do not track"
                self._say(UNSYNCHRONISED, text, Severity.WARNING)
        elif not trusted and now_s - self._untrusted_since_s >= _UNSYNCED_AFTER_S:
            self._raise(now_s - self._untrusted_since_s)
        self._trusted = trusted

    async def _tell_trusted(self) -> None:
        if self._trusted is False:
            self._say("clock-synchronised", "the clock is synchronised", Severity.INFO)
            for moved in self.moved:
                moved()
        self.alarms.clear(DEVICE, UNSYNCHRONISED)
        ahead_us = round((self.clock.now().timestamp() - self.clock.boottime()) * 1e6)
        for told in self.synced:
            await told(ahead_us)

    def _raise(self, for_s: float) -> None:
        text = (
            f"the clock has not been synchronised for {for_s:.0f} s, more than {_UNSYNCED_AFTER_S:g} s: "
            "antennas do not track; see 'timedatectl' or 'chronyc tracking'"
        )
        limit = _UNSYNCED_AFTER_S
        self.alarms.raise_(DEVICE, UNSYNCHRONISED, Severity.CRITICAL, text, value=round(for_s), limit=limit)

    def _say(self, name: str, text: str, severity: Severity, found: Disturbance | None = None) -> None:
        log.warning(text) if severity is Severity.WARNING else log.info(text)
        detail = {} if found is None else {"stepped_s": round(found.stepped_s, 3), "slept_s": round(found.slept_s, 3)}
        self.publish(Event.now(self.clock, "clock", name, text, severity, detail))
