"""Slots: many acts, one timer, and nobody oversleeps because another was cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from fleetd.clock import VirtualClock
from fleetd.slots import Slots


class CountingClock(VirtualClock):
    """A virtual clock that counts its timers."""

    timers = 0

    def call_at(self, due_s: float, act: Callable[[], None]) -> None:
        self.timers += 1
        super().call_at(due_s, act)


def scene() -> tuple[CountingClock, Slots]:
    clock = CountingClock(datetime(2026, 11, 11, tzinfo=UTC))
    return clock, Slots(clock)


async def test_who_waits_for_one_instant_shares_a_timer() -> None:
    clock, slots = scene()
    tasks = [asyncio.ensure_future(slots.sleep_to(due_s)) for due_s in (1.0, 1.0, 1.0, 2.0)]
    await clock.advance(1.0)
    assert [task.done() for task in tasks] == [True, True, True, False]
    await clock.advance(1.0)
    assert tasks[3].done()
    assert clock.timers == 2


async def test_whoever_is_cancelled_does_not_keep_the_others_asleep() -> None:
    clock, slots = scene()
    tasks = [asyncio.ensure_future(slots.sleep_to(1.0)) for _ in range(3)]
    await clock.advance(0.5)
    tasks[0].cancel()
    await clock.advance(0.4)
    assert [task.done() for task in tasks] == [True, False, False]
    tasks[2].cancel()
    await clock.advance(0.2)
    assert tasks[1].done()
    assert not tasks[1].cancelled()


async def test_an_instant_that_is_past_is_not_waited_for() -> None:
    clock, slots = scene()
    await clock.advance(5.0)
    async with asyncio.timeout(1):
        await slots.sleep_to(1.0)
        await slots.sleep_to(5.0)


class EarlyClock(VirtualClock):
    """A virtual clock whose first timer fires far too early."""

    early = True

    def call_at(self, due_s: float, act: Callable[[], None]) -> None:
        super().call_at(due_s - 0.5 if self.early else due_s, act)
        self.early = False


async def test_acts_are_called_at_their_instant_even_if_the_timer_is_early() -> None:
    clock = EarlyClock(datetime(2026, 11, 11, tzinfo=UTC))
    slots, rung = Slots(clock), list[float]()
    for _ in range(3):
        slots.call_at(1.0, lambda: rung.append(clock.monotonic()))
    await clock.advance(3.0)
    assert rung == [1.0, 1.0, 1.0]


async def test_a_round_rings_at_each_instant_and_shares_its_timers() -> None:
    clock, slots = scene()
    rung: list[tuple[str, float]] = []
    slots.every(2.0, 0.5, lambda: rung.append(("a", clock.monotonic())))
    leave = slots.every(2.0, 0.5, lambda: rung.append(("b", clock.monotonic())))
    await clock.advance(3.0)
    leave()
    await clock.advance(2.0)
    assert rung == [("a", 0.5), ("b", 0.5), ("a", 2.5), ("b", 2.5), ("a", 4.5)]
    assert clock.timers == 4


async def test_a_round_that_nobody_goes_any_more_ends_and_can_begin_again() -> None:
    clock, slots = scene()
    rung: list[float] = []
    slots.every(1.0, 0.0, lambda: rung.append(clock.monotonic()))()
    await clock.advance(5.0)
    assert rung == []
    assert clock.timers == 1
    slots.every(1.0, 0.0, lambda: rung.append(clock.monotonic()))
    await clock.advance(1.0)
    assert rung == [6.0]
