"""The computer's side of the SPID wire: bytes and values, nothing else.

Sources: spid.txt and spid.c as Hamlib ships them, and the bytes that Hamlib 4.5.4's `rotctl -m 901` and `-m 903`
write; the maker's own sheet for the MD-01 was not at hand.

- A command is 13 bytes: `W`, H1 to H4, PH, V1 to V4, PV, K, a space; K is 0F stop, 1F status, 2F set.
- Set carries the angles as ASCII digits: 360 + angle in pulses of which there are PH (PV) to the degree. Rot1Prog takes
  whole degrees of azimuth in three digits.
- A reply is 12 bytes, the digits raw (0 to 9, not ASCII), in tenths of a degree plus 360; Rot1Prog's is 5 bytes with
  three digits. It has no checksum. The PH and PV in it are what the next set must be counted in.
- MD-01/02 may put lines of text between replies. A raw digit is never printable, so no text looks like a reply.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

STOP = b"W" + bytes(10) + b"\x0f "
STATUS = b"W" + bytes(10) + b"\x1f "
LOWEST_DEG = -360.0
HIGHEST_PULSES = 9999  # four digits

_START, _END = 0x57, 0x20
_LONG, _SHORT = 12, 5


@dataclass(frozen=True, slots=True)
class Position:
    """Where the unit says that it points, in degrees, and how many pulses it counts to a degree on each axis."""

    azimuth_deg: float
    elevation_deg: float = 0.0
    azimuth_pulses: int = 1
    elevation_pulses: int = 1


def turn(azimuth_deg: float, elevation_deg: float, azimuth_pulses: int, elevation_pulses: int) -> bytes:
    """Turn both axes, rounded to the nearest pulse. Raises ValueError for what four digits cannot hold."""
    azimuth, elevation = _digits(azimuth_deg, azimuth_pulses), _digits(elevation_deg, elevation_pulses)
    return b"W" + azimuth + bytes((azimuth_pulses,)) + elevation + bytes((elevation_pulses,)) + b"\x2f "


def turn_azimuth(azimuth_deg: float) -> bytes:
    """Turn a Rot1Prog, in whole degrees."""
    return b"W" + _digits(azimuth_deg, 1)[1:] + b"0" + bytes(6) + b"\x2f "


def _digits(angle_deg: float, pulses: int) -> bytes:
    count = round(pulses * (angle_deg - LOWEST_DEG))
    if not 0 <= count <= HIGHEST_PULSES:
        raise ValueError(f"{angle_deg:g} degrees at {pulses} pulses each do not fit into four digits")
    return b"%04d" % count


class Decoder:
    """Fed the bytes of one exchange, yields its replies and passes over text, noise and broken frames."""

    def __init__(self, *, azimuth_only: bool = False) -> None:
        self._size = _SHORT if azimuth_only else _LONG
        self._unread = bytearray()

    def feed(self, data: bytes) -> Iterator[Position]:
        """Take what arrived and yield each reply that has become whole."""
        self._unread += data
        while (start := self._unread.find(_START)) >= 0:
            del self._unread[:start]
            if len(self._unread) < self._size:
                return
            position = _position(bytes(self._unread[: self._size]))
            del self._unread[: 1 if position is None else self._size]
            if position is not None:
                yield position
        self._unread.clear()


def _position(frame: bytes) -> Position | None:
    """What a frame says; None if it is none."""
    if frame[-1] != _END:
        return None
    if len(frame) == _SHORT:
        hundreds, tens, ones = frame[1:4]
        return Position(100.0 * hundreds + 10 * tens + ones + LOWEST_DEG) if max(frame[1:4]) <= 9 else None
    if max(frame[1:5] + frame[6:10]) > 9 or 0 in (frame[5], frame[10]):
        return None
    return Position(_angle_deg(frame[1:5]), _angle_deg(frame[6:10]), frame[5], frame[10])


def _angle_deg(digits: bytes) -> float:
    hundreds, tens, ones, tenths = digits
    return (1000 * hundreds + 100 * tens + 10 * ones + tenths) / 10 + LOWEST_DEG
