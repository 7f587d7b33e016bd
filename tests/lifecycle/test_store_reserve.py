"""Room kept back on the disk: given up when it is full, to what cannot wait, and held again once there is room."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleetd.clock import VirtualClock
from fleetd.errors import StoreError
from fleetd.records import NodeStatus, Quality, Reading
from fleetd.store.reserve import BYTES, Reserve, is_full
from fleetd.store.store import Store

NOON = datetime(2026, 11, 11, 12, tzinfo=UTC)
READING = Reading(at=NOON, device="robot-01", quality=Quality.GOOD, values={"n": 1})


@contextmanager
def no_room_for_a_reserve() -> Iterator[None]:
    """No file may become as large as it is; SIGXFSZ is ignored by Python."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (BYTES - 1, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_it_takes_its_room_and_gives_it_back(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path)
    assert not reserve.give(), "there was none"
    assert reserve.hold()
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= BYTES, "allocated, not only as long"
    assert reserve.give()
    assert (reserve.held, list(tmp_path.iterdir())) == (False, [])


def test_where_there_is_no_room_it_leaves_none_taken(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path)
    with no_room_for_a_reserve():
        assert not reserve.hold()
    assert list(tmp_path.iterdir()) == []
    assert reserve.hold()


async def test_what_can_wait_is_refused_while_it_is_given_up(tmp_path: Path) -> None:
    async with Store.open(tmp_path, node="test", clock=VirtualClock(NOON)) as store:
        await store.outbox.append([READING])
        reserve = store.outbox._writer._reserve
        assert reserve is not None
        assert reserve.held
        with no_room_for_a_reserve():
            assert reserve.give()
            with pytest.raises(StoreError, match=r"kept for commands, alarms and the audit chain; make room"):
                await store.outbox.append([READING])
            await store.audit.append("uid:1", "stop", "done")
            await store.outbox.append([NodeStatus(at=NOON, state="online", site="test", version="1")])
            assert len(await store.outbox.read()) == 2, "reading goes on, too"
            assert await store.outbox.delete([1]) == 1
        assert await store.outbox.append([READING]) == 3
        assert reserve.held


def test_what_is_for_want_of_room() -> None:
    def error(code: int) -> sqlite3.Error:
        made = sqlite3.OperationalError("x")
        made.sqlite_errorcode = code
        return made

    assert is_full(error(sqlite3.SQLITE_FULL))
    assert is_full(error(sqlite3.SQLITE_IOERR_SHMSIZE))
    assert not is_full(error(sqlite3.SQLITE_IOERR_READ))
    assert not is_full(OSError("no"))
