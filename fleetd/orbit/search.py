"""The search for passes: satellites x stations x time in one sweep of arrays.

First, `coarse` looks at nodes a few minutes apart for what happens between which of them. Next, `curves` finds the
instants, all together. Finally, rises and sets are paired here. What comes out are columns of numbers; `passes` makes
records of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fleetd.orbit.coarse import Events, blocks
from fleetd.orbit.earth import Floats
from fleetd.orbit.motion import Flags, Ints, Motions, Track
from fleetd.orbit.station import Places, Station

# The sign of the elevation's slope at a node is all but certain; so much beside it an extreme may lie all the same.
_BESIDE = 0.05


@dataclass(frozen=True, slots=True)
class Columns:
    """Passes found, one a row, in order of satellite, station and time; seconds count from the window's opening.

    `aos_cut` marks those up already when the window opens, `los_cut` those still up when it closes or when SGP4 fails;
    the instant given is then that of the cut. `top_s` is when each stands highest within the window. `summits_s` are
    all culminations in it, and `summit_pass` says whose.
    """

    satellite: Ints
    station: Ints
    aos_s: Floats
    top_s: Floats
    los_s: Floats
    aos_cut: Flags
    los_cut: Flags
    summits_s: Floats
    summit_pass: Ints

    def __len__(self) -> int:
        return len(self.satellite)


@dataclass(frozen=True, slots=True)
class _Crossings:
    """Rises and sets: whose (satellite and station in one number), when, and from where on it was sought."""

    owner: Ints
    after_s: Floats
    from_s: Floats
    rise: Flags


@dataclass(frozen=True, slots=True)
class _Summits:
    """Culminations above the mask."""

    owner: Ints
    after_s: Floats
    sine: Floats


def search(tracks: Sequence[Track], stations: Sequence[Station], length_s: float, mask_deg: float) -> Columns:
    """All passes of all tracks over all stations above a constant elevation, within `length_s` of the opening."""
    places, mask_sine = Places(stations), math.sin(math.radians(mask_deg))
    ends_s = np.array([min(length_s, track.valid_s) for track in tracks])
    looks = [block.look(mask_sine) for block in blocks(tracks, places, ends_s)]
    changes, extremes = (Events.join(parts) for parts in (zip(*looks, strict=True) if looks else ((), ())))
    curves = extremes.curves
    x = curves.extreme(np.full(len(curves), -_BESIDE), np.full(len(curves), 1 + _BESIDE), extremes.slope)
    sine = curves.sine(x)
    hidden = (extremes.above[0] == extremes.above[1]) & ((sine >= mask_sine) != extremes.above[0])
    crossings = [_between_nodes(changes, len(places), mask_sine)]
    crossings.append(_beside(extremes[hidden], x[hidden], len(places), mask_sine))
    shown = (sine >= mask_sine) & (extremes.slope < 0)
    summits = _Summits((curves.satellite * len(places) + curves.station)[shown], curves.after_s(x)[shown], sine[shown])
    return _Pairing(Motions(tracks), places, mask_sine, ends_s).pair(_join(crossings), summits)


def _between_nodes(changes: Events, stations: int, mask_sine: float) -> _Crossings:
    """The one crossing of each interval whose nodes lie on two sides of the mask."""
    count = len(changes.slope)
    return _crossings(changes, np.zeros(count), np.ones(count), changes.slope, stations, mask_sine)


def _beside(extremes: Events, x: Floats, stations: int, mask_sine: float) -> _Crossings:
    """The two crossings beside each extreme that shows above (or dips below) the mask between two nodes."""
    low, high = np.minimum(x, 0.0), np.maximum(x, 1.0)
    twice = np.tile(np.arange(len(x)), 2)
    slope = np.concatenate([-extremes.slope, extremes.slope])
    return _crossings(extremes[twice], np.append(low, x), np.append(x, high), slope, stations, mask_sine)


def _crossings(events: Events, low: Floats, high: Floats, slope: Floats, stations: int, mask_sine: float) -> _Crossings:
    curves = events.curves
    x = curves.crossing(low, high, slope, mask_sine)
    return _Crossings(curves.satellite * stations + curves.station, curves.after_s(x), curves.after_s(low), slope > 0)


def _join(parts: Sequence[_Crossings]) -> _Crossings:
    return _Crossings(
        np.concatenate([part.owner for part in parts]),
        np.concatenate([part.after_s for part in parts]),
        np.concatenate([part.from_s for part in parts]),
        np.concatenate([part.rise for part in parts]),
    )


class _Pairing:
    """Rises and sets, in order of time, become passes; windows that open or close in mid-pass cut them."""

    def __init__(self, motions: Motions, places: Places, mask_sine: float, ends_s: Floats) -> None:
        self._motions = motions
        self._places = places
        self._mask_sine = mask_sine
        self._ends_s = ends_s

    def pair(self, crossings: _Crossings, summits: _Summits) -> Columns:
        """One row a pass."""
        inside = (crossings.after_s > 0) & (crossings.after_s < self._ends(crossings.owner))
        order = np.nonzero(inside)[0]
        order = order[self._order(crossings.owner[order], crossings.from_s[order])]
        owner, rise = crossings.owner[order], crossings.rise[order]
        opened, closed = self._cut(owner, rise)
        owners = np.concatenate([opened, owner, closed])
        moments_s = np.concatenate([np.zeros(len(opened)), crossings.after_s[order], self._ends(closed)])
        rank = np.concatenate([np.full(len(opened), -1), np.arange(len(owner)), np.full(len(closed), len(owner))])
        cut = (rank < 0) | (rank == len(owner))
        order = self._order(owners, rank)
        starts, stops = order[0::2], order[1::2]
        owner, aos_s, los_s, aos_cut, los_cut = (
            owners[starts],
            moments_s[starts],
            moments_s[stops],
            cut[starts],
            cut[stops],
        )
        rows, whose = self._within(owner, aos_s, los_s, summits)
        return Columns(
            satellite=owner // len(self._places),
            station=owner % len(self._places),
            aos_s=aos_s,
            top_s=self._tops(owner, aos_s, los_s, aos_cut, los_cut, summits.after_s[rows], summits.sine[rows], whose),
            los_s=los_s,
            aos_cut=aos_cut,
            los_cut=los_cut,
            summits_s=summits.after_s[rows],
            summit_pass=whose,
        )

    @staticmethod
    def _order(major: Ints, minor: Floats | Ints) -> Ints:
        """Rows by major, then minor. One stable sort: most rows come in runs that are in order already."""
        low, high = (float(pick(minor, initial=0.0)) for pick in (np.min, np.max))
        return np.argsort(major * (high - low + 1.0) + (minor - low), kind="stable")

    def _ends(self, owner: Ints) -> Floats:
        result: Floats = self._ends_s[owner // len(self._places)]
        return result

    def _sine(self, owner: Ints, after_s: Floats) -> Floats:
        """Sine of the elevation, straight from the motions."""
        station = owner % len(self._places)
        position_km, _ = self._motions.at(owner // len(self._places), after_s)
        ray = position_km - self._places.position_km[station]
        result: Floats = (ray * self._places.up[station]).sum(axis=1) / np.sqrt((ray * ray).sum(axis=1))
        return result

    def _cut(self, owner: Ints, rise: Flags) -> tuple[Ints, Ints]:
        """Who is up when the window opens, and who when it closes: their first and last crossings tell, else a look."""
        first = np.nonzero(np.diff(owner, prepend=-1))[0]
        last = np.nonzero(np.diff(owner, append=-1))[0]
        quiet = np.setdiff1d(np.arange(len(self._ends_s) * len(self._places)), owner[first], assume_unique=True)
        quiet = quiet[self._ends(quiet) > 0]
        always = quiet[self._sine(quiet, np.zeros(len(quiet))) >= self._mask_sine]
        return (
            np.concatenate([always, owner[first][~rise[first]]]),
            np.concatenate([always, owner[last][rise[last]]]),
        )

    def _within(self, owner: Ints, aos_s: Floats, los_s: Floats, summits: _Summits) -> tuple[Ints, Ints]:
        """The rows of those culminations that lie within passes, in order of time, and the pass of each."""
        rows = self._order(summits.owner, summits.after_s)
        stretch_s = float(self._ends_s.max(initial=0.0)) + 1.0
        keys = owner * stretch_s + aos_s
        whose = np.searchsorted(keys, summits.owner[rows] * stretch_s + summits.after_s[rows], side="right") - 1
        rows, whose = rows[whose >= 0], whose[whose >= 0]
        after_s = summits.after_s[rows]
        kept = (owner[whose] == summits.owner[rows]) & (after_s >= aos_s[whose]) & (after_s <= los_s[whose])
        return rows[kept], whose[kept]

    def _tops(
        self,
        owner: Ints,
        aos_s: Floats,
        los_s: Floats,
        aos_cut: Flags,
        los_cut: Flags,
        summits_s: Floats,
        summits_sine: Floats,
        whose: Ints,
    ) -> Floats:
        """The highest moment of each pass: a culmination, or an end where the window cuts it."""
        ends = np.concatenate([np.nonzero(aos_cut)[0], np.nonzero(los_cut)[0]])
        ends_s = np.concatenate([aos_s[aos_cut], los_s[los_cut]])
        passes = np.concatenate([whose, ends])
        after_s = np.concatenate([summits_s, ends_s])
        sine = np.concatenate([summits_sine, self._sine(owner[ends], ends_s)])
        order = self._order(passes, sine)
        best: Floats = after_s[order[np.nonzero(np.diff(passes[order], append=-1))[0]]]
        return best
