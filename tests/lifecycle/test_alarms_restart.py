"""The register of alarms over restarts: what a broker retains is cleared or raised again, and nothing is lost."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fleetd.alarms import Alarms
from fleetd.alarms.limits import Limits, Watched
from fleetd.clock import VirtualClock
from fleetd.records import Alarm, Event, Quality, Reading, Severity
from fleetd.registers.limits import Limit
from fleetd.store.rows import Kind
from fleetd.store.store import Store

NOON = datetime(2026, 11, 11, 12, tzinfo=UTC)
LOW = {"robot-01": [Watched("battery", Limit(below=15.0, hysteresis=5.0, for_s=30.0))]}


@dataclass
class Run:
    """One life of the register."""

    store: Store
    clock: VirtualClock
    alarms: Alarms
    told: list[Alarm | Event]

    def fire(self) -> None:
        self.alarms.raise_("robot-01", "fire", Severity.CRITICAL, "fire")

    def active(self) -> list[str]:
        return [entry.name for entry in self.alarms.list() if entry.active]

    async def outbox(self) -> list[tuple[Kind, str]]:
        return [(row.kind, row.name) for row in await self.store.outbox.read()]


@asynccontextmanager
async def run(folder: Path) -> AsyncIterator[Run]:
    clock, told = VirtualClock(NOON), list[Alarm | Event]()
    async with Store.open(folder, node="test", clock=clock) as store:
        alarms = Alarms(clock, told.append, store.alarms)
        await alarms.restore()
        yield Run(store, clock, alarms, told)


async def test_row_and_record_of_an_alarm_are_one_transaction(tmp_path: Path) -> None:
    async with run(tmp_path) as one:
        one.fire()
        one.alarms.clear("robot-01", "fire")
        one.alarms.ack("robot-01", "fire", "me")
        assert await one.outbox() == [(Kind.ALARM, "fire"), (Kind.ALARM_CLEARED, "fire")]
        assert await one.store.alarms.all() == []


async def test_what_holds_after_a_restart_is_told_once_more_under_its_old_time(tmp_path: Path) -> None:
    async with run(tmp_path) as one:
        one.fire()
        one.alarms.ack("robot-01", "fire", "me")
    async with run(tmp_path) as one:
        assert one.active() == ["fire"]
        assert one.told == []
        await one.clock.advance(5)
        one.fire()
        one.fire()
        assert [record.active for record in one.told if isinstance(record, Alarm)] == [True]
        [entry] = one.alarms.list()
        assert (entry.at, entry.acknowledged_by) == (NOON, "me")


async def test_what_does_not_hold_any_more_is_cleared(tmp_path: Path) -> None:
    async with run(tmp_path) as one:
        one.fire()
    async with run(tmp_path) as one:
        one.alarms.clear("robot-01", "fire")
        assert [record.active for record in one.told if isinstance(record, Alarm)] == [False]
        assert (await one.outbox())[-1] == (Kind.ALARM_CLEARED, "fire")


async def test_what_nobody_judges_any_more_is_cleared_after_a_while(tmp_path: Path) -> None:
    async with run(tmp_path) as one:
        one.fire()
        one.alarms.raise_("robot-01", "flood", Severity.CRITICAL, "flood")
        one.alarms.raise_("robot-01", "theft", Severity.CRITICAL, "theft", latch=True)
        one.alarms.clear("robot-01", "theft")
    async with run(tmp_path) as one:
        assert one.alarms.claim("robot-01", "flood")
        sweep = asyncio.create_task(one.alarms.run(), name="sweep")
        await one.clock.advance(170)
        assert sorted(one.active()) == ["fire", "flood", "theft"]
        await one.clock.advance(20)
        assert sorted(one.active()) == ["flood", "theft"]  # one is judged by somebody, one waits to be seen
        sweep.cancel()
        await asyncio.wait([sweep])


async def test_a_limit_that_was_crossed_before_the_restart_is_judged_by_the_next_reading(tmp_path: Path) -> None:
    def reading(one: Run, battery: float) -> Reading:
        return Reading(at=one.clock.now(), device="robot-01", quality=Quality.GOOD, values={"battery": battery})

    async with run(tmp_path) as one:
        limits = Limits(one.alarms, LOW)
        for _ in range(4):
            limits.take(reading(one, 3.0))
            await one.clock.advance(10)
        assert one.active() == ["battery-low"]
    for battery, expected in ((17.0, ["battery-low"]), (80.0, [])):  # within the hysteresis, then well again
        async with run(tmp_path) as one:
            limits = Limits(one.alarms, LOW)
            limits.claim()
            limits.take(reading(one, battery))
            assert one.active() == expected
            assert [record.active for record in one.told if isinstance(record, Alarm)] == [bool(expected)]


async def test_shelves_outlive_the_process(tmp_path: Path) -> None:
    until = NOON + timedelta(hours=2)
    async with run(tmp_path) as one:
        one.fire()
        one.alarms.shelve("robot-01", "fire", "me", until, "drill")
        one.alarms.clear("robot-01", "fire")
        one.alarms.ack("robot-01", "fire", "me")
    async with run(tmp_path) as one:
        assert one.alarms.list() == []
        one.fire()
        [entry] = one.alarms.list()
        assert (entry.shelved_by, entry.shelved_until, entry.shelved_why) == ("me", until, "drill")


async def test_an_alarm_that_the_disk_refuses_is_kept_with_the_next_change(tmp_path: Path) -> None:
    async with run(tmp_path) as one:

        def fail(connection: sqlite3.Connection, *_: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        real, one.store.alarms._put = one.store.alarms._put, fail  # type: ignore[method-assign]
        one.fire()
        await one.store.alarms.all()
        one.store.alarms._put = real  # type: ignore[method-assign]
        one.alarms.raise_("robot-01", "flood", Severity.CRITICAL, "flood")
        assert [row.name for row in await one.store.alarms.all()] == ["fire", "flood"]
        await one.store.outbox.append([])
        assert sorted(await one.outbox()) == [(Kind.ALARM, "fire"), (Kind.ALARM, "flood")]


async def test_a_row_that_cannot_be_read_costs_its_alarm_alone(tmp_path: Path) -> None:
    async with run(tmp_path) as one:
        one.fire()
        one.store.alarms.note("robot-02", "odd", b"{no json")
    async with run(tmp_path) as one:
        assert one.active() == ["fire"]
