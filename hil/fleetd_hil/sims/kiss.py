"""The TNC's side of the KISS wire, for every program that is connected; what it hears and sends is the air's business.

Written from Chepponis and Karn's paper: one state machine byte by byte, as a TNC's firmware has it. What is heard goes
to all programs; what a program sends goes to `on_air`. Its ways to fail are faults reported from the field.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from fleetd_hil.faults import FaultKind, Faults
from fleetd_hil.sim import Answer, Feed

FAULTS = (
    FaultKind("deaf", "nothing is heard off the air"),
    FaultKind("shared-fend", "two frames share the delimiter between them"),
    FaultKind("half-frame", "the end of an older frame comes before each frame"),
    FaultKind("banner", "a prompt in plain text stands between frames"),
    FaultKind("bad-escape", "an escape that means nothing stands in each frame"),
    FaultKind("overlong", "this many bytes without a delimiter come before each frame", 100_000.0, "bytes"),
    FaultKind("smack", "frames come as SMACK marks them, with bit 7 of the type set"),
    FaultKind("runs", "this many delimiters stand between frames", 5.0),
)

_FEND, _FESC, _TFEND, _TFESC = 0xC0, 0xDB, 0xDC, 0xDD
_NAMES = {1: "txdelay", 2: "persistence", 3: "slottime", 4: "txtail", 5: "fullduplex"}
# N0CALL-1>CQ, "test 000", as an AX.25 UI frame without its checksum
_TEST = bytes.fromhex("86a24040404060 9c60868298986303f0") + b"test %03d"


@dataclass(slots=True, eq=False, weakref_slot=True)
class _Ear:
    """One connected program: what it has begun to send, and what it is still to be told."""

    begun: bytearray = field(default_factory=bytearray)
    open: bool = False
    escaped: bool = False
    pending: list[bytes] = field(default_factory=list)
    fresh: bool = True


class KissSim:
    """One TNC. `period_s`: how often it hears a test frame by itself; 0 for never."""

    speaks_unasked: Literal[True] = True

    def __init__(self, period_s: float = 0.0) -> None:
        self.name = "kiss"
        self.units: tuple[int, ...] = ()
        self.faults = Faults(FAULTS)
        self.violations: deque[str] = deque(maxlen=100)
        self.sent: deque[tuple[int, bytes]] = deque(maxlen=10_000)
        """Port and content of each frame that a program sent."""
        self.parameters: dict[str, int] = {}
        self.on_air: Callable[[bytes, float], None] = lambda _data, _at_s: None
        """Told of each frame sent, with the running time."""
        self.before: Callable[[float], None] = lambda _at_s: None
        """Called before anything is said, so that whoever is on the air can catch up with the running time."""
        self._ears: weakref.WeakSet[_Ear] = weakref.WeakSet()  # a program that has gone takes its ear along
        self.period_s = period_s
        self._due_s: float | None = None
        self._heard = 0

    def attach(self) -> Feed:
        """One program's connection."""
        ear = _Ear()
        self._ears.add(ear)

        def feed(data: bytes, at_s: float) -> list[Answer]:
            self.before(at_s)
            self._take(ear, data, at_s)
            self._test(at_s)
            said, ear.pending = ear.pending, []
            ear.fresh = False
            return [Answer(b"".join(said))] if said else []

        return feed

    def hear(self, frame: bytes, at_s: float, port: int = 0) -> None:
        """A frame came off the air, its checksum right: every program is told."""
        if self.faults.value("deaf", at_s) is not None:
            return
        wire = self._dressed(port, frame, at_s)
        for ear in self._ears:
            ear.pending.append(wire)
            if len(ear.pending) > 10_000:
                del ear.pending[0]

    def _test(self, at_s: float) -> None:
        if self.period_s and (self._due_s is None or at_s >= self._due_s):
            self._due_s = at_s + self.period_s
            self._heard += 1
            self.hear(_TEST % (self._heard % 1000), at_s)

    # From the program

    def _take(self, ear: _Ear, data: bytes, at_s: float) -> None:
        for byte in data:
            if byte == _FEND:
                if ear.open and ear.begun:
                    self._obey(bytes(ear.begun), at_s)
                ear.begun.clear()
                ear.open, ear.escaped = True, False
            elif ear.escaped:
                ear.escaped = False
                if byte in (_TFEND, _TFESC):
                    ear.begun.append(_FEND if byte == _TFEND else _FESC)
                else:
                    self.violations.append(f"escape before {byte:02x}")
            elif byte == _FESC:
                ear.escaped = True
            else:
                ear.begun.append(byte)

    def _obey(self, body: bytes, at_s: float) -> None:
        port, kind, data = body[0] >> 4, body[0] & 0x0F, body[1:]
        if kind == 0:
            self.sent.append((port, data))
            self.on_air(data, at_s)
        elif kind in _NAMES and len(data) == 1:
            self.parameters[f"{_NAMES[kind]}/{port}"] = data[0]
        elif kind != 6:
            self.violations.append(f"type {body[0]:02x} with {len(data)} bytes")

    # To the program

    def _dressed(self, port: int, frame: bytes, at_s: float) -> bytes:
        kind = port << 4 | (0x80 if self._fault("smack", at_s) else 0)
        body = bytearray((kind,)) + frame
        if self._fault("bad-escape", at_s):
            body[len(body) // 2 : len(body) // 2] = b"\xdb"
            escaped = _escaped(body[: len(body) // 2]) + b"\xdb\x41" + _escaped(body[len(body) // 2 + 1 :])
        else:
            escaped = _escaped(body)
        ahead = b""
        if self._fault("half-frame", at_s):
            ahead += frame[len(frame) // 2 :].replace(b"\xc0", b"")
        if self._fault("banner", at_s):
            ahead += b"\xc0cmd: \r\n"
        ahead += b"\x55" * int(self._fault("overlong", at_s))
        ahead += b"\xc0" * int(self._fault("runs", at_s))
        return ahead + (b"" if self._fault("shared-fend", at_s) and self._told() else b"\xc0") + escaped + b"\xc0"

    def _told(self) -> bool:
        """Whether every program has been told something whose last delimiter may serve again."""
        return all(ear.pending or not ear.fresh for ear in self._ears)

    def _fault(self, name: str, at_s: float) -> float:
        return self.faults.value(name, at_s) or 0.0


def _escaped(data: bytes | bytearray) -> bytes:
    out = bytearray()
    for byte in data:
        if byte == _FEND:
            out += bytes((_FESC, _TFEND))
        elif byte == _FESC:
            out += bytes((_FESC, _TFESC))
        else:
            out.append(byte)
    return bytes(out)
