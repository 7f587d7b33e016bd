"""The bus: the one owner of a Modbus line. Who asks is told the outcome, once, and may lose interest at any time.

Four lanes, stop > command > verify > poll, decide what is sent next; whatever is in flight is waited for, nothing is
ever sent twice, and a unit that is silent costs its own callers a ReplyTimeout, not the others their line. There is no
task here: the bus acts when it is asked, when bytes arrive and when a timer runs out.
"""

from __future__ import annotations

import asyncio
from bisect import insort_right
from collections.abc import Callable, Mapping
from enum import IntEnum
from functools import partial
from operator import attrgetter

import msgspec

from fleetd.devices import LinkQuality
from fleetd.errors import BadReply, Declined, DeviceError, LinkLost
from fleetd.link.url import LinkUrl
from fleetd.link.wiretime import wire_time
from fleetd.link.words import LastWords, words_for
from fleetd_drivers.modbus import wire
from fleetd_drivers.modbus.health import Health, UnitState, Ward

_MOST_UNSENT = 4096  # bytes that the line has not taken: it will not take these either


class Lane(IntEnum):
    """Who goes first."""

    STOP = 0
    STOP_UNHEARD = 1  # where the bus puts a stop for a unit that is silent: behind those that will be heard
    COMMAND = 2
    VERIFY = 3
    POLL = 4


POLL = Lane.POLL
"""By a name of its own, for to look a member up in its enumeration takes Python 3.11 a tenth of a microsecond."""


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What came back: the data of a read, b"" of a write; `suspect` if it could answer an older question."""

    data: bytes
    suspect: bool


class Ask(msgspec.Struct, eq=False):
    """One request on its way, and who is to be told how it ended. Nobody is, once it is not `wanted` any more."""

    health: Health
    request: wire.Request
    lane: Lane
    within_s: float
    deliver: Callable[[Answer | DeviceError], None]
    unit: int
    wanted: bool = True
    repeated: bool = False
    sent_s: float = 0.0
    """The time of the wire, once it has been sent."""
    due_s: float = 0.0

    def settle(self, outcome: Answer | DeviceError) -> None:
        """Deliver, unless nobody wants it any longer."""
        if self.wanted:
            self.wanted = False
            self.deliver(outcome)


class Bus(asyncio.Protocol):
    """What all lines have in common; how requests are framed and answers found is a subclass's affair."""

    def __init__(self, url: LinkUrl) -> None:
        self.url = url
        self._loop = asyncio.get_running_loop()
        self._now = wire_time(self._loop)
        # What waits, by lane and then as it came. A list: it is short, an empty deque takes 600 bytes, and there may be
        # ten thousand lines.
        self._queue: list[Ask] = []
        self._transport: asyncio.Transport | None = None
        self._lost: str | None = None
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._ward = Ward()

    async def ask(self, unit: int, request: wire.Request, *, lane: Lane = POLL, within_s: float = 0.5) -> Answer:
        """Send one request to a unit when its turn has come, once, and return the answer to it.

        `within_s` real seconds are the unit's to begin its answer; the line's own time for the bytes comes on top.
        Raises Declined (an exception answer), BadReply (nothing but garbled bytes), ReplyTimeout and LinkLost, and
        Quarantined, having sent nothing, where a unit is dead and it is not time to look after it; stops always go.
        """
        future: asyncio.Future[Answer | DeviceError] = self._loop.create_future()
        ask = self.post(unit, request, partial(_fulfil, future), lane=lane, within_s=within_s)
        try:
            outcome = await future
        finally:
            ask.wanted = False
        if isinstance(outcome, DeviceError):
            raise outcome
        return outcome

    def post(
        self,
        unit: int,
        request: wire.Request,
        deliver: Callable[[Answer | DeviceError], None],
        *,
        lane: Lane = POLL,
        within_s: float = 0.5,
    ) -> Ask:
        """Like `ask`, for who does not wait: `deliver` is called once, with what `ask` would return or raise.

        It must not raise, and may ask again. Raises LinkLost and Quarantined at once, and then delivers nothing.
        """
        if self._lost is not None:
            raise LinkLost(self._lost)
        health = self._ward.units.get(unit) or self._ward.of(unit, self._now())
        if health.silences and health.dead:
            if lane is Lane.STOP:
                lane = Lane.STOP_UNHEARD
            else:
                self._ward.admit(health, self._now(), within_s)
        ask = Ask(health, request, lane, within_s, deliver, unit)
        if not self._send_at_once(ask):
            insort_right(self._queue, ask, key=attrgetter("lane"))
            self._pump()
        return ask

    def last_words(self, unit: int, request: wire.Request) -> LastWords | None:
        """A request that somebody else is to send when the daemon no longer can, thrice: the line may not be silent."""
        return words_for(self._transport, self._framed(unit, request), 0.1, 0.3)

    def bus_time_share(self, unit: int) -> float:
        """How much of the line's time a unit took over the last minute, 0 to 1; waiting for its silence included."""
        health = self._ward.units.get(unit)
        return health.time_share(self._now()) if health is not None else 0.0

    @property
    def bus_time_shares(self) -> Mapping[int, float]:
        """The same of every unit that has been asked since the line was opened."""
        return {unit: self.bus_time_share(unit) for unit in sorted(self._ward.units)}

    def link_quality(self, unit: int) -> LinkQuality:
        """How a unit fares, in the words of the fleet."""
        health = self._ward.units.get(unit)
        if health is None:
            return LinkQuality(answer_ms=None, silences=0, bus_time_share=0.0)
        answer_ms = None if health.turnaround_s is None else round(1000 * health.turnaround_s, 1)
        return LinkQuality(answer_ms, health.silences, round(health.time_share(self._now()), 4))

    def unit_state(self, unit: int) -> UnitState:
        """Whether a unit is up, suspect or dead; one that was never asked is up."""
        health = self._ward.units.get(unit)
        return health.state if health is not None else UnitState.UP

    def worthwhile_gap(self, unit: int) -> int:
        """Unwanted registers that are sooner read along than left out by a second request, as far as is known now."""
        raise NotImplementedError

    @property
    def closed(self) -> bool:
        """Whether the line is gone for good; a new bus must be opened."""
        return self._lost is not None

    async def close(self) -> None:
        """Drop the line, with whoever still waits for it; returns once its port is free again."""
        self._lose(f"{self.url} was closed")
        await asyncio.wait([self._gone])

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # serialx and asyncio both hand over a Transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(f"{self.url}: {exc}" if exc else f"{self.url} was closed by the other side")
        if not self._gone.done():
            self._gone.set_result(None)

    def eof_received(self) -> bool:
        self._lose(f"{self.url} was closed by the other side")
        return False

    # For subclasses

    def _framed(self, unit: int, request: wire.Request) -> bytes:
        """A request as it stands on the wire, outside of any exchange."""
        raise NotImplementedError

    def _send_at_once(self, ask: Ask) -> bool:
        """Send a new request past the queue, if nothing there can be before it; returns whether it was sent."""
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

    def _answered(self, ask: Ask, pdu: bytes, now: float, used_s: float, *, suspect: bool = False) -> None:
        """Deliver an answer that ended `used_s` of the line's time."""
        health = ask.health
        try:
            answer = Answer(wire.payload(ask.request, pdu), suspect)
            health.took(now, used_s)
            if health.silences:
                self._ward.answered(health)
            ask.settle(answer)
        except Declined as error:
            self._count(health, now, used_s, heard=error.code not in wire.GATEWAY_SAYS_SILENT)
            ask.settle(error)
        except BadReply as error:
            self._count(health, now, used_s, heard=False)
            ask.settle(error)

    def _count(self, health: Health, now: float, used_s: float, *, heard: bool) -> None:
        """What an exchange with a unit has cost the line, and whether it was worth it."""
        if not heard:
            self._ward.silent(health, now, used_s)
            return
        health.took(now, used_s)
        if health.silences:
            self._ward.answered(health)

    def _lose(self, why: str) -> None:
        if self._lost is not None:
            return
        self._lost = why
        if self._transport is not None:
            self._transport.abort()
        waiting, self._queue = self._queue, []
        for ask in self._in_flight() + waiting:
            ask.settle(LinkLost(why))


def _fulfil(future: asyncio.Future[Answer | DeviceError], outcome: Answer | DeviceError) -> None:
    if not future.done():
        future.set_result(outcome)
