"""The queue between outbox and line: from memory while it keeps up, from disk when it does not, in order, each once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleetd.clock import VirtualClock
from fleetd.records import Event, Quality, Reading
from fleetd.relay import queue as queue_module
from fleetd.relay.queue import Queue, queues
from fleetd.store.outbox import Outbox
from fleetd.store.rows import Lane
from fleetd.store.store import Store

NOW = datetime(2026, 11, 11, 12, 0, tzinfo=UTC)


@pytest.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[Outbox]:
    async with Store.open(tmp_path, node="n", clock=VirtualClock(NOW)) as store:
        yield store.outbox


def reading() -> Reading:
    return Reading(at=NOW, device="r", quality=Quality.GOOD, values={})


def event() -> Event:
    return Event(at=NOW, source="s", name="n", text="")


async def taken(queue: Queue) -> list[int]:
    """All that the queue holds and can fetch."""
    seqs: list[int] = []
    while not queue.done:
        await queue.fill()
        while queue.rows:
            seqs.append(queue.rows.popleft().seq)
    return seqs


async def test_what_waited_is_read_and_what_comes_follows_without_a_read(outbox: Outbox) -> None:
    await outbox.append([reading(), event()] * 600)
    queue = Queue(outbox, Lane.READINGS, after=0, upto=outbox.announced)
    with outbox.watched(queue.offer):
        await outbox.append([reading(), event()])
        assert not queue.rows, "older ones are on disk: it waits there"
        assert await taken(queue) == list(range(1, 1203, 2))
        await outbox.append([reading(), event(), reading()])
        assert [row.seq for row in queue.rows] == [1203, 1205]
        assert not queue.behind


async def test_too_much_at_hand_is_let_go_and_read_again(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "_MOST_AT_HAND", 10)
    queue = Queue(outbox, Lane.URGENT, after=0, upto=0)
    with outbox.watched(queue.offer):
        for _ in range(4):
            await outbox.append([event()] * 3)
        assert queue.behind
        assert not queue.rows
        await outbox.append([event()])
        assert await taken(queue) == list(range(1, 14))
        await outbox.append([event()] * 11)
        assert await taken(queue) == list(range(14, 25)), "more at once than may be at hand"


async def test_it_can_be_sent_back_in_mid_reading(outbox: Outbox) -> None:
    await outbox.append([event()] * 700)
    queue = Queue(outbox, Lane.URGENT, after=0, upto=outbox.announced)
    await queue.fill()
    queue.rows.clear()
    reading_on = asyncio.create_task(queue.fill())
    await asyncio.sleep(0)
    queue.go_back(1, outbox.announced)
    await reading_on
    assert await taken(queue) == list(range(1, 701))


async def test_live_and_backlog_share_readings_at_the_boundary(outbox: Outbox) -> None:
    await outbox.append([reading(), event(), reading()])
    urgent, live, backlog = queues(outbox, outbox.announced, live_first=True)
    for queue in (urgent, live, backlog):
        queue.go_back(1, 3)
    with outbox.watched(lambda rows: [queue.offer(rows) for queue in (urgent, live, backlog)] and None):
        await outbox.append([reading(), event()])
    for queue in (urgent, live, backlog):
        queue.go_back(1, outbox.announced)
    assert await taken(urgent) == [2, 5]
    assert await taken(live) == [4]
    assert await taken(backlog) == [1, 3]
