"""Drawing the course of a value: in a terminal with Braille dots, or as an SVG file. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from xml.sax.saxutils import escape

Points = Sequence[tuple[float, float]]
"""Seconds since 1970, and values."""

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # by row and column of one Braille character
_BLANK = "\u2800"
_WIDTH_PX, _HEIGHT_PX, _LEFT_PX, _BOTTOM_PX, _TOP_PX = 960, 320, 70, 30, 30
_COLOURS = ("#0b6e99", "#c4442c", "#2e7d32", "#8e5bb5", "#a8741a")


class Frame(NamedTuple):
    """The span of times and values that is drawn; both are wider than nothing."""

    first_s: float
    last_s: float
    low: float
    high: float

    @classmethod
    def of(cls, courses: Sequence[Points]) -> Frame:
        """What holds all points; there must be one."""
        times = [at for points in courses for at, _ in points]
        values = [value for points in courses for _, value in points]
        low, high = min(values), max(values)
        margin = 0.0 if high > low else max(abs(high) * 0.05, 0.5)
        return cls(min(times), max(*times, min(times) + 1.0), low - margin, high + margin)

    def place(self, at_s: float, value: float) -> tuple[float, float]:
        """Where a point lies, from 0 to 1 to the right and upwards."""
        return (at_s - self.first_s) / (self.last_s - self.first_s), (value - self.low) / (self.high - self.low)


def draw(points: Points, columns: int, rows: int = 12) -> Iterator[str]:
    """The lines of a picture that is `columns` wide; `points` must not be empty."""
    frame = Frame.of([points])
    labels = [f"{frame.high:.6g}", f"{frame.low:.6g}"]
    edge = max(map(len, labels))
    width = max(10, columns - edge - 3)
    cells = [[0] * width for _ in range(rows)]
    for at_s, value in points:
        x, y = frame.place(at_s, value)
        column, row = min(int(x * width * 2), width * 2 - 1), min(int((1 - y) * rows * 4), rows * 4 - 1)
        cells[row // 4][column // 2] |= _DOTS[row % 4][column % 2]
    for number, line in enumerate(cells):
        label = labels[0] if number == 0 else labels[1] if number == rows - 1 else ""
        yield f"{label:>{edge}} ┤{''.join(chr(0x2800 + dots) for dots in line)}".rstrip(f" {_BLANK}")
    first, last = _time(frame.first_s), _time(frame.last_s)
    yield f"{'':>{edge}} └{first}{last:>{max(1, width - len(first))}}"


def svg(title: str, courses: dict[str, Points]) -> str:
    """The same as an SVG picture with one line for each course; at least one has a point."""
    frame = Frame.of(list(courses.values()))
    wide, high = _WIDTH_PX - _LEFT_PX - 10, _HEIGHT_PX - _TOP_PX - _BOTTOM_PX
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH_PX} {_HEIGHT_PX}" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{_LEFT_PX}" y="18">{escape(title)}</text>',
        f'<path d="M{_LEFT_PX} {_TOP_PX}v{high}h{wide}" fill="none" stroke="#888"/>',
        f'<text x="{_LEFT_PX - 6}" y="{_TOP_PX + 8}" text-anchor="end">{frame.high:.6g}</text>',
        f'<text x="{_LEFT_PX - 6}" y="{_TOP_PX + high}" text-anchor="end">{frame.low:.6g}</text>',
        f'<text x="{_LEFT_PX}" y="{_HEIGHT_PX - 10}">{_time(frame.first_s)}</text>',
        f'<text x="{_WIDTH_PX - 10}" y="{_HEIGHT_PX - 10}" text-anchor="end">{_time(frame.last_s)}</text>',
    ]
    for number, (name, points) in enumerate(courses.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        places = (frame.place(at_s, value) for at_s, value in points)
        line = " ".join(f"{_LEFT_PX + x * wide:.1f},{_TOP_PX + (1 - y) * high:.1f}" for x, y in places)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts.append(
            f'<text x="{_WIDTH_PX - 10}" y="{18 + 14 * number}" text-anchor="end" fill="{colour}">{escape(name)}</text>'
        )
    return "\n".join([*parts, "</svg>\n"])


def _time(at_s: float) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M:%SZ}"
