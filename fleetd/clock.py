"""The only source of time.

Whatever waits for the world (a pass, a poll period, a back-off) takes a `Clock`; nothing else calls `time` or
`datetime.now`. Deadlines of one exchange on a wire are the exception: they use `asyncio.timeout`, since bytes travel in
real time whatever the scene's clock says.

Three clocks: `SystemClock` in service; `ScaledClock`, one accelerated time shared by several processes that never talk
about it; `VirtualClock`, which stands still until a test moves it.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

from fleetd.errors import ConfigError
from fleetd.kerneltime import kernel_clock_synced

_SYNC_CHECK_PERIOD_S = 10.0
_SEEN_WITHIN_S = 2.0  # a step is seen so soon that what a time service says of it may be that much older


class Clock(Protocol):
    """Civil and running time, in the seconds of this clock (a scaled clock's seconds are shorter than real ones)."""

    @property
    def rate(self) -> float:
        """How many of this clock's seconds pass in one real second."""
        ...

    @property
    def synced(self) -> bool:
        """Whether civil time can be trusted, as far as the machine knows."""
        ...

    def now(self) -> datetime:
        """Civil time, aware, UTC. May step."""
        ...

    def monotonic(self) -> float:
        """Running time in seconds from an arbitrary start. Never steps; stands still while the machine sleeps."""
        ...

    def boottime(self) -> float:
        """The same, and it goes on while the machine sleeps."""
        ...

    def stepped(self) -> None:
        """Somebody has seen a step of civil time: what was known of its trust is out of date."""
        ...

    async def sleep(self, delay_s: float) -> None:
        """Return after `delay_s` of this clock's seconds; at once (but yielding) if not positive."""
        ...

    def call_at(self, due_s: float, act: Callable[[], None]) -> None:
        """Have `act` called in the event loop once `monotonic()` has reached `due_s`, or a hair before."""
        ...

    async def sleep_until(self, when: datetime) -> None:
        """Return once `now()` has reached `when`, looking again each minute so that a stepped clock is noticed."""
        ...


class Sleeping:
    """What all clocks share: waiting for civil time in terms of their own `now` and `sleep`."""

    look_again_s = 60.0

    def now(self) -> datetime:
        raise NotImplementedError

    def monotonic(self) -> float:
        raise NotImplementedError

    def boottime(self) -> float:
        return self.monotonic()

    def stepped(self) -> None:
        """Nothing is kept that could be out of date."""

    async def sleep(self, delay_s: float) -> None:
        raise NotImplementedError

    async def sleep_until(self, when: datetime) -> None:
        while (left_s := (when - self.now()).total_seconds()) > 0:
            await self.sleep(min(left_s, self.look_again_s))


class SystemClock(Sleeping):
    """The machine's own clock."""

    rate = 1.0
    look_again_s = 1.0  # it may be stepped, and the machine may sleep

    def __str__(self) -> str:
        return "the machine's own"

    def __init__(self) -> None:
        self._synced = False
        self._asked_at = float("-inf")
        self._trusted_since = 0.0

    @property
    def synced(self) -> bool:
        """What the kernel says of its discipline (adjtimex(2)); asked at most every 10 s; unknown counts as no."""
        if time.monotonic() - self._asked_at > _SYNC_CHECK_PERIOD_S:
            self._asked_at = time.monotonic()
            self._synced = kernel_clock_synced(since=self._trusted_since)
        return self._synced

    def stepped(self) -> None:
        """Ask anew, and believe only what was said after the step."""
        self._asked_at = float("-inf")
        self._trusted_since = time.time() - _SEEN_WITHIN_S

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def boottime(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(max(0.0, delay_s))

    def call_at(self, due_s: float, act: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(max(0.0, due_s - self.monotonic()), act)


class ScaledClock(Sleeping):
    """Civil time that was `epoch` when the machine's clock showed `anchor`, and has run `rate` times as fast since.

    Processes that are given the same three values share one time without talking. Within a process the machine's
    clock is read once, so a step of it does not move the scene.
    """

    synced = True

    def __init__(self, epoch: datetime, anchor: datetime, rate: float) -> None:
        self.epoch = epoch
        self.anchor = anchor
        self.rate = rate
        self._anchor_monotonic = time.monotonic() - (datetime.now(UTC) - anchor).total_seconds()

    def __str__(self) -> str:
        """The specification that `parse_clock` reads back, anchor included, to hand to another process."""
        return f"{_iso(self.epoch)} x{self.rate:g} @{_iso(self.anchor)}"

    def now(self) -> datetime:
        return self.epoch + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return (time.monotonic() - self._anchor_monotonic) * self.rate

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(max(0.0, delay_s / self.rate))

    def call_at(self, due_s: float, act: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(max(0.0, due_s - self.monotonic()) / self.rate, act)


class VirtualClock(Sleeping):
    """A clock that moves only when `advance` is called; sleepers wake in order of their deadlines."""

    rate = 1.0

    def __init__(self, start: datetime, *, synced: bool = True, uptime_s: float = 0.0) -> None:
        self.synced = synced
        self._start = start - timedelta(seconds=uptime_s)
        self._asleep_s = 0.0
        self._elapsed_s = uptime_s
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, Callable[[], None]]] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed_s)

    def monotonic(self) -> float:
        return self._elapsed_s

    def boottime(self) -> float:
        return self.monotonic() + self._asleep_s

    def suspend(self, for_s: float) -> None:
        """Let the machine sleep: civil time goes on, running time and all who sleep by it stand still."""
        self._start += timedelta(seconds=for_s)
        self._asleep_s += for_s

    def step(self, by_s: float) -> None:
        """Move civil time alone, as a badly set or corrected clock does; running time is unmoved."""
        self._start += timedelta(seconds=by_s)

    async def sleep(self, delay_s: float) -> None:
        if delay_s <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.call_at(self._elapsed_s + delay_s, partial(_wake, woken))
        await woken

    def call_at(self, due_s: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._sleepers, (due_s, next(self._order), act))

    async def advance(self, by_s: float, *, turns: int = 20) -> None:
        """Let `by_s` seconds pass; each wake-up is followed by `turns` rounds of the event loop to take effect."""
        end_s = self._elapsed_s + by_s
        await _turn(turns)
        while self._sleepers and self._sleepers[0][0] <= end_s:
            deadline_s, _, act = heapq.heappop(self._sleepers)
            self._elapsed_s = max(self._elapsed_s, deadline_s)
            act()
            await _turn(turns)
        self._elapsed_s = end_s
        await _turn(turns)


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)


async def _turn(rounds: int) -> None:
    for _ in range(rounds):
        await asyncio.sleep(0)


_SPEC = re.compile(r"^(?P<epoch>\S+)\s+x(?P<rate>\d+(?:\.\d+)?)(?:\s+@(?P<anchor>\S+))?$")


def parse_clock(spec: str | None) -> Clock:
    """The clock that a `--clock` option names: nothing for the machine's own, else `EPOCH xRATE [@ANCHOR]`.

    EPOCH and ANCHOR are ISO 8601 with a zone; ANCHOR is the machine's time at which EPOCH held (default: now). To
    share one time between processes give each the same ANCHOR. Raises ConfigError.
    """
    if not spec:
        return SystemClock()
    match = _SPEC.match(spec.strip())
    if match is None:
        raise ConfigError(f"--clock {spec!r}: write it as '2026-11-11T12:00:00Z x20', with '@ANCHOR' to share it")
    rate = float(match["rate"])
    if not 0 < rate <= 10_000:
        raise ConfigError(f"--clock {spec!r}: the rate must be above 0 and at most 10000")
    anchor = parse_utc(match["anchor"]) if match["anchor"] else datetime.now(UTC)
    return ScaledClock(parse_utc(match["epoch"]), anchor, rate)


def join_clock_words(arguments: Sequence[str]) -> list[str]:
    """Let `--clock EPOCH xRATE @ANCHOR` be written without quotes: the words after `--clock` become one."""
    joined: list[str] = []
    for word in arguments:
        if len(joined) >= 2 and joined[-2] == "--clock" and re.match(r"^(x\d|@\d)", word):
            joined[-1] += f" {word}"
        else:
            joined.append(word)
    return joined


def parse_utc(text: str) -> datetime:
    """An aware UTC datetime from ISO 8601 with a zone ('Z' or an offset). Raises ConfigError."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no ISO 8601 time; write it like 2026-11-11T12:00:00Z") from None
    if when.tzinfo is None:
        raise ConfigError(f"{text!r} has no zone; end it with 'Z' for UTC")
    return when.astimezone(UTC)


def iso_ms(when: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and 'Z', the form of every time that fleetd prints for programs."""
    rounded = when.astimezone(UTC) + timedelta(microseconds=500)
    return f"{rounded:%Y-%m-%dT%H:%M:%S}.{rounded.microsecond // 1000:03d}Z"


def _iso(when: datetime) -> str:
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")
