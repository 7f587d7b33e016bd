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

from fleetd.orbit.earth import Floats
from fleetd.orbit.motion import Ints, Motions, Track
from fleetd.orbit.refine import Brackets, Instants, Places, Scene
from fleetd.orbit.station import Station

Flags = NDArray[np.bool_]

_FEWEST_NODES = 12
_BLOCK = 1_000_000  # station x node cells looked at together: as much as stays in a cache
_PLANE_MARGIN_KM = 5.0  # how much higher than a parabola through nodes a true summit may stand
_PLANE_MARGIN = 0.03  # and in parts of that parabola's bend
_DIP_MARGIN = 1e-4  # of the sine of the elevation, by which a true valley may be deeper than a parabola's
_GROUND_KM = 6_400.0  # no station stands farther from the Earth's centre


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


@dataclass(frozen=True, slots=True)
class _Coarse:
    """What the nodes tell: brackets of rises and sets, and brackets of extremes with the nodes' signs around them."""

    changes: Brackets
    extremes: Brackets
    middle_s: Floats
    above: NDArray[np.bool_]
    """Of each extreme: whether the satellite is above the mask at the node before, at and after."""


def search(tracks: Sequence[Track], stations: Sequence[Station], length_s: float, mask_deg: float) -> Columns:
    """All passes of all tracks over all stations above a constant elevation, within `length_s` of the opening."""
    places, mask_sine = Places(stations), math.sin(math.radians(mask_deg))
    scene = Scene(Motions(tracks), places)
    ends_s = np.array([min(length_s, track.valid_s) for track in tracks])
    found = [
        part
        for number, track in enumerate(tracks)
        if len(track.nodes_km) >= _FEWEST_NODES
        for part in _look(number, track, places, mask_sine, float(ends_s[number]))
    ]
    coarse = _join(found)
    extremes = scene.extremes(coarse.extremes)
    above = scene.sine(coarse.extremes.station, extremes.ray_km) >= mask_sine
    brackets = Brackets.join([coarse.changes, *_hidden(coarse, extremes, above)])
    crossings = scene.crossings(brackets, mask_sine)
    summit = above & (coarse.extremes.slope < 0)
    return _Pairing(scene, mask_sine, ends_s).pair(brackets, crossings, coarse.extremes, extremes, summit)


def _join(parts: Sequence[_Coarse]) -> _Coarse:
    none = np.empty(0)
    nobody = np.empty(0, dtype=np.intp)
    empty = Brackets(nobody, nobody, none, none, none, none)
    return _Coarse(
        Brackets.join([empty, *(part.changes for part in parts)]),
        Brackets.join([empty, *(part.extremes for part in parts)]),
        np.concatenate([none, *(part.middle_s for part in parts)]),
        np.concatenate([np.empty((0, 3), dtype=bool), *(part.above for part in parts)]),
    )


def _look(number: int, track: Track, places: Places, mask_sine: float, end_s: float) -> list[_Coarse]:
    """One satellite over all stations, in blocks of them."""
    first = max(0, math.floor(-track.first_s / track.step_s) - 2)
    last = min(len(track.nodes_km), math.ceil((end_s - track.first_s) / track.step_s) + 3)
    nodes_km, first_s = track.nodes_km[first:last], track.first_s + first * track.step_s
    rows = max(1, _BLOCK // len(nodes_km))
    return [
        _look_block(number, nodes_km, first_s, track.step_s, places, slice(start, start + rows), mask_sine)
        for start in range(0, len(places), rows)
    ]


def _look_block(
    number: int, nodes_km: Floats, first_s: float, step_s: float, places: Places, rows: slice, mask_sine: float
) -> _Coarse:
    position_km, up = places.position_km[rows], places.up[rows]
    radius2 = (nodes_km * nodes_km).sum(axis=1)
    height_km = up @ nodes_km.T
    height_km -= (up * position_km).sum(axis=1)[:, None]
    range_km = position_km @ nodes_km.T
    range_km *= -2
    range_km += radius2
    range_km += (position_km * position_km).sum(axis=1)[:, None]
    np.sqrt(range_km, out=range_km)
    sine = height_km / range_km
    above = sine >= mask_sine

    station, node = np.nonzero(above[:, 1:] != above[:, :-1])
    changes = _brackets(
        number, station + (rows.start or 0), first_s + node * step_s, step_s, up_slope=above[station, node + 1]
    )
    guess = _cubic_root(height_km, range_km, station, node, mask_sine)
    changes = Brackets(
        changes.satellite, changes.station, changes.low_s, changes.high_s, changes.low_s + guess * step_s, changes.slope
    )

    rising = sine[:, 1:] > sine[:, :-1]
    station, node = np.nonzero(rising[:, :-1] != rising[:, 1:])
    node += 1
    summit = rising[station, node - 1]
    lowest_km = max(0.0, float(np.sqrt(radius2.min())) - _GROUND_KM)
    wanted = np.where(
        summit,
        _may_show(height_km, range_km, above, station, node, mask_sine, lowest_km),
        _may_dip(sine, station, node, mask_sine),
    )
    station, node, summit = station[wanted], node[wanted], summit[wanted]
    return _Coarse(
        changes,
        _extreme_brackets(number, nodes_km, up, station, rows.start or 0, node, summit, first_s, step_s),
        first_s + node * step_s,
        np.stack([above[station, node - 1], above[station, node], above[station, node + 1]], axis=1),
    )


def _brackets(number: int, station: Ints, low_s: Floats, step_s: float, *, up_slope: Flags) -> Brackets:
    return Brackets(
        np.full(len(station), number, dtype=np.intp),
        station,
        low_s,
        low_s + step_s,
        low_s,
        np.where(up_slope, 1.0, -1.0),
    )


def _cubic_root(height_km: Floats, range_km: Floats, station: Ints, node: Ints, mask_sine: float) -> Floats:
    """Where between node and node + 1 a cubic through four nodes of height - sin(mask) range is zero, in steps."""
    count = height_km.shape[1]
    around = np.clip(node + np.arange(-1, 3)[:, None], 0, count - 1)
    a, b, c, d = height_km[station, around] - mask_sine * range_km[station, around]
    cubic = (d - a) / 6 + (b - c) / 2
    square = (a + c) / 2 - b
    linear = c - b - square - cubic
    x = b / (b - c)
    for _ in range(4):
        slope = (3 * cubic * x + 2 * square) * x + linear
        value = ((cubic * x + square) * x + linear) * x + b
        x = np.clip(x - np.divide(value, slope, out=np.zeros_like(value), where=slope != 0), 0.0, 1.0)
    return x


def _may_show(
    height_km: Floats, range_km: Floats, above: Flags, station: Ints, node: Ints, mask_sine: float, lowest_km: float
) -> Flags:
    """Whether the satellite may stand above the mask around a node that is a summit among nodes."""
    a, b, c = height_km[station, node - 1], height_km[station, node], height_km[station, node + 1]
    bend, slope = a - 2 * b + c, (c - a) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        vertex = b - slope * slope / (2 * bend)
    inside = (bend < 0) & (np.abs(slope) <= -1.5 * bend)
    highest = (
        np.where(inside, vertex, np.maximum(np.maximum(a, b), c)) + _PLANE_MARGIN_KM + _PLANE_MARGIN * np.abs(bend)
    )
    if mask_sine > 0:
        needed: Floats | float = mask_sine * lowest_km
    else:
        needed = mask_sine * np.maximum(range_km[station, node - 1], range_km[station, node + 1])
    result: Flags = above[station, node] | (highest > needed)
    return result


def _may_dip(sine: Floats, station: Ints, node: Ints, mask_sine: float) -> Flags:
    """Whether the satellite may sink below the mask around a node that is a valley among nodes, but above the mask."""
    a, b, c = sine[station, node - 1], sine[station, node], sine[station, node + 1]
    bend, slope = a - 2 * b + c, (c - a) / 2
    depth = np.divide(slope * slope, 2 * bend, out=np.zeros_like(bend), where=bend > 0)
    result: Flags = (b >= mask_sine) & (b - 3 * depth - _DIP_MARGIN < mask_sine)
    return result


def _extreme_brackets(
    number: int,
    nodes_km: Floats,
    up: Floats,
    station: Ints,
    first_station: int,
    node: Ints,
    summit: Flags,
    first_s: float,
    step_s: float,
) -> Brackets:
    """A step to each side of the node; the guess is where the satellite's zenith angle at the Earth's centre is least."""
    around = nodes_km[node + np.arange(-1, 2)[:, None]]
    a, b, c = np.einsum("knj,nj->kn", around, up[station]) / np.sqrt((around * around).sum(axis=2))
    bend = a - 2 * b + c
    shift = np.divide((a - c) / 2, bend, out=np.zeros_like(bend), where=bend < 0)
    middle_s = first_s + node * step_s
    return Brackets(
        np.full(len(station), number, dtype=np.intp),
        station + first_station,
        middle_s - step_s,
        middle_s + step_s,
        middle_s + np.where(summit, np.clip(shift, -0.9, 0.9), 0.0) * step_s,
        np.where(summit, -1.0, 1.0),
    )


def _hidden(coarse: _Coarse, extremes: Instants, above: Flags) -> list[Brackets]:
    """The two crossings beside each extreme that shows above (or dips below) the mask between two nodes."""
    brackets, after_s = coarse.extremes, extremes.after_s
    later = after_s >= coarse.middle_s
    before_above = np.where(later, coarse.above[:, 1], coarse.above[:, 0])
    after_above = np.where(later, coarse.above[:, 2], coarse.above[:, 1])
    rows = np.nonzero((before_above == after_above) & (above != before_above))[0]
    low_s = np.where(later, coarse.middle_s, brackets.low_s)[rows]
    high_s = np.where(later, brackets.high_s, coarse.middle_s)[rows]
    satellite, station, top_s, slope = (
        brackets.satellite[rows],
        brackets.station[rows],
        after_s[rows],
        brackets.slope[rows],
    )
    return [
        Brackets(satellite, station, low_s, top_s, top_s, -slope),
        Brackets(satellite, station, top_s, high_s, top_s, slope),
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
        """Who is up when the window opens, and who when it closes: told by the first and last crossing, or by looking."""
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
