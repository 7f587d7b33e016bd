"""The virtual world itself: an event loop that jumps, a network of memory, a broker that a real client believes."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
import weakref
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest

from fleetd.link.wiretime import wire_time
from fleetd_drivers.modbus.deadlines import deadlines_of
from fleetd_hil.virtual.broker import MemoryBroker, matches
from fleetd_hil.virtual.loop import LoopClock, Overdue, VirtualLoop

T = TypeVar("T")
START = datetime(2026, 11, 11, tzinfo=UTC)


def run(work: Coroutine[Any, Any, T], within_s: float = 20.0) -> T:
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(within_s)) as runner:
        return runner.run(work)


def test_a_day_passes_in_no_time_and_in_order() -> None:
    async def day() -> list[float]:
        woken: list[float] = []

        async def sleeper(after_s: float) -> None:
            await asyncio.sleep(after_s)
            woken.append(asyncio.get_running_loop().time())

        async with asyncio.TaskGroup() as tasks:
            for after_s in (86_400.0, 5.0, 3_600.0):
                tasks.create_task(sleeper(after_s))
        return woken

    began_s = time.monotonic()
    assert run(day()) == pytest.approx([5.0, 3_600.0, 86_400.0])
    assert time.monotonic() - began_s < 5.0


def test_deadlines_are_virtual_too() -> None:
    async def wait() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(600):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run(wait()) == pytest.approx(600.0)


def test_work_for_threads_is_done_before_time_goes_on() -> None:
    async def work() -> tuple[int, float]:
        result = await asyncio.to_thread(sum, [1, 2, 3])
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 / 0)
        return result, asyncio.get_running_loop().time()

    assert run(work()) == (6, 0.0)


def test_a_world_in_which_nothing_can_happen_is_given_up() -> None:
    async def never() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Overdue, match="nothing can happen"):
        run(never())


def test_a_world_that_takes_too_long_is_given_up() -> None:
    async def busy() -> None:
        for _ in range(10_000_000):
            await asyncio.sleep(1e-6)

    with pytest.raises(Overdue, match=r"more than 0\.05 s of real time"):
        run(busy(), within_s=0.05)


def test_the_clock_steps_without_moving_what_runs() -> None:
    async def step() -> None:
        clock = LoopClock(START)
        await clock.sleep(10)
        clock.step(-3_600)
        assert clock.monotonic() == pytest.approx(10)
        assert (clock.now() - START).total_seconds() == pytest.approx(-3_590)

    run(step())


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.closing(writer), contextlib.suppress(ConnectionError):
        while data := await reader.read(100):
            writer.write(data)


def test_connections_carry_bytes_in_order_and_end_on_both_sides() -> None:
    async def talk() -> bytes:
        server = await asyncio.start_server(echo, "memory", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("memory", port)
        for number in range(50):
            writer.write(bytes([number]))
        heard = await reader.readexactly(50)
        writer.close()
        await writer.wait_closed()
        server.close()
        await asyncio.sleep(1)  # the other side hears of it, too
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("memory", port)
        return heard

    assert run(talk()) == bytes(range(50))


def test_a_cut_network_loses_what_was_under_way() -> None:
    async def cut() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        server = await asyncio.start_server(echo, "memory", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("memory", port)
        writer.write(b"lost")
        loop.network.cut()
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(4)
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("memory", port)
        loop.network.mend()
        reader, writer = await asyncio.open_connection("memory", port)
        writer.write(b"here")
        assert await reader.readexactly(4) == b"here"
        writer.close()
        await writer.wait_closed()
        server.close()
        await asyncio.sleep(1)

    run(cut())


@pytest.mark.parametrize(
    ("pattern", "topic", "fits"),
    [
        ("a/b", "a/b", True),
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("a/#", "a/b/c", True),
        ("#", "a", True),
        ("a/b/c", "a/b", False),
        ("+/b", "a/b", True),
    ],
)
def test_topic_filters(pattern: str, topic: str, fits: bool) -> None:
    assert matches(pattern, topic) is fits


async def test_a_client_that_nobody_here_wrote_believes_the_broker() -> None:
    """aiomqtt over a real socket: retained messages, QoS 1 both ways, a will, and a broker that goes away."""
    import aiomqtt

    broker = MemoryBroker(0, host="127.0.0.1")
    await broker.come()
    heard: list[tuple[str, bytes, bool]] = []
    broker.taps.append(lambda topic, payload, retain: heard.append((topic, payload, retain)))
    will = aiomqtt.Will("site/status", b"offline", qos=1, retain=True)
    for level in (aiomqtt.ProtocolVersion.V5, aiomqtt.ProtocolVersion.V311):
        async with aiomqtt.Client("127.0.0.1", broker.port, will=will, protocol=level) as client:
            await client.publish("site/kept", b"1", qos=1, retain=True)
            await client.subscribe("site/#", qos=1)
            messages = aiter(client.messages)
            kept = await anext(messages)
            assert (str(kept.topic), kept.payload, kept.retain) == ("site/kept", b"1", True)
            broker.publish("site/said", b"by another")
            assert (await anext(messages)).payload == b"by another"
        assert ("site/status", b"offline", True) not in heard  # it said goodbye
    async with contextlib.AsyncExitStack() as stack:
        client = aiomqtt.Client("127.0.0.1", broker.port, will=will)
        stack.enter_context(contextlib.suppress(aiomqtt.MqttError))
        await stack.enter_async_context(client)
        broker.go()
        with pytest.raises(aiomqtt.MqttError):
            await anext(aiter(client.messages))
    assert heard[-1] == ("site/status", b"offline", True)
    with pytest.raises(aiomqtt.MqttError):
        await aiomqtt.Client("127.0.0.1", broker.port, timeout=1).__aenter__()


def test_what_is_due_at_one_instant_happens_in_the_order_in_which_it_was_asked_for() -> None:
    async def instants() -> list[int]:
        loop, rang = asyncio.get_running_loop(), []
        for number in range(50):
            timer = loop.call_at(1.0, rang.append, number)
            if number % 5 == 0:
                timer.cancel()
        await asyncio.sleep(2)
        return rang

    assert run(instants()) == [number for number in range(50) if number % 5]


def test_a_loop_that_is_over_is_forgotten_though_deadlines_were_kept_by_it() -> None:
    async def lives() -> weakref.ref[asyncio.AbstractEventLoop]:
        loop = asyncio.get_running_loop()
        shared = deadlines_of(loop)
        assert deadlines_of(loop) is shared
        return weakref.ref(loop)

    over = run(lives())
    gc.collect()
    assert over() is None


def test_many_cancelled_timers_are_swept_out_and_none_is_lost() -> None:
    async def sweep() -> tuple[int, float]:
        loop, rang = asyncio.get_running_loop(), []
        kept = [loop.call_later(60 + number, rang.append, number) for number in range(100)]
        for _ in range(3_000):
            loop.call_later(30, rang.append, -1).cancel()
        assert isinstance(loop, VirtualLoop)
        assert len(loop._timers) < 500
        await asyncio.sleep(200)
        for timer in kept:
            timer.cancel()  # they have rung: nothing is there to cancel any more
        await asyncio.sleep(1)
        return len(rang), loop.time()

    assert run(sweep()) == (100, 201.0)


def test_tasks_in_a_set_come_in_the_same_order_wherever_they_lie_in_memory() -> None:
    async def ended() -> list[str]:
        order: list[str] = []

        async def work(name: str) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                order.append(name)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1), asyncio.TaskGroup() as tasks:
                for number in range(20):
                    tasks.create_task(work(f"{number}"))
        return order

    one, kept = run(ended()), [bytearray(size) for size in range(3_000)]
    assert run(ended()) == one
    assert len(kept) == 3_000


def test_the_time_of_the_wire_is_that_of_the_loop() -> None:
    async def times() -> float:
        now = wire_time(asyncio.get_running_loop())
        before = now()
        await asyncio.sleep(3_600)
        return now() - before

    assert run(times()) == pytest.approx(3_600)
    began_s = asyncio.run(_real_wire_time())
    assert time.monotonic() - began_s < 60


async def _real_wire_time() -> float:
    return wire_time(asyncio.get_running_loop())()
