"""`Ports`: every open link of this process, by URL.

One object is made by whoever composes the program and handed to each driver. A URL is open at most once: a private link
refuses a second owner, a shared line (a Modbus bus) is opened for its first user and closed after its last.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

from fleetd.errors import LinkLost
from fleetd.link.stream import Link
from fleetd.link.url import SERIAL_SCHEMES, TCP_SCHEMES, LinkUrl, SerialLine, TcpEnd

P = TypeVar("P", bound=asyncio.Protocol)

Opener = Callable[[LinkUrl, Callable[[], asyncio.Protocol]], Awaitable[asyncio.WriteTransport]]
"""Connects a protocol to the medium that a URL names; raises LinkLost."""

OPEN_WITHIN_S = 5.0


class Line(Protocol):
    """What several devices may share: it says when it is of no more use."""

    @property
    def closed(self) -> bool: ...


@runtime_checkable
class TimeShared(Protocol):
    """A line that knows how much of its time each of its units takes, 0 to 1."""

    @property
    def bus_time_shares(self) -> Mapping[int, float]: ...


L = TypeVar("L", bound=Line)


@dataclass(slots=True)
class _Shared:
    """One URL's present line, how many use it, and how the last finished attempt to open it ended."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    attempts: int = 0
    failure: LinkLost | None = None
    line: Any = None
    users: int = 0
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)


class Ports:
    """The openers of all media and the links open now."""

    def __init__(self, openers: Mapping[str, Opener] | None = None) -> None:
        self._openers = dict(openers or OPENERS)
        self._open: set[str] = set()
        self._shared: dict[str, _Shared] = {}

    @asynccontextmanager
    async def open(self, url: LinkUrl) -> AsyncIterator[Link]:
        """A private byte stream while the context lasts. Raises LinkLost when it cannot be opened."""
        async with self.connect(url, lambda: Link(url)) as link:
            try:
                yield link
            finally:
                await link.close()

    @asynccontextmanager
    async def connect(self, url: LinkUrl, protocol: Callable[[], P]) -> AsyncIterator[P]:
        """Like `open`, with an asyncio Protocol of the caller's own, for hot paths."""
        if url.text in self._open:
            raise LinkLost(f"{url} is in use by another device of this site")
        self._open.add(url.text)
        try:
            transport, made = await self._connected(url, protocol)
            try:
                yield made
            finally:
                transport.abort()
        finally:
            self._open.discard(url.text)

    @asynccontextmanager
    async def share(self, url: LinkUrl, make: Callable[[], AbstractAsyncContextManager[L]]) -> AsyncIterator[L]:
        """The one line behind `url`: made by its first user, made anew once it is closed, dropped by its last user.

        Whoever waits while an attempt to open it fails gets that failure instead of trying again. Raises LinkLost.
        """
        shared = self._shared.setdefault(url.text, _Shared())
        seen = shared.attempts
        async with shared.turn:
            if shared.line is None or shared.line.closed:
                if shared.failure is not None and shared.attempts != seen:
                    raise LinkLost(shared.failure.reason)
                await self._renew(shared, make)
            line = shared.line
            shared.users += 1
        try:
            yield line
        finally:
            if shared.line is line:
                shared.users -= 1
                if shared.users == 0:
                    shared.line = None
                    await shared.stack.aclose()

    @property
    def time_shared(self) -> Mapping[str, TimeShared]:
        """The open lines, by URL, that know how their time is shared."""
        return {url: shared.line for url, shared in self._shared.items() if isinstance(shared.line, TimeShared)}

    async def _connected(self, url: LinkUrl, protocol: Callable[[], P]) -> tuple[asyncio.WriteTransport, P]:
        made: list[P] = []

        def make() -> P:
            made.append(protocol())
            return made[-1]

        try:
            async with asyncio.timeout(OPEN_WITHIN_S):
                return await self._openers[url.scheme](url, make), made[-1]
        except TimeoutError as error:
            raise LinkLost(f"{url} did not open within {OPEN_WITHIN_S:g} s") from error

    @staticmethod
    async def _renew(shared: _Shared, make: Callable[[], AbstractAsyncContextManager[L]]) -> None:
        await shared.stack.aclose()
        shared.line, shared.users, shared.stack = None, 0, AsyncExitStack()
        try:
            shared.line = await shared.stack.enter_async_context(make())
            shared.failure = None
        except LinkLost as failure:
            shared.failure = failure
            raise
        finally:
            shared.attempts += 1


async def _open_serial(url: LinkUrl, protocol: Callable[[], asyncio.Protocol]) -> asyncio.WriteTransport:
    import serialx

    line = url.end
    if not isinstance(line, SerialLine):
        raise TypeError(f"{url} is no serial line")
    try:
        transport, _ = await serialx.create_serial_connection(
            asyncio.get_running_loop(),
            protocol,
            line.path,
            baudrate=line.baud,
            byte_size=line.bits,
            parity=serialx.Parity(line.parity),
            stopbits=serialx.StopBits(line.stop_bits),
            # Both pins are named on purpose: the library would raise them, which keys a transmitter wired to RTS.
            rts_on_open=serialx.PinState.HIGH if line.rts else serialx.PinState.LOW,
            dtr_on_open=serialx.PinState.HIGH if line.dtr else serialx.PinState.LOW,
        )
    except OSError as error:
        raise LinkLost(f"{line.path}: {error.strerror or error}") from error
    except serialx.SerialException as error:
        raise LinkLost(f"{line.path}: {error}") from error
    return transport


async def _open_tcp(url: LinkUrl, protocol: Callable[[], asyncio.Protocol]) -> asyncio.WriteTransport:
    end = url.end
    if not isinstance(end, TcpEnd):
        raise TypeError(f"{url} is no TCP peer")
    try:
        transport, _ = await asyncio.get_running_loop().create_connection(protocol, end.host, end.port)
    except OSError as error:
        # asyncio's own words name the address once more, and not what is wrong.
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or error
        raise LinkLost(f"{end.host}:{end.port}: {why}") from error
    return transport


OPENERS: Mapping[str, Opener] = {
    **dict.fromkeys(SERIAL_SCHEMES, _open_serial),
    **dict.fromkeys(TCP_SCHEMES, _open_tcp),
}
