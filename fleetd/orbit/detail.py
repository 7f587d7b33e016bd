"""What is known of passes beyond their times: directions, ranges, closest approach and sunlight.

All passes together, on arrays. Closest approach and the edges of the Earth's shadow are sought on samples along each
pass, about a minute apart, and then refined to a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fleetd.orbit import sun
from fleetd.orbit.earth import Floats, to_ground
from fleetd.orbit.motion import Flags, Ints, Motions, Window
from fleetd.orbit.search import Columns
from fleetd.orbit.station import Places

_SAMPLE_S = 60.0
_FEWEST_SAMPLES, _MOST_SAMPLES = 5, 400
_EDGE_S = 1e-3
_MOST_ROUNDS = 60


@dataclass(frozen=True, slots=True)
class Sky:
    """Directions and ranges at one moment of each pass."""

    elevation_deg: Floats
    azimuth_deg: Floats
    range_km: Floats
    range_rate_km_s: Floats


@dataclass(frozen=True, slots=True)
class Light:
    """Sunlight on each pass: at its top, the Sun over the station then, and lit intervals with the pass of each.

    Where a pass is not `known`, since the Sun's table does not reach it, the other numbers mean nothing.
    """

    known: Flags
    top_lit: Flags
    sun_elevation_deg: Floats
    whose: Ints
    begin_s: Floats
    end_s: Floats


@dataclass(frozen=True, slots=True)
class Detail:
    """One row a pass, in the order of the columns described."""

    aos: Sky
    top: Sky
    los: Sky
    closest_s: Floats
    closest_km: Floats
    light: Light


def describe(columns: Columns, motions: Motions, places: Places, window: Window) -> Detail:
    """Work it out for all passes."""
    return _Describer(columns, motions, places, window).describe()


class _Describer:
    def __init__(self, columns: Columns, motions: Motions, places: Places, window: Window) -> None:
        self._columns = columns
        self._motions = motions
        self._places = places
        self._window = window
        length_s = columns.los_s - columns.aos_s
        counts = np.clip(length_s / _SAMPLE_S, _FEWEST_SAMPLES, _MOST_SAMPLES).astype(np.intp)
        self._whose = np.repeat(np.arange(len(columns)), counts)
        self._lasts = np.cumsum(counts) - 1
        self._firsts = self._lasts + 1 - counts
        rank = np.arange(len(self._whose)) - self._firsts[self._whose]
        self._samples_s = columns.aos_s[self._whose] + rank / (counts - 1)[self._whose] * length_s[self._whose]

    def describe(self) -> Detail:
        columns = self._columns
        closest_s, closest_km = self._closest()
        return Detail(
            self._sky(columns.aos_s),
            self._sky(columns.top_s),
            self._sky(columns.los_s),
            closest_s,
            closest_km,
            self._light(),
        )

    def _sky(self, after_s: Floats) -> Sky:
        ray, speed = self._ray(np.arange(len(self._columns)), after_s)
        range_km = np.sqrt((ray * ray).sum(axis=1))
        station, places = self._columns.station, self._places
        up, east, north = ((axis[station] * ray).sum(axis=1) for axis in (places.up, places.east, places.north))
        return Sky(
            np.degrees(np.arcsin(np.clip(up / range_km, -1, 1))),
            np.degrees(np.arctan2(east, north)) % 360,
            range_km,
            (ray * speed).sum(axis=1) / range_km,
        )

    def _ray(self, whose: Ints, after_s: Floats) -> tuple[Floats, Floats]:
        position, speed = self._motions.at(self._columns.satellite[whose], after_s)
        return position - self._places.position_km[self._columns.station[whose]], speed

    def _closest(self) -> tuple[Floats, Floats]:
        """The nearest sample of each pass, then between its neighbours where the range stops shrinking."""
        ray, speed = self._ray(self._whose, self._samples_s)
        range2, receding = (ray * ray).sum(axis=1), (ray * speed).sum(axis=1)
        order = np.lexsort((range2, self._whose))
        nearest = order[self._firsts] if len(order) else order
        # The zero lies after a nearest sample that still comes nearer, and before one that recedes already.
        before = np.where(receding[nearest] < 0, nearest, nearest - 1)
        low, high = np.maximum(before, self._firsts), np.minimum(before + 1, self._lasts)
        whose = np.arange(len(self._columns))
        closest_s = _zeros(
            self._samples_s[low],
            self._samples_s[high],
            receding[low],
            receding[high],
            lambda rows, after_s: np.einsum("ij,ij->i", *self._ray(whose[rows], after_s)),
        )
        ray, _ = self._ray(whose, closest_s)
        return closest_s, np.sqrt((ray * ray).sum(axis=1))

    def _light(self) -> Light:
        top_s, start = self._columns.top_s, self._window.start
        towards = self._sun(top_s) - self._places.position_km[self._columns.station]
        up = (self._places.up[self._columns.station] * towards).sum(axis=1)
        depth_km = self._shadow_km(self._whose, self._samples_s)
        lit = depth_km <= 0
        edges = np.nonzero((lit[1:] != lit[:-1]) & (self._whose[1:] == self._whose[:-1]))[0]
        edges_s = _zeros(
            self._samples_s[edges],
            self._samples_s[edges + 1],
            depth_km[edges],
            depth_km[edges + 1],
            lambda rows, after_s: self._shadow_km(self._whose[edges[rows]], after_s),
        )
        return Light(
            sun.known(start, self._columns.aos_s) & sun.known(start, self._columns.los_s),
            self._shadow_km(np.arange(len(self._columns)), top_s) <= 0,
            np.degrees(np.arcsin(up / np.sqrt((towards * towards).sum(axis=1)))),
            *self._intervals(lit, edges, edges_s),
        )

    def _intervals(self, lit: Flags, edges: Ints, edges_s: Floats) -> tuple[Ints, Floats, Floats]:
        """Whose, begin and end of each lit stretch: it begins where light comes or the pass does, and ends likewise."""
        comes = lit[edges + 1] if len(edges) else np.empty(0, dtype=bool)
        at_start, at_end = (np.nonzero(lit[ends])[0] for ends in (self._firsts, self._lasts))
        begin_s = np.concatenate([self._columns.aos_s[at_start], edges_s[comes]])
        end_s = np.concatenate([edges_s[~comes], self._columns.los_s[at_end]])
        begin_whose = np.concatenate([at_start, self._whose[edges[comes]]])
        end_whose = np.concatenate([self._whose[edges[~comes]], at_end])
        begins, ends = np.lexsort((begin_s, begin_whose)), np.lexsort((end_s, end_whose))
        return begin_whose[begins], begin_s[begins], end_s[ends]

    def _shadow_km(self, whose: Ints, after_s: Floats) -> Floats:
        position_km, _ = self._motions.at(self._columns.satellite[whose], after_s)
        return sun.shadow_depth_km(position_km, self._sun(after_s))

    def _sun(self, after_s: Floats) -> Floats:
        """The Sun over the turning ground; where it is not known, some place of no meaning."""
        known_s = np.clip(after_s, *sun.known_s(self._window.start))
        return to_ground(sun.sun_km(self._window.start, known_s), self._window.sidereal(after_s))


def _zeros(low: Floats, high: Floats, at_low: Floats, at_high: Floats, ask: Callable[[Ints, Floats], Floats]) -> Floats:
    """Where functions that have the values given at low and high, of two signs, are zero; `ask` tells others, by row.

    By false position, an end that stays being halved in weight (the Illinois rule). Without two signs: the end nearer
    to zero.
    """
    low, high, at_low, at_high = low.copy(), high.copy(), at_low.copy(), at_high.copy()
    found = np.where(np.abs(at_low) < np.abs(at_high), low, high)
    rows = np.nonzero((at_low < 0) != (at_high < 0))[0]
    for _ in range(_MOST_ROUNDS):
        if not len(rows):
            break
        now = low[rows] - at_low[rows] * (high[rows] - low[rows]) / (at_high[rows] - at_low[rows])
        value = ask(rows, now)
        done = np.abs(now - found[rows]) < _EDGE_S
        found[rows] = now
        to_high = (value < 0) == (at_high[rows] < 0)
        ends, others = (high, at_high), (low, at_low)
        for (end, at_end), (_, at_other), chosen in ((ends, others, to_high), (others, ends, ~to_high)):
            end[rows[chosen]], at_end[rows[chosen]] = now[chosen], value[chosen]
            at_other[rows[chosen]] /= 2
        rows = rows[~done]
    return found
