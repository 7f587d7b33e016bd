"""The relay stops when it is told to, at any moment, and leaves no task, thread or socket behind."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from brokers import Mosquitto, free_port
from fake_broker import fake_broker

from fleetd.clock import ScaledClock
from fleetd.errors import StoreError
from fleetd.hub import Hub
from fleetd.records import Command, Event
from fleetd.relay.failures import UplinkLost
from fleetd.relay.incoming import Incoming
from fleetd.relay.relay import Relay
from fleetd.relay.settings import RelaySettings
from fleetd.relay.uplink import Uplink
from fleetd.store.store import Store

NOW = datetime(2026, 11, 11, 12, 0, tzinfo=UTC)
AFTER_S = (0.0, 0.001, 0.003, 0.006, 0.01, 0.015, 0.02, 0.03, 0.045)


@pytest.fixture
def black_hole() -> Iterator[int]:
    """A port that accepts connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


async def nobody(command: Command) -> None:
    raise TypeError(command)


def event(number: int) -> Event:
    return Event(at=NOW, source="test", name="n", text=str(number))


async def leave_after(folder: Path, url: str, delay_s: float) -> int:
    """Run a relay for a moment; returns how many of ten events it left in the store."""
    clock, hub = ScaledClock(NOW, datetime.now(UTC), 20.0), Hub()
    async with Store.open(folder, node="node-1", clock=clock) as store:
        relay = Relay(RelaySettings(brokers=[url]), store, hub, clock, "hangzhou", nobody)
        task = asyncio.create_task(relay.run())
        await asyncio.sleep(0)
        for number in range(10):
            hub.publish(event(number))
        await asyncio.sleep(delay_s)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        rows = await store.outbox.read()
        return sum(row.kind == "event" for row in rows)


async def nothing_left() -> None:
    await asyncio.sleep(0.01)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert not [thread for thread in threading.enumerate() if thread.name == "store writer"]


@pytest.mark.peer("mosquitto")
@pytest.mark.parametrize("delay_s", AFTER_S)
async def test_leaving_a_broker_at_any_moment(tmp_path: Path, mosquitto: Mosquitto, delay_s: float) -> None:
    left = await leave_after(tmp_path / "store", mosquitto.url, delay_s)
    assert left in (0, 10)
    await nothing_left()


@pytest.mark.parametrize("delay_s", AFTER_S)
async def test_leaving_while_no_broker_is_there_keeps_everything(tmp_path: Path, delay_s: float) -> None:
    assert await leave_after(tmp_path / "store", f"mqtt://127.0.0.1:{free_port()}", delay_s) == 10
    await nothing_left()


@pytest.mark.slow
async def test_leaving_a_broker_that_never_answers_keeps_everything(tmp_path: Path, black_hole: int) -> None:
    assert await leave_after(tmp_path / "store", f"mqtt://127.0.0.1:{black_hole}", 0.03) == 10
    await nothing_left()


async def test_a_store_that_fails_for_a_while_costs_nothing_but_time(tmp_path: Path) -> None:
    clock, hub = ScaledClock(NOW, datetime.now(UTC), 100.0), Hub()
    async with Store.open(tmp_path, node="node-1", clock=clock) as store:
        relay = Relay(RelaySettings(brokers=[f"mqtt://127.0.0.1:{free_port()}"]), store, hub, clock, "hangzhou", nobody)
        append, failures = store.outbox.append, 3

        async def failing(records: object) -> int:
            nonlocal failures
            if failures:
                failures -= 1
                raise StoreError("the disk is full")
            return await append(records)  # type: ignore[arg-type]

        store.outbox.append = failing  # type: ignore[method-assign]
        task = asyncio.create_task(relay.run())
        await asyncio.sleep(0)
        for number in range(10):
            hub.publish(event(number))
        while sum(row.kind == "event" for row in await store.outbox.read()) < 10:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        assert not relay.status().connected
        assert not failures
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_bug_in_whoever_takes_commands_ends_the_relay(tmp_path: Path, mosquitto: Mosquitto) -> None:
    from brokers import tell

    clock, hub = ScaledClock(NOW, datetime.now(UTC), 20.0), Hub()
    async with Store.open(tmp_path / "store", node="node-1", clock=clock) as store:
        relay = Relay(RelaySettings(brokers=[mosquitto.url]), store, hub, clock, "hangzhou", nobody)
        task = asyncio.create_task(relay.run())
        while not relay.status().connected:  # noqa: ASYNC110  # a status is read, not heard
            await asyncio.sleep(0.01)
        while not task.done():
            await tell(mosquitto, "fleetd/hangzhou/robot-01/command", b'{"id": "c-1", "action": "stop"}')
        with pytest.raises(ExceptionGroup) as caught:
            await task
        assert caught.group_contains(TypeError)


class Sulking:
    """A guest whose line breaks in the moment in which it is told to go."""

    filters = ()
    cancelled = 0

    def take(self, incoming: Incoming) -> bool:
        return False

    async def attend(self, uplink: Uplink) -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            self.cancelled += 1
            if self.cancelled == 1:
                raise UplinkLost("the line broke") from None
            raise

    async def farewell(self, uplink: Uplink) -> None:
        pass


async def test_a_line_that_breaks_in_the_moment_of_leaving_keeps_nobody(tmp_path: Path) -> None:
    """Python's TaskGroup tells its parent of the failure alone then, and not that it was cancelled."""
    async with fake_broker() as broker:
        clock, hub = ScaledClock(NOW, datetime.now(UTC), 20.0), Hub()
        async with Store.open(tmp_path, node="node-1", clock=clock) as store:
            relay = Relay(
                RelaySettings(brokers=[broker.url]), store, hub, clock, "hangzhou", nobody, guests=[Sulking()]
            )
            task = asyncio.create_task(relay.run())
            await broker.until_heard(1)
            task.cancel()
            await asyncio.wait({task}, timeout=10.0)
            ended, _ = task.done(), task.cancel()
            assert ended
