"""The computer's side of the EasyComm II and III wires: bytes and values, nothing else.

Sources: easycomm.txt as Hamlib ships it (commands, queries, unsolicited `AL`; the bits of `GS` and `GE` are called
proposed there), and the bytes that Hamlib 4.5.4's `rotctl -m 202` and `-m 204` write.

- A command is two letters and a value; space, CR or LF end it. Without a value it asks, and is answered by the same two
  letters with the value. Setting a direction, and stopping, is answered by nothing.
- A line that begins with `AL` is an alarm in words and may come at any time, as may any other answer.
- III adds, among others, `GS` (status bits: 1 idle, 2 moving, 4 pointing, 8 error) and `GE` (which error).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

ASK_BOTH = b"AZ EL \n"
ASK_AZIMUTH = b"AZ\n"
ASK_ELEVATION = b"EL\n"
ASK_STATUS = b"GS\n"
ASK_ERROR = b"GE\n"
STOP = b"SA SE \n"

STATUS_ERROR = 8
RESOLUTION_DEG = 0.1

_LINE_END = re.compile(rb"[\r\n]")
_ALARM = b"AL"
_SAID = re.compile(rb"(AZ|EL|GS|GE)([+-]?\d{1,3}(?:\.\d{1,6})?)(?![^\s;])")
_MOST_UNREAD = 4096


def turn(azimuth_deg: float, elevation_deg: float | None = None) -> bytes:
    """Turn to a direction, in tenths of a degree; without elevation only the azimuth is told."""
    azimuth = b"AZ" + _tenths(azimuth_deg)
    return azimuth + (b"" if elevation_deg is None else b" EL" + _tenths(elevation_deg)) + b"\n"


@dataclass(frozen=True, slots=True)
class Said:
    """One value that the unit told: `AZ` or `EL` in degrees, `GS` or `GE` as bits."""

    name: str
    value: float


class Decoder:
    """Fed the bytes of one exchange, yields the values in its whole lines and passes over alarms and noise."""

    def __init__(self) -> None:
        self._unread = bytearray()

    def feed(self, data: bytes) -> Iterator[Said]:
        """Take what arrived and yield each value that has become whole."""
        self._unread += data
        while (end := _LINE_END.search(self._unread)) is not None:
            line = bytes(self._unread[: end.start()])
            del self._unread[: end.end()]
            # What follows an alarm's two letters is prose, whatever it looks like.
            for name, value in _SAID.findall(line.partition(_ALARM)[0]):
                yield Said(name.decode(), float(value))
        del self._unread[:-_MOST_UNREAD]


def _tenths(angle_deg: float) -> bytes:
    return b"%.1f" % (round(angle_deg, 1) + 0.0)  # the zero turns -0.0 into 0.0
