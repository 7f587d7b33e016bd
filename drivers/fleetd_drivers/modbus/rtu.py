"""Modbus RTU, on a serial line or through TCP: one request at a time, with silence before each.

An answer has nothing but its unit, function and length to say which question it belongs to. So after a timeout the bus
listens until the line has been quiet for as long as the slowest answer so far took, and the next answer of the unit
that was silent is marked suspect; so is one that does not come alone, and the one after an answer too many.
"""

from __future__ import annotations

import asyncio

from fleetd.errors import BadReply, ReplyTimeout
from fleetd.link.url import LinkUrl, SerialLine
from fleetd_drivers.modbus import wire
from fleetd_drivers.modbus.bus import Ask, Bus, Lane
from fleetd_drivers.modbus.tcp import SILENT_REQUESTS

_MOST_SHOWN = 32  # bytes of what was heard instead of an answer
_FIXED_GAP_ABOVE_BAUD, _FIXED_GAP_S = 19_200, 0.00175  # "MODBUS over Serial Line V1.02", 2.5.1.1


def gap_s(line: SerialLine) -> float:
    """The silence that must precede a frame: 3.5 characters, but never less than 1.75 ms."""
    return _FIXED_GAP_S if line.baud > _FIXED_GAP_ABOVE_BAUD else 3.5 * line.character_s


class RtuBus(Bus):
    """One serial line, or one TCP stream that leads to it."""

    def __init__(self, url: LinkUrl) -> None:
        super().__init__(url)
        serial = isinstance(url.end, SerialLine)
        self._gap_s = gap_s(url.end) if isinstance(url.end, SerialLine) else 0.0
        self._character_s = url.end.character_s if isinstance(url.end, SerialLine) else 0.0
        self._most_silent = 0 if serial else SILENT_REQUESTS
        self._silent = 0
        self._slowest_s = 0.0
        self._asked: Ask | None = None
        self._asked_at = 0.0
        self._decoder: wire.RtuDecoder | None = None
        self._clear_at = self._loop.time() + self._gap_s
        self._listen_s = self._gap_s  # how long the line must have been quiet before the next request
        self._answered_by = 0  # the unit that answered last, and how many bytes came unasked since
        self._spare = 0
        self._blocked_since: float | None = None
        self._wake: asyncio.TimerHandle | None = None
        self._timer: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        now = self._loop.time()
        self._silent = 0
        self._clear_at = now + self._listen_s
        ask, decoder = self._asked, self._decoder
        if ask is None or decoder is None:
            self._unasked(data)
            return
        pdu = decoder.feed(data)
        if pdu is None:
            return
        self._slowest_s = max(self._slowest_s, now - self._asked_at)
        self._settled()
        self._answered_by, self._spare = ask.unit, 0
        if decoder.doubtful:
            self._doubted.add(ask.unit)
        # If this was a late answer, then the right one is still to come.
        self._listen(now, self._slowest_s if self._answered(ask, pdu) else 0.0)
        self._pump()

    def _unasked(self, data: bytes) -> None:
        """Noise, or an answer too many: then what was taken for the answer before it may have been a late one."""
        self._spare += len(data)
        if self._spare >= wire.SHORTEST_RTU:
            self._doubted.add(self._answered_by)

    def _send_at_once(self, ask: Ask, _lane: Lane) -> bool:
        now = self._loop.time()
        if self._asked is not None or self._wake is not None or now < self._clear_at:
            return False
        self._send(ask, now)
        return True

    def _pump(self) -> None:
        if self._asked is not None or self._wake is not None or self._lost is not None:
            return
        ask = self._next()
        if ask is None:
            self._blocked_since = None
            return
        now = self._loop.time()
        if self._clear_at <= now:
            self._blocked_since = None
            self._send(self._take(ask), now)
        elif self._blocked_since is None or now - self._blocked_since <= ask.within_s:
            self._blocked_since = self._blocked_since or now
            self._wake = self._loop.call_at(self._clear_at, self._woken)
        else:
            self._give_up(f"{self.url} has not been quiet for {ask.within_s:g} s")

    def _give_up(self, why: str) -> None:
        """The line is full of noise: nobody waits longer for it than for an answer."""
        self._blocked_since = None
        for queue in self._lanes:
            while queue:
                ask = queue.popleft()
                ask.settle(ReplyTimeout(why, asked=f"unit {ask.unit} {ask.request}"))

    def _next(self) -> Ask | None:
        """The request that goes next, left in its place; those that nobody waits for are dropped on the way."""
        for queue in self._lanes:
            while queue:
                if not queue[0].future.done():
                    return queue[0]
                queue.popleft()
        return None

    def _take(self, ask: Ask) -> Ask:
        for queue in self._lanes:
            if queue and queue[0] is ask:
                queue.popleft()
        return ask

    def _woken(self) -> None:
        self._wake = None
        self._pump()

    def _send(self, ask: Ask, now: float) -> None:
        self._asked = ask
        self._asked_at = now
        self._decoder = wire.RtuDecoder(ask.unit, ask.request)
        self._listen_s = self._gap_s
        frame = wire.frame_rtu(ask.unit, ask.request.pdu)
        line_s = (len(frame) + ask.request.answer_size + 3) * self._character_s
        self._timer = self._loop.call_later(ask.within_s + line_s, self._expired, ask, self._decoder)
        self._write(frame)

    def _expired(self, ask: Ask, decoder: wire.RtuDecoder) -> None:
        self._settled()
        self._doubted.add(ask.unit)
        asked = f"unit {ask.unit} {ask.request}"
        if decoder.heard:
            heard = bytes(decoder.heard[:_MOST_SHOWN]).hex(" ")
            ask.settle(
                BadReply(f"no answer, only garbled bytes within {ask.within_s:g} s", asked=asked, answered=heard)
            )
        else:
            ask.settle(ReplyTimeout(f"no answer within {ask.within_s:g} s", asked=asked))
        self._listen(self._loop.time(), self._slowest_s)
        self._silent += 1
        if self._most_silent and self._silent >= self._most_silent:
            self._lose(f"{self.url} has been silent for {self._silent} requests")
        self._pump()

    def _listen(self, now: float, at_least_s: float) -> None:
        """From `now` on the line must be quiet for its gap, or for `at_least_s` where that is longer."""
        self._listen_s = max(self._gap_s, at_least_s)
        self._clear_at = now + self._listen_s

    def _in_flight(self) -> list[Ask]:
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        asks = [self._asked] if self._asked is not None else []
        self._settled()
        return asks

    def _settled(self) -> None:
        """Nothing is in flight any more."""
        self._asked = self._decoder = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
