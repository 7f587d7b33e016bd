"""The alarm: it rings once, when it was set to last, and not at all once it is cleared."""

from __future__ import annotations

import asyncio

import pytest

from fleetd_drivers.modbus import alarm
from fleetd_drivers.modbus.alarm import Alarm


@pytest.fixture(params=["timerfd", "the loop's own"], autouse=True)
def timer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param != "timerfd":
        monkeypatch.setattr(alarm, "_LIBC", None)


async def test_it_rings_once_and_never_early() -> None:
    loop, rang = asyncio.get_running_loop(), []
    bell = Alarm(lambda: rang.append(loop.time()))
    at = loop.time() + 0.005
    bell.set(at)
    await asyncio.sleep(0.03)
    bell.close()
    assert len(rang) == 1
    assert rang[0] >= at - 0.0011  # the loop's own timers may be a clock tick early


async def test_the_last_setting_counts() -> None:
    loop, rang = asyncio.get_running_loop(), []
    bell = Alarm(lambda: rang.append(loop.time()))
    bell.set(loop.time() + 0.002)
    late = loop.time() + 0.015
    bell.set(late)
    await asyncio.sleep(0.03)
    bell.close()
    assert [at >= late - 0.0011 for at in rang] == [True]


async def test_a_time_that_is_past_rings_at_once() -> None:
    loop, rang = asyncio.get_running_loop(), asyncio.Event()
    bell = Alarm(rang.set)
    bell.set(loop.time() - 1.0)
    async with asyncio.timeout(1):
        await rang.wait()
    bell.close()


async def test_cleared_or_closed_it_is_silent_and_closing_twice_does_no_harm() -> None:
    loop, rang = asyncio.get_running_loop(), []
    for end in (Alarm.clear, Alarm.close):
        bell = Alarm(lambda: rang.append(1))
        bell.set(loop.time() + 0.002)
        end(bell)
        await asyncio.sleep(0.01)
        bell.close()
        bell.close()
    assert rang == []
