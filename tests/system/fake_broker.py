"""A broker in a few lines that can be told to misbehave. It reads packets by itself, not with the code under test."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from forms import complaints


@dataclass
class FakeBroker:
    """What came in, and how to answer it. MQTT 5."""

    acknowledges: bool = True
    pongs: bool = True
    checks_forms: bool = True
    connack: bytes = bytes.fromhex("2003000000")
    host: str = "127.0.0.1"
    port: int = 0
    connections: int = 0
    heard: list[tuple[str, bytes]] = field(default_factory=list)
    most_in_flight: int = 0
    _malformed: list[str] = field(default_factory=list)
    _withheld: list[tuple[bytes, asyncio.StreamWriter]] = field(default_factory=list)
    _unacked: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"mqtt://{self.host}:{self.port}"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(payload) for _, payload in self.heard if payload]

    async def until_heard(self, count: int) -> None:
        while len(self.heard) < count:
            self._news.clear()
            await self._news.wait()

    def relent(self) -> None:
        """Acknowledge all that was not, and from now on what comes."""
        self.acknowledges = True
        for packet_id, writer in self._withheld:
            self._acknowledge(packet_id, writer)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._unacked = 0
        self._writers.append(writer)
        try:
            while True:
                first, body = await packet(reader)
                if first >> 4 == 3:
                    self._published(body, writer)
                elif answer := self._answer(first >> 4, body):
                    writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _answer(self, kind: int, body: bytes) -> bytes:
        if kind == 12 and self.pongs:
            return b"\xd0\x00"
        return {1: self.connack, 8: b"\x90\x04" + body[:2] + b"\x00\x01"}.get(kind, b"")

    def _published(self, body: bytes, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(body[:2], "big")
        topic, packet_id = body[2 : 2 + size].decode(), body[2 + size : 4 + size]
        payload = body[5 + size :]  # one byte says that there are no properties
        if self.checks_forms:
            self._malformed += complaints(topic, payload)
        self.heard.append((topic, payload))
        self._unacked += 1
        self.most_in_flight = max(self.most_in_flight, self._unacked)
        if self.acknowledges:
            asyncio.get_running_loop().call_later(0.001, self._acknowledge, packet_id, writer)
        else:
            self._withheld.append((packet_id, writer))
        self._news.set()

    def _acknowledge(self, packet_id: bytes, writer: asyncio.StreamWriter) -> None:
        self._unacked -= 1
        if not writer.is_closing():
            writer.write(b"\x40\x02" + packet_id)


async def packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The first byte and the body of the next packet."""
    first, size, shift = (await reader.readexactly(1))[0], 0, 0
    while True:
        byte = (await reader.readexactly(1))[0]
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return first, await reader.readexactly(size)


@asynccontextmanager
async def fake_broker(**how: Any) -> AsyncIterator[FakeBroker]:
    """A fake broker while the context lasts."""
    broker = FakeBroker(**how)
    server = await asyncio.start_server(broker.serve, broker.host, 0)
    broker.port = server.sockets[0].getsockname()[1]
    try:
        yield broker
    finally:
        server.close()
        for writer in broker._writers:
            writer.close()
        await server.wait_closed()
        await asyncio.sleep(0.01)
    if broker._malformed:
        raise ValueError("; ".join(broker._malformed))


@dataclass
class Proxy:
    """A line to a broker that can be cut, also half: bytes vanish and nobody says so."""

    target: int
    port: int = 0
    open: bool = True
    silent: bool = False
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """End all connections at once, and let nobody in."""
        self.open = False
        for task in self._tasks:
            task.cancel()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = (
            asyncio.current_task()
        )  # the server's own: one that has not begun yet sees for itself whether we are open
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        await self._join(reader, writer)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_writer: asyncio.StreamWriter | None = None
        try:
            if self.open:
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
                await asyncio.wait(
                    [
                        asyncio.ensure_future(self._carry(reader, far_writer)),
                        asyncio.ensure_future(self._carry(far_reader, writer)),
                    ],
                    return_when=asyncio.FIRST_COMPLETED,
                )
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            if far_writer is not None:
                far_writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if not self.silent:
                    writer.write(data)


@asynccontextmanager
async def proxy(target: int) -> AsyncIterator[Proxy]:
    """A proxy to a port of this machine while the context lasts."""
    between = Proxy(target)
    server = await asyncio.start_server(between.serve, "127.0.0.1", 0)
    between.port = server.sockets[0].getsockname()[1]
    try:
        yield between
    finally:
        server.close()
        between.cut()
        await server.wait_closed()
        await asyncio.sleep(0.02)
