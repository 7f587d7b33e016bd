"""Modbus TCP: transaction ids tell which answer belongs to which question, so several may be in flight.

Rules: one request at a time for each unit; a few polls at once on a connection, so that one silent unit behind a
gateway does not hold up the others; stops and commands to other units do not wait for polls at all. A late answer is
known by its id and dropped; an id that was never given out means that the two ends disagree, and ends the connection.
"""

from __future__ import annotations

from fleetd.errors import BadReply, ReplyTimeout
from fleetd.link.url import LinkUrl
from fleetd.registers.plan import DEFAULT_GAP
from fleetd_drivers.modbus import wire
from fleetd_drivers.modbus.bus import POLL, Ask, Bus
from fleetd_drivers.modbus.deadlines import Look, deadlines_of

POLLS_IN_FLIGHT = 4
SILENT_REQUESTS = 8  # timeouts in a row, without one byte between them, after which a connection is given up


class TcpBus(Bus):
    """One TCP connection."""

    def __init__(self, url: LinkUrl) -> None:
        super().__init__(url)
        self._decoder = wire.TcpDecoder()
        self._sent: dict[int, tuple[Ask, Look]] = {}
        self._late: dict[int, Ask] = {}  # an empty set takes three times as much
        self._transaction = 0
        self._silent = 0
        self._deadlines = deadlines_of(self._loop)

    def data_received(self, data: bytes) -> None:
        self._silent = 0
        try:
            answers = self._decoder.feed(data)
        except BadReply as error:
            self._lose(f"{self.url}: {error}")
            return
        for transaction, unit, pdu in answers:
            self._arrived(transaction, unit, pdu)
        if self._queue:
            self._pump()

    def _arrived(self, transaction: int, unit: int, pdu: bytes) -> None:
        sent = self._sent.pop(transaction, None)
        if sent is None:
            if transaction not in self._late:
                self._lose(f"{self.url} answered transaction {transaction}, which is not in flight")
            self._late.pop(transaction, None)
            return
        ask, look = sent
        look.pop(ask, None)
        now = self._now()
        took_s = now - ask.sent_s
        ask.health.thought(took_s)
        if unit != ask.unit:
            self._count(ask.health, now, took_s / POLLS_IN_FLIGHT, heard=False)
            ask.settle(BadReply(f"unit {unit} answered for unit {ask.unit}", asked=str(ask.request)))
            return
        self._answered(ask, pdu, now, took_s / POLLS_IN_FLIGHT)

    def worthwhile_gap(self, unit: int) -> int:  # noqa: ARG002  # nobody knows how fast the line behind a gateway is
        return DEFAULT_GAP

    def _framed(self, unit: int, request: wire.Request) -> bytes:
        return wire.frame_tcp(0, unit, request.pdu)

    def _send_at_once(self, ask: Ask) -> bool:
        if self._sent and not self._may_be_sent(ask):
            return False
        self._send(ask)
        return True

    def _may_be_sent(self, ask: Ask) -> bool:
        """One request at a time for each unit, and a few polls."""
        if ask.lane is POLL and len(self._sent) >= POLLS_IN_FLIGHT:
            return False
        return all(other.unit != ask.unit for other, _ in self._sent.values())

    def _pump(self) -> None:
        while self._lost is None and (ask := self._next()) is not None:
            self._send(ask)

    def _next(self) -> Ask | None:
        """Take out the first request that may be sent now; those that nobody waits for are dropped on the way."""
        at = 0
        while at < len(self._queue):
            ask = self._queue[at]
            if ask.wanted and not self._may_be_sent(ask):
                at += 1
                continue
            del self._queue[at]
            if ask.wanted:
                return ask
        return None

    def _send(self, ask: Ask) -> None:
        self._transaction = transaction = (self._transaction + 1) & 0xFFFF
        self._late.pop(transaction, None)  # 65536 requests later nothing can be late any more
        ask.sent_s = self._now()
        ask.due_s = ask.sent_s + ask.within_s
        self._sent[transaction] = ask, self._deadlines.watch(ask, self)
        self._write(wire.frame_tcp(transaction, ask.unit, ask.request.pdu))

    def overdue(self, ask: Ask) -> None:
        """No answer came in time; the unit is free for the next request, and the answer is known if it comes later."""
        transaction = next(number for number, (other, _) in self._sent.items() if other is ask)
        del self._sent[transaction]
        self._late[transaction] = ask
        now = self._now()
        self._count(ask.health, now, (now - ask.sent_s) / POLLS_IN_FLIGHT, heard=False)
        ask.settle(ReplyTimeout(f"no answer within {ask.within_s:g} s", asked=f"unit {ask.unit} {ask.request}"))
        self._silent += 1
        if self._decoder.broken_off:
            self._lose(f"{self.url} broke off in the middle of an answer")
        elif self._silent >= SILENT_REQUESTS:
            self._lose(f"{self.url} has been silent for {self._silent} requests")
        self._pump()

    def _in_flight(self) -> list[Ask]:
        for ask, look in self._sent.values():
            look.pop(ask, None)
        asks = [ask for ask, _ in self._sent.values()]
        self._sent.clear()
        return asks
