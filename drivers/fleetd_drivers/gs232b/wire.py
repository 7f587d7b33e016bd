"""The computer's side of the Yaesu GS-232A/B wire: bytes and values, nothing else.

Sources: Yaesu GS-232A manual p. 15-18 (commands, "?>", angles), a GS-232B reply captured in Hamlib issue 122, an
azimuth-only reply in Hamlib issue 309; the GS-232B manual itself was not at hand.

- A command ends with CR alone; a second CR makes a B unit answer "?>". The unit ends every command with CR, and adds LF
  if it returned data. "?>" says that the command was invalid and that the input buffer is empty again.
- Angles are three digits counted from the counter-clockwise stop. `Maaa` turns in azimuth, `Waaa eee` in both axes.
- `M` with a second number and `W` with a third are timed programs which `T` starts: no such field is ever written here.
- `C2` asks for both axes, `C` for azimuth alone; `S` stops both. Calibration (`O`, `F`, `O2`, `F2`) has no word here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

ASK_BOTH = b"C2\r"
ASK_AZIMUTH = b"C\r"
STOP = b"S\r"
AZIMUTH_MOST = 450
ELEVATION_MOST = 180

_B_STYLE = re.compile(rb"AZ=\s?(\d{3})(?:\s*EL=\s?(\d{3}))?(?!\d)", re.IGNORECASE)  # AZ=180  EL=090
_A_STYLE = re.compile(rb"\+0(\d{3})(?:\+0(\d{3}))?(?!\d)")  # +0180+0090
_LINE_END = re.compile(rb"[\r\n]")
_NO = b"?>"


def turn(azimuth: int) -> bytes:
    """`Maaa`: turn to `azimuth`, 0 to 450 degrees from the counter-clockwise stop. Raises ValueError beyond."""
    return b"M%03d\r" % _within(azimuth, AZIMUTH_MOST)


def turn_both(azimuth: int, elevation: int) -> bytes:
    """`Waaa eee`: turn to `azimuth`, 0 to 450, and `elevation`, 0 to 180 degrees. Raises ValueError beyond."""
    return b"W%03d %03d\r" % (_within(azimuth, AZIMUTH_MOST), _within(elevation, ELEVATION_MOST))


@dataclass(frozen=True, slots=True)
class Position:
    """Where the unit says that it points, in degrees from its stops; azimuth-only units give no elevation."""

    azimuth: int
    elevation: int | None = None


class Word(Enum):
    """The answers that carry no value."""

    DONE = "an empty line"
    REFUSED = "?>"


Reply = Position | Word


class Decoder:
    """Fed the bytes of one exchange, yields its replies and passes over prompts, stray line feeds and noise."""

    def __init__(self) -> None:
        self._unread = bytearray()

    def feed(self, data: bytes) -> Iterator[Reply]:
        """Take what arrived and yield each reply that has become whole."""
        self._unread += data
        while (reply := self._next()) is not None:
            yield from reply

    def unended(self) -> Position | None:
        """Both axes, if they stand at the end of what arrived: some units end their answer with nothing at all."""
        position = _position(bytes(self._unread))
        return position if position is not None and position.elevation is not None else None

    def _next(self) -> tuple[Reply, ...] | None:
        refused = self._unread.find(_NO)
        end = _LINE_END.search(self._unread)
        if refused >= 0 and (end is None or refused < end.start()):
            del self._unread[: refused + len(_NO)]
            return (Word.REFUSED,)
        if end is None:
            return None
        line, terminator = bytes(self._unread[: end.start()]), end[0]
        del self._unread[: end.end()]
        if (position := _position(line)) is not None:
            return (position,)
        # One stray byte is noise on the line and no reason to miss that the unit has answered; `>` alone is a prompt.
        empty = len(line.strip(b" \0")) <= 1 and line != b">"
        return (Word.DONE,) if empty and terminator == b"\r" else ()


def _position(line: bytes) -> Position | None:
    """The last position in `line`: what stands before it is noise, or an answer that lost its end."""
    for style in (_B_STYLE, _A_STYLE):
        if found := style.findall(line):
            azimuth, elevation = found[-1]
            return Position(int(azimuth), int(elevation) if elevation else None)
    return None


def _within(angle: int, most: int) -> int:
    if not 0 <= angle <= most:
        raise ValueError(f"{angle} is not within 0 to {most} degrees")
    return angle
