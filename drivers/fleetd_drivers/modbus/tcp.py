"""Modbus TCP: transaction ids tell which answer belongs to which question, so several may be in flight.

Rules: one request at a time for each unit; a few polls at once on a connection, so that one silent unit behind a
gateway does not hold up the others; stops and commands to other units do not wait for polls at all. A late answer is
known by its id and dropped; an id that was never given out means that the two ends disagree, and ends the connection.
"""

from __future__ import annotations

import asyncio
import math
from weakref import WeakKeyDictionary

from fleetd.clock import Slots
from fleetd.errors import BadReply, ReplyTimeout
from fleetd.link.url import LinkUrl
from fleetd.link.wiretime import WireClock
from fleetd.registers.plan import DEFAULT_GAP
from fleetd_drivers.modbus import wire
from fleetd_drivers.modbus.bus import Ask, Bus, Lane

POLLS_IN_FLIGHT = 4
SILENT_REQUESTS = 8  # timeouts in a row, without one byte between them, after which a connection is given up
_TICK_S = 0.02  # the grid on which deadlines of all connections lie: a timer for each would be felt

_DEADLINES: WeakKeyDictionary[asyncio.AbstractEventLoop, Slots] = WeakKeyDictionary()


def _deadlines(loop: asyncio.AbstractEventLoop) -> Slots:
    """Where all connections of one event loop look for what is overdue."""
    return _DEADLINES.setdefault(loop, Slots(WireClock(loop)))


class TcpBus(Bus):
    """One TCP connection."""

    def __init__(self, url: LinkUrl) -> None:
        super().__init__(url)
        self._decoder = wire.TcpDecoder()
        self._sent: dict[int, Ask] = {}
        self._late: set[int] = set()
        self._busy: set[int] = set()
        self._transaction = 0
        self._silent = 0
        self._deadlines = _deadlines(self._loop)
        self._look_at = math.inf

    def data_received(self, data: bytes) -> None:
        self._silent = 0
        try:
            answers = self._decoder.feed(data)
        except BadReply as error:
            self._lose(f"{self.url}: {error}")
            return
        for transaction, unit, pdu in answers:
            self._arrived(transaction, unit, pdu)
        if any(self._lanes):
            self._pump()

    def _arrived(self, transaction: int, unit: int, pdu: bytes) -> None:
        ask = self._sent.pop(transaction, None)
        if ask is None:
            if transaction not in self._late:
                self._lose(f"{self.url} answered transaction {transaction}, which is not in flight")
            self._late.discard(transaction)
            return
        self._busy.discard(ask.unit)
        now = self._now()
        used_s = (now - ask.sent_s) / POLLS_IN_FLIGHT
        ask.health.thought(now - ask.sent_s)
        if unit != ask.unit:
            self._count(ask.health, now, used_s, heard=False)
            ask.settle(BadReply(f"unit {unit} answered for unit {ask.unit}", asked=str(ask.request)))
            return
        self._answered(ask, pdu, now, used_s)

    def worthwhile_gap(self, unit: int) -> int:  # noqa: ARG002  # nobody knows how fast the line behind a gateway is
        return DEFAULT_GAP

    def _framed(self, unit: int, request: wire.Request) -> bytes:
        return wire.frame_tcp(0, unit, request.pdu)

    def _send_at_once(self, ask: Ask) -> bool:
        if ask.unit in self._busy or (ask.lane is Lane.POLL and len(self._sent) >= POLLS_IN_FLIGHT):
            return False
        self._send(ask)
        return True

    def _pump(self) -> None:
        while self._lost is None and (ask := self._next()) is not None:
            self._send(ask)

    def _next(self) -> Ask | None:
        """The first request that may be sent now; those that nobody waits for are dropped on the way."""
        for lane, queue in zip(Lane, self._lanes, strict=True):
            if not queue or (lane is Lane.POLL and len(self._sent) >= POLLS_IN_FLIGHT):
                continue
            if (ask := self._first(queue)) is not None:
                return ask
        return None

    def _first(self, queue: list[Ask]) -> Ask | None:
        """Take the first request out whose unit is free; the others keep their order."""
        at = 0
        while at < len(queue):
            ask = queue[at]
            if ask.wanted and ask.unit in self._busy:
                at += 1
                continue
            del queue[at]
            if ask.wanted:
                return ask
        return None

    def _send(self, ask: Ask) -> None:
        self._transaction = transaction = (self._transaction + 1) & 0xFFFF
        self._late.discard(transaction)  # 65536 requests later nothing can be late any more
        self._sent[transaction] = ask
        self._busy.add(ask.unit)
        ask.sent_s = self._now()
        ask.due_s = ask.sent_s + ask.within_s
        if ask.due_s < self._look_at:
            self._watch(ask.due_s)
        self._write(wire.frame_tcp(transaction, ask.unit, ask.request.pdu))

    def _watch(self, due_s: float) -> None:
        """Look for what is overdue soon after `due_s`: one look serves all requests in a row."""
        self._look_at = math.ceil(due_s / _TICK_S) * _TICK_S
        self._deadlines.call_at(self._look_at, self._look)

    def _look(self) -> None:
        now = self._now()
        if now < self._look_at - _TICK_S / 2:
            return  # this look was made superfluous by an earlier one
        self._look_at = math.inf
        for transaction, ask in list(self._sent.items()):
            if ask.due_s <= now and transaction in self._sent:  # one of them may end the connection for all
                self._expired(transaction, ask, now)
        if self._sent:
            self._watch(min(ask.due_s for ask in self._sent.values()))
        self._pump()

    def _expired(self, transaction: int, ask: Ask, now: float) -> None:
        del self._sent[transaction]
        self._late.add(transaction)
        self._busy.discard(ask.unit)
        self._count(ask.health, now, (now - ask.sent_s) / POLLS_IN_FLIGHT, heard=False)
        ask.settle(ReplyTimeout(f"no answer within {ask.within_s:g} s", asked=f"unit {ask.unit} {ask.request}"))
        self._silent += 1
        if self._decoder.broken_off:
            self._lose(f"{self.url} broke off in the middle of an answer")
        elif self._silent >= SILENT_REQUESTS:
            self._lose(f"{self.url} has been silent for {self._silent} requests")

    def _in_flight(self) -> list[Ask]:
        asks = list(self._sent.values())
        self._sent.clear()
        self._busy.clear()
        return asks
