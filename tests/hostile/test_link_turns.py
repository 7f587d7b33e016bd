"""Turns on one link: one exchange at a time, the pause kept in the clock's time, urgent ones first, failures final."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from fleetd.clock import VirtualClock
from fleetd.errors import LinkLost, ReplyTimeout
from fleetd.link.ports import Ports
from fleetd.link.turns import Turns
from fleetd.link.url import parse_link

WITHIN_S = 0.5


@asynccontextmanager
async def table(pause_s: float) -> AsyncIterator[tuple[Turns, VirtualClock, list[bytes]]]:
    """Turns on a link to somebody who answers each line with the same line, and `mute` with nothing."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                heard.append(line.strip())
                if line != b"mute\n":
                    writer.write(line)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    clock = VirtualClock(datetime(2026, 11, 22, tzinfo=UTC))
    async with server:
        host, port = server.sockets[0].getsockname()
        async with Ports().open(parse_link(f"tcp://{host}:{port}")) as link:
            yield Turns(link, clock, pause_s), clock, heard


async def ask(turns: Turns, word: bytes, *, urgent: bool = False, at_once: bool = False) -> bytes:
    async with turns.exchange(word.decode(), WITHIN_S, urgent=urgent, at_once=at_once) as exchange:
        await exchange.write(word + b"\n")
        while not exchange.heard.endswith(b"\n"):
            await exchange.read_some()
        return bytes(exchange.heard).strip()


async def hear_out(turns: Turns) -> None:
    """Ask, and listen to the last."""
    async with turns.exchange("mute", 0.03) as exchange:
        await exchange.write(b"a\n")
        while True:
            await exchange.read_some()


async def stumble(turns: Turns) -> None:
    """Ask, and make a mistake."""
    async with turns.exchange("a", WITHIN_S) as exchange:
        await exchange.write(b"a\n")
        raise ZeroDivisionError


async def all_heard(heard: list[bytes], count: int) -> None:
    for _ in range(2000):
        if len(heard) >= count:
            return
        await asyncio.sleep(0.001)
    pytest.fail(f"only {heard} came")


async def test_each_question_gets_its_own_answer() -> None:
    async with table(0.0) as (turns, _, _), asyncio.TaskGroup() as tasks:
        asked = {word: tasks.create_task(ask(turns, word)) for word in (b"a", b"b", b"c", b"d")}
    assert all(task.result() == word for word, task in asked.items())


async def test_the_pause_is_kept_and_stops_nobody_for_longer() -> None:
    async with table(2.0) as (turns, clock, heard):
        await ask(turns, b"one")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(ask(turns, b"two"))
            await clock.advance(1.999)
            assert heard == [b"one"]
            await clock.advance(0.002)
            await all_heard(heard, 2)
        await clock.advance(10.0)
        await ask(turns, b"three")


async def test_the_urgent_go_first_even_before_those_who_keep_the_pause() -> None:
    async with table(2.0) as (turns, clock, heard):
        await ask(turns, b"first")
        async with asyncio.TaskGroup() as tasks:
            for word in (b"a", b"b"):
                tasks.create_task(ask(turns, word))
            await clock.advance(1.0)
            tasks.create_task(ask(turns, b"stop", urgent=True))
            for count in (2, 3, 4):
                await clock.advance(2.1)
                await all_heard(heard, count)
        assert heard[:2] == [b"first", b"stop"]


async def test_at_once_means_without_the_pause() -> None:
    async with table(2.0) as (turns, clock, heard):
        await ask(turns, b"first")
        waiting = asyncio.create_task(ask(turns, b"second"), name="second")
        await asyncio.sleep(0)
        assert await ask(turns, b"stop", urgent=True, at_once=True) == b"stop"
        await clock.advance(1.9)
        assert heard == [b"first", b"stop"]
        await clock.advance(0.2)
        assert await waiting == b"second"


async def test_whoever_gives_up_waiting_leaves_no_trace() -> None:
    async with table(2.0) as (turns, clock, heard):
        await ask(turns, b"first")
        given_up = asyncio.create_task(ask(turns, b"stop", urgent=True), name="given up")
        await asyncio.sleep(0.001)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        other = asyncio.create_task(ask(turns, b"other"), name="other")
        await clock.advance(2.1)
        assert await other == b"other"
        assert heard == [b"first", b"other"]


async def test_silence_says_what_was_heard_and_ends_the_link() -> None:
    async with table(0.0) as (turns, _, _):
        with pytest.raises(ReplyTimeout, match=r"no answer within 0\.03 s, asked mute, got 61 0a$"):
            await hear_out(turns)
        with pytest.raises(LinkLost, match="closed after a failed exchange"):
            await ask(turns, b"b")


async def test_an_error_of_the_callers_own_ends_the_link_and_is_not_hidden() -> None:
    async with table(0.0) as (turns, _, _):
        with pytest.raises(ZeroDivisionError):
            await stumble(turns)
        with pytest.raises(LinkLost):
            await ask(turns, b"b")


async def test_what_comes_unasked_is_dropped() -> None:
    async with table(0.0) as (turns, _, heard):
        async with turns.exchange("a", WITHIN_S) as exchange:
            await exchange.write(b"a\n")
        await all_heard(heard, 1)
        await asyncio.sleep(0.02)
        assert await ask(turns, b"b") == b"b"
