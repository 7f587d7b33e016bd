"""The store's shelf of element sets: at most one in use and one held, nothing forgotten, old stores taken over."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fleetd.clock import VirtualClock
from fleetd.store.elements import ElementShelf, SetState, StoredSet, UrlRecord
from fleetd.store.store import Store

T = datetime(2026, 11, 11, tzinfo=UTC)


@asynccontextmanager
async def shelf(folder: Path) -> AsyncIterator[ElementShelf]:
    async with Store.open(folder, node="test", clock=VirtualClock(T)) as store:
        yield store.elements


def stored(name: str, state: SetState, minutes: int, norad_id: int = 7) -> StoredSet:
    return StoredSet(
        norad_id=norad_id, hash=name, state=state, changed=T + timedelta(minutes=minutes), body=name.encode()
    )


async def test_of_each_satellite_one_is_in_use_one_is_held_and_all_are_kept(tmp_path: Path) -> None:
    async with shelf(tmp_path) as here:
        await here.put(stored("a", SetState.IN_USE, 1))
        await here.put(stored("b", SetState.IN_USE, 2))
        await here.put(stored("c", SetState.HELD, 3))
        await here.put(stored("d", SetState.HELD, 4))
        await here.put(stored("x", SetState.IN_USE, 5, norad_id=8))
    async with shelf(tmp_path) as here:
        assert {one.hash: str(one.state) for one in await here.sets(7)} == {
            "a": "replaced",
            "b": "in-use",
            "c": "superseded",
            "d": "held",
        }
        await here.put(stored("d", SetState.IN_USE, 6))  # accepted
        await here.put(stored("e", SetState.HELD, 7))
        await here.settle(7, SetState.HELD, T)
        assert [(one.hash, str(one.state)) for one in await here.sets(7) if one.state is SetState.IN_USE] == [
            ("d", "in-use")
        ]
        assert not [one for one in await here.sets(7) if one.state is SetState.HELD]
        assert [one.body for one in await here.sets(8)] == [b"x"]


async def test_what_is_damaged_is_passed_over(tmp_path: Path) -> None:
    record = UrlRecord(url="http://x", requested_at=T, etag='"7"', failures=2, reason="no")
    async with shelf(tmp_path) as here:
        await here.put(stored("a", SetState.IN_USE, 1))
        await here.note(record)
        assert await here.url("http://x") == record
        assert await here.url("http://y") == UrlRecord(url="http://y")
    connection = sqlite3.connect(tmp_path / "fleetd.db")
    connection.execute("UPDATE element_set SET state = 'in-usf'")
    connection.execute("UPDATE element_source SET body = X'7B'")
    connection.commit()
    connection.close()
    async with shelf(tmp_path) as here:
        assert await here.sets(7) == []
        assert await here.url("http://x") == UrlRecord(url="http://x")


async def test_a_store_of_before_gets_the_tables(tmp_path: Path) -> None:
    async with shelf(tmp_path):
        pass
    connection = sqlite3.connect(tmp_path / "fleetd.db")
    connection.executescript("DROP TABLE element_set; DROP TABLE element_source;")
    connection.close()
    async with shelf(tmp_path) as here:
        await here.put(stored("a", SetState.IN_USE, 1))
        assert [one.hash for one in await here.sets(7)] == ["a"]
