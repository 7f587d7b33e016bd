"""Which azimuth at which second, and whether upright or leaning over: the cheapest of all courses through a pass.

Dynamic programming over a grid of azimuths that a motor at full rate hits exactly. Every lead, lag, wait and turn that
the slew rate allows is among the courses compared, so that no rule has to know of overlap, north or the keyhole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleetd.contact.axis import Angles, Around, Flags
from fleetd.contact.reach import Reach, best_look
from fleetd.contact.sighting import Sighting, separation_deg

Cells = NDArray[np.intp]

_FINEST_DEG = 1.0
_WIDTHS_DEG = (8.0, 25.0, 180.0)  # on either side of the satellite; further beside it nothing is on the beam
_SELDOM = 4  # a change of posture that takes long is looked at only so often
_SLEW_TIE = 1e-5  # a second of slewing before or after a pass weighs this much of a second off the beam
_SAME = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """An azimuth and a posture for each sample of a sighting."""

    azimuth_deg: Angles
    over: Flags
    cell_deg: float = 0.0
    """How coarse the azimuths are."""
    cost_s: float = 0.0
    """What it is reckoned to cost."""


def cheapest_course(seen: Sighting, reach: Reach, around: Around) -> Course:
    """The course that costs least by `seen.worth_s` and `seen.share_off`, within the slew rates and from `around`."""
    return _Search(seen, reach, around).course()


class _Search:
    """One search; costs are indexed by sample, posture and azimuth."""

    def __init__(self, seen: Sighting, reach: Reach, around: Around) -> None:
        self._seen = seen
        self._reach = reach
        self._around = around
        axes = reach.axes
        a_step_deg = axes.azimuth_slew_deg_s * seen.step_s
        self._most_cells = max(1, math.ceil(a_step_deg / _FINEST_DEG))
        self._cell_deg = a_step_deg / self._most_cells
        cells = math.floor((axes.azimuth_max_deg - axes.azimuth_min_deg) / self._cell_deg + _SAME) + 1
        self._azimuths: Angles = np.asarray(axes.azimuth_min_deg + np.arange(cells) * self._cell_deg, dtype=np.float64)
        self._postures = reach.postures
        self._off = self._off_beam()
        self._changes = self._posture_changes()

    def course(self) -> Course:
        cost = self._costs()
        in_all = cost[-1] + self._after()
        cells, postures = self._back(cost, int(in_all.argmin()))
        return Course(self._azimuths[cells], np.array(self._postures)[postures], self._cell_deg, float(in_all.min()))

    # What each azimuth costs at each sample

    def _off_beam(self) -> Angles:
        """The cost of each azimuth in each posture at each sample."""
        seen, shape = self._seen, (len(self._seen), len(self._postures), len(self._azimuths))
        off = np.full(shape, float(seen.share_off(np.array(180.0))))
        for place, over in enumerate(self._postures):
            self._share_off(off[:, place], over)
        off *= seen.worth_s[:, None, None]
        return off

    def _share_off(self, share: Angles, over: bool) -> None:
        """Put in what share of each sample each azimuth costs in one posture, where it is near the satellite."""
        seen, width_deg = self._seen, self._needed_width_deg()
        low, high = self._reach.looks(self._azimuths, np.array(over))
        narrower = 0.0
        for width in _WIDTHS_DEG:
            rows = np.flatnonzero((width_deg > narrower) & (width_deg <= width))
            narrower = width
            for index, column in self._beside(rows, width, over):
                apart = self._azimuths[column] - seen.azimuth_deg[index] - 180 * over
                satellite = seen.elevation_deg[index]
                look = best_look(apart, satellite, low[column], high[column])
                share[index, column] = seen.share_off(separation_deg(apart, satellite, look))

    def _needed_width_deg(self) -> Angles:
        """How far beside the satellite's azimuth one may point with it still on the beam."""
        edge = math.sin(math.radians(min(90.0, self._seen.half_beam_deg + self._seen.unsure_deg)))
        level = np.cos(np.radians(self._seen.elevation_deg))
        return np.where(level > edge, np.degrees(np.arcsin(np.minimum(1, edge / np.maximum(level, edge)))), 180.0)

    def _beside(self, rows: Cells, width_deg: float, over: bool) -> list[tuple[Cells, Cells]]:
        """Pairs of sample and azimuth that lie within a width of the satellite, at each whole turn that has any."""
        if not len(rows):
            return []
        half = math.ceil(width_deg / self._cell_deg)
        middle = self._seen.azimuth_deg[rows] + 180 * over
        first, last = self._azimuths[0], self._azimuths[-1]
        found = []
        for turn in range(
            math.ceil((first - width_deg - middle.max()) / 360), math.floor((last + width_deg - middle.min()) / 360) + 1
        ):
            nearest = np.rint((middle + 360 * turn - first) / self._cell_deg).astype(np.intp)
            columns = nearest[:, None] + np.arange(-half, half + 1)
            inside = (columns >= 0) & (columns < len(self._azimuths))
            found.append((np.broadcast_to(rows[:, None], columns.shape)[inside], columns[inside]))
        return found

    # The search forwards

    def _costs(self) -> Angles:
        """The least that it costs to come to each azimuth at each sample, that sample included."""
        cost = np.empty_like(self._off)
        cost[0] = self._off[0] + self._before()
        for sample in range(1, len(cost)):
            np.add(least_within(cost[sample - 1], self._most_cells), self._off[sample], out=cost[sample])
            if (change := self._changes.get(sample)) is not None:
                np.minimum(cost[sample], self._changed(cost, sample, change), out=cost[sample])
        return cost

    def _changed(self, cost: Angles, sample: int, change: tuple[int, float]) -> Angles:
        """The cost of each azimuth where the posture has just changed."""
        since, lost = change
        others = cost[since, ::-1]
        return np.asarray(least_within(others, self._most_cells * (sample - since)) + lost + self._off[sample])

    def _posture_changes(self) -> dict[int, tuple[int, float]]:
        """For each sample at which a change of posture may end: at which it begins, and what is lost in between."""
        if len(self._postures) == 1:
            return {}
        seen, slew_deg_s = self._seen, self._reach.axes.elevation_slew_deg_s
        needs_s = (180 - 2 * seen.elevation_deg) / slew_deg_s
        steps = np.maximum(1, np.ceil(needs_s / seen.step_s - _SAME)).astype(int)
        # While it leaves the satellite, and again while it comes to it, it is on the beam.
        lost_steps = np.maximum(0, needs_s - 2 * seen.half_beam_deg / slew_deg_s) / seen.step_s
        worth_s = np.cumsum(seen.worth_s)
        return {
            sample: (sample - count, float(lost_steps[sample] * (worth_s[sample] - worth_s[sample - count]) / count))
            for sample, count in enumerate(steps.tolist())
            if count <= sample and (count <= _SELDOM or sample % _SELDOM == 0)
        }

    def _before(self) -> Angles:
        """What it costs to begin at each azimuth: next to nothing, more than anything where there is no time for it."""
        start, within_s = self._around.start, self._around.start_within_s
        if start is None:
            return np.zeros_like(self._off[0])
        azimuth_s, elevation_s = self._slews_s(0, start.azimuth_deg, start.elevation_deg)
        nearest_s = max(within_s, float(azimuth_s.min()))
        late_s = np.where(azimuth_s > nearest_s + _SAME, np.inf, 0) + np.maximum(0, elevation_s - within_s)
        return np.asarray(late_s + np.maximum(azimuth_s, elevation_s) * _SLEW_TIE)

    def _after(self) -> Angles:
        """What it costs to end at each azimuth: what the next contact loses by it."""
        onward = self._around.onward
        if onward is None:
            return np.zeros_like(self._off[0])
        slew_s = np.maximum(*self._slews_s(-1, onward.azimuth_deg, onward.elevation_deg))
        return np.asarray(np.maximum(0, slew_s - self._around.onward_within_s) + slew_s * _SLEW_TIE)

    def _slews_s(self, sample: int, azimuth_deg: float, elevation_deg: float) -> tuple[Angles, Angles]:
        """Seconds that each axis takes between one sample's directions and another, by posture and azimuth."""
        axes, looked_deg = self._reach.axes, self._seen.elevation_deg[sample]
        aims = [180 - looked_deg if over else looked_deg for over in self._postures]
        azimuth_s = np.abs(self._azimuths - azimuth_deg) / axes.azimuth_slew_deg_s
        elevation_s = np.abs(np.array(aims) - elevation_deg) / axes.elevation_slew_deg_s
        shape = self._off[0].shape
        return np.broadcast_to(azimuth_s, shape), np.broadcast_to(elevation_s[:, None], shape)

    # And back along the cheapest

    def _back(self, cost: Angles, end: int) -> tuple[Cells, Cells]:
        """The cell and the posture at each sample of the course that ends at the cell `end`, counted over postures."""
        cells, postures = np.empty(len(cost), dtype=np.intp), np.empty(len(cost), dtype=np.intp)
        sample, (posture, cell) = len(cost) - 1, divmod(end, len(self._azimuths))
        cells[sample], postures[sample] = cell, posture
        while sample > 0:
            since, near = sample - 1, _nearest_least(cost[sample - 1, posture], cell, self._most_cells)
            if (change := self._changes.get(sample)) is not None:
                begin, lost = change
                other = _nearest_least(cost[begin, 1 - posture], cell, self._most_cells * (sample - begin))
                if cost[begin, 1 - posture, other] + lost < cost[since, posture, near] - _SAME:
                    middle = (begin + sample) // 2
                    cells[begin:sample] = np.rint(np.linspace(other, cell, sample - begin, endpoint=False))
                    postures[begin : middle + 1], postures[middle + 1 : sample] = 1 - posture, posture
                    sample, cell, posture = begin, other, 1 - posture
                    continue
            sample, cell = since, near
            cells[sample], postures[sample] = cell, posture
        return cells, postures


def least_within(row: Angles, cells: int) -> Angles:
    """For each cell of the last axis the least within so many cells of it."""
    least, reach = row, 0
    while reach < cells:
        shift = min(2 * reach + 1, cells - reach, row.shape[-1] - 1)
        if shift < 1:
            break
        wider = least.copy()
        np.minimum(wider[..., shift:], least[..., :-shift], out=wider[..., shift:])
        np.minimum(wider[..., :-shift], least[..., shift:], out=wider[..., :-shift])
        least, reach = wider, reach + shift
    return least


def _nearest_least(row: Angles, cell: int, cells: int) -> int:
    """Where the least within so many cells of one stands; of equals the nearest."""
    first = max(0, cell - cells)
    part = row[first : cell + cells + 1]
    least = part.min()
    if row[cell] <= least + _SAME:
        return cell
    equals = np.flatnonzero(part <= least + _SAME) + first
    return int(equals[np.abs(equals - cell).argmin()])
