"""A damaged store: every cut and every flipped bit starts, loses only what it must, invents nothing, and says so."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from counters import Counters

from fleetd.clock import VirtualClock
from fleetd.errors import StoreError
from fleetd.records import Command, Event, Quality, Reading, Result, Stage
from fleetd.store import schema
from fleetd.store.pages import rows_of
from fleetd.store.rows import Kind, Row
from fleetd.store.salvage import finish, save
from fleetd.store.store import Store

NOW = datetime(2026, 11, 11, 12, 0, tzinfo=UTC)
RECORDS = 60


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Store]:
    async with Store.open(folder, node="node-1", clock=VirtualClock(NOW)) as store:
        yield store


def reading(number: int, size: int = 60) -> Reading:
    return Reading(at=NOW, device="robot-01", quality=Quality.GOOD, values={"number": number, "pad": "x" * size})


def command(id: str) -> Command:  # noqa: A002
    return Command(
        id=id, device="robot-01", action="send", issuer="ops", issued_at=NOW, expires_at=NOW + timedelta(seconds=30)
    )


@pytest.fixture
def copies(tmp_path: Path, recorded: Path) -> Iterator[Path]:
    """A folder for a damaged copy of the recorded store."""
    folder = tmp_path / "copy"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
async def recorded(tmp_path: Path) -> Path:
    """A small store that was closed: records, a command with its result, an audit entry."""
    folder = tmp_path / "recorded"
    async with opened(folder) as store:
        await store.outbox.append([reading(number) for number in range(RECORDS)])
        await store.ledger.accept(command("c-1"))
        await store.audit.append("ops", "send robot-01", "accepted")
    return folder


def damaged(recorded: Path, copy: Path, data: bytes) -> None:
    shutil.rmtree(copy)
    shutil.copytree(recorded, copy)
    (copy / schema.FILE).write_bytes(data)


async def all_rows(store: Store) -> list[Row]:
    rows: list[Row] = []
    while more := await store.outbox.read(after=rows[-1].seq if rows else 0):
        rows += more
    return rows


def numbers(rows: list[Row]) -> list[int]:
    return [msgspec.json.decode(row.body)["values"]["number"] for row in rows if row.kind is Kind.READING]


def told(rows: list[Row]) -> set[str]:
    return {msgspec.json.decode(row.body)["name"] for row in rows if row.kind is Kind.EVENT}


async def flips(recorded: Path, copy: Path, bits: list[int]) -> tuple[int, int]:
    """Open a copy with each one bit flipped; returns how many records were missing and how often it was silent."""
    whole = (recorded / schema.FILE).read_bytes()
    missing = silent = 0
    for bit in bits:
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        damaged(recorded, copy, bytes(data))
        async with opened(copy) as store:
            rows = await all_rows(store)
            found = numbers(rows)
            assert set(found) <= set(range(RECORDS)), f"bit {bit}: invented"
            assert len(found) == len(set(found)), f"bit {bit}: twice"
            assert all(
                row.body == msgspec.json.encode(reading(n)) for row, n in zip(_readings(rows), found, strict=True)
            )
            gone = RECORDS - len(found)
            missing += gone
            silent += gone > 0 and not told(rows) & {"gap", "store-set-aside"}
    return missing, silent


def _readings(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row.kind is Kind.READING]


async def test_row_3_a_flipped_bit_anywhere_is_found_and_costs_its_record_alone(recorded: Path, copies: Path) -> None:
    size = (recorded / schema.FILE).stat().st_size
    bits = random.Random(3).sample(range(size * 8), 120)
    missing, silent = await flips(recorded, copies, bits)
    assert silent == 0
    assert missing <= len(bits)


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_row_3_ten_thousand_flipped_bits(recorded: Path, copies: Path, counters: Counters) -> None:
    size = (recorded / schema.FILE).stat().st_size
    draw = random.Random(33)
    missing, silent = await flips(recorded, copies, [draw.randrange(size * 8) for _ in range(10_000)])
    counters(flips=10_000, missing=missing, silent=silent)
    assert silent == 0


EMPTY_BYTES = 1  # SQLite takes a file of one byte for an empty one (unixFileSize in os_unix.c)


async def cuts(recorded: Path, copy: Path, lengths: list[int]) -> None:
    """Open a copy cut at each length: no power cut does this to a file that was synced, a bad disk may."""
    whole = (recorded / schema.FILE).read_bytes()
    for length in lengths:
        damaged(recorded, copy, whole[:length])
        async with opened(copy) as store:
            rows = await all_rows(store)
            found = numbers(rows)
            assert set(found) <= set(range(RECORDS))
            assert len(found) == RECORDS or length <= EMPTY_BYTES or told(rows), f"{length}: silent"


async def test_row_2_a_file_cut_anywhere_starts_and_keeps_whole_pages(recorded: Path, copies: Path) -> None:
    size = (recorded / schema.FILE).stat().st_size
    await cuts(recorded, copies, [*range(0, size, 1499), 99, 100, 511, 4095, 4096, 4097, size - 1])


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_row_2_every_byte_prefix_of_the_file(recorded: Path, copies: Path, counters: Counters) -> None:
    size = (recorded / schema.FILE).stat().st_size
    await cuts(recorded, copies, list(range(size)))
    counters(prefixes=size, failed_starts=0, silent=0)


async def test_a_broken_page_is_healed_while_the_store_is_open(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.outbox.append([reading(number, size=300) for number in range(200)])
    async with opened(tmp_path) as store:
        with (tmp_path / schema.FILE).open("r+b") as file:  # under its feet, as a bad disk would
            pages = file.seek(0, 2) // 4096
            file.seek((pages - 2) * 4096)
            file.write(b"\xff" * 4096)
        await store.outbox._writer.run(lambda connection: connection.execute("PRAGMA cache_size = 0").fetchall())
        await store.outbox._writer.run(lambda connection: connection.execute("PRAGMA shrink_memory").fetchall())
        before = store.outbox.tally.last_seq
        rows = await all_rows(store)
        found = numbers(rows)
        assert 180 <= len(found) < 200, "one page of some ten rows"
        assert told(rows) == {"store-set-aside"}
        assert await store.outbox.append([reading(200)]) > before, "no number is given twice"
        assert store.outbox.tally.backlog == len(rows) + 1
    assert (tmp_path / f"{schema.FILE}.damaged-1").exists()


async def test_ledger_audit_and_sequence_are_carried_over(recorded: Path) -> None:
    async with opened(recorded) as store:
        await store.outbox.delete(range(50, 61))
        await store.ledger.advance("c-1", Stage.FAILED, "the robot said no")
    with (recorded / schema.FILE).open("r+b") as file:
        file.seek(101)
        file.write(b"\xff\xff\xff")  # the tree of the schema
    async with opened(recorded) as store:
        entry = await store.ledger.entry("c-1")
        assert entry is not None
        assert (entry.stage, entry.reason) == (Stage.FAILED, "the robot said no")
        assert (await store.ledger.accept(command("c-2"))).number == entry.number + 1
        assert (await store.audit.verify()).whole
        assert store.boot.startswith("000003-")
        rows = await all_rows(store)
        assert numbers(rows)[:49] == list(range(49))
        assert rows[-1].seq > RECORDS, "numbers go on above those that were given out and deleted"


async def test_a_crash_between_saving_and_swapping_is_made_good(recorded: Path) -> None:
    save(recorded, "test")
    async with opened(recorded) as store:
        assert numbers(await all_rows(store)) == list(range(RECORDS))
    assert (recorded / f"{schema.FILE}.damaged-1").exists()
    assert finish(recorded) is None


async def test_pages_hold_what_sqlite_says_they_hold(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        for number in range(40):
            await store.outbox.append([reading(number, size=number * 400)])  # up to several overflow pages
        await store.outbox.append([reading(number, size=600) for number in range(300)])
        await store.outbox.delete([*range(10, 20), *range(60, 320)])  # whole pages are free again
        by_sql = {(row.seq, row.body) for row in await store.outbox.read()}
        copy = tmp_path / "copy"
        copy.mkdir()
        for tail in ("", "-wal"):  # the log holds all of it still
            shutil.copy(tmp_path / f"{schema.FILE}{tail}", copy / f"{schema.FILE}{tail}")
    for place in (copy, tmp_path):
        found = {(rowid, row[6]) for rowid, row in rows_of(place / schema.FILE) if len(row) == 8 and row[0] is None}
        assert by_sql == found


async def test_a_newer_store_is_refused_and_a_bit_that_makes_it_look_newer_is_not(recorded: Path) -> None:
    def set_version(version: int) -> None:
        with closing(sqlite3.connect(recorded / schema.FILE)) as connection:
            connection.execute(f"PRAGMA user_version = {version}")

    set_version(schema.VERSION + 1)
    with pytest.raises(StoreError, match=r"written by a newer fleetd \(store version 2, this one knows 1\); upgrade"):
        async with opened(recorded):
            pass
    set_version(schema.VERSION ^ 4)
    async with opened(recorded) as store:
        assert numbers(await all_rows(store)) == list(range(RECORDS))


async def test_a_result_is_on_disk_if_and_only_if_the_ledger_has_it(tmp_path: Path) -> None:
    done = Result(at=NOW, id="c-1", device="robot-01", action="send", stage=Stage.SUCCEEDED)
    async with opened(tmp_path) as store:
        await store.ledger.accept(command("c-1"), done)
        again = await store.ledger.accept(command("c-1"), done)
        assert not again.fresh
        assert [row.kind for row in await all_rows(store)] == [Kind.RESULT], "a repeat publishes nothing"
        await store.ledger.advance("c-1", Stage.SUCCEEDED, "", done)
        assert len(await all_rows(store)) == 2
        with pytest.raises(StoreError, match="not in the ledger"):
            await store.ledger.advance("c-9", Stage.SUCCEEDED, "", done)
        assert len(await all_rows(store)) == 2
        await store.outbox._writer.run(lambda connection: connection.execute("PRAGMA query_only = ON").fetchall())
        with pytest.raises(StoreError):
            await store.ledger.accept(command("c-2"), done)
        store.outbox.post(done)
        store.outbox.owe(done)
        assert await store.outbox._writer.run(lambda _: store.outbox.tally.last_seq) == 2
        await store.outbox._writer.run(lambda connection: connection.execute("PRAGMA query_only = OFF").fetchall())
        await store.outbox.append([Event(at=NOW, source="test", name="n", text="")])
        assert [row.kind for row in await all_rows(store)] == [*[Kind.RESULT] * 4, Kind.EVENT], "what was owed is there"
