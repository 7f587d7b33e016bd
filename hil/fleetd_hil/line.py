"""One conversation between a computer and a sim, and what a bad line does to it.

Bytes come in, the sim's answers go out after the time that the device and the line need, unless a fault delays,
damages, doubles or loses them. Not here: pseudo-terminals and sockets; whoever has one hands its `send` in.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from fleetd.clock import Clock
from fleetd_hil.faults import FaultKind
from fleetd_hil.sim import Answer, Sim, SimDied

_HAIR_S = 0.000_01  # a timer may be so much early

FAULTS = (
    FaultKind("unplug", "the port vanishes while the fault lasts, and comes back; a pty under another number"),
    FaultKind("stall", "the far end neither reads nor answers while the fault lasts, then goes on where it was"),
    FaultKind("drop", "this share of the answers is lost", 1.0, "of 1"),
    FaultKind("garble", "this share of the answered bytes is damaged", 0.2, "of 1"),
    FaultKind("delay", "every answer comes this much later", 1.0, "s"),
    FaultKind("echo", "what was asked comes back before the answer"),
    FaultKind("trickle", "answers come one byte at a time, this far apart", 0.01, "s"),
    FaultKind("foreign", "somebody else's answer, the previous one on this line, comes before the true one"),
    FaultKind("noise", "this many random bytes come before each answer", 1.0, "bytes"),
)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a line is: seconds a character, and the silence in seconds that ends a frame. Zero for a socket."""

    character_s: float = 0.0
    gap_s: float = 0.0

    @classmethod
    def of(cls, baud: int, parity: str = "N", *, rtu: bool = False) -> Pace:
        """A serial line's pace. RTU's gap is 3.5 characters; above 19200 baud 1.75 ms (serial line guide V1.02)."""
        character_s = (10 if parity == "N" else 11) / baud
        gap_s = 3.5 * character_s if baud <= 19_200 else 0.001_75
        return cls(character_s, gap_s if rtu else 0.0)


@dataclass(frozen=True, slots=True)
class Stand:
    """A sim on the bench, with all that a conversation with it needs."""

    sim: Sim
    clock: Clock
    pace: Pace
    draw: random.Random
    died: Callable[[SimDied], None]
    """Told when the sim has died."""

    @property
    def lively(self) -> bool:
        """Whether something may happen here that nobody asked for."""
        if getattr(self.sim, "speaks_unasked", False):
            return True
        faults = self.sim.faults
        return bool(faults) and faults.lie_ahead(("unplug", "stall"), self.clock.monotonic())

    def fault(self, name: str) -> float | None:
        """The value of a fault if it holds now."""
        faults = self.sim.faults
        return faults.value(name, self.clock.monotonic()) if faults else None


class Line:
    """One end of a conversation; `send` takes what the computer is to receive, `hang_up` ends it where it can end."""

    def __init__(
        self, stand: Stand, send: Callable[[bytes], None], hang_up: Callable[[], object] = lambda: None
    ) -> None:
        self._stand = stand
        self._feed = stand.sim.attach()
        self._speaks = getattr(stand.sim, "speaks_unasked", False)
        self._send = send
        self._hang_up = hang_up
        self._due: deque[tuple[float, bytes | None]] = deque()
        self._free_at_s = float("-inf")
        self._last_answer = b""
        self._held = bytearray()

    def hear(self, data: bytes) -> None:
        """Bytes came in from the computer."""
        if self._stand.fault("stall") is not None:
            self._held += data
            return
        at_s = self._stand.clock.monotonic()
        pace = self._stand.pace
        if self._stand.fault("echo") is not None:
            self._queue(data, at_s, at_s)
        for answer in self._said(data, at_s):
            self._answer(answer, at_s, at_s + len(data) * pace.character_s + pace.gap_s)

    def resume(self) -> None:
        """Go on with what came in during a stall that is over, and let a sim that speaks unasked speak."""
        if self._held:
            held, self._held = bytes(self._held), bytearray()
            self.hear(held)
        if self._speaks:
            at_s = self._stand.clock.monotonic()
            for said in self._said(b"", at_s):
                self._answer(said, at_s, at_s)

    def _said(self, data: bytes, at_s: float) -> list[Answer]:
        try:
            return list(self._feed(data, at_s))
        except Exception as error:  # noqa: BLE001  # whatever it is, it is the sim's
            self._stand.died(SimDied(self._stand.sim.name, error))
            return []

    def _answer(self, answer: Answer, at_s: float, heard_s: float) -> None:
        start_s = heard_s + answer.after_s
        if not self._stand.sim.faults:
            self._last_answer = answer.data
            self._queue(answer.data, at_s, start_s)
        elif not self._answer_badly(answer, at_s, start_s):
            return
        if answer.hang_up:
            self._out(None, max(start_s, self._free_at_s), at_s)

    def _answer_badly(self, answer: Answer, at_s: float, start_s: float) -> bool:
        """The same on a line that is not what it should be; returns whether the answer gets through."""
        if self._stand.draw.random() < (self._stand.fault("drop") or 0.0):
            return False
        start_s += self._stand.fault("delay") or 0.0
        if self._stand.fault("foreign") is not None and self._last_answer:
            self._queue(self._last_answer, at_s, start_s)
        self._last_answer = answer.data
        noise = self._stand.draw.randbytes(int(self._stand.fault("noise") or 0))
        self._queue(noise + self._garbled(answer.data), at_s, start_s)
        return True

    def _garbled(self, data: bytes) -> bytes:
        share = self._stand.fault("garble") or 0.0
        draw = self._stand.draw
        return bytes(byte ^ draw.randrange(1, 256) if share and draw.random() < share else byte for byte in data)

    def _queue(self, data: bytes, at_s: float, start_s: float) -> None:
        apart_s = self._stand.fault("trickle")
        pieces = [data] if apart_s is None else [data[i : i + 1] for i in range(len(data))]
        for piece in pieces:
            needs_s = len(piece) * self._stand.pace.character_s + (apart_s or 0.0)
            self._free_at_s = max(start_s, self._free_at_s) + needs_s
            self._out(piece, self._free_at_s, at_s)

    def _out(self, data: bytes | None, due_s: float, at_s: float) -> None:
        if due_s <= at_s and not self._due:
            self._do(data)
            return
        self._due.append((due_s, data))
        if len(self._due) == 1:
            self._stand.clock.call_at(due_s, self._deliver)

    def _deliver(self) -> None:
        """Say what is due, in order; the next one has its own time."""
        clock = self._stand.clock
        while self._due:
            due_s, data = self._due[0]
            if due_s > (now_s := clock.monotonic()) + _HAIR_S * clock.rate:
                clock.call_at(due_s, self._deliver)
                return
            if self._stand.fault("stall") is not None:
                clock.call_at(now_s + 0.02 * clock.rate, self._deliver)
                return
            self._do(data)
            self._due.popleft()

    def _do(self, data: bytes | None) -> None:
        """Send, or hang up where there is nothing to send."""
        if data is None:
            self._hang_up()
        else:
            self._send(data)
