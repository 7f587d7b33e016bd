"""Passes as a picture: a chart of the sky with the line of each, and beside it a row a day with when they come.

An SVG of its own, without scripts, fonts or links, so that it opens anywhere and can be mailed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from html import escape
from typing import Any

from fleetd.clock import parse_utc

_COLOURS = ("#0b6fa4", "#c8553d", "#3c8d53", "#8a5fb0", "#b07d1a", "#4a5a6a")
_RADIUS, _CENTRE_X, _CENTRE_Y = 230.0, 290.0, 350.0
_LEFT, _TOP, _WIDTH, _ROW = 640.0, 100.0, 480.0, 44.0
_MOST_LABELLED = 24  # lines in the sky beyond which their times would hide them
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#26323c}.quiet{fill:#7b8794}.title{font-size:18px;font-weight:600}"
    ".grid{fill:none;stroke:#d5dbe0}.hill{fill:#e6e0d4}.track{fill:none;stroke-width:2;stroke-linecap:round}"
)

Track = Mapping[str, Any]
"""One pass: `satellite`, `begin`, and `points` of seconds after that, azimuth and elevation."""
Chart = Mapping[str, Any]
"""As `/v1/passes/chart` gives it: the `station`, its `horizon_deg` and the `tracks` over it."""


def svg_text(chart: Chart) -> str:
    """The picture of all tracks of a chart."""
    tracks, place = chart["tracks"], chart["station"]
    names = list(dict.fromkeys(track["satellite"] for track in tracks))
    colours = {name: _COLOURS[index % len(_COLOURS)] for index, name in enumerate(names)}
    days = _days(tracks)
    height = max(660.0, _TOP + _ROW * len(days) + 60)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1160 {height:.0f}" role="img">',
        f"<title>Passes over {escape(place)}</title><style>{_STYLE}</style>",
        f'<rect width="1160" height="{height:.0f}" fill="#fff"/>',
        f'<text class="title" x="40" y="44">Passes over {escape(place)}</text>',
        *_legend(colours),
        *_sky(chart["horizon_deg"]),
        *(line for track in tracks for line in _line(track, colours, labelled=len(tracks) <= _MOST_LABELLED)),
        *_timeline(tracks, days, colours),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def highest_deg(track: Track) -> float:
    """The elevation that a track reaches."""
    highest: float = max(elevation_deg for _, _, elevation_deg in track["points"])
    return highest


def _legend(colours: Mapping[str, str]) -> Iterator[str]:
    for index, (name, colour) in enumerate(colours.items()):
        y = 62 + 18 * (index % 2)
        x = 40 + 270 * (index // 2)
        yield f'<rect x="{x}" y="{y - 9}" width="14" height="10" rx="2" fill="{colour}"/>'
        yield f'<text x="{x + 20}" y="{y}">{escape(name)}</text>'


# The sky: zenith in the middle, horizon outside, north up, and east to the right as on a map.


def _spot(azimuth_deg: float, elevation_deg: float) -> tuple[float, float]:
    away = _RADIUS * (90 - max(elevation_deg, 0.0)) / 90
    azimuth = math.radians(azimuth_deg)
    return _CENTRE_X + away * math.sin(azimuth), _CENTRE_Y - away * math.cos(azimuth)


def _sky(horizon: Sequence[tuple[float, float]]) -> Iterator[str]:
    if horizon:
        yield f'<circle class="hill" cx="{_CENTRE_X}" cy="{_CENTRE_Y}" r="{_RADIUS}"/>'
        outline = " ".join("{:.1f},{:.1f}".format(*_spot(*point)) for point in _filled(horizon))
        yield f'<polygon points="{outline}" fill="#fff"/>'
    for elevation_deg in (0, 30, 60):
        radius = _RADIUS * (90 - elevation_deg) / 90
        yield f'<circle class="grid" cx="{_CENTRE_X}" cy="{_CENTRE_Y}" r="{radius:.1f}"/>'
        x, y = _spot(45, elevation_deg)
        yield f'<text class="quiet" x="{x + 3:.1f}" y="{y - 3:.1f}">{elevation_deg}°</text>'
    for azimuth_deg in range(0, 180, 45):
        (x1, y1), (x2, y2) = _spot(azimuth_deg, 0), _spot(azimuth_deg + 180, 0)
        yield f'<line class="grid" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'
    for azimuth_deg, name in ((0, "N"), (90, "E"), (180, "S"), (270, "W")):
        azimuth = math.radians(azimuth_deg)
        x = _CENTRE_X + (_RADIUS + 16) * math.sin(azimuth)
        y = _CENTRE_Y - (_RADIUS + 16) * math.cos(azimuth)
        yield f'<text x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle">{name}</text>'


def _filled(horizon: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """The horizon at each whole degree, since a straight line between its points is none on the chart."""
    around = [
        (horizon[-1][0] - 360, horizon[-1][1]),
        *horizon,
        (horizon[0][0] + 360, horizon[0][1]),
    ]
    for azimuth in range(360):
        upper = next(index for index, (there, _) in enumerate(around) if there > azimuth)
        (before, low), (after, high) = around[upper - 1], around[upper]
        yield azimuth, low + (high - low) * (azimuth - before) / (after - before)


def _line(track: Track, colours: Mapping[str, str], *, labelled: bool) -> Iterator[str]:
    colour = colours[track["satellite"]]
    spots = [_spot(azimuth_deg, elevation_deg) for _, azimuth_deg, elevation_deg in track["points"]]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
    yield f'<polyline class="track" stroke="{colour}" points="{path}"><title>{escape(_words(track))}</title></polyline>'
    x, y = spots[-1]
    yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'  # where it sets: which way it goes
    if labelled:
        x, y = spots[0]
        yield f'<text class="quiet" x="{x:.1f}" y="{y - 6:.1f}" text-anchor="middle">{_begin(track):%H:%M}</text>'


# The days: midnight to midnight UTC, a bar a pass, the taller the higher it climbs.


def _days(tracks: Sequence[Track]) -> list[datetime]:
    if not tracks:
        return []
    first, last = (_midnight(pick(_begin(track) for track in tracks)) for pick in (min, max))
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _timeline(tracks: Sequence[Track], days: Sequence[datetime], colours: Mapping[str, str]) -> Iterator[str]:
    for hour in range(0, 25, 6):
        x = _LEFT + _WIDTH * hour / 24
        bottom = _TOP + _ROW * len(days)
        yield f'<line class="grid" x1="{x}" y1="{_TOP}" x2="{x}" y2="{bottom}"/>'
        yield f'<text class="quiet" x="{x}" y="{_TOP - 8}" text-anchor="middle">{hour:02d}</text>'
    yield f'<text class="quiet" x="{_LEFT + _WIDTH + 14}" y="{_TOP - 8}">UTC</text>'
    for number, day in enumerate(days):
        y = _TOP + _ROW * (number + 1)
        yield f'<line class="grid" x1="{_LEFT}" y1="{y}" x2="{_LEFT + _WIDTH}" y2="{y}"/>'
        yield f'<text x="{_LEFT - 10}" y="{y - 6}" text-anchor="end">{day:%a %d %b}</text>'
    for track in tracks:
        begin = _begin(track)
        row = (_midnight(begin) - days[0]).days
        x = _LEFT + _WIDTH * (begin - _midnight(begin)) / timedelta(days=1)
        wide = max(2.0, _WIDTH * track["points"][-1][0] / 86_400)
        tall = max(3.0, (_ROW - 8) * highest_deg(track) / 90)
        yield (
            f'<rect x="{x:.1f}" y="{_TOP + _ROW * (row + 1) - tall:.1f}" width="{wide:.1f}" height="{tall:.1f}" '
            f'fill="{colours[track["satellite"]]}"><title>{escape(_words(track))}</title></rect>'
        )


def _words(track: Track) -> str:
    return f"{track['satellite']}, {_begin(track):%Y-%m-%d %H:%M:%S} UTC, up to {highest_deg(track):.0f}°"


def _begin(track: Track) -> datetime:
    return parse_utc(track["begin"])


def _midnight(when: datetime) -> datetime:
    return when.replace(hour=0, minute=0, second=0, microsecond=0)
