"""The computer's side of the KISS wire: bytes and frames, nothing else.

Sources: M. Chepponis and P. Karn, "The KISS TNC: A simple Host-to-TNC communications protocol" (1987); AEA PK-232
manual, appendix B-3; the rules for what goes wrong are from faults reported in the field, named in README.md.

- A frame is `C0 <type> data C0`; in type and data C0 is sent as DB DC, DB as DB DD.
- The type's high nibble is the TNC's port, its low nibble what it is: 0 data, 1 to 6 parameters; FF leaves KISS.
- C0 is a delimiter and no bracket: two frames may share one, and a run of them is no frame.
- There is no checksum: the TNC checks what it receives and drops what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

FEND = 0xC0
FESC = 0xDB
CLOSE_HALF_FRAME = bytes((FEND, FEND))
HIGHEST_PORT = 15

_END, _ESCAPE = bytes((FEND,)), bytes((FESC,))
_ESCAPED = re.compile(rb"\xdb(.?)", re.DOTALL)
_MEANS = {b"\xdc": b"\xc0", b"\xdd": b"\xdb"}


class Kind(IntEnum):
    """The low nibble of a frame's type."""

    DATA = 0
    TX_DELAY = 1  # key-up delay, 10 ms
    PERSISTENCE = 2  # (p + 1) / 256 is the chance to transmit in a free slot
    SLOT_TIME = 3  # 10 ms
    TX_TAIL = 4  # 10 ms
    FULL_DUPLEX = 5
    SET_HARDWARE = 6


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. `whole` is false where an escape meant nothing, so that a byte of it is missing."""

    port: int
    kind: int
    data: bytes
    whole: bool = True


def encode(frame: Frame) -> bytes:
    """A frame between two delimiters. Raises ValueError for a port or kind that has no place in the type."""
    if not (0 <= frame.port <= HIGHEST_PORT and 0 <= frame.kind <= HIGHEST_PORT):
        raise ValueError(f"port {frame.port} and kind {frame.kind} must be from 0 to {HIGHEST_PORT}")
    body = bytes((frame.port << 4 | frame.kind,)) + frame.data
    return _END + body.replace(_ESCAPE, b"\xdb\xdd").replace(_END, b"\xdb\xdc") + _END


class Decoder:
    """Fed bytes as they come, yields whole frames; what precedes the first delimiter is half a frame or a banner."""

    def __init__(self, longest: int) -> None:
        self.noise_bytes = 0
        """Bytes that belonged to no frame: before the first delimiter, and of frames longer than `longest`."""
        self.overlong = 0
        """Frames of more than `longest` bytes, dropped."""
        self._most = 2 * (longest + 1)  # each byte may be escaped
        self._longest = longest
        self._unread = bytearray()
        self._open = False

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take what arrived and yield each frame that has become whole."""
        self._unread += data
        if FEND in data:
            *pieces, rest = self._unread.split(_END)
            self._unread = rest
            for piece in pieces:
                if (frame := self._frame(bytes(piece))) is not None:
                    yield frame
                self._open = True
        if len(self._unread) > self._most:
            self._give_up()

    def _frame(self, piece: bytes) -> Frame | None:
        if not self._open:
            self.noise_bytes += len(piece)
            return None
        if not piece:
            return None
        body, whole = _unescaped(piece)
        if len(body) > self._longest + 1:
            self.overlong += 1
            self.noise_bytes += len(piece)
            return None
        return Frame(body[0] >> 4, body[0] & 0x0F, body[1:], whole) if body else None

    def _give_up(self) -> None:
        """Too long already: what follows belongs to no frame until the next delimiter."""
        self.overlong += self._open
        self.noise_bytes += len(self._unread)
        self._unread.clear()
        self._open = False


def _unescaped(piece: bytes) -> tuple[bytes, bool]:
    """In one pass, for two would undo too much. An escape before anything else drops that byte, as the paper says."""
    if FESC not in piece:
        return piece, True
    wrong = 0

    def meant(match: re.Match[bytes]) -> bytes:
        nonlocal wrong
        byte = _MEANS.get(match[1], b"")
        wrong += not byte
        return byte

    return _ESCAPED.sub(meant, piece), not wrong
