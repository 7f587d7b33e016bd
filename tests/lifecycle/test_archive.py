"""The archive: what was comes back, over restarts and damage, within its bounds, and nobody is kept waiting."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleetd.archive import query
from fleetd.archive.archive import Archive
from fleetd.archive.file import FILE, open_to_read
from fleetd.archive.query import Span
from fleetd.archive.settings import ArchiveSettings
from fleetd.clock import VirtualClock
from fleetd.errors import Refusal, StoreError
from fleetd.hub import Hub
from fleetd.records import Alarm, AnyRecord, Event, Quality, Reading, Result, Severity, Stage, Value

NOON = datetime(2026, 11, 11, 12, tzinfo=UTC)
ALL = Span(NOON - timedelta(days=1000), NOON + timedelta(days=1000))


def reading(second: float, device: str = "robot-01", **values: Value) -> Reading:
    return Reading(
        at=NOON + timedelta(seconds=second), device=device, quality=Quality.GOOD, values=values or {"soc": second}
    )


@asynccontextmanager
async def archive(folder: Path, clock: VirtualClock | None = None, **settings: Any) -> AsyncIterator[Archive]:
    folder.mkdir(exist_ok=True)
    async with Archive.open(folder, clock or VirtualClock(NOON), ArchiveSettings(**settings)) as opened:
        yield opened


async def course(opened: Archive, device: str = "robot-01", *values: str, span: Span = ALL, most: int = 1000) -> Any:
    return msgspec.json.decode(await opened.history(device, values or ("soc",), span, most))


async def soc(opened: Archive, **how: Any) -> list[float]:
    return [point[3] for point in (await course(opened, **how))["points"]]


async def test_readings_come_back_in_order_fresh_and_folded_alike(tmp_path: Path) -> None:
    async with archive(tmp_path) as opened:
        await opened.take([reading(second) for second in range(10)])
        assert await soc(opened) == list(range(10))
        await opened.fold()
        await opened.take([reading(second) for second in range(10, 20)])
        await opened.take([reading(4.5), reading(3, "robot-02")])  # a late one, and somebody else's
        assert await soc(opened) == [0, 1, 2, 3, 4, 4.5, *range(5, 20)]
        await opened.fold()
        span = Span(NOON + timedelta(seconds=4), NOON + timedelta(seconds=6))
        assert await soc(opened, span=span) == [4, 4.5, 5]
    async with archive(tmp_path) as opened:
        assert await soc(opened) == [0, 1, 2, 3, 4, 4.5, *range(5, 20)]


async def test_what_was_not_folded_is_there_after_a_crash(tmp_path: Path) -> None:
    async with archive(tmp_path / "one") as opened:
        await opened.take([reading(second) for second in range(5)])
        (tmp_path / "two").mkdir()
        for tail in ("", "-wal"):  # as a kill leaves it
            (tmp_path / "two" / f"{FILE}{tail}").write_bytes((tmp_path / "one" / f"{FILE}{tail}").read_bytes())
    async with archive(tmp_path / "two") as opened:
        assert await soc(opened) == list(range(5))


async def test_quality_trust_and_absent_values_are_kept(tmp_path: Path) -> None:
    unsure = msgspec.structs.replace(reading(1), quality=Quality.STALE, clock_synced=False)
    async with archive(tmp_path) as opened:
        await opened.take([reading(0, soc=1.5, state="idle"), unsure, reading(2, soc=None, state="idle")])
        for _ in range(2):
            assert (await course(opened, "robot-01", "state", "soc"))["points"] == [
                ["2026-11-11T12:00:00.000Z", "GOOD", True, "idle", 1.5],
                ["2026-11-11T12:00:01.000Z", "STALE", False, None, 1],
                ["2026-11-11T12:00:02.000Z", "GOOD", True, "idle", None],
            ]
            await opened.fold()


async def test_the_newest_are_given_when_there_are_too_many(tmp_path: Path) -> None:
    async with archive(tmp_path) as opened:
        await opened.take([reading(second) for second in range(50)])
        await opened.fold()
        await opened.take([reading(second) for second in range(50, 60)])
        found = await course(opened, most=20)
        assert ([point[3] for point in found["points"]], found["truncated"]) == (list(range(40, 60)), True)
        assert (await course(opened, most=60))["truncated"] is False


async def test_unknown_names_are_refused_with_those_that_there_are(tmp_path: Path) -> None:
    async with archive(tmp_path) as opened:
        with pytest.raises(Refusal, match="nothing yet"):
            await opened.holdings("robot-01")
        await opened.take([reading(0), reading(0, "robot-02", mode="idle")])
        await opened.fold()
        with pytest.raises(Refusal, match=r"no value 'mode' of robot-01; it has: soc"):
            await course(opened, "robot-01", "mode")
        with pytest.raises(Refusal, match="robot-01, robot-02"):
            await course(opened, "robot-03")
        there = await opened.holdings("robot-02")
        assert (there.values, there.readings, there.first, there.last) == (["mode"], 1, NOON, NOON)


async def test_records_are_found_by_kind_device_and_time(tmp_path: Path) -> None:
    records: list[AnyRecord] = [
        Event(at=NOON, source="contact", name="aos", text="tin rises"),
        Alarm(at=NOON, device="r", name="hot", active=True, severity=Severity.WARNING, text="hot"),
        Result(at=NOON + timedelta(seconds=1), id="c", device="r", action="stop", stage=Stage.SUCCEEDED),
        Alarm(at=NOON + timedelta(seconds=2), device="r", name="hot", active=False, severity=Severity.WARNING, text=""),
    ]
    async with archive(tmp_path) as opened:
        await opened.take(records)

        async def found(*kinds: str, device: str = "", span: Span = ALL, most: int = 10) -> list[str]:
            bodies = [msgspec.json.decode(body) for body in await opened.records(kinds, device, span, most)]
            return [f"{body['type']} {body.get('active', '')}".strip() for body in bodies]

        assert await found() == ["event", "alarm True", "result", "alarm False"]
        assert await found("alarm", device="r") == ["alarm True", "alarm False"]
        assert await found("alarm", "result", span=Span(NOON + timedelta(seconds=1), ALL.until)) == [
            "result",
            "alarm False",
        ]
        assert await found(most=1) == ["alarm False"]


async def test_it_takes_in_what_the_hub_publishes_until_the_very_end(tmp_path: Path) -> None:
    clock, hub = VirtualClock(NOON), Hub()
    async with archive(tmp_path, clock) as opened:
        task = asyncio.create_task(opened.run(hub), name="archive")
        await asyncio.sleep(0)
        hub.publish(reading(1))
        while opened.status().kept == 0:
            await clock.advance(1)
        hub.publish(reading(2))
        task.cancel()
        await asyncio.wait([task])
        assert await soc(opened) == [1, 2]


async def test_age_and_size_bound_it_and_the_oldest_goes_first(tmp_path: Path) -> None:
    clock = VirtualClock(NOON)
    async with archive(tmp_path, clock, max_days=1.0) as opened:
        await opened.take([reading(0), Event(at=NOON, source="x", name="old", text="")])
        await opened.fold()
        await clock.advance(86_400 * 0.9)
        await opened.take([reading(86_400 * 0.9)])
        await opened.fold()
        await clock.advance(86_400 * 0.2)
        await opened.fold()
        assert await soc(opened) == [86_400 * 0.9]
        assert await opened.records([], "", ALL, 10) == []
    async with archive(tmp_path / "small", max_mib=8) as opened:
        text = "".join(chr(33 + number * 7 % 90) for number in range(4000))
        for second in range(3000):  # 12 MB that do not compress to less than their own text
            noise = f"{hash((second, 1))}{text[second % 97 :]}{second * 7919}"
            await opened.take([Event(at=NOON + timedelta(seconds=second), source="x", name="n", text=noise)])
            if second % 500 == 499:
                await opened.fold()
                assert opened.path.stat().st_size <= 8 << 20
        kept = [msgspec.json.decode(body)["at"] for body in await opened.records([], "", ALL, 10_000)]
        assert 500 < len(kept) < 3000
        assert kept[-1] == "2026-11-11T12:49:59Z"


async def test_a_reader_never_keeps_the_writer_waiting(tmp_path: Path) -> None:
    async with archive(tmp_path) as opened:
        await opened.take([reading(second) for second in range(1000)])
        with open_to_read(opened.path) as reader:
            reader.execute("BEGIN")
            before = reader.execute("SELECT count(*) FROM fresh").fetchone()
            began = time.monotonic()
            await opened.take([reading(2000)])
            await opened.fold()
            assert time.monotonic() - began < 2.0  # SQLite would give up after 3 s of waiting
            assert reader.execute("SELECT count(*) FROM fresh").fetchone() == before  # its own view stays whole
        assert opened.status().dropped == 0


async def test_a_question_that_takes_too_long_is_broken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with archive(tmp_path) as opened:
        events = [Event(at=NOON, source="x", name=str(number), text="") for number in range(20_000)]
        await opened.take(events)
        monkeypatch.setattr(query, "WITHIN_S", 0.0)
        with pytest.raises(Refusal, match="ask for less"):
            await opened.records(["event"], "", ALL, 100_000)


async def test_a_disk_that_fails_costs_records_and_nothing_else(tmp_path: Path) -> None:
    async with archive(tmp_path) as opened:
        await opened.take([reading(0)])

        def fail(connection: sqlite3.Connection, _: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        real, opened._tables.take = opened._tables.take, fail  # type: ignore[method-assign,assignment]
        await opened.take([reading(1), reading(2)])
        opened._tables.take = real  # type: ignore[method-assign]
        await opened.take([reading(3)])
        assert await soc(opened) == [0, 3]
        assert (opened.status().kept, opened.status().dropped) == (2, 2)


async def test_a_damaged_file_is_set_aside_and_a_new_one_begun(tmp_path: Path) -> None:
    async with archive(tmp_path) as opened:
        await opened.take([reading(0)])
    (tmp_path / FILE).write_bytes(b"not a database at all" * 1000)
    async with archive(tmp_path) as opened:
        await opened.take([reading(1)])
        assert await soc(opened) == [1]
    assert (tmp_path / f"{FILE}.damaged-1").exists()


async def test_damage_that_shows_while_it_is_open_costs_what_was_there(tmp_path: Path) -> None:
    async with archive(tmp_path) as opened:
        for second in range(300):
            await opened.take([Event(at=NOON, source="x", name=str(second), text="x" * 500)])
    size = (tmp_path / FILE).stat().st_size
    with (tmp_path / FILE).open("r+b") as file:
        file.seek(4096)  # the first page, which opening looks at, stays whole
        file.write(b"\xff" * (size - 4096))
    async with archive(tmp_path) as opened:
        await opened.take([reading(1)])
        await opened.take([reading(2)])
        assert (await soc(opened))[-1] == 2
    assert (tmp_path / f"{FILE}.damaged-1").exists()


def test_files_of_others_and_of_newer_versions_are_refused(tmp_path: Path) -> None:
    for name, statement, why in (
        ("other", "PRAGMA application_id = 7", "no archive of fleetd"),
        ("newer", "PRAGMA user_version = 99", "newer fleetd"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        if name == "newer":
            asyncio.run(_made(folder))
        with closing(sqlite3.connect(folder / FILE)) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS theirs (x)")
            connection.execute(statement)
            connection.commit()
        with pytest.raises(StoreError, match=why):
            asyncio.run(_made(folder))
        with pytest.raises(StoreError, match=why), open_to_read(folder / FILE):
            pass
    with pytest.raises(StoreError, match="there is no archive"), open_to_read(tmp_path / "none.db"):
        pass


async def _made(folder: Path) -> None:
    async with archive(folder):
        pass


async def test_folding_lets_the_event_loop_turn(tmp_path: Path) -> None:
    """The writer's thread gives the interpreter away between devices."""
    async with archive(tmp_path) as opened:
        for second in range(10):
            await opened.take([reading(second, f"robot-{number:03}") for number in range(300)])
        turns = 0
        folding = asyncio.create_task(opened.fold(), name="fold")
        while not folding.done():
            turns += 1
            await asyncio.sleep(0)
        assert turns > 20
        assert threading.active_count() < 20
