"""The clocks: one accelerated time shared by specification, virtual time in order, and what a wrong spec is told."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from fleetd.clock import ScaledClock, SystemClock, VirtualClock, iso_ms, join_clock_words, parse_clock, parse_utc
from fleetd.errors import ConfigError

EPOCH = datetime(2026, 11, 11, 12, tzinfo=UTC)


def test_two_processes_with_one_specification_share_one_time() -> None:
    first = parse_clock("2026-11-11T12:00:00Z x20 @2026-11-21T08:00:00Z")
    second = parse_clock(str(first))
    assert isinstance(first, ScaledClock)
    assert abs((first.now() - second.now()).total_seconds()) < 0.5  # the two calls are microseconds apart, x20


def test_a_scaled_clock_runs_at_its_rate_from_its_anchor() -> None:
    anchor = datetime.now(UTC) - timedelta(seconds=30)
    clock = ScaledClock(EPOCH, anchor, 20.0)
    assert abs((clock.now() - EPOCH).total_seconds() - 600) < 5


async def test_a_scaled_sleep_is_shorter_in_real_time() -> None:
    clock = ScaledClock(EPOCH, datetime.now(UTC), 1000.0)
    before = clock.monotonic()
    await clock.sleep(5)
    assert clock.monotonic() - before >= 5


def test_without_a_specification_the_machine_s_own_clock_serves() -> None:
    assert isinstance(parse_clock(None), SystemClock)


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("fast", "write it as"),
        ("2026-11-11T12:00:00Z", "write it as"),
        ("2026-11-11T12:00:00Z x0", "above 0"),
        ("2026-11-11T12:00:00Z x99999", "at most 10000"),
        ("2026-11-11T12:00:00 x2", "has no zone"),
        ("yesterday x2", "no ISO 8601 time"),
    ],
)
def test_a_wrong_specification_is_told_what_would_be_right(spec: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        parse_clock(spec)


def test_unquoted_clock_words_are_joined_and_others_left_alone() -> None:
    words = ["serve", "--clock", "2026-11-11T12:00:00Z", "x20", "@2026-11-21T08:00:00Z", "gs232b", "x20"]
    assert join_clock_words(words) == [
        "serve",
        "--clock",
        "2026-11-11T12:00:00Z x20 @2026-11-21T08:00:00Z",
        "gs232b",
        "x20",
    ]


async def test_virtual_sleepers_wake_in_order_of_their_deadlines() -> None:
    clock = VirtualClock(EPOCH)
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, delay_s: float) -> None:
        await clock.sleep(delay_s)
        woken.append((name, clock.monotonic()))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sleeper("late", 10))
        tasks.create_task(sleeper("early", 3))
        await clock.advance(10)
    assert woken == [("early", 3), ("late", 10)]


async def test_a_virtual_loop_of_sleeps_runs_through_one_advance() -> None:
    clock = VirtualClock(EPOCH)
    ticks: list[datetime] = []

    async def ticking() -> None:
        while True:
            await clock.sleep(1)
            ticks.append(clock.now())

    task = asyncio.ensure_future(ticking())
    await clock.advance(720)
    task.cancel()
    assert len(ticks) == 720
    assert ticks[-1] == EPOCH + timedelta(minutes=12)


async def test_sleep_until_notices_a_clock_that_was_stepped_back() -> None:
    clock = VirtualClock(EPOCH)
    waiting = asyncio.ensure_future(clock.sleep_until(EPOCH + timedelta(seconds=100)))
    await clock.advance(50)
    clock.step(-200)
    await clock.advance(100)
    assert not waiting.done()
    await clock.advance(160)
    assert waiting.done()


@pytest.mark.parametrize(
    ("when", "text"),
    [
        (datetime(2026, 11, 11, 12, 0, 0, 499, UTC), "2026-11-11T12:00:00.000Z"),
        (datetime(2026, 11, 11, 12, 0, 0, 500, UTC), "2026-11-11T12:00:00.001Z"),
        (datetime(2026, 12, 31, 23, 59, 59, 999_900, UTC), "2027-01-01T00:00:00.000Z"),
    ],
)
def test_times_for_programs_have_milliseconds_rounded_and_z(when: datetime, text: str) -> None:
    assert iso_ms(when) == text


def test_an_offset_is_turned_into_utc() -> None:
    assert parse_utc("2026-11-11T20:00:00+08:00") == EPOCH
