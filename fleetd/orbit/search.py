"""The search for passes: satellites x stations x time in one sweep of arrays.

First, on nodes a few minutes apart, the sine of the elevation is known for every satellite and station; its summits
there bracket the culminations, and its sign against the mask brackets rises and sets. Next, all brackets are refined
together. Finally, rises and sets are paired. What comes out are columns of numbers; `passes` makes records of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleetd.orbit.coarse import Extremes, blocks
from fleetd.orbit.earth import Floats
from fleetd.orbit.motion import Ints, Motions, Track
from fleetd.orbit.refine import Brackets, Instants, Places, Scene
from fleetd.orbit.station import Station

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Columns:
    """Passes found, one a row, in order of satellite, station and time.

    `aos_cut` marks those up already when the window opens, `los_cut` those still up when it closes or when SGP4 fails;
    the instant given is then that of the cut. `top` is where each stands highest within the window. `summits` are all
    culminations in it, and `summit_pass` says whose.
    """

    satellite: Ints
    station: Ints
    aos: Instants
    top: Instants
    los: Instants
    aos_cut: Flags
    los_cut: Flags
    summits: Instants
    summit_pass: Ints

    def __len__(self) -> int:
        return len(self.satellite)


def search(tracks: Sequence[Track], stations: Sequence[Station], length_s: float, mask_deg: float) -> Columns:
    """All passes of all tracks over all stations above a constant elevation, within `length_s` of the opening."""
    places, mask_sine = Places(stations), math.sin(math.radians(mask_deg))
    ends_s = np.array([min(length_s, track.valid_s) for track in tracks])
    looks = [block.look(mask_sine) for block in blocks(tracks, places, ends_s)]
    near = _join([extremes for _, extremes in looks])
    scene = Scene(Motions(tracks), places)
    extremes = scene.extremes(near.brackets)
    above = scene.sine(near.brackets.station, extremes.ray_km) >= mask_sine
    brackets = Brackets.join([*(crossings for crossings, _ in looks), *_hidden(near, extremes, above)])
    crossings = scene.crossings(brackets, mask_sine)
    summit = above & (near.brackets.slope < 0)
    return _Pairing(scene, mask_sine, ends_s).pair(brackets, crossings, near.brackets, extremes, summit)


def _join(parts: Sequence[Extremes]) -> Extremes:
    return Extremes(
        Brackets.join([part.brackets for part in parts]),
        np.concatenate([np.empty(0), *(part.node_s for part in parts)]),
        np.concatenate([np.empty((0, 3), dtype=bool), *(part.above for part in parts)]),
    )


def _hidden(near: Extremes, extremes: Instants, above: Flags) -> list[Brackets]:
    """The two crossings beside each extreme that shows above (or dips below) the mask between two nodes."""
    brackets, after_s = near.brackets, extremes.after_s
    later = after_s >= near.node_s
    before_above = np.where(later, near.above[:, 1], near.above[:, 0])
    after_above = np.where(later, near.above[:, 2], near.above[:, 1])
    rows = np.nonzero((before_above == after_above) & (above != before_above))[0]
    low_s = np.where(later, near.node_s, brackets.low_s)[rows]
    high_s = np.where(later, brackets.high_s, near.node_s)[rows]
    satellite, station, slope = brackets.satellite[rows], brackets.station[rows], brackets.slope[rows]
    turn_s = after_s[rows]
    return [
        Brackets(satellite, station, low_s, turn_s, turn_s, -slope),
        Brackets(satellite, station, turn_s, high_s, turn_s, slope),
    ]


class _Pairing:
    """Rises and sets, in order of time, become passes; windows that open or close in mid-pass cut them."""

    def __init__(self, scene: Scene, mask_sine: float, ends_s: Floats) -> None:
        self._scene = scene
        self._mask_sine = mask_sine
        self._ends_s = ends_s
        self._stations = len(scene.places)

    def pair(
        self, brackets: Brackets, crossings: Instants, near: Brackets, extremes: Instants, summit: Flags
    ) -> Columns:
        owner = brackets.satellite * self._stations + brackets.station
        inside = (crossings.after_s > 0) & (crossings.after_s < self._ends_s[brackets.satellite])
        order = np.nonzero(inside)[0][np.lexsort((brackets.low_s[inside], owner[inside]))]
        owner, rise, crossings = owner[order], brackets.slope[order] > 0, crossings[order]
        opened, closed = self._cut(owner, rise)
        owners = np.concatenate([opened, owner, closed])
        moments = Instants.join(
            [self._rays(opened, np.zeros(len(opened))), crossings, self._rays(closed, self._ends(closed))]
        )
        cut = np.concatenate([np.ones(len(opened), bool), np.zeros(len(owner), bool), np.ones(len(closed), bool)])
        rank = np.concatenate([np.full(len(opened), -1), np.arange(len(owner)), np.full(len(closed), len(owner))])
        order = np.lexsort((rank, owners))
        starts, stops = order[0::2], order[1::2]
        owner = owners[starts]
        aos, los = moments[starts], moments[stops]
        summits, whose = self._summits(owner, aos, los, near, extremes, summit)
        return Columns(
            satellite=owner // self._stations,
            station=owner % self._stations,
            aos=aos,
            top=self._tops(owner % self._stations, aos, los, cut[starts], cut[stops], summits, whose),
            los=los,
            aos_cut=cut[starts],
            los_cut=cut[stops],
            summits=summits,
            summit_pass=whose,
        )

    def _ends(self, owner: Ints) -> Floats:
        result: Floats = self._ends_s[owner // self._stations]
        return result

    def _rays(self, owner: Ints, after_s: Floats) -> Instants:
        return self._scene.rays(owner // self._stations, owner % self._stations, after_s)

    def _cut(self, owner: Ints, rise: Flags) -> tuple[Ints, Ints]:
        """Who is up when the window opens, and who when it closes: their first and last crossings tell, else a look."""
        first = np.nonzero(np.diff(owner, prepend=-1))[0]
        last = np.nonzero(np.diff(owner, append=-1))[0]
        quiet = np.setdiff1d(np.arange(len(self._ends_s) * self._stations), owner[first], assume_unique=True)
        quiet = quiet[self._ends(quiet) > 0]
        rays = self._rays(quiet, np.zeros(len(quiet)))
        always = quiet[self._scene.sine(quiet % self._stations, rays.ray_km) >= self._mask_sine]
        return (
            np.concatenate([always, owner[first][~rise[first]]]),
            np.concatenate([always, owner[last][rise[last]]]),
        )

    def _summits(
        self, owner: Ints, aos: Instants, los: Instants, near: Brackets, extremes: Instants, summit: Flags
    ) -> tuple[Instants, Ints]:
        """The culminations that lie within passes, and in which."""
        rows = np.nonzero(summit)[0]
        rows = rows[np.lexsort((extremes.after_s[rows], near.satellite[rows] * self._stations + near.station[rows]))]
        key = (near.satellite * self._stations + near.station)[rows]
        stretch_s = float(self._ends_s.max(initial=0.0)) + 1.0
        whose = (
            np.searchsorted(owner * stretch_s + aos.after_s, key * stretch_s + extremes.after_s[rows], side="right") - 1
        )
        kept = whose >= 0
        rows, key, whose = rows[kept], key[kept], whose[kept]
        after_s = extremes.after_s[rows]
        kept = (owner[whose] == key) & (after_s >= aos.after_s[whose]) & (after_s <= los.after_s[whose])
        return extremes[rows[kept]], whose[kept]

    def _tops(
        self,
        station: Ints,
        aos: Instants,
        los: Instants,
        aos_cut: Flags,
        los_cut: Flags,
        summits: Instants,
        whose: Ints,
    ) -> Instants:
        """The highest moment of each pass: a culmination, or an end where the window cuts it."""
        ends = [np.nonzero(aos_cut)[0], np.nonzero(los_cut)[0]]
        candidates = Instants.join([summits, aos[ends[0]], los[ends[1]]])
        passes = np.concatenate([whose, *ends])
        sine = self._scene.sine(station[passes], candidates.ray_km)
        order = np.lexsort((sine, passes))
        best = order[np.nonzero(np.diff(passes[order], append=-1))[0]]
        return candidates[best]
