"""The outbox over commits, restarts, kills and bad disks."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from counters import Counters

from fleetd.clock import VirtualClock
from fleetd.errors import StoreError
from fleetd.records import Event, NodeStatus, Quality, Reading, Result, Stage
from fleetd.store import schema
from fleetd.store.outbox import age_s
from fleetd.store.rows import Kind, Lane, Row
from fleetd.store.settings import StoreSettings
from fleetd.store.store import Store

NOW = datetime(2026, 11, 11, 12, 0, tzinfo=UTC)


def reading(number: int, size: int = 0) -> Reading:
    return Reading(at=NOW, device="robot-01", quality=Quality.GOOD, values={"number": number, "pad": "x" * size})


def event(number: int) -> Event:
    return Event(at=NOW, source="test", name="n", text=str(number))


@asynccontextmanager
async def opened(folder: Path, **settings: Any) -> AsyncIterator[Store]:
    limits = StoreSettings(path=str(folder), **settings)
    async with Store.open(folder, node="node-1", clock=VirtualClock(NOW), settings=limits) as store:
        yield store


@contextmanager
def database(folder: Path) -> Iterator[sqlite3.Connection]:
    """The file behind a closed store."""
    with closing(sqlite3.connect(folder / schema.FILE)) as connection:
        yield connection
        connection.commit()


def numbers(rows: list[Row]) -> list[Any]:
    return [msgspec.json.decode(row.body)["values"]["number"] for row in rows]


async def test_numbers_have_no_holes_over_groups_and_boots(tmp_path: Path) -> None:
    boots = []
    for _ in range(3):
        async with opened(tmp_path) as store:
            boots.append(store.boot)
            lasts = await asyncio.gather(*(store.outbox.append([reading(n), reading(n)]) for n in range(50)))
            assert sorted(lasts) == list(range(lasts[0], lasts[0] + 100, 2))
    async with opened(tmp_path) as store:
        rows = await store.outbox.read(most=1000)
        assert [row.seq for row in rows] == list(range(1, 301))
        assert [row.boot for row in rows] == [boot for boot in boots for _ in range(100)]
    assert [boot[:7] for boot in boots] == ["000001-", "000002-", "000003-"]
    assert len(set(boots)) == 3


async def test_concurrent_appends_share_commits(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        grown: list[Sequence[Row]] = []
        with store.outbox.watched(grown.append):
            await asyncio.gather(*(store.outbox.append([reading(n)]) for n in range(1000)))
        assert store.outbox.tally.produced == 1000
        assert 2 <= len(grown) <= 100, "1000 appends took about as many commits as groups of 500 need"
        assert [row for rows in grown for row in rows] == await store.outbox.read(most=1000), "as they stand on disk"
        assert numbers(await store.outbox.read(most=1000)) == list(range(1000)), "in the order in which they came"


async def test_rows_are_read_and_deleted_in_batches_and_counted(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        outbox = store.outbox
        await outbox.append([NodeStatus(at=NOW, state="offline", site="s", version="1")])
        assert outbox.tally.oldest_us is None
        await outbox.append([reading(n) for n in range(10)])
        assert (outbox.tally.produced, outbox.tally.backlog, outbox.tally.acked) == (11, 11, 0)
        assert age_s(outbox.tally, datetime(2026, 11, 11, 12, 1, tzinfo=UTC)) == 60.0
        first = await outbox.read(after=1, most=4)
        assert numbers(first) == [0, 1, 2, 3]
        assert await outbox.delete([5, 3, 4]) == 3
        assert await outbox.delete([3, 99]) == 0
        assert numbers(await outbox.read(after=1)) == [0, *range(4, 10)]
        assert [row.kind for row in await outbox.read(kind=Kind.NODE)] == [Kind.NODE]
        assert (outbox.tally.backlog, outbox.tally.acked) == (8, 3)
        await outbox.delete(range(12))
        assert (outbox.tally.backlog, outbox.tally.size, outbox.tally.oldest_us) == (0, 0, None)
        assert await outbox.read() == []
        assert await outbox.append([]) == 11
    async with opened(tmp_path) as store:
        assert await store.outbox.append([reading(0)]) == 12, "numbers go on where nothing was left"


async def test_an_append_whose_caller_gave_up_is_still_committed_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        appending = asyncio.create_task(store.outbox.append([reading(1)]))
        await asyncio.sleep(0)
        appending.cancel()
        with suppress(asyncio.CancelledError):
            await appending
        assert await store.outbox.append([reading(2)]) == 2
        assert numbers(await store.outbox.read()) == [1, 2]


async def test_a_damaged_row_is_set_aside_announced_and_the_rest_is_served(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.outbox.append([reading(n) for n in range(6)])
    with database(tmp_path) as connection:
        connection.execute("UPDATE outbox SET body = x'7b7d' WHERE seq = 2")
        connection.execute("UPDATE outbox SET device = CAST(x'ff' AS TEXT) WHERE seq = 4")
        connection.execute("UPDATE outbox SET kind = 'nonsense' WHERE seq = 5")
    async with opened(tmp_path) as store:
        rows = await store.outbox.read()
        assert [row.seq for row in rows] == [1, 3, 6]
        (gap,) = await store.outbox.read(after=6)
        assert gap.kind is Kind.EVENT
        detail = msgspec.json.decode(gap.body)["detail"]
        assert (detail["count"], detail["ranges"]) == (3, [[2, 2], [4, 5]])
        assert (store.outbox.tally.damaged, store.outbox.tally.backlog) == (3, 4)
    with database(tmp_path) as connection:
        assert connection.execute("SELECT seq FROM damaged ORDER BY seq").fetchall() == [(2,), (4,), (5,)]


async def test_a_batch_of_nothing_but_damage_does_not_look_like_the_end(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.outbox.append([reading(n) for n in range(6)])
    with database(tmp_path) as connection:
        connection.execute("UPDATE outbox SET crc = crc + 1 WHERE seq <= 4")
    async with opened(tmp_path) as store:
        assert numbers(await store.outbox.read(most=2)) == [4, 5]


async def test_a_full_store_drops_the_oldest_readings_first_and_says_which(tmp_path: Path) -> None:
    async with opened(tmp_path, max_mib=1) as store:
        outbox = store.outbox
        await outbox.append([event(0), Result(at=NOW, id="1", device="r", action="stop", stage=Stage.SUCCEEDED)])
        for n in range(0, 1500, 50):
            await outbox.append([reading(number, size=900) for number in range(n, n + 50)])
        assert outbox.tally.size <= 1 << 20
        rows = await outbox.read(most=5000)
        assert [row.kind for row in rows[:2]] == [Kind.EVENT, Kind.RESULT]
        kept = [row.seq for row in rows]
        told = [
            msgspec.json.decode(row.body)["detail"]
            for row in rows
            if row.kind is Kind.EVENT and b'"name":"gap"' in row.body
        ]
        dropped = [seq for gap in told for first, last in gap["ranges"] for seq in range(first, last + 1)]
        assert sorted(kept + dropped) == list(range(1, outbox.tally.last_seq + 1)), (
            "each number is here or accounted for"
        )
        assert outbox.tally.dropped == len(dropped) == sum(gap["count"] for gap in told)
        assert outbox.tally.backlog == len(rows)
        left = numbers([row for row in rows if row.kind is Kind.READING])
        assert left == list(range(left[0], 1500)), "the newest stay"


async def test_without_readings_events_give_way_before_results_and_the_node_status_never(tmp_path: Path) -> None:
    async with opened(tmp_path, max_mib=1) as store:
        node = NodeStatus(at=NOW, state="offline", site="s", version="v" * 2_000_000)
        await store.outbox.append([Result(at=NOW, id="1", device="r", action="a", stage=Stage.FAILED), event(0), node])
        kinds = [row.kind for row in await store.outbox.read()]
        assert Kind.NODE in kinds
        assert Kind.RESULT not in kinds


async def test_a_full_disk_is_an_error_not_an_end_and_passes(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.outbox.append([reading(0)])
        writer = store.outbox._writer
        pages = (await writer.run(lambda connection: connection.execute("PRAGMA page_count").fetchone()))[0]
        await writer.run(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}").fetchone())
        before = store.outbox.tally
        with pytest.raises(StoreError, match="full"):
            await store.outbox.append([reading(n, size=5000) for n in range(100)])
        assert store.outbox.tally == before, "nothing is counted that is not there"
        good, bad = await asyncio.gather(
            store.outbox.append([reading(1)]),
            store.outbox.append([reading(2, size=500_000)]),
            return_exceptions=True,
        )
        assert good == 2, "one that fails does not take its neighbours with it"
        assert isinstance(bad, StoreError)
        await writer.run(lambda connection: connection.execute("PRAGMA max_page_count = 1000000").fetchone())
        assert await store.outbox.append([reading(3)]) == 3, "no hole where the disk was full"
        assert numbers(await store.outbox.read()) == [0, 1, 3]


LIMITED = """
import asyncio, resource, signal, sys
from datetime import UTC, datetime
from fleetd.clock import VirtualClock
from fleetd.errors import StoreError
from fleetd.records import Event
from fleetd.store.store import Store

NOW = datetime(2026, 11, 11, tzinfo=UTC)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

def event(size):
    return Event(at=NOW, source="s", name="n", text="x" * size)

async def main():
    async with Store.open(sys.argv[1], node="n", clock=VirtualClock(NOW)) as store:
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
        failed = 0
        for n in range(60):
            try:
                print(await store.outbox.append([event(20_000)]))
            except StoreError:
                failed += 1
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print(await store.outbox.append([event(1)]))
        print("failed", failed)

asyncio.run(main())
"""


async def test_a_disk_that_fails_at_any_commit_loses_nothing_that_was_promised(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LIMITED, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    *promised, failed = output.decode().splitlines()
    assert int(failed.split()[1]) > 0, "the limit was felt"
    async with opened(tmp_path) as store:
        assert [row.seq for row in await store.outbox.read()] == [int(seq) for seq in promised]
        assert promised == [str(n) for n in range(1, len(promised) + 1)]


CHILD = """
import asyncio, os, sys
from datetime import UTC, datetime
from fleetd.clock import VirtualClock
from fleetd.records import Quality, Reading
from fleetd.store.store import Store

NOW = datetime(2026, 11, 11, 12, 0, tzinfo=UTC)

async def main():
    async with Store.open(sys.argv[1], node="node-1", clock=VirtualClock(NOW)) as store:
        while True:
            n = store.outbox.tally.last_seq
            batch = [Reading(at=NOW, device="r", quality=Quality.GOOD, values={"number": n + i}) for i in range(3)]
            last = await store.outbox.append(batch)
            os.write(1, f"{last}\\n".encode())

for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        asyncio.run(main())
    os.write(1, f"pid {pid}\\n".encode())
    os.waitpid(pid, 0)
    os.write(1, b"gone\\n")
"""


def test_after_kill_9_all_that_was_promised_is_there_and_nothing_is_invented(tmp_path: Path) -> None:
    promised = 0
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for kills in range(1, 6):
            process.stdin.write("\n")
            process.stdin.flush()
            pid, lines = 0, 0
            while (line := process.stdout.readline().strip()) != "gone":
                if line.startswith("pid"):
                    pid = int(line.split()[1])
                else:
                    promised, lines = max(promised, int(line)), lines + 1
                if pid and lines == 7 * kills:
                    os.kill(pid, signal.SIGKILL)
        process.stdin.close()

    async def check() -> None:
        async with opened(tmp_path) as store:
            rows = await store.outbox.read(most=100_000)
            assert len(rows) >= promised > 0
            assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
            assert numbers(rows) == list(range(len(rows)))
            assert len(rows) % 3 == 0, "whole batches only"
            assert store.boot.startswith("000006-")

    asyncio.run(check())


async def cuts_of_the_log(tmp_path: Path, step: int) -> int:
    """Open the store with every so many bytes of its log, and zeros behind; returns how many lengths were tried."""
    live, marks = tmp_path / "live", [0]
    async with opened(live) as store:
        wal = live / f"{schema.FILE}-wal"
        for n in range(12):
            await store.outbox.append([reading(2 * n), reading(2 * n + 1)])
            marks.append(wal.stat().st_size)
        for name in (schema.FILE, wal.name):
            shutil.copy(live / name, tmp_path / name)
    whole = (tmp_path / wal.name).read_bytes()
    lengths = sorted({*range(0, len(whole), step), *marks[1:], len(whole)})
    folder = tmp_path / "cut"
    for cut in lengths:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        shutil.copy(tmp_path / schema.FILE, folder / schema.FILE)
        (folder / wal.name).write_bytes(whole[:cut] + bytes(min(len(whole) - cut, 512)))
        synced = sum(mark <= cut for mark in marks[1:])
        async with opened(folder) as store:
            found = numbers(await store.outbox.read())
        assert found == list(range(len(found))), "nothing is made up"
        assert len(found) >= 2 * synced, "what was synced stays"
    return len(lengths)


async def test_row_2_a_log_cut_anywhere_opens_with_a_prefix_of_what_was_committed(
    tmp_path: Path, counters: Counters
) -> None:
    counters(prefixes=await cuts_of_the_log(tmp_path, 4001), missing=0, invented=0)


@pytest.mark.slow
@pytest.mark.timeout(7200)
async def test_row_2_every_byte_prefix_of_the_log(tmp_path: Path, counters: Counters) -> None:
    counters(prefixes=await cuts_of_the_log(tmp_path, 1), missing=0, invented=0)


async def test_a_file_of_random_bytes_is_set_aside_and_said(tmp_path: Path) -> None:
    (tmp_path / schema.FILE).write_bytes(random.Random(1).randbytes(20_000))
    async with opened(tmp_path) as store:
        await store.outbox.append([reading(1)])
        rows = await store.outbox.read()
    assert [row.kind for row in rows] == [Kind.EVENT, Kind.READING]
    assert b"store-set-aside" in rows[0].body
    assert (tmp_path / f"{schema.FILE}.damaged-1").exists()


def ranges(gap: Row) -> set[int]:
    detail = msgspec.json.decode(gap.body)["detail"]
    return {seq for first, last in detail["ranges"] for seq in range(first, last + 1)}


async def test_what_the_publisher_has_in_hand_is_not_dropped_and_what_is_dropped_it_may_not_take(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, max_mib=1) as store:
        outbox = store.outbox
        outbox.claims.begin()
        await outbox.append([reading(number, size=900) for number in range(100)])
        assert all(outbox.claims.take(seq) for seq in range(1, 51))
        await outbox.append([reading(number, size=900) for number in range(100, 1200)])
        gaps = [row for row in await outbox.read(most=5000) if row.kind is Kind.EVENT]
        dropped = set().union(*map(ranges, gaps))
        assert min(dropped) == 51, "the oldest that nobody has in hand"
        assert not outbox.claims.take(51)
        assert outbox.claims.given_up() == dropped
        outbox.claims.release([1])
        outbox.claims.end([2])
        await outbox.append([reading(number, size=900) for number in range(200)])
        gap = (await outbox.read(after=outbox.tally.last_seq - 1))[-1]
        assert 1 in ranges(gap)
        assert 2 not in ranges(gap), "acknowledged, and still to be deleted"
        assert outbox.claims.given_up() == frozenset(), "nobody has copies, nothing need be remembered"


async def test_records_that_are_too_old_are_dropped_and_said_but_none_whose_age_is_unknown(tmp_path: Path) -> None:
    clock = VirtualClock(NOW)
    untimed = msgspec.structs.replace(reading(0), clock_synced=False)
    async with Store.open(
        tmp_path, node="n", clock=clock, settings=StoreSettings(path=str(tmp_path), max_age_days=2)
    ) as store:
        outbox = store.outbox
        await outbox.append([NodeStatus(at=NOW, state="offline", site="s", version="1"), untimed, reading(1), event(2)])
        await clock.advance(86_400)
        await outbox.append([msgspec.structs.replace(reading(3), at=clock.now())])
        assert outbox.tally.dropped == 0
        clock.synced = False
        clock.step(10 * 86_400.0)
        await outbox.append([event(4)])
        assert outbox.tally.dropped == 0, "a clock that nobody has set knows no age"
        clock.synced = True
        clock.step(-10 * 86_400.0)
        await clock.advance(86_400 + 1)
        await outbox.append([msgspec.structs.replace(reading(5), at=clock.now())])
        rows = await outbox.read()
        assert numbers([row for row in rows if row.kind is Kind.READING]) == [0, 3, 5]
        assert rows[0].kind is Kind.NODE
        assert ranges(rows[-1]) == {3, 4, 6}
        assert b"older than 2 days" in rows[-1].body
        assert outbox.tally.dropped == 3


@pytest.mark.parametrize("doubted", [False, True])
async def test_a_trusted_clock_that_is_set_ahead_makes_nothing_old(tmp_path: Path, doubted: bool) -> None:
    """As receivers of GPS do when their week number rolls over: 1024 weeks at once, and they vouch for it."""
    clock = VirtualClock(NOW)
    async with Store.open(
        tmp_path, node="n", clock=clock, settings=StoreSettings(path=str(tmp_path), max_age_days=2)
    ) as store:
        await store.outbox.append([reading(1)])
        clock.synced = not doubted
        clock.step(1024 * 7 * 86_400.0)
        await store.outbox.append([event(0)])
        clock.synced = True
        await store.outbox.append([msgspec.structs.replace(reading(2), at=clock.now())])
        assert store.outbox.tally.dropped == 0
        await clock.advance(2 * 86_400 + 1)
        await store.outbox.append([msgspec.structs.replace(reading(3), at=clock.now())])
        assert store.outbox.tally.dropped == 2, "by running time both have grown old since"


async def test_what_is_dropped_as_soon_as_it_comes_is_not_told_to_those_who_watch(tmp_path: Path) -> None:
    async with opened(tmp_path, max_mib=1) as store:
        told: list[Row] = []
        with store.outbox.watched(told.extend):
            await store.outbox.append([reading(number, size=900) for number in range(2000)])
            kept = await store.outbox.read(most=5000)
        assert len(kept) < 1500
        assert told == kept


async def test_lanes_are_read_apart_and_between_numbers(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        for number in range(10):
            await store.outbox.append([reading(number), event(number)])
        urgent = await store.outbox.read(lane=Lane.URGENT, after=4, upto=12)
        assert [row.seq for row in urgent] == [6, 8, 10, 12]
        assert [row.seq for row in await store.outbox.read(lane=Lane.READINGS, most=3)] == [1, 3, 5]
