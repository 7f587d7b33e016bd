"""Small counters of pace: how fast something goes, and how often something may happen."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from fleetd.clock import Clock
from fleetd.relay.settings import RelaySettings

WINDOW_S = 10.0


class Rate:
    """How fast a rising count rises, over the last `WINDOW_S`. Told the time, it needs no clock."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def note(self, now_s: float, count: int) -> None:
        """The count at a time; call it now and then, with rising times."""
        self._samples.append((now_s, count))
        while self._samples[0][0] < now_s - WINDOW_S:
            self._samples.popleft()

    def per_s(self, now_s: float) -> float:
        """The rate at `now_s`; 0 when nothing was noted lately."""
        recent = [sample for sample in self._samples if sample[0] >= now_s - WINDOW_S]
        if len(recent) < 2:
            return 0.0
        (began_s, began), (ended_s, ended) = recent[0], recent[-1]
        return (ended - began) / (ended_s - began_s) if ended_s > began_s else 0.0


class Allowance:
    """Lets `burst` things happen at once and `per_s` more each second."""

    def __init__(self, clock: Clock, *, burst: int, per_s: float) -> None:
        self._clock = clock
        self._burst = burst
        self._per_s = per_s
        self._left = float(burst)
        self._counted_at = clock.monotonic()

    def take(self) -> bool:
        """Whether one more may happen now; if so it is counted."""
        now = self._clock.monotonic()
        self._left = min(float(self._burst), self._left + (now - self._counted_at) * self._per_s)
        self._counted_at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class BacklogPace:
    """How fast what waited for a broker may go out: one pace while a contact is worked, another beside it."""

    def __init__(self, clock: Clock, settings: RelaySettings, in_contact: Callable[[], bool]) -> None:
        per_s, there_per_s = settings.backlog_per_s, settings.backlog_per_s_in_contact
        self._beside = _allowance(clock, per_s)
        self._in_it = _allowance(clock, per_s if there_per_s is None else there_per_s)
        self._in_contact = in_contact

    def take(self) -> bool:
        """Whether one more may go out now; if so it is counted."""
        return (self._in_it if self._in_contact() else self._beside).take()


def never() -> bool:
    """Where there are no contacts."""
    return False


def _allowance(clock: Clock, per_s: float) -> Allowance:
    return Allowance(clock, burst=max(1, int(per_s / 10)) if per_s else 0, per_s=per_s)
