"""The controller's side of Icom's CI-V: frames, and the few commands that a satellite contact needs.

Sources: IC-9700 CI-V Reference Guide, p. 3 (frames, OK, NG), p. 13 (frequencies and modes), command table (05, 06, 07,
16 5A, 1A 06, 1C 00); the jam code of a collision as in Icom's CI-V reference manual. Frequencies are BCD, the lowest
pair of digits first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fleetd.devices import RigMode, Side

CONTROLLER = 0xE0
OK, NG = b"\xfb", b"\xfa"
ASK_FREQUENCY = b"\x03"
ASK_KEYED = b"\x1c\x00"
KEY, UNKEY = b"\x1c\x00\x01", b"\x1c\x00\x00"
EXCHANGE = b"\x07\xb0"
SELECT: Mapping[Side, bytes] = {Side.MAIN: b"\x07\xd0", Side.SUB: b"\x07\xd1"}
DATA_ON, DATA_OFF = b"\x1a\x06\x01\x01", b"\x1a\x06\x00\x00"
MODES: Mapping[RigMode, bytes] = {
    "lsb": b"\x06\x00",
    "usb": b"\x06\x01",
    "am": b"\x06\x02",
    "cw": b"\x06\x03",
    "fm": b"\x06\x05",
    "usb-data": b"\x06\x01",
    "fm-data": b"\x06\x05",
}
"""How each mode is set, with the filter that goes with it; the data modes are one of these, and data mode beside it."""

_FE, _FD, _JAM = 0xFE, 0xFD, 0xFC
_MOST_FRAME = 64
_FREQUENCY_BYTES = 5


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: for whom, by whom, and what lies between the addresses and the end."""

    to: int
    sender: int
    body: bytes


def frame(to: int, body: bytes) -> bytes:
    """A frame from the controller."""
    return bytes((_FE, _FE, to, CONTROLLER)) + body + bytes((_FD,))


def tune(frequency_hz: int) -> bytes:
    """Set the frequency of the selected side."""
    digits = f"{frequency_hz:0{2 * _FREQUENCY_BYTES}d}"
    if len(digits) > 2 * _FREQUENCY_BYTES:
        raise ValueError(f"{frequency_hz} Hz needs more than {2 * _FREQUENCY_BYTES} digits")
    return b"\x05" + bytes.fromhex(digits)[::-1]


def frequency(body: bytes) -> int:
    """The frequency in Hz in the answer to ASK_FREQUENCY. Raises ValueError for what is none."""
    cells = body[1:]
    if len(cells) != _FREQUENCY_BYTES:
        raise ValueError(f"a frequency of {len(cells)} bytes")
    digits = cells[::-1].hex()
    if not digits.isdecimal():
        raise ValueError(f"the digits {digits}")
    return int(digits)


def keyed(body: bytes) -> bool:
    """Whether it transmits, in the answer to ASK_KEYED. Raises ValueError."""
    if body[2:] not in (b"\x00", b"\x01"):
        raise ValueError(f"the transmit state {body[2:].hex() or 'of no byte'}")
    return body[2:] == b"\x01"


class Decoder:
    """Fed the bytes of one exchange, yields the frames that have become whole; garbage between them is passed over."""

    def __init__(self) -> None:
        self._inside: bytearray | None = None
        self._jams = 0
        self.collided = False
        """Whether somebody has jammed the bus: two talked at once, and what was said is lost."""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take what arrived."""
        for byte in data:
            self._jams = self._jams + 1 if byte == _JAM else 0
            self.collided |= self._jams > 1
            if byte == _FE:  # a frame begins, whatever went before; a second one still begins it
                self._inside = bytearray()
            elif self._inside is not None:
                if byte == _FD:
                    inside, self._inside = bytes(self._inside), None
                    if len(inside) > 2:
                        yield Frame(inside[0], inside[1], inside[2:])
                elif len(self._inside) < _MOST_FRAME:
                    self._inside.append(byte)
                else:
                    self._inside = None
