"""Records and commands under a clock that is wrong, set, or asleep: put right afterwards, never late, never twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from robots_bench import FakeRobot, bench

from fleetd import kerneltime
from fleetd.archive.archive import Archive
from fleetd.archive.query import Span
from fleetd.archive.settings import ArchiveSettings
from fleetd.clock import VirtualClock
from fleetd.records import Event, Quality, Reading, Stage
from fleetd.store.store import Store
from fleetd.store.untimed import Shift

WRONG = datetime(2020, 1, 1, tzinfo=UTC)  # what a machine believes whose battery is empty
RIGHT = datetime(2026, 11, 11, 12, tzinfo=UTC)
ALL = Span(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


def reading(clock: VirtualClock, number: int) -> Reading:
    values = {"number": number}
    return Reading(at=clock.now(), clock_synced=clock.synced, device="robot-01", quality=Quality.GOOD, values=values)


def ahead_us(clock: VirtualClock) -> int:
    return round((clock.now().timestamp() - clock.boottime()) * 1e6)


@asynccontextmanager
async def store(folder: Path, clock: VirtualClock) -> AsyncIterator[Store]:
    async with Store.open(folder, node="test", clock=clock) as opened:
        yield opened


async def bodies(opened: Store) -> list[dict[str, Any]]:
    return [msgspec.json.decode(row.body) for row in await opened.outbox.read()]


async def test_records_of_before_the_clock_was_right_get_their_time_from_running_time(tmp_path: Path) -> None:
    """A machine boots in 2020, sleeps, is set wrongly and then rightly: each record gets the time it was made."""
    clock = VirtualClock(WRONG, synced=False)
    made_at_s: list[float] = []
    async with store(tmp_path, clock) as opened:

        async def make(number: int) -> None:
            await opened.outbox.append([reading(clock, number)])
            made_at_s.append(clock.boottime())

        await make(0)
        await clock.advance(10)
        await make(1)
        clock.suspend(3_600)
        await make(2)
        clock.step(86_400 * 300)
        await clock.advance(5)
        await make(3)
        clock.step((RIGHT - clock.now()).total_seconds())
        clock.synced = True
        await clock.advance(1)
        await make(4)  # is right already
        right_s = clock.boottime()
        changed, shifts = await opened.outbox.retime(ahead_us(clock))
        assert changed == 4
        found = await bodies(opened)
        for body, at_s in zip(found, made_at_s, strict=True):
            at = msgspec.convert(body["at"], type=datetime)
            assert abs((at - clock.now()).total_seconds() - (at_s - right_s)) < 0.001
            assert body["clock_synced"] is True
        assert [body.get("retimed", False) for body in found] == [True] * 4 + [False]
        # The machine slept between the first shift's records, and was set between the two shifts'.
        assert [(shift.first, shift.last) for shift in shifts] == [(1, 3), (4, 4)]
        assert shifts[0].shift_s - shifts[1].shift_s == pytest.approx(86_400 * 300, abs=0.001)
        assert await opened.outbox.retime(ahead_us(clock)) == (0, [])  # once is enough
    async with store(tmp_path, clock) as opened:
        assert await bodies(opened) == found  # their checksums hold


async def test_while_the_publisher_has_copies_nothing_is_changed_but_the_shift_is_told(tmp_path: Path) -> None:
    clock = VirtualClock(WRONG, synced=False)
    async with store(tmp_path, clock) as opened:
        await opened.outbox.append([reading(clock, 0), reading(clock, 1)])
        opened.outbox.claims.begin()
        clock.step(1_000.0)
        clock.synced = True
        assert await opened.outbox.retime(ahead_us(clock)) == (0, [Shift(1, 2, 1_000.0)])
        assert [body["clock_synced"] for body in await bodies(opened)] == [False, False]


async def test_what_was_published_and_deleted_is_told_too(tmp_path: Path) -> None:
    clock = VirtualClock(WRONG, synced=False)
    async with store(tmp_path, clock) as opened:
        await opened.outbox.append([reading(clock, number) for number in range(5)])
        await opened.outbox.delete([1, 2])
        clock.step(1_000.0)
        assert await opened.outbox.retime(ahead_us(clock)) == (3, [Shift(1, 5, 1_000.0)])


async def test_what_another_boot_of_the_machine_left_keeps_its_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = VirtualClock(WRONG, synced=False)
    async with store(tmp_path, clock) as opened:
        await opened.outbox.append([reading(clock, 0)])
    monkeypatch.setattr(kerneltime, "_BOOT_ID", tmp_path / "boot")
    (tmp_path / "boot").write_text("another")
    kerneltime.machine_boot.cache_clear()
    try:
        async with store(tmp_path, VirtualClock(RIGHT)) as opened:
            assert await opened.outbox.retime(10**15) == (0, [])
            [body] = await bodies(opened)
            assert (body["at"], body["clock_synced"]) == ("2020-01-01T00:00:00Z", False)
    finally:
        kerneltime.machine_boot.cache_clear()


async def test_after_a_restart_of_the_process_alone_records_are_still_put_right(tmp_path: Path) -> None:
    clock = VirtualClock(WRONG, synced=False)
    async with store(tmp_path, clock) as opened:
        await opened.outbox.append([reading(clock, 0)])
    await clock.advance(60)
    clock.step(1_000.0)
    async with store(tmp_path, clock) as opened:
        assert (await opened.outbox.retime(ahead_us(clock)))[0] == 1
        [body] = await bodies(opened)
        assert msgspec.convert(body["at"], type=datetime) == WRONG + timedelta(seconds=1_000)


async def test_the_archive_is_put_right_as_well(tmp_path: Path) -> None:
    clock = VirtualClock(WRONG, synced=False)
    async with Archive.open(tmp_path, clock, ArchiveSettings()) as archive:
        event = Event(at=clock.now(), clock_synced=False, source="x", name="early", text="")
        await archive.take([reading(clock, 0), event])
        await archive.fold()  # what is in doubt is not folded yet
        await clock.advance(10)
        clock.step((RIGHT - clock.now()).total_seconds())
        clock.synced = True
        await archive.take([reading(clock, 1)])
        await archive.retime(ahead_us(clock))
        for _ in range(2):
            points = msgspec.json.decode(await archive.history("robot-01", ["number"], ALL, 10))["points"]
            assert points == [
                ["2026-11-11T11:59:50.000Z", "GOOD", True, 0],
                ["2026-11-11T12:00:00.000Z", "GOOD", True, 1],
            ]
            await archive.fold()
        [body] = [msgspec.json.decode(one) for one in await archive.records([], "", ALL, 10)]
        assert (body["at"], body["clock_synced"], body["retimed"]) == ("2026-11-11T11:59:50Z", True, True)


async def jumps_under_commands(folder: Path, jumps: int) -> None:
    """Commands to a robot that is there now and then, while civil time jumps and the machine sleeps.

    A command is written once at most, and never later, in true time, than it was to live.
    """
    chance = random.Random(30)
    robot = FakeRobot()
    deadlines: dict[int, float] = {}
    async with bench(folder, {"robot-01": robot}) as here:
        await here.online()
        perform, late = robot.perform, []

        async def perform_in_time(number: int, action: str, args: Any, /) -> Any:
            if here.clock.boottime() > deadlines[int(args["stop"])] + 0.001:
                late.append(number)
            return await perform(number, action, args)

        robot.perform = perform_in_time  # type: ignore[method-assign]
        for number in range(1, jumps + 1):
            if chance.random() < 0.2:  # it stays away for minutes, and comes back
                robot.there = robot.answers_reads = not robot.there
            life_s = chance.uniform(5.0, 60.0)
            now = here.clock.now()
            deadlines[number] = here.clock.boottime() + life_s
            command = here.command(id=f"c{number}", args={"stop": number}, expires_at=now + timedelta(seconds=life_s))
            result = await here.dispatch.submit(command)
            assert result.stage in (Stage.ACCEPTED, Stage.REFUSED)
            if chance.random() < 0.3:
                here.clock.suspend(chance.uniform(1.0, 7_200.0))
            else:
                here.clock.step(chance.choice((3_600.0, -3_600.0, 86_400.0, -86_400.0)))
            await here.clock.advance(chance.uniform(0.0, 20.0), turns=10)
            repeated = await here.dispatch.submit(command)  # the sender asks again, as QoS 1 may
            assert repeated.id == command.id
        robot.there = robot.answers_reads = True
        for _ in range(20):
            await here.clock.advance(30.0, turns=10)
            await here.quiet()
        stops = [args["stop"] for _, _, args in robot.written]
        assert len(stops) == len(set(stops))  # 0 double actions
        assert late == []
        assert len(stops) >= jumps // 20


async def test_row_30_and_32_commands_are_neither_late_nor_doubled_under_jumps(tmp_path: Path) -> None:
    await jumps_under_commands(tmp_path, 60)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_row_30_and_32_the_same_with_a_thousand_jumps(tmp_path: Path) -> None:
    await jumps_under_commands(tmp_path, 1_000)


async def test_a_clock_set_back_makes_no_command_live_longer(tmp_path: Path) -> None:
    robot = FakeRobot(there=False)
    async with bench(tmp_path, {"robot-01": robot}) as here:
        await here.clock.advance(1)
        await here.dispatch.submit(here.command())  # lives for 30 s
        here.clock.step(-3_600.0)
        await here.clock.advance(40)
        result = await here.settled()
        assert (result.stage, robot.written) == (Stage.FAILED, [])
        assert "expired" in result.reason


async def test_after_a_restart_without_a_trusted_clock_nothing_old_is_sent(tmp_path: Path) -> None:
    """Power returns after an hour; the machine believes that it is the minute in which it went."""
    clock = VirtualClock(RIGHT)
    async with bench(tmp_path, {"robot-01": FakeRobot(there=False)}, clock=clock) as here:
        await here.dispatch.submit(here.command())
        await here.until(lambda: here.stages() == ["accepted"])
    robot = FakeRobot()
    clock = VirtualClock(RIGHT + timedelta(seconds=5), synced=False)
    async with bench(tmp_path, {"robot-01": robot}, clock=clock) as here:
        await here.online()
        await here.clock.advance(1)
        result = await here.settled()
        assert (result.stage, robot.written) == (Stage.FAILED, [])
        assert "nobody knows whether it is late" in result.reason


async def test_sleepers_for_a_civil_time_notice_a_jump_within_a_second() -> None:
    clock = VirtualClock(RIGHT)
    clock.look_again_s = 1.0  # as the machine's own clock does
    for by in (clock.step, clock.suspend):
        waiting = asyncio.ensure_future(clock.sleep_until(clock.now() + timedelta(hours=1)))
        await clock.advance(0.5)
        by(3_600.0)
        await clock.advance(1.0)
        assert waiting.done()
