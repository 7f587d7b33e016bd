"""A station's own horizon: how high its hills and masts reach in each direction, and what that leaves of passes.

A satellite is above it where its elevation is at least the mask's at its azimuth. Passes are found above a constant
elevation first; here each is walked along and cut where the horizon hides it, so that one pass may become several.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fleetd.orbit.earth import Floats
from fleetd.orbit.motion import Flags, Ints, Motions
from fleetd.orbit.search import Columns
from fleetd.orbit.station import Places

_STEP_S = 1.0
_FEWEST_STEPS, _MOST_STEPS = 8, 20_000
_TOGETHER = 200_000  # samples at once
_EDGE_S = 1e-4


@dataclass(frozen=True, slots=True)
class HorizonMask:
    """Points (azimuth, elevation) in degrees, azimuths rising from 0 to below 360; straight lines between them."""

    points: tuple[tuple[float, float], ...]
    _azimuths: Floats = field(init=False, repr=False, compare=False)
    _elevations: Floats = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raises ValueError where the points are not as said."""
        azimuths = [azimuth for azimuth, _ in self.points]
        if not azimuths or sorted(set(azimuths)) != azimuths or not (azimuths[0] >= 0 and azimuths[-1] < 360):
            raise ValueError("a horizon needs at least one point, with azimuths that rise from 0 to below 360 degrees")
        if not all(-90 <= elevation <= 90 for _, elevation in self.points):
            raise ValueError("the elevations of a horizon lie within ±90 degrees")
        object.__setattr__(self, "_azimuths", np.array(azimuths))
        object.__setattr__(self, "_elevations", np.array([elevation for _, elevation in self.points]))

    def elevation_deg(self, azimuth_deg: Floats) -> Floats:
        """How high the horizon reaches in these directions."""
        result: Floats = np.interp(azimuth_deg, self._azimuths, self._elevations, period=360.0)
        return result


def cut(columns: Columns, motions: Motions, places: Places, mask: HorizonMask) -> Columns:
    """What the horizon leaves of passes found above a constant elevation, which goes on to count.

    Each is looked at once a second: what shows or hides for less may be missed. A stretch that begins or ends at the
    horizon has a rise or set there; only the window's own cuts stay cuts.
    """
    if not len(columns):
        return columns
    return _Cutter(columns, motions, places, mask).cut()


class _Cutter:
    def __init__(self, columns: Columns, motions: Motions, places: Places, mask: HorizonMask) -> None:
        self._columns = columns
        self._motions = motions
        self._places = places
        self._mask = mask

    def cut(self) -> Columns:
        old = self._columns
        whose, begin_s, end_s, first, last = self._stretches()
        begin_s, end_s = np.where(first, old.aos_s[whose], begin_s), np.where(last, old.los_s[whose], end_s)
        rows, summit_pass = self._summits(whose, begin_s, end_s)
        summits_s = old.summits_s[rows]
        return Columns(
            satellite=old.satellite[whose],
            station=old.station[whose],
            aos_s=begin_s,
            top_s=self._tops(whose, begin_s, end_s, summits_s, summit_pass),
            los_s=end_s,
            aos_cut=first & old.aos_cut[whose],
            los_cut=last & old.los_cut[whose],
            summits_s=summits_s,
            summit_pass=summit_pass,
        )

    def _stretches(self) -> tuple[Ints, Floats, Floats, Flags, Flags]:
        """Of each stretch in sight: whose, begin, end, and whether it reaches the pass's own begin and end."""
        length_s = self._columns.los_s - self._columns.aos_s
        counts = np.clip(length_s / _STEP_S, _FEWEST_STEPS, _MOST_STEPS).astype(np.intp) + 1
        # In groups of passes, so that days of a high orbit do not all lie in memory at once.
        groups = np.unique(np.searchsorted(np.cumsum(counts), np.arange(0, counts.sum(), _TOGETHER), side="right"))
        parts = np.split(np.arange(len(counts)), groups[1:])
        found = [self._stretches_of(rows, counts[rows], length_s[rows]) for rows in parts]
        whose, begin_s, end_s, first, last = (np.concatenate(column) for column in zip(*found, strict=True))
        return whose, begin_s, end_s, first, last

    def _stretches_of(self, rows: Ints, counts: Ints, length_s: Floats) -> tuple[Ints, Floats, Floats, Flags, Flags]:
        whose = np.repeat(rows, counts)
        firsts = np.repeat(np.cumsum(counts) - counts, counts)
        rank = np.arange(len(whose)) - firsts
        steps = np.repeat(counts - 1, counts)
        after_s = self._columns.aos_s[whose] + np.repeat(length_s, counts) * rank / steps
        seen = self._excess_deg(whose, after_s) >= 0
        begins = np.nonzero(seen & ((rank == 0) | ~np.roll(seen, 1)))[0]
        ends = np.nonzero(seen & ((rank == steps) | ~np.roll(seen, -1)))[0]
        first, last = rank[begins] == 0, rank[ends] == steps[ends]
        begin_s = self._edges(whose[begins], after_s[begins - ~first], after_s[begins], seen_later=True)
        end_s = self._edges(whose[ends], after_s[ends], after_s[ends + ~last], seen_later=False)
        return whose[begins], begin_s, end_s, first, last

    def _edges(self, whose: Ints, low_s: Floats, high_s: Floats, *, seen_later: bool) -> Floats:
        """Where the satellite comes out of or goes behind the horizon, by halving; low where both are the same."""
        while len(low_s) and float(np.max(high_s - low_s)) > _EDGE_S:
            middle_s = (low_s + high_s) / 2
            later = (self._excess_deg(whose, middle_s) >= 0) == seen_later
            low_s, high_s = np.where(later, low_s, middle_s), np.where(later, middle_s, high_s)
        result: Floats = high_s if seen_later else low_s
        return result

    def _summits(self, whose: Ints, begin_s: Floats, end_s: Floats) -> tuple[Ints, Ints]:
        """The rows of the culminations in sight, and the stretch of each."""
        old = self._columns
        rows, stretches = [], []
        for stretch, (number, begin, end) in enumerate(
            zip(whose.tolist(), begin_s.tolist(), end_s.tolist(), strict=True)
        ):
            near = np.arange(*np.searchsorted(old.summit_pass, [number, number + 1]))
            near = near[(old.summits_s[near] >= begin) & (old.summits_s[near] <= end)]
            rows.append(near)
            stretches.append(np.full(len(near), stretch, dtype=np.intp))
        empty = np.empty(0, dtype=np.intp)
        return np.concatenate([empty, *rows]), np.concatenate([empty, *stretches])

    def _tops(self, whose: Ints, begin_s: Floats, end_s: Floats, summits_s: Floats, summit_pass: Ints) -> Floats:
        """Between culminations the elevation only rises or only falls: so the highest is one of them, or an end."""
        stretches = np.concatenate([summit_pass, np.arange(len(whose)), np.arange(len(whose))])
        after_s = np.concatenate([summits_s, begin_s, end_s])
        elevation_deg, _ = self._look(whose[stretches], after_s)
        order = np.lexsort((elevation_deg, stretches))
        best: Floats = after_s[order[np.nonzero(np.diff(stretches[order], append=-1))[0]]]
        return best

    def _excess_deg(self, whose: Ints, after_s: Floats) -> Floats:
        elevation_deg, azimuth_deg = self._look(whose, after_s)
        return elevation_deg - self._mask.elevation_deg(azimuth_deg)

    def _look(self, whose: Ints, after_s: Floats) -> tuple[Floats, Floats]:
        """Elevation and azimuth in degrees."""
        station, places = self._columns.station[whose], self._places
        position_km, _ = self._motions.at(self._columns.satellite[whose], after_s)
        ray = position_km - places.position_km[station]
        up, east, north = ((axis[station] * ray).sum(axis=1) for axis in (places.up, places.east, places.north))
        return np.degrees(np.arctan2(up, np.hypot(east, north))), np.degrees(np.arctan2(east, north)) % 360
