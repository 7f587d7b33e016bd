"""The store's door (lock, version), its ledger and its audit chain, also over restarts."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from counters import Counters

from fleetd.clock import VirtualClock
from fleetd.errors import StoreError
from fleetd.records import Command, Stage
from fleetd.store import schema
from fleetd.store.audit import Verdict
from fleetd.store.store import Store

NOW = datetime(2026, 11, 11, 12, 0, tzinfo=UTC)


@asynccontextmanager
async def opened(folder: Path, at: datetime = NOW) -> AsyncIterator[Store]:
    async with Store.open(folder, node="node-1", clock=VirtualClock(at)) as store:
        yield store


def command(id: str = "c-1", action: str = "send") -> Command:  # noqa: A002
    return Command(
        id=id,
        device="robot-01",
        action=action,
        args={"target": 3},
        issuer="ops",
        issued_at=NOW,
        expires_at=NOW + timedelta(seconds=30),
    )


def edit(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / schema.FILE)) as connection:
        connection.executescript(statement)


# The door


async def test_row_34_a_second_daemon_is_refused_at_once_with_the_pid_of_the_first(tmp_path: Path) -> None:
    async with opened(tmp_path):
        with pytest.raises(StoreError, match=f"in use by pid {os.getpid()}"):
            async with opened(tmp_path):
                pass
    async with opened(tmp_path) as store:
        assert store.boot.startswith("000002-"), "the refused one did not count as a boot"


def races(folder: Path, count: int) -> list[str]:
    """Two processes after one store at once, again and again: what became of them each time."""
    command = [sys.executable, str(Path(__file__).with_name("store_race.py")), str(folder), str(count)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_row_34_of_two_that_start_at_once_one_owns_the_store(tmp_path: Path) -> None:
    assert races(tmp_path, 20) == ["owner refused"] * 20


@pytest.mark.slow
def test_row_34_five_hundred_times(tmp_path: Path, counters: Counters) -> None:
    found = races(tmp_path, 500)
    counters(races=len(found), double_owners=found.count("owner owner"))
    assert found == ["owner refused"] * 500


async def test_a_newer_store_and_a_foreign_database_are_refused_untouched(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    edit(tmp_path, "PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="newer fleetd"):
        async with opened(tmp_path):
            pass
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    edit(foreign, "CREATE TABLE theirs (x)")
    with pytest.raises(StoreError, match="something else"):
        async with opened(foreign):
            pass
    edit(foreign, "SELECT x FROM theirs")


async def test_a_place_that_cannot_be_a_folder_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot be used: .*; look at its owner and mode"):
        async with opened(tmp_path / "file" / "store"):
            pass


async def test_a_closed_store_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        pass
    with pytest.raises(StoreError, match="closed"):
        await store.audit.tail()


async def test_what_was_handed_in_is_on_disk_when_the_store_is_left(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        tasks = [asyncio.create_task(store.audit.append("me", "act", "done", str(n))) for n in range(50)]
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    async with opened(tmp_path) as store:
        assert len(await store.audit.tail()) == 50


# The ledger


async def test_an_id_is_taken_once_also_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        first = await store.ledger.accept(command())
        assert (first.fresh, first.stage, first.command) == (True, Stage.ACCEPTED, command())
        again = await store.ledger.accept(command())
        assert (again.fresh, again.number) == (False, first.number)
        other = await store.ledger.accept(command("c-2"))
        assert other.number == first.number + 1
    async with opened(tmp_path) as store:
        seen = await store.ledger.accept(command(action="something else"))
        assert (seen.fresh, seen.number, seen.command.action) == (False, first.number, "send")
        assert [entry.command.id for entry in await store.ledger.unfinished()] == ["c-1", "c-2"]
        assert (await store.ledger.accept(command("c-3"))).number == first.number + 2


async def test_one_id_brought_many_times_at_once_is_fresh_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        entries = await asyncio.gather(*(store.ledger.accept(command()) for _ in range(50)))
        assert [entry.fresh for entry in entries].count(True) == 1
        assert len({entry.number for entry in entries}) == 1


async def test_numbers_are_u32_and_go_on_above_a_ledger_that_was_lost(tmp_path: Path) -> None:
    async with opened(tmp_path / "lost") as store:
        lost = [await store.ledger.accept(command(str(n))) for n in range(3)]
    async with opened(tmp_path / "new", NOW + timedelta(minutes=1)) as store:
        new = await store.ledger.accept(command())
        assert 1 <= lost[-1].number < new.number <= 0xFFFF_FFFF
    async with opened(tmp_path / "unset-clock", datetime(1970, 1, 1, tzinfo=UTC)) as store:
        assert (await store.ledger.accept(command())).number == 1
    edit(tmp_path / "new", "UPDATE sqlite_sequence SET seq = 4294967295 WHERE name = 'ledger'")
    async with opened(tmp_path / "new") as store:
        with pytest.raises(StoreError, match="all its numbers"):
            await store.ledger.accept(command("one too many"))


async def test_a_final_stage_stays(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.ledger.accept(command())
        assert (await store.ledger.advance("c-1", Stage.STARTED)).stage is Stage.STARTED
        done = await store.ledger.advance("c-1", Stage.FAILED, "the robot said no")
        assert (done.stage, done.reason) == (Stage.FAILED, "the robot said no")
        assert await store.ledger.advance("c-1", Stage.STARTED) == done
        assert await store.ledger.entry("c-1") == done
        assert await store.ledger.unfinished() == []
        assert await store.ledger.entry("c-9") is None
        with pytest.raises(StoreError, match="'c-9' is not in the ledger"):
            await store.ledger.advance("c-9", Stage.STARTED)


async def test_old_finished_commands_are_forgotten_and_unfinished_ones_never(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        for id in ("done", "open"):  # noqa: A001
            await store.ledger.accept(command(id))
        await store.ledger.advance("done", Stage.SUCCEEDED)
    async with opened(tmp_path, NOW + timedelta(days=29)) as store:
        assert await store.ledger.entry("done") is not None
    async with opened(tmp_path, NOW + timedelta(days=31)) as store:
        assert await store.ledger.entry("done") is None
        assert [entry.command.id for entry in await store.ledger.recent()] == ["open"]


# The audit chain


async def chain(folder: Path, length: int) -> None:
    async with opened(folder) as store:
        for number in range(length):
            await store.audit.append("ops", "stop", "done", f"robot-{number}")


async def verdict(folder: Path) -> Verdict:
    async with opened(folder) as store:
        return await store.audit.verify()


async def test_the_chain_holds_over_restarts_and_shows_its_tail(tmp_path: Path) -> None:
    await chain(tmp_path, 3)
    await chain(tmp_path, 2)
    found = await verdict(tmp_path)
    assert found.whole
    assert found.entries == 5
    async with opened(tmp_path) as store:
        tail = await store.audit.tail(2)
        assert [entry.number for entry in tail] == [4, 5]
        assert tail[-1].hash == found.head
        assert tail[-1].at == "2026-11-11T12:00:00.000Z"
    async with opened(tmp_path / "empty") as store:
        assert (await store.audit.verify()).whole


SWAP = """
UPDATE audit SET number = CASE number WHEN 2 THEN -3 ELSE -2 END WHERE number IN (2, 3);
UPDATE audit SET number = -number WHERE number < 0;
"""


@pytest.mark.parametrize(
    ("statement", "broken_at"),
    [
        ("UPDATE audit SET outcome = 'refused' WHERE number = 2", 2),
        ("UPDATE audit SET at = '2026-11-11T12:00:00.001Z' WHERE number = 4", 4),
        ("UPDATE audit SET who = 'opss', act = 'top' WHERE number = 1", 1),
        ("UPDATE audit SET hash = 'x' || substr(hash, 2) WHERE number = 3", 3),
        ("DELETE FROM audit WHERE number = 3", 3),
        ("DELETE FROM audit WHERE number = 1", 1),
        ("DELETE FROM audit WHERE number = 5", 5),
        ("DELETE FROM audit", 1),
        (SWAP, 2),
    ],
)
async def test_every_edit_cut_and_swap_is_found(tmp_path: Path, statement: str, broken_at: int) -> None:
    await chain(tmp_path, 5)
    edit(tmp_path, statement)
    found = await verdict(tmp_path)
    assert not found.whole
    assert found.broken_at == broken_at
    assert found.entries == broken_at - 1
