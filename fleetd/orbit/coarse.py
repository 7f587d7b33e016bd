"""The first look of a pass search: on the nodes alone, which events there are and, within milliseconds, when.

For every satellite, station and node two numbers are known, both smooth in time: the height above the station's
tangent plane and the square of the range. Together they give the elevation. Its sign against the mask brackets rises
and sets; its summits and valleys among the nodes bracket the extremes; quintics through six nodes tell when.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleetd.orbit.earth import Floats
from fleetd.orbit.motion import Ints, Track, lagrange
from fleetd.orbit.refine import Brackets, Places

Flags = NDArray[np.bool_]

_POINTS = 6
_BASIS = lagrange(_POINTS)
_ROUNDS = 4
_CELLS = 1 << 17  # satellite x station x node cells looked at together: what stays in a processor's cache
_BESIDE = 4  # nodes looked at beyond each end of the window
_PLANE_MARGIN_KM = 5.0  # how much higher than a parabola through three nodes a true summit may stand
_PLANE_MARGIN = 0.03  # and in parts of that parabola's bend
_SINE_MARGIN = 0.02  # how far off the quintics' sine of an extreme elevation may be
_GROUND_KM = 6_400.0  # no station stands farther from the Earth's centre


@dataclass(frozen=True, slots=True)
class Extremes:
    """Brackets of summits and valleys, each around a node, and the elevation's side of the mask at the nodes there."""

    brackets: Brackets
    node_s: Floats
    above: Flags
    """(n, 3): before, at and after that node."""


@dataclass(frozen=True, slots=True)
class Block:
    """Satellites of one node spacing over some stations, on the nodes of one window."""

    satellite: Ints
    station: Ints
    first_s: float
    step_s: float
    height_km: Floats
    """(station, satellite, node)."""
    range2_km2: Floats

    def look(self, mask_sine: float) -> tuple[Brackets, Extremes]:
        """Brackets of all crossings between nodes, and of all extremes that matter."""
        sine = self.height_km / np.sqrt(self.range2_km2)
        above = sine >= mask_sine
        rising = sine[:, :, 1:] > sine[:, :, :-1]
        return self._crossings(above, mask_sine), self._extremes(sine, above, rising, mask_sine)

    def _crossings(self, above: Flags, mask_sine: float) -> Brackets:
        station, satellite, node = np.nonzero(above[:, :, 1:] != above[:, :, :-1])
        curves = _Curves(self, station, satellite, node)
        low_s = self.first_s + node * self.step_s
        return Brackets(
            self.satellite[satellite],
            self.station[station],
            low_s,
            low_s + self.step_s,
            low_s + curves.crossing(mask_sine) * self.step_s,
            np.where(above[station, satellite, node + 1], 1.0, -1.0),
        )

    def _extremes(self, sine: Floats, above: Flags, rising: Flags, mask_sine: float) -> Extremes:
        station, satellite, node = np.nonzero(rising[:, :, :-1] != rising[:, :, 1:])
        node += 1
        summit = rising[station, satellite, node - 1]
        wanted = np.where(
            summit, self._may_show(above, station, satellite, node, mask_sine), above[station, satellite, node]
        )
        station, satellite, node, summit = station[wanted], satellite[wanted], node[wanted], summit[wanted]
        # The extreme lies towards the neighbour that is nearer in height to the node's.
        before, after = (
            np.abs(sine[station, satellite, node + side] - sine[station, satellite, node]) for side in (-1, 1)
        )
        interval = np.where(before < after, node - 1, node)
        curves = _Curves(self, station, satellite, interval)
        x = curves.extreme(np.where(before < after, 1.0, 0.0))
        there = curves.sine(x)
        wanted = np.where(summit, there >= mask_sine - _SINE_MARGIN, there < mask_sine + _SINE_MARGIN)
        wanted |= summit & above[station, satellite, node]
        around = np.stack([above[station, satellite, node + side] for side in (-1, 0, 1)], axis=1)
        node_s = self.first_s + node * self.step_s
        brackets = Brackets(
            self.satellite[satellite],
            self.station[station],
            node_s - self.step_s,
            node_s + self.step_s,
            np.clip(self.first_s + (interval + x) * self.step_s, node_s - self.step_s, node_s + self.step_s),
            np.where(summit, -1.0, 1.0),
        )
        return Extremes(brackets[wanted], node_s[wanted], around[wanted])

    def _may_show(self, above: Flags, station: Ints, satellite: Ints, node: Ints, mask_sine: float) -> Flags:
        """Whether the satellite may stand above the mask around a node that is a summit among nodes."""
        a, b, c = (self.height_km[station, satellite, node + side] for side in (-1, 0, 1))
        bend, slope = a - 2 * b + c, (c - a) / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            vertex = b - slope * slope / (2 * bend)
        inside = (bend < 0) & (np.abs(slope) <= -1.5 * bend)
        highest = np.where(inside, vertex, np.maximum(np.maximum(a, b), c))
        highest += _PLANE_MARGIN_KM + _PLANE_MARGIN * np.abs(bend)
        needed: Floats | float = 0.0
        if mask_sine < 0:
            ranges2 = [self.range2_km2[station, satellite, node + side] for side in (-1, 1)]
            needed = mask_sine * np.sqrt(np.maximum(*ranges2))
        result: Flags = above[station, satellite, node] | (highest > needed)
        return result


class _Curves:
    """Height and range squared around the interval from a node to the next, as quintics of the part of it gone by."""

    def __init__(self, block: Block, station: Ints, satellite: Ints, node: Ints) -> None:
        start = np.clip(node - (_POINTS // 2 - 1), 0, block.height_km.shape[2] - _POINTS)
        around = start + np.arange(_POINTS)[:, None]
        self._height = _BASIS @ block.height_km[station, satellite, around]
        self._range2 = _BASIS @ block.range2_km2[station, satellite, around]
        self._middle = start + (_POINTS - 1) / 2 - node

    def crossing(self, mask_sine: float) -> Floats:
        """Where within the interval height - sin(mask) range is zero."""
        low, high = (self._excess(np.full_like(self._middle, x), mask_sine)[0] for x in (0.0, 1.0))
        x = np.divide(low, low - high, out=np.full_like(low, 0.5), where=low != high)
        for _ in range(_ROUNDS):
            value, slope = self._excess(x, mask_sine)
            x = np.clip(x - np.divide(value, slope, out=np.zeros_like(value), where=slope != 0), 0.0, 1.0)
        return x

    def extreme(self, x: Floats) -> Floats:
        """Where height / range is greatest or least, sought from x onwards and at most an interval away from it."""
        low, high = x - 1, x + 1
        for _ in range(_ROUNDS):
            (h, h1, h2), (d, d1, d2) = (self._values(each, x) for each in (self._height, self._range2))
            value, slope = 2 * h1 * d - h * d1, 2 * h2 * d + h1 * d1 - h * d2
            x = np.clip(x - np.divide(value, slope, out=np.zeros_like(value), where=slope != 0), low, high)
        return x

    def sine(self, x: Floats) -> Floats:
        """Sine of the elevation."""
        return self._values(self._height, x)[0] / np.sqrt(np.abs(self._values(self._range2, x)[0]))

    def _excess(self, x: Floats, mask_sine: float) -> tuple[Floats, Floats]:
        value, slope, _ = self._values(self._height, x)
        if mask_sine:
            square, square_1, _ = self._values(self._range2, x)
            distance = np.sqrt(np.abs(square))
            value, slope = value - mask_sine * distance, slope - mask_sine * square_1 / (2 * distance)
        return value, slope

    def _values(self, powers: Floats, x: Floats) -> tuple[Floats, Floats, Floats]:
        """Value, slope and curvature by Horner's rule."""
        x = x - self._middle
        value, slope, curve = powers[-1], np.zeros_like(x), np.zeros_like(x)
        for power in powers[-2::-1]:
            curve = curve * x + slope
            slope = slope * x + value
            value = value * x + power
        return value, slope, 2 * curve


def blocks(tracks: Sequence[Track], places: Places, ends_s: Floats) -> Iterator[Block]:
    """All satellites over all stations, those that share their nodes' times together, in pieces that suit the cache."""
    groups: dict[tuple[float, float, int, float], list[int]] = {}
    for number, track in enumerate(tracks):
        if len(track.nodes_km) >= _POINTS:
            key = track.first_s, track.step_s, len(track.nodes_km), float(ends_s[number])
            groups.setdefault(key, []).append(number)
    for (first_s, step_s, count, end_s), numbers in groups.items():
        first = max(0, math.floor(-first_s / step_s) - _BESIDE)
        last = min(count, math.ceil((end_s - first_s) / step_s) + 1 + _BESIDE)
        if last - first < _POINTS:
            first, last = max(0, last - _POINTS), max(last, _POINTS)
        rows = max(1, min(len(places), _CELLS // (last - first)))
        columns = max(1, _CELLS // ((last - first) * rows))
        for start in range(0, len(numbers), columns):
            chosen = numbers[start : start + columns]
            nodes_km = np.stack([tracks[number].nodes_km[first:last] for number in chosen])
            for row in range(0, len(places), rows):
                stations = np.arange(row, min(row + rows, len(places)))
                yield _block(np.array(chosen), stations, first_s + first * step_s, step_s, nodes_km, places)


def _block(satellite: Ints, station: Ints, first_s: float, step_s: float, nodes_km: Floats, places: Places) -> Block:
    """Both numbers are linear in (position, 1, |position|²), so two matrix products give them all."""
    position, up = places.position_km[station], places.up[station]
    flat = nodes_km.reshape(-1, 3)
    columns = np.empty((5, len(flat)))
    columns[:3] = flat.T
    columns[3] = 1.0
    np.einsum("ij,ij->i", flat, flat, out=columns[4])
    to_height = np.column_stack([up, -(up * position).sum(axis=1)])
    to_range2 = np.column_stack([-2 * position, (position * position).sum(axis=1), np.ones(len(station))])
    shape = (len(station), len(satellite), nodes_km.shape[1])
    return Block(
        satellite,
        station,
        first_s,
        step_s,
        (to_height @ columns[:4]).reshape(shape),
        (to_range2 @ columns).reshape(shape),
    )
