"""`Link`: one open byte stream, read by length, by terminator, or as it comes.

A link holds no policy: deadlines are the caller's, retries are the supervisor's. When an exchange fails in the middle
the link must be closed, for its next answer would belong to the last question; `exchange` sees to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fleetd.errors import BadReply, LinkLost, ReplyTimeout
from fleetd.link.url import LinkUrl
from fleetd.link.words import LastWords, words_for

_MOST_UNREAD = 1 << 20  # a line that floods while nobody reads is dropped, not stored for ever


class Link(asyncio.Protocol):
    """One byte stream over an asyncio transport. Only one reader at a time."""

    def __init__(self, url: LinkUrl) -> None:
        self.url = url
        self._transport: asyncio.Transport | None = None
        self._unread = bytearray()
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._lost: str | None = None
        self._gone = asyncio.Event()

    # Reads

    async def read_exactly(self, size: int) -> bytes:
        """`size` bytes; waits for them. Raises LinkLost."""
        while len(self._unread) < size:
            await self._more()
        return self._take(size)

    async def read_until(self, terminator: bytes, *, most: int = 4096) -> bytes:
        """All up to and including `terminator`. Raises BadReply once `most` bytes held none, and LinkLost."""
        while (found := self._unread.find(terminator)) < 0:
            if len(self._unread) >= most:
                raise BadReply(f"no {terminator!r} within {most} bytes", answered=bytes(self._unread[:64]).hex(" "))
            await self._more()
        return self._take(found + len(terminator))

    async def read_some(self, most: int = 65_536) -> bytes:
        """What has arrived, at least one byte and at most `most`. Raises LinkLost."""
        while not self._unread:
            await self._more()
        return self._take(min(len(self._unread), most))

    def discard(self) -> bytes:
        """Drop and return what arrived unasked, so that it cannot pass for the next answer."""
        return self._take(len(self._unread))

    # Writes

    async def write(self, data: bytes) -> None:
        """Hand `data` to the line, waiting only while its buffer is full. Raises LinkLost."""
        await self._writable.wait()
        if self._lost is not None or self._transport is None:
            raise LinkLost(self._lost or f"{self.url} is not open")
        try:
            self._transport.write(data)
        except OSError as error:  # a serial transport says so here when its device is gone
            self._lose(f"{self.url}: {error.strerror or error}")
            raise LinkLost(f"{self.url}: {error.strerror or error}") from error

    def last_words(self, data: bytes, *again_after_s: float) -> LastWords | None:
        """What to write here when the daemon no longer can; None once it is closed."""
        return None if self._lost is not None else words_for(self._transport, data, *again_after_s)

    # Lifecycle

    @property
    def closed(self) -> bool:
        """Whether nothing more can be written."""
        return self._lost is not None

    async def close(self) -> None:
        """Drop the stream and what is still unsent; safe to call again."""
        self._lose(f"{self.url} was closed")
        if self._transport is not None:
            self._transport.abort()
            await self._gone.wait()

    @asynccontextmanager
    async def exchange(self, asked: str, within_s: float) -> AsyncIterator[None]:
        """One question and its answer: a failure, timeout or cancellation inside ends the link.

        A DeviceError passing through is given `asked`; running out of `within_s` real seconds raises ReplyTimeout.
        """
        deadline = asyncio.timeout(within_s)
        whole = False
        try:
            async with deadline:
                yield
            whole = True
        except TimeoutError as error:
            if not deadline.expired():
                raise
            heard = bytes(self._unread[:64]).hex(" ")
            raise ReplyTimeout(f"no answer within {within_s:g} s", asked=asked, answered=heard) from error
        except (BadReply, LinkLost) as error:
            error.asked = error.asked or asked
            raise
        finally:
            if not whole:
                self._lose(f"{self.url} was closed after a failed exchange")
                if self._transport is not None:
                    self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # serialx and asyncio both hand over a Transport

    def data_received(self, data: bytes) -> None:
        self._unread += data
        if len(self._unread) > _MOST_UNREAD:
            del self._unread[:-_MOST_UNREAD]
        self._arrived.set()

    def eof_received(self) -> bool:
        self._lose(f"{self.url} was closed by the other side")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(f"{self.url}: {exc}" if exc else f"{self.url} was closed by the other side")
        self._gone.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def _more(self) -> None:
        if self._lost is not None:
            raise LinkLost(self._lost)
        self._arrived.clear()
        await self._arrived.wait()

    def _take(self, size: int) -> bytes:
        taken = bytes(self._unread[:size])
        del self._unread[:size]
        return taken

    def _lose(self, why: str) -> None:
        if self._lost is None:
            self._lost = why
        self._arrived.set()
        self._writable.set()
