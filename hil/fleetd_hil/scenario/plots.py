"""Plots over time and of the sky, as SVG that stands by itself: numbers in, text out. Colours are those of the page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

COLOURS = ("#1f77b4", "#d1495b", "#3a8f5c", "#8a5fb0", "#c08a1e", "#4f6d7a", "#e07a5f", "#5aa9a6")
WIDTH, LEFT, RIGHT, TOP = 1000.0, 172.0, 14.0, 14.0
_BOTTOM = 24.0
_SKY = 300.0
_LONGEST = 25  # letters of a lane's name for which there is room

Points = Sequence[tuple[float, float | None]]
"""Seconds and values; None makes a gap."""


@dataclass(frozen=True, slots=True)
class Line:
    """One curve; `dash` as SVG has it."""

    name: str
    points: Points
    colour: str
    dash: str = ""
    thick: float = 1.6


@dataclass(frozen=True, slots=True)
class Bar:
    """Something that lasted, in a lane of its own name."""

    lane: str
    begin_s: float
    end_s: float
    colour: str
    words: str


@dataclass(frozen=True, slots=True)
class Axis:
    """The time that all plots of one page share, and the instants marked in each."""

    lasts_s: float
    marks: Sequence[tuple[float, str]] = ()

    def x(self, at_s: float) -> float:
        """Where an instant stands."""
        return LEFT + (WIDTH - LEFT - RIGHT) * min(max(at_s / self.lasts_s, 0.0), 1.0)

    def grid(self, height: float) -> Iterator[str]:
        """Its lines, its labels and its marks."""
        for at_s in _ticks(0.0, self.lasts_s, _time_step(self.lasts_s)):
            x = self.x(at_s)
            yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{height - _BOTTOM:.1f}"/>'
            yield f'<text x="{x:.1f}" y="{height - 8:.1f}" text-anchor="middle">{_clock(at_s)}</text>'
        for at_s, words in self.marks:
            x = self.x(at_s)
            yield f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{height - _BOTTOM:.1f}">'
            yield f"<title>{escape(words)}</title></line>"


def chart(title: str, lines: Sequence[Line], axis: Axis, height: float = 210.0) -> str:
    """Curves over time, with a legend; '' where there is nothing to show."""
    values = [value for line in lines for _, value in line.points if value is not None]
    if not values:
        return ""
    low, high = min(values), max(values)
    step = _step((high - low) or 1.0)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    high = high if high > low else low + step

    def y(value: float) -> float:
        return TOP + (height - TOP - _BOTTOM) * (high - value) / (high - low)

    parts = [_open(height, title), *axis.grid(height)]
    for value in _ticks(low, high, step):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g}</text>')
    for line in lines:
        for piece in _pieces(line.points):
            spots = " ".join(f"{axis.x(at_s):.1f},{y(value):.1f}" for at_s, value in piece)
            parts.append(
                f'<polyline fill="none" stroke="{line.colour}" stroke-width="{line.thick}" '
                f'stroke-dasharray="{line.dash}" points="{spots}"/>'
            )
    return "".join([_legend(title, [(line.name, line.colour, line.dash) for line in lines]), *parts, "</svg>"])


def lanes(bars: Sequence[Bar], axis: Axis) -> str:
    """What lasted from when until when, a lane for each thing; '' where there is nothing to show."""
    if not bars:
        return ""
    names = list(dict.fromkeys(bar.lane for bar in bars))
    height = TOP + 22.0 * len(names) + _BOTTOM
    parts = [_open(height, "time line"), *axis.grid(height)]
    for row, name in enumerate(names):
        y = TOP + 22.0 * row
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y + 20:.1f}" y2="{y + 20:.1f}"/>')
        for bar in (bar for bar in bars if bar.lane == name):
            x, wide = axis.x(bar.begin_s), max(3.0, axis.x(bar.end_s) - axis.x(bar.begin_s))
            parts.append(
                f'<rect x="{x:.1f}" y="{y + 3:.1f}" width="{wide:.1f}" height="14" rx="3" fill="{bar.colour}">'
                f"<title>{escape(bar.words)}</title></rect>"
            )
        parts.append(
            f'<text class="lane" x="{LEFT - 8}" y="{y + 14:.1f}" text-anchor="end">{escape(_short(name))}</text>'
        )
    return "".join([*parts, "</svg>"])


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def sky(lines: Sequence[Line]) -> str:
    """The sky seen from the antenna, north up and the zenith in the middle; points are azimuth and elevation."""
    half = _SKY / 2

    def spot(azimuth_deg: float, elevation_deg: float) -> tuple[float, float]:
        if elevation_deg > 90:
            azimuth_deg, elevation_deg = azimuth_deg + 180, 180 - elevation_deg
        out, turn = (half - 18) * (90 - max(elevation_deg, 0.0)) / 90, math.radians(azimuth_deg)
        return half + out * math.sin(turn), half - out * math.cos(turn)

    parts = [f'<svg class="sky" viewBox="0 0 {_SKY:.0f} {_SKY:.0f}" role="img"><title>the sky</title>']
    for ring_deg in (0, 30, 60):
        radius = (half - 18) * (90 - ring_deg) / 90
        parts.append(f'<circle class="grid" cx="{half}" cy="{half}" r="{radius:.1f}" fill="none"/>')
    for name, azimuth_deg in (("N", 0), ("E", 90), ("S", 180), ("W", 270)):
        x, y = (
            half + (half - 8) * math.sin(math.radians(azimuth_deg)),
            half - (half - 8) * math.cos(math.radians(azimuth_deg)),
        )
        parts.append(f'<text x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle">{name}</text>')
    for line in lines:
        spots = " ".join("{:.1f},{:.1f}".format(*spot(az, el)) for az, el in line.points if el is not None)
        parts.append(
            f'<polyline fill="none" stroke="{line.colour}" stroke-width="{line.thick}" '
            f'stroke-dasharray="{line.dash}" points="{spots}"/>'
        )
    return "".join([*parts, "</svg>"])


def _legend(title: str, entries: Sequence[tuple[str, str, str]]) -> str:
    keys = "".join(
        f'<span class="key"><svg viewBox="0 0 22 8"><line x1="0" x2="22" y1="4" y2="4" stroke="{colour}" '
        f'stroke-width="3" stroke-dasharray="{dash}"/></svg>{escape(name)}</span>'
        for name, colour, dash in entries
    )
    return f'<p class="legend"><b>{escape(title)}</b>{keys}</p>'


def _open(height: float, title: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH:.0f} {height:.0f}" role="img"><title>{escape(title)}</title>'


def _ticks(low: float, high: float, step: float) -> Iterator[float]:
    count = int((high - low) / step + 1e-9)
    yield from (round(low + number * step, 9) for number in range(count + 1))


def _step(span: float) -> float:
    """A round number, some four of which make the span."""
    rough = span / 4
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * round_ for round_ in (1, 2, 5, 10) if power * round_ >= rough * 0.999)


def _time_step(lasts_s: float) -> float:
    steps = (5, 10, 15, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 10_800, 21_600, 86_400)
    return float(next((step for step in steps if lasts_s / step <= 12), 86_400))


def _clock(at_s: float) -> str:
    minutes, seconds = divmod(round(at_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def _pieces(points: Points) -> Iterator[list[tuple[float, float]]]:
    """Stretches without a gap."""
    piece: list[tuple[float, float]] = []
    for at_s, value in points:
        if value is None:
            if len(piece) > 1:
                yield piece
            piece = []
        else:
            piece.append((at_s, value))
    if len(piece) > 1:
        yield piece
