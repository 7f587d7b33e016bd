"""What is done with a connected robot or sensor: poll it in step with the clock, feed its deadman, report.

`Poller.work` is the work that a supervised loop does with a driver. It commands nothing: that is `dispatch`, which
borrows the connected driver and tells the poller when an exchange of its own lost it.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import msgspec

from fleetd.devices import Beating, Driver, Pollable, Sample, Sampling
from fleetd.errors import Declined, DeviceError
from fleetd.records import DeviceState, Quality, Reading
from fleetd.robots.telling import Telling
from fleetd.settings import Settings
from fleetd.slots import Slots
from fleetd.supervise import Device, Supervision

T = TypeVar("T")

_POLL_S = 5.0
_SLOT_S = 0.1
"""Instants lie on a grid of this: a waking costs as much as a dozen polls, for the processor has forgotten us since."""

_BEAT_S = 5.0  # so often a device vouches for itself to the watchdog, if it is polled so often

_GOOD, _SUSPECT, _ONLINE = Quality.GOOD, Quality.SUSPECT, DeviceState.ONLINE  # Python 3.11 looks members up slowly

_ONE_EXCHANGE_S = 60.0  # real seconds: no exchange on any wire takes as long, waiting for its turn included


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often a device is asked and told, in seconds of the clock. Without `heartbeat_s` it needs no heartbeat."""

    poll_s: float = _POLL_S
    heartbeat_s: float | None = None
    max_silence_s: float | None = None
    """Report a reading in which nothing is new only this long after the last; None: report each. See `telling`."""

    @classmethod
    def of(cls, driver_settings: Settings, max_silence_s: float | None = None) -> Rhythm:
        """The rhythm that a driver's settings name in their fields `poll_s` and `heartbeat_s`, where they have them."""
        return cls(
            poll_s=getattr(driver_settings, "poll_s", _POLL_S),
            heartbeat_s=getattr(driver_settings, "heartbeat_s", None),
            max_silence_s=max_silence_s,
        )


@dataclass(slots=True)
class Cadence:
    """Instants that lie a fixed period apart for ever: no drift, and one that was missed is not made up for.

    The phase follows from the name, so that a fleet spreads evenly over the period and keeps its places over restarts.
    """

    name: str
    period_s: float
    phase_s: float = field(init=False)
    """Where in the period this name's instants lie, from 0 to `period_s`."""
    _slot: int | None = None

    def __post_init__(self) -> None:
        digest = hashlib.blake2b(self.name.encode(), digest_size=4).digest()
        phase_s = self.period_s * int.from_bytes(digest, "big") / 2**32
        self.phase_s = math.floor(phase_s / _SLOT_S) * _SLOT_S

    def next_s(self, now_s: float) -> float:
        """The first instant after `now_s`, a running time, that has not been given out yet."""
        slot = math.floor((now_s - self.phase_s) / self.period_s) + 1
        # A timer may fire a hair early; the slot it was set for is not due a second time.
        self._slot = slot if self._slot is None else max(slot, self._slot + 1)
        return self.phase_s + self._slot * self.period_s


@dataclass(slots=True, eq=False)
class Poller:
    """One polled device: its rhythm, its newest reading, and whether it answers now."""

    device: Device
    supervision: Supervision
    publish: Callable[[Reading], None]
    rhythm: Rhythm
    healthy: Callable[[], bool] = lambda: True
    """Whether the daemon may vouch for itself; while it may not, no heartbeat is sent and robots stop by themselves."""
    _answers: bool = False
    _online: asyncio.Event | None = None
    _last: Reading | None = None
    _news: asyncio.Event | None = None
    _telling: Telling = field(init=False)
    _beat_again_s: float = 0.0
    _trouble: asyncio.Future[DeviceError] | None = None

    @property
    def online(self) -> asyncio.Event:
        """Set while the device is connected and has answered. Made for who asks: its queue takes most of a kilobyte."""
        if self._online is None:
            self._online = asyncio.Event()
            self._enter(answers=self._answers)
        return self._online

    @property
    def newest(self) -> Reading | None:
        """What the device said last; None once it is lost."""
        return self._last

    @property
    def news(self) -> asyncio.Event:
        """Set with the next reading that comes."""
        self._news = self._news or asyncio.Event()
        return self._news

    async def work(self, driver: Driver) -> None:
        """Poll `driver` for ever. Raises a group of DeviceError once an exchange with it failed.

        The last reading then goes out once more, as STALE and under its old time.
        """
        self._trouble = asyncio.get_running_loop().create_future()
        name = self.device.name
        self._telling = Telling(self.rhythm.max_silence_s, getattr(driver, "deadbands", {}))
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._poll(driver), name=f"poll {name}")
                tasks.create_task(_raise(self._trouble), name=f"trouble of {name}")
                if self.rhythm.heartbeat_s is not None:
                    tasks.create_task(self._heartbeat(driver, self.rhythm.heartbeat_s), name=f"heartbeat of {name}")
        except* DeviceError:
            self._report_stale()
            raise
        finally:
            self._enter(answers=False)
            self._trouble = None

    def lost(self, driver: Driver, error: DeviceError) -> None:
        """Another task's exchange with `driver` failed: end the work, so that the device is connected anew at once."""
        if driver is not self.device.driver:
            return
        self._enter(answers=False)
        if self._trouble is not None and not self._trouble.done():
            self._trouble.set_result(error)

    async def _poll(self, driver: Driver) -> None:
        clock, slots = self.supervision.clock, self.supervision.slots
        cadence = Cadence(self.device.name, self.rhythm.poll_s)
        while True:
            self._take(await driver.read())
            if isinstance(driver, Pollable):
                await _Round(driver.poll, self._take).last(slots, cadence)
            else:
                await slots.sleep_to(cadence.next_s(clock.monotonic()))

    async def _heartbeat(self, driver: Driver, period_s: float) -> None:
        clock, slots = self.supervision.clock, self.supervision.slots
        cadence = Cadence(self.device.name, period_s)
        while True:
            if self.healthy():
                await driver.heartbeat()
            if isinstance(driver, Beating):
                await _Round(driver.beat, _nothing, self.healthy).last(slots, cadence)
            else:
                await slots.sleep_to(cadence.next_s(clock.monotonic()))

    def _take(self, sample: Sample) -> None:
        clock, device = self.supervision.clock, self.device
        now_s = clock.monotonic()
        reading = self._last = Reading(
            at=clock.now(),
            clock_synced=clock.synced,
            device=device.name,
            quality=_SUSPECT if sample.suspect else _GOOD,
            values=sample.values,
            absent=sample.absent,
        )
        if device.state is not _ONLINE:
            self.supervision.recovered(device)
            self._beat_again_s = now_s
        if now_s >= self._beat_again_s:
            self._beat_again_s = now_s + _BEAT_S
            self.supervision.progress.beat(device.name, within_s=self.rhythm.poll_s + _BEAT_S + _ONE_EXCHANGE_S)
        if self._telling.is_due(reading, now_s):
            self.publish(reading)
        if not self._answers:
            self._enter(answers=True)
        if self._news is not None:
            self._news.set()
            self._news = None

    def _enter(self, *, answers: bool) -> None:
        self._answers = answers
        if self._online is not None:
            (self._online.set if answers else self._online.clear)()

    def _report_stale(self) -> None:
        if self._last is not None:
            self.publish(msgspec.structs.replace(self._last, quality=Quality.STALE))
        self._last = None


class _Round(Generic[T]):
    """Asks at each instant of a cadence at which it `may`, by callbacks alone, until the device declines or fails."""

    __slots__ = ("_ask_it", "_asking", "_ended", "_may", "_on_answer", "_sampling", "_take")

    def __init__(
        self,
        ask: Callable[[Callable[[T | Exception], None]], Sampling],
        take: Callable[[T], None],
        may: Callable[[], bool] = lambda: True,
    ) -> None:
        self._ask_it = ask
        self._take = take
        self._may = may
        self._ended: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self._sampling: Sampling | None = None
        self._asking = False
        self._on_answer = self._answered  # bound once, not for each poll

    async def last(self, slots: Slots, cadence: Cadence) -> None:
        """Ask until the device declines to answer. Raises DeviceError."""
        leave = slots.every(cadence.period_s, cadence.phase_s, self._ask)
        try:
            error = await self._ended
        finally:
            leave()
            if self._sampling is not None:
                self._sampling.give_up()
        if not isinstance(error, Declined):
            raise error

    def _ask(self) -> None:
        if self._asking or self._ended.done() or not self._may():
            return  # an instant at which it still thinks about the last question is not made up for
        self._asking = True
        try:
            self._sampling = self._ask_it(self._on_answer)
        except Exception as bug:  # noqa: BLE001  # raised again where the round is waited for
            self._end(bug)

    def _answered(self, outcome: T | Exception) -> None:
        self._asking = False
        if isinstance(outcome, Exception):
            self._end(outcome)
        elif not self._ended.done():
            try:
                self._take(outcome)
            except Exception as bug:  # noqa: BLE001  # as above
                self._end(bug)

    def _end(self, error: Exception) -> None:
        if not self._ended.done():
            self._ended.set_result(error)


def _nothing(_answer: None) -> None:
    """A heartbeat brings no news."""


async def _raise(trouble: asyncio.Future[DeviceError]) -> None:
    raise await trouble
