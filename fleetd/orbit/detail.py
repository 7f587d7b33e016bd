"""What is known of passes beyond their times: directions, ranges, closest approach and sunlight.

All passes together, on arrays. Closest approach and the edges of the Earth's shadow are sought on samples along each
pass, about a minute apart, and then refined to a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleetd.orbit import sun
from fleetd.orbit.earth import Floats, to_ground
from fleetd.orbit.motion import Ints, Motions, Window
from fleetd.orbit.refine import Places
from fleetd.orbit.search import Columns, Flags
from fleetd.orbit.station import Station

_SAMPLE_S = 60.0
_FEWEST_SAMPLES, _MOST_SAMPLES = 5, 400
_EDGE_S = 1e-3


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


def describe(columns: Columns, motions: Motions, stations: Sequence[Station], window: Window) -> Detail:
    """Work it out for all passes."""
    return _Describer(columns, motions, Places(stations), window).describe()


class _Describer:
    def __init__(self, columns: Columns, motions: Motions, places: Places, window: Window) -> None:
        self._columns = columns
        self._motions = motions
        self._places = places
        self._window = window
        length_s = columns.los.after_s - columns.aos.after_s
        counts = np.clip(length_s / _SAMPLE_S, _FEWEST_SAMPLES, _MOST_SAMPLES).astype(np.intp)
        self._whose = np.repeat(np.arange(len(columns)), counts)
        self._firsts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.intp) if len(columns) else counts
        rank = np.arange(len(self._whose)) - self._firsts[self._whose]
        self._samples_s = columns.aos.after_s[self._whose] + rank / (counts - 1)[self._whose] * length_s[self._whose]

    def describe(self) -> Detail:
        columns = self._columns
        closest_s, closest_km = self._closest()
        return Detail(
            self._sky(columns.aos.after_s),
            self._sky(columns.top.after_s),
            self._sky(columns.los.after_s),
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
        """The nearest sample of each pass, then a search between its neighbours for where the range stops shrinking."""
        ray, _ = self._ray(self._whose, self._samples_s)
        range2 = (ray * ray).sum(axis=1)
        order = np.lexsort((range2, self._whose))
        nearest = order[self._firsts] if len(order) else order
        last = len(self._samples_s) - 1
        before, after = (np.clip(nearest + side, 0, last) for side in (-1, 1))
        low_s = np.where(self._whose[before] == self._whose[nearest], self._samples_s[before], self._samples_s[nearest])
        high_s = np.where(self._whose[after] == self._whose[nearest], self._samples_s[after], self._samples_s[nearest])
        whose = np.arange(len(self._columns))

        def receding(rows: Ints, after_s: Floats) -> Flags:
            ray, speed = self._ray(whose[rows], after_s)
            result: Flags = (ray * speed).sum(axis=1) > 0
            return result

        closest_s = _halve(low_s, high_s, np.ones(len(whose), dtype=bool), receding)
        ray, _ = self._ray(whose, closest_s)
        return closest_s, np.sqrt((ray * ray).sum(axis=1))

    def _light(self) -> Light:
        top_s, start = self._columns.top.after_s, self._window.start
        lit = self._lit(self._whose, self._samples_s)
        sun_km = self._sun(top_s)
        everyone = np.arange(len(self._columns))
        towards = sun_km - self._places.position_km[self._columns.station]
        up = (self._places.up[self._columns.station] * towards).sum(axis=1)
        edges = np.nonzero((lit[1:] != lit[:-1]) & (self._whose[1:] == self._whose[:-1]))[0]
        edges_s = _halve(
            self._samples_s[edges],
            self._samples_s[edges + 1],
            lit[edges + 1],
            lambda rows, after_s: self._lit(self._whose[edges[rows]], after_s),
        )
        return Light(
            sun.known(start, self._columns.aos.after_s) & sun.known(start, self._columns.los.after_s),
            self._lit(everyone, top_s),
            np.degrees(np.arcsin(up / np.sqrt((towards * towards).sum(axis=1)))),
            *self._intervals(lit, edges, edges_s),
        )

    def _intervals(self, lit: Flags, edges: Ints, edges_s: Floats) -> tuple[Ints, Floats, Floats]:
        """Whose, begin and end of each lit stretch: it begins where light comes or the pass does, and ends likewise."""
        lasts = np.append(self._firsts[1:], len(lit)) - 1
        comes = lit[edges + 1] if len(edges) else np.empty(0, dtype=bool)
        at_start, at_end = (np.nonzero(lit[ends])[0] for ends in (self._firsts, lasts)) if len(lit) else (edges, edges)
        begin_s = np.concatenate([self._columns.aos.after_s[at_start], edges_s[comes]])
        end_s = np.concatenate([edges_s[~comes], self._columns.los.after_s[at_end]])
        begin_whose = np.concatenate([at_start, self._whose[edges[comes]]])
        end_whose = np.concatenate([self._whose[edges[~comes]], at_end])
        begins, ends = np.lexsort((begin_s, begin_whose)), np.lexsort((end_s, end_whose))
        return begin_whose[begins], begin_s[begins], end_s[ends]

    def _lit(self, whose: Ints, after_s: Floats) -> Flags:
        position_km, _ = self._motions.at(self._columns.satellite[whose], after_s)
        result: Flags = sun.shadow_depth_km(position_km, self._sun(after_s)) <= 0
        return result

    def _sun(self, after_s: Floats) -> Floats:
        """The Sun over the turning ground; where it is not known, some place of no meaning."""
        known_s = np.clip(after_s, *sun.known_s(self._window.start))
        return to_ground(sun.sun_km(self._window.start, known_s), self._window.sidereal(after_s))


def _halve(low_s: Floats, high_s: Floats, truth: NDArray[np.bool_], ask: Callable[[Ints, Floats], Flags]) -> Floats:
    """Where between low and high the answer to `ask` becomes `truth`, by halving."""
    low_s, high_s = low_s.copy(), high_s.copy()
    rows = np.arange(len(low_s))
    while len(rows) and float(np.max(high_s - low_s)) > _EDGE_S:
        middle_s = (low_s + high_s) / 2
        passed = ask(rows, middle_s) == truth
        high_s, low_s = np.where(passed, middle_s, high_s), np.where(passed, low_s, middle_s)
    result: Floats = (low_s + high_s) / 2
    return result
