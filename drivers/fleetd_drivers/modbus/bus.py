"""The bus: the one owner of a Modbus line. Who asks waits for a future of its own, and may stop waiting at any time.

Four lanes, stop > command > verify > poll, decide what is sent next; whatever is in flight is waited for, nothing is
ever sent twice, and a unit that is silent costs its own callers a ReplyTimeout, not the others their line. There is no
task here: the bus acts when it is asked, when bytes arrive and when a timer runs out.
"""

from __future__ import annotations

import asyncio
from collections import deque
from enum import IntEnum
from typing import NamedTuple

from fleetd.errors import DeviceError, LinkLost
from fleetd.link.url import LinkUrl
from fleetd_drivers.modbus import wire

_MOST_UNSENT = 4096  # bytes that the line has not taken: it will not take these either


class Lane(IntEnum):
    """Who goes first."""

    STOP = 0
    COMMAND = 1
    VERIFY = 2
    POLL = 3


class Answer(NamedTuple):
    """What came back: the data of a read, b"" of a write; `suspect` if it could answer a question that timed out."""

    data: bytes
    suspect: bool


class Ask:
    """One request on its way, and the future of its answer; a DeviceError is delivered as a result, to be raised."""

    __slots__ = ("due_s", "future", "request", "unit", "within_s")

    def __init__(self, unit: int, request: wire.Request, within_s: float, future: asyncio.Future[Answer | DeviceError]):
        self.unit = unit
        self.request = request
        self.within_s = within_s
        self.future = future
        self.due_s = 0.0  # of the loop's time, once it has been sent

    def settle(self, outcome: Answer | DeviceError) -> None:
        """Deliver, unless nobody waits any longer."""
        if not self.future.done():
            self.future.set_result(outcome)


class Bus(asyncio.Protocol):
    """What all lines have in common; how requests are framed and answers found is a subclass's affair."""

    def __init__(self, url: LinkUrl) -> None:
        self.url = url
        self._loop = asyncio.get_running_loop()
        self._lanes: tuple[deque[Ask], ...] = tuple(deque() for _ in Lane)
        self._transport: asyncio.Transport | None = None
        self._lost: str | None = None
        self._gone = asyncio.Event()
        self._doubted: set[int] = set()  # units whose next answer could be a late one

    async def ask(self, unit: int, request: wire.Request, *, lane: Lane = Lane.POLL, within_s: float = 0.5) -> Answer:
        """Send one request to a unit when its turn has come, once, and return the answer to it.

        `within_s` real seconds are the unit's to begin its answer; the line's own time for the bytes comes on top.
        Raises Declined (an exception answer), BadReply (nothing but garbled bytes), ReplyTimeout and LinkLost.
        """
        if self._lost is not None:
            raise LinkLost(self._lost)
        ask = Ask(unit, request, within_s, self._loop.create_future())
        if not self._send_at_once(ask, lane):
            self._lanes[lane].append(ask)
            self._pump()
        outcome = await ask.future
        if isinstance(outcome, DeviceError):
            raise outcome
        return outcome

    @property
    def closed(self) -> bool:
        """Whether the line is gone for good; a new bus must be opened."""
        return self._lost is not None

    async def close(self) -> None:
        """Drop the line, with whoever still waits for it; returns once its port is free again."""
        self._lose(f"{self.url} was closed")
        await self._gone.wait()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # serialx and asyncio both hand over a Transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(f"{self.url}: {exc}" if exc else f"{self.url} was closed by the other side")
        self._gone.set()

    def eof_received(self) -> bool:
        self._lose(f"{self.url} was closed by the other side")
        return False

    # For subclasses

    def _send_at_once(self, ask: Ask, lane: Lane) -> bool:
        """Send a new request past the lanes, if nothing there can be before it; returns whether it was sent."""
        raise NotImplementedError

    def _pump(self) -> None:
        """Send what waits and may be sent now."""
        raise NotImplementedError

    def _in_flight(self) -> list[Ask]:
        """What was sent and is not settled; forgets it."""
        raise NotImplementedError

    def _write(self, frame: bytes) -> None:
        if self._transport is None:
            return
        try:
            self._transport.write(frame)
        except OSError as error:  # a serial transport says so here when its device is gone
            self._lose(f"{self.url}: {error.strerror or error}")
            return
        if self._transport.get_write_buffer_size() > _MOST_UNSENT:
            self._lose(f"{self.url} takes no more bytes")

    def _answered(self, ask: Ask, pdu: bytes) -> bool:
        """Deliver an answer; returns whether it is in doubt."""
        suspect = ask.unit in self._doubted
        if suspect:
            self._doubted.remove(ask.unit)
        try:
            ask.settle(Answer(wire.payload(ask.request, pdu), suspect))
        except DeviceError as error:
            ask.settle(error)
        return suspect

    def _lose(self, why: str) -> None:
        if self._lost is not None:
            return
        self._lost = why
        if self._transport is not None:
            self._transport.abort()
        waiting = [ask for queue in self._lanes for ask in queue]
        for queue in self._lanes:
            queue.clear()
        for ask in self._in_flight() + waiting:
            ask.settle(LinkLost(why))
