"""Modbus RTU, on a serial line or through TCP: one request at a time, with silence before each.

An answer has nothing but its unit, function and length to say which question it belongs to. So after a timeout the bus
listens until the line has been quiet for as long as the slowest answer so far took; and before it asks that unit for an
answer of the same shape again, it asks for a shorter one, which no late answer can be taken for. Where there is none
shorter the answer is marked suspect. One that does not come alone is asked for once more, in the same way.
"""

from __future__ import annotations

import asyncio
from bisect import insort_left
from operator import attrgetter

from fleetd.errors import BadReply, ReplyTimeout
from fleetd.link.url import LinkUrl, SerialLine
from fleetd.link.wiretime import on_machine_time
from fleetd.registers.plan import DEFAULT_GAP
from fleetd_drivers.modbus import wire
from fleetd_drivers.modbus.alarm import Alarm
from fleetd_drivers.modbus.bus import Ask, Bus
from fleetd_drivers.modbus.health import Health
from fleetd_drivers.modbus.tcp import SILENT_REQUESTS

_SPIN_S = 0.0001  # how long before its time the bus is woken, to be ready: the machine needs about as long to wake it
_MOST_SHOWN = 32  # bytes of what was heard instead of an answer
_FIXED_GAP_ABOVE_BAUD, _FIXED_GAP_S = 19_200, 0.00175  # "MODBUS over Serial Line V1.02", 2.5.1.1
_REQUEST_CHARACTERS, _ANSWER_CHARACTERS = 8, 5  # of a read, besides the two of each register
_MOST_GAP = 124


def gap_s(line: SerialLine) -> float:
    """The silence that must precede a frame: 3.5 characters, but never less than 1.75 ms."""
    return _FIXED_GAP_S if line.baud > _FIXED_GAP_ABOVE_BAUD else 3.5 * line.character_s


def worthwhile_gap(line: SerialLine, turnaround_s: float) -> int:
    """The most unwanted registers that take no more time to read along than a second request takes.

    A register is two characters; a request is eight, its answer five, each with its silence, and the device's thinking.
    """
    request_s = (_REQUEST_CHARACTERS + _ANSWER_CHARACTERS) * line.character_s + 2 * gap_s(line) + turnaround_s
    return min(_MOST_GAP, int(request_s / (2 * line.character_s)))


class RtuBus(Bus):
    """One serial line, or one TCP stream that leads to it."""

    def __init__(self, url: LinkUrl) -> None:
        super().__init__(url)
        self._serial = url.end if isinstance(url.end, SerialLine) else None
        self._gap_s = gap_s(self._serial) if self._serial else 0.0
        self._character_s = self._serial.character_s if self._serial else 0.0
        self._most_silent = 0 if self._serial else SILENT_REQUESTS
        self._silent = 0
        self._slowest_s = 0.0
        self._asked: Ask | None = None
        self._decoder: wire.RtuDecoder | None = None
        self._in_step: wire.Request | None = None  # what was sent in place of the request, to be sure of the unit
        self._line_s = 0.0  # that the request in flight and its answer take on the line
        self._clear_at = self._now() + self._gap_s
        self._early_s = _SPIN_S if on_machine_time(self._loop) else 0.0
        self._listen_s = self._gap_s  # how long the line must have been quiet before the next request
        self._answered_last: tuple[Health, bytes] | None = None  # and how many bytes came unasked since
        self._spare = 0
        self._blocked_since: float | None = None
        self._alarm: Alarm | None = None
        self._waiting = False  # for the alarm
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._alarm = Alarm(self._woken)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._alarm is not None:
            self._alarm.close()
            self._alarm = None

    def worthwhile_gap(self, unit: int) -> int:
        health = self._ward.units.get(unit)
        if self._serial is None:
            return DEFAULT_GAP
        return worthwhile_gap(self._serial, (health.turnaround_s if health else None) or 0.0)

    def data_received(self, data: bytes) -> None:
        now = self._now()
        self._silent = 0
        self._clear_at = now + self._listen_s
        ask, decoder = self._asked, self._decoder
        if ask is None or decoder is None:
            self._unasked(data)
            return
        pdu = decoder.feed(data)
        if pdu is not None:
            self._heard(ask, decoder, pdu, now)

    def _heard(self, ask: Ask, decoder: wire.RtuDecoder, pdu: bytes, now: float) -> None:
        """An answer is complete."""
        health, request, in_step = ask.health, self._in_step or ask.request, self._in_step is not None
        self._slowest_s = max(self._slowest_s, now - ask.sent_s)
        if self._character_s and len(pdu) == request.answer_size:
            health.thought(max(0.0, now - ask.sent_s - self._line_s))
        self._settled()
        suspect = decoder.doubtful or request.head in health.doubted
        health.doubted.clear()
        if suspect:
            health.doubted.add(request.head)
        self._answered_last, self._spare = (health, request.head), 0
        # If this was a late answer, then the right one is still to come.
        self._listen(now, self._slowest_s if suspect else 0.0)
        if in_step or (suspect and not ask.repeated and wire.reread(request, ())):
            ask.repeated = ask.repeated or not in_step
            health.took(now, self._clear_at - ask.sent_s)
            insort_left(self._queue, ask, key=attrgetter("lane"))
        else:
            self._answered(ask, pdu, now, self._clear_at - ask.sent_s, suspect=suspect)
        self._pump()

    def _unasked(self, data: bytes) -> None:
        """Noise, or an answer too many: then what was taken for the answer before it may have been a late one."""
        self._spare += len(data)
        if self._spare >= wire.SHORTEST_RTU and self._answered_last is not None:
            health, head = self._answered_last
            health.doubted.add(head)

    def _framed(self, unit: int, request: wire.Request) -> bytes:
        return wire.frame_rtu(unit, request.pdu)

    def _send_at_once(self, ask: Ask) -> bool:
        now = self._now()
        if self._asked is not None or self._waiting or now < self._clear_at:
            return False
        self._send(ask, now)
        return True

    def _pump(self) -> None:
        if self._asked is not None or self._waiting or self._lost is not None:
            return
        ask = self._next()
        if ask is None:
            self._blocked_since = None
            return
        now = self._now()
        if self._clear_at <= now:
            self._blocked_since = None
            del self._queue[0]
            self._send(ask, now)
        elif self._blocked_since is None or now - self._blocked_since <= ask.within_s:
            self._blocked_since = self._blocked_since or now
            self._wait()
        else:
            self._give_up(f"{self.url} has not been quiet for {ask.within_s:g} s")

    def _give_up(self, why: str) -> None:
        """The line is full of noise: nobody waits longer for it than for an answer."""
        self._blocked_since = None
        waiting, self._queue = self._queue, []
        for ask in waiting:
            ask.settle(ReplyTimeout(why, asked=f"unit {ask.unit} {ask.request}"))

    def _next(self) -> Ask | None:
        """The request that goes next, left in its place; those that nobody waits for are dropped on the way."""
        while self._queue and not self._queue[0].wanted:
            del self._queue[0]
        return self._queue[0] if self._queue else None

    def _wait(self) -> None:
        """Try again once the line is clear."""
        if self._alarm is not None:
            self._waiting = True
            self._alarm.set(self._clear_at - self._early_s)

    def _woken(self) -> None:
        self._waiting = False
        while 0 < self._clear_at - self._now() < 2 * self._early_s:
            pass
        self._pump()

    def _send(self, ask: Ask, now: float) -> None:
        self._asked = ask
        ask.sent_s = now
        doubted = ask.health.doubted
        if doubted and ask.request.head in doubted:
            self._in_step = wire.reread(ask.request, doubted)
        request = self._in_step or ask.request
        self._decoder = wire.RtuDecoder(ask.unit, request)
        self._listen_s = self._gap_s
        frame = wire.frame_rtu(ask.unit, request.pdu)
        # The device hears the end of a frame by the silence after it.
        self._line_s = (len(frame) + request.answer_size + 3) * self._character_s + self._gap_s
        self._timer = self._loop.call_later(ask.within_s + self._line_s, self._expired, ask, self._decoder)
        self._write(frame)

    def _expired(self, ask: Ask, decoder: wire.RtuDecoder) -> None:
        ask.health.doubted.add((self._in_step or ask.request).head)
        self._settled()
        asked = f"unit {ask.unit} {ask.request}"
        now = self._now()
        self._listen(now, self._slowest_s)
        self._count(ask.health, now, self._clear_at - ask.sent_s, heard=False)
        if decoder.heard:
            heard = bytes(decoder.heard[:_MOST_SHOWN]).hex(" ")
            ask.settle(
                BadReply(f"no answer, only garbled bytes within {ask.within_s:g} s", asked=asked, answered=heard)
            )
        else:
            ask.settle(ReplyTimeout(f"no answer within {ask.within_s:g} s", asked=asked))
        self._silent += 1
        if self._most_silent and self._silent >= self._most_silent:
            self._lose(f"{self.url} has been silent for {self._silent} requests")
        self._pump()

    def _listen(self, now: float, at_least_s: float) -> None:
        """From `now` on the line must be quiet for its gap, or for `at_least_s` where that is longer."""
        self._listen_s = max(self._gap_s, at_least_s)
        self._clear_at = now + self._listen_s

    def _in_flight(self) -> list[Ask]:
        if self._alarm is not None:
            self._alarm.clear()
        asks = [self._asked] if self._asked is not None else []
        self._settled()
        return asks

    def _settled(self) -> None:
        """Nothing is in flight any more."""
        self._asked = self._decoder = self._in_step = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
