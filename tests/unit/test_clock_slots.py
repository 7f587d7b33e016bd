"""Slots: many sleepers, one timer, and nobody oversleeps because another was cancelled."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from fleetd.clock import Slots, VirtualClock


class CountingClock(VirtualClock):
    """A virtual clock that counts who sleeps on it."""

    sleeps = 0

    async def sleep(self, delay_s: float) -> None:
        self.sleeps += delay_s > 0
        await super().sleep(delay_s)


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
    assert clock.sleeps == 2


async def test_when_the_one_who_sleeps_for_all_is_cancelled_another_does() -> None:
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
