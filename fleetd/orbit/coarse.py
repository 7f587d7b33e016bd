"""The first look of a pass search: on the nodes alone, which events there are and between which nodes.

For every satellite, station and node two numbers are known, both smooth in time: the height above the station's
tangent plane and the square of the range. Together they give the elevation. Its sign against the mask brackets rises
and sets; its summits and valleys among the nodes bracket the extremes. `curves` then finds the instants.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fleetd.orbit.curves import Curves, powers
from fleetd.orbit.earth import Floats
from fleetd.orbit.motion import POINTS, Flags, Ints, Track
from fleetd.orbit.station import Places

_CELLS = 1 << 18  # satellite x station x node cells looked at together: about what stays in a processor's cache
_BESIDE = POINTS // 2 + 1  # nodes looked at beyond each end of the window
_PLANE_MARGIN_KM = 5.0  # how much higher than a parabola through three nodes a true summit may stand
_PLANE_MARGIN = 0.03  # and in parts of that parabola's bend
_DIP_MARGIN = 1e-4  # of the sine of the elevation, by which a true valley may be deeper than thrice a parabola's


@dataclass(frozen=True, slots=True)
class Events:
    """Curves with one event each: `slope` is the sign of the sought function's there, `above` the nodes' own sides.

    Of a crossing 1 is a rise and -1 a set; of an extreme -1 is a summit and 1 a valley. `above` has two rows: whether
    the satellite is above the mask at the interval's first node, and at its last.
    """

    curves: Curves
    slope: Floats
    above: Flags

    def __getitem__(self, rows: Ints | Flags) -> Events:
        return Events(self.curves[rows], self.slope[rows], self.above[:, rows])

    @staticmethod
    def join(parts: Sequence[Events]) -> Events:
        """All events of all parts, in that order."""
        return Events(
            Curves.join([part.curves for part in parts]),
            np.concatenate([np.empty(0), *(part.slope for part in parts)]),
            np.concatenate([np.empty((2, 0), dtype=bool), *(part.above for part in parts)], axis=1),
        )


@dataclass(frozen=True, slots=True)
class Block:
    """Satellites of one node spacing over some stations, on the nodes of one window.

    The numbers lie flat in the order of station, satellite and node; a cell is an index into them.
    """

    satellite: Ints
    station: Ints
    first_s: float
    step_s: float
    nodes: int
    height_km: Floats
    range2_km2: Floats

    def look(self, mask_sine: float) -> tuple[Events, Events]:
        """All crossings between nodes, and all extremes that matter."""
        sine = self.height_km / np.sqrt(self.range2_km2)
        above = (sine >= mask_sine).reshape(-1, self.nodes)
        rising = np.diff(sine.reshape(-1, self.nodes), axis=1) > 0
        return self._crossings(above, mask_sine), self._extremes(sine, above, rising, mask_sine)

    def _crossings(self, above: Flags, mask_sine: float) -> Events:
        cell = self._cells(above[:, 1:] != above[:, :-1], 0)
        after = above.ravel()[cell + 1]
        return Events(
            self._curves(cell, with_range=mask_sine != 0), np.where(after, 1.0, -1.0), np.stack([~after, after])
        )

    def _extremes(self, sine: Floats, above: Flags, rising: Flags, mask_sine: float) -> Events:
        # Beside the outermost nodes there is nothing to tell a slope from, and nothing of the window.
        inner = slice(2, self.nodes - 2)
        before, after = rising[:, 1:-2], rising[:, 2:-1]
        summit = self._cells(before & ~after, inner.start)
        summit = summit[self._may_show(above.ravel(), summit, mask_sine)]
        valley = self._cells(above[:, inner] & ~before & after, inner.start)
        valley = valley[self._may_dip(sine, valley, mask_sine)]
        cell = np.concatenate([summit, valley])
        slope = np.repeat([-1.0, 1.0], [len(summit), len(valley)])
        cell = cell - (self._slope_at(cell) * slope > 0)
        flat = above.ravel()
        return Events(self._curves(cell, with_range=True), slope, np.stack([flat[cell], flat[cell + 1]]))

    def _cells(self, flags: Flags, first: int) -> Ints:
        """The cells of those flags that are set, the first of each row being that of node `first`."""
        row, node = np.divmod(np.flatnonzero(flags), flags.shape[1])
        found: Ints = row * self.nodes + (node + first)
        return found

    def _curves(self, cell: Ints, *, with_range: bool) -> Curves:
        row, node = np.divmod(cell, self.nodes)
        station, satellite = np.divmod(row, len(self.satellite))
        start = np.clip(node - (POINTS // 2 - 1), 0, self.nodes - POINTS)
        through = cell - node + start
        return Curves(
            self.satellite[satellite],
            self.station[station],
            self.first_s + node * self.step_s,
            np.full(len(node), self.step_s),
            start + (POINTS - 1) / 2 - node,
            powers(self.height_km, through),
            powers(self.range2_km2, through) if with_range else np.empty((0, len(cell))),
        )

    def _slope_at(self, cell: Ints) -> Floats:
        """A number of the sign of the elevation's slope, by height and range at two nodes on each side."""
        (height, height_1), (range2, range2_1) = (
            (numbers[cell], 8 * (numbers[cell + 1] - numbers[cell - 1]) - (numbers[cell + 2] - numbers[cell - 2]))
            for numbers in (self.height_km, self.range2_km2)
        )
        result: Floats = 2 * height_1 * range2 - height * range2_1
        return result

    def _may_show(self, above: Flags, cell: Ints, mask_sine: float) -> Flags:
        """Whether the satellite may stand above the mask around a node that is a summit among nodes."""
        a, b, c = (self.height_km[cell + side] for side in (-1, 0, 1))
        bend, slope = a - 2 * b + c, (c - a) / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            vertex = b - slope * slope / (2 * bend)
        inside = (bend < 0) & (np.abs(slope) <= -1.5 * bend)
        highest = np.where(inside, vertex, np.maximum(np.maximum(a, b), c))
        highest += _PLANE_MARGIN_KM + _PLANE_MARGIN * np.abs(bend)
        needed: Floats | float = 0.0
        if mask_sine < 0:
            needed = mask_sine * np.sqrt(np.maximum(self.range2_km2[cell - 1], self.range2_km2[cell + 1]))
        result: Flags = above[cell] | (highest > needed)
        return result

    @staticmethod
    def _may_dip(sine: Floats, cell: Ints, mask_sine: float) -> Flags:
        """Whether the satellite may sink below the mask around a node that is a valley among nodes, yet above it."""
        a, b, c = (sine[cell + side] for side in (-1, 0, 1))
        bend, slope = a - 2 * b + c, (c - a) / 2
        depth = np.divide(slope * slope, 2 * bend, out=np.zeros_like(bend), where=bend > 0)
        result: Flags = b - 3 * depth - _DIP_MARGIN < mask_sine
        return result


def blocks(tracks: Sequence[Track], places: Places, ends_s: Floats) -> Iterator[Block]:
    """All satellites over all stations, those that share their nodes' times together, in pieces that suit the cache."""
    groups: dict[tuple[float, float, int, float], list[int]] = {}
    for number, track in enumerate(tracks):
        if len(track.nodes_km) >= POINTS:
            key = track.first_s, track.step_s, len(track.nodes_km), float(ends_s[number])
            groups.setdefault(key, []).append(number)
    for (first_s, step_s, count, end_s), numbers in groups.items():
        first = max(0, math.floor(-first_s / step_s) - _BESIDE)
        last = min(count, math.ceil((end_s - first_s) / step_s) + 1 + _BESIDE)
        rows = max(1, min(len(places), _CELLS // (last - first)))
        columns = max(1, _CELLS // ((last - first) * rows))
        for start in range(0, len(numbers), columns):
            chosen = numbers[start : start + columns]
            nodes_km = np.stack([tracks[number].nodes_km[first:last] for number in chosen])
            for row in range(0, len(places), rows):
                stations = np.arange(row, min(row + rows, len(places)))
                yield _block(np.array(chosen), stations, first_s + first * step_s, step_s, nodes_km, places)


def _block(satellite: Ints, station: Ints, first_s: float, step_s: float, nodes_km: Floats, places: Places) -> Block:
    """Both numbers are linear in (position, 1, square of the distance), so two matrix products give them all."""
    position, up = places.position_km[station], places.up[station]
    flat = nodes_km.reshape(-1, 3)
    columns = np.empty((5, len(flat)))
    columns[:3] = flat.T
    columns[3] = 1.0
    np.einsum("ij,ij->i", flat, flat, out=columns[4])
    to_height = np.column_stack([up, -(up * position).sum(axis=1)])
    to_range2 = np.column_stack([-2 * position, (position * position).sum(axis=1), np.ones(len(station))])
    height_km, range2_km2 = (to_height @ columns[:4]).ravel(), (to_range2 @ columns).ravel()
    return Block(satellite, station, first_s, step_s, nodes_km.shape[1], height_km, range2_km2)
