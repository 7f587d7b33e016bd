"""Links over real ptys and sockets: dripping bytes, silence, unplugging, cancellation, and who may open what."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import serialx

from fleetd.errors import BadReply, LinkLost, ReplyTimeout
from fleetd.link.ports import Ports
from fleetd.link.stream import Link
from fleetd.link.url import parse_link

SOON_S = 0.03


@dataclass
class Far:
    """The other end of a link."""

    url: str
    send: Callable[[bytes], None]
    unplug: Callable[[], None]


@asynccontextmanager
async def pty_end() -> AsyncIterator[Far]:
    master, slave = os.openpty()
    tty.setraw(master)
    tty.setraw(slave)
    path = os.ttyname(slave)
    os.close(slave)
    is_open = True

    def unplug() -> None:
        nonlocal is_open
        is_open = False
        os.close(master)

    try:
        yield Far(f"serial://{path}?baud=9600", lambda data: os.write(master, data) and None, unplug)
    finally:
        if is_open:
            unplug()


@asynccontextmanager
async def tcp_end() -> AsyncIterator[Far]:
    peers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: peers.append(writer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield Far(f"tcp://127.0.0.1:{port}", lambda data: peers[-1].write(data), lambda: peers[-1].transport.abort())
        for peer in peers:
            peer.transport.abort()


@pytest.fixture(params=[pty_end, tcp_end], ids=["pty", "tcp"])
async def ends(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Far, Link]]:
    async with request.param() as far, Ports().open(parse_link(far.url)) as link:
        for _ in range(3):
            await asyncio.sleep(0)
        await asyncio.sleep(0.001)  # the listening side accepts in its own time
        yield far, link


async def test_bytes_that_drip_make_whole_replies(ends: tuple[Far, Link]) -> None:
    far, link = ends

    async def drip() -> None:
        for byte in b"AZ=180\r\nrest":
            far.send(bytes([byte]))
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(drip())
        assert await link.read_until(b"\r\n") == b"AZ=180\r\n"
        assert await link.read_exactly(4) == b"rest"


async def test_a_line_without_its_terminator_is_a_bad_reply_not_a_growing_buffer(ends: tuple[Far, Link]) -> None:
    far, link = ends
    far.send(b"x" * 300)
    with pytest.raises(BadReply, match="within 256 bytes"):
        await link.read_until(b"\n", most=256)


async def test_what_came_unasked_can_be_dropped(ends: tuple[Far, Link]) -> None:
    far, link = ends
    far.send(b"junk")
    assert await link.read_exactly(1) == b"j"
    assert link.discard() == b"unk"
    far.send(b"answer")
    assert await link.read_some() == b"answer"


async def test_silence_ends_the_exchange_and_the_link(ends: tuple[Far, Link]) -> None:
    far, link = ends
    far.send(b"ha")
    with pytest.raises(ReplyTimeout, match=r"no answer within 0.03 s, asked C2, got 68 61"):
        async with link.exchange("C2", SOON_S):
            await link.read_exactly(5)
    assert link.closed
    with pytest.raises(LinkLost, match="closed after a failed exchange"):
        await link.write(b"again")


async def test_a_cancelled_exchange_ends_the_link(ends: tuple[Far, Link]) -> None:
    _, link = ends

    async def ask() -> None:
        async with link.exchange("C2", 60):
            await link.read_exactly(5)

    task = asyncio.ensure_future(ask())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert link.closed


async def test_an_exchange_that_succeeds_leaves_the_link_open(ends: tuple[Far, Link]) -> None:
    far, link = ends
    async with link.exchange("C2", 5):
        far.send(b"ok")
        assert await link.read_exactly(2) == b"ok"
    assert not link.closed


async def test_unplugging_is_seen_by_the_reader(ends: tuple[Far, Link]) -> None:
    far, link = ends
    reading = asyncio.ensure_future(link.read_exactly(1))
    await asyncio.sleep(0)
    far.unplug()
    with pytest.raises(LinkLost):
        async with asyncio.timeout(5):
            await reading
    assert link.closed


async def test_unplugging_is_seen_by_the_writer(ends: tuple[Far, Link]) -> None:
    far, link = ends
    far.unplug()

    async def ask_on() -> None:
        while True:
            await link.write(b"C2\r")
            await asyncio.sleep(0)

    with pytest.raises(LinkLost):
        await asyncio.wait_for(ask_on(), 5)


async def test_a_private_link_has_one_owner() -> None:
    async with pty_end() as far:
        ports = Ports()
        async with ports.open(parse_link(far.url)):
            with pytest.raises(LinkLost, match="in use by another device"):
                async with ports.open(parse_link(far.url)):
                    pass
        async with ports.open(parse_link(far.url)):
            pass


async def test_a_port_owned_by_another_process_is_refused_by_name() -> None:
    async with pty_end() as far, Ports().open(parse_link(far.url)):
        with pytest.raises(LinkLost, match="/dev/pts/"):
            async with Ports().open(parse_link(far.url)):
                pass


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("serial:///dev/serial/by-id/absent", "/dev/serial/by-id/absent: No such file"),
        ("tcp://127.0.0.1:1", "127.0.0.1:1: "),
    ],
)
async def test_what_is_not_there_is_named(url: str, complaint: str) -> None:
    with pytest.raises(LinkLost, match=complaint):
        async with Ports().open(parse_link(url)):
            pass


@pytest.mark.parametrize(
    ("query", "rts", "dtr"), [("", "LOW", "LOW"), ("?rts=on", "HIGH", "LOW"), ("?dtr=on", "LOW", "HIGH")]
)
async def test_pins_are_raised_only_when_configured(
    monkeypatch: pytest.MonkeyPatch, query: str, rts: str, dtr: str
) -> None:
    asked: dict[str, Any] = {}

    async def record(*_: object, **settings: Any) -> None:
        asked.update(settings)
        raise OSError(2, "seen enough")

    monkeypatch.setattr(serialx, "create_serial_connection", record)
    with pytest.raises(LinkLost, match="seen enough"):
        async with Ports().open(parse_link(f"serial:///dev/ttyUSB9{query}")):
            pass
    assert (asked["rts_on_open"].name, asked["dtr_on_open"].name) == (rts, dtr)


class Shared:
    """A line that several devices use."""

    def __init__(self) -> None:
        self.closed = False


async def test_a_shared_line_opens_once_is_renewed_when_closed_and_dropped_by_its_last_user() -> None:
    ports, opened, dropped = Ports(), [], []
    url = parse_link("modbus+tcp://gateway:502")

    @asynccontextmanager
    async def make() -> AsyncIterator[Shared]:
        opened.append(Shared())
        try:
            yield opened[-1]
        finally:
            dropped.append(opened[-1])

    async with ports.share(url, make) as first, ports.share(url, make) as second:
        assert first is second
        first.closed = True
        async with ports.share(url, make) as third:
            assert third is not first
            assert dropped == [first]
        assert dropped == [first, third]
    assert len(opened) == 2


async def test_who_waits_while_a_shared_line_fails_to_open_gets_that_failure() -> None:
    ports, attempts = Ports(), []
    url = parse_link("modbus+tcp://gateway:502")

    @asynccontextmanager
    async def make() -> AsyncIterator[Shared]:
        attempts.append(1)
        await asyncio.sleep(0)
        raise LinkLost("no route")
        yield Shared()

    async def use() -> None:
        async with ports.share(url, make):
            pass

    results = await asyncio.gather(*(use() for _ in range(20)), return_exceptions=True)
    assert all(isinstance(result, LinkLost) for result in results)
    assert len(attempts) == 1
