"""The fewest seconds off the beam that any antenna with given axes loses in a pass: what no tracker can be blamed for.

A bound, not a path: whatever is granted here beyond what motors can do makes it smaller, never larger.

- The azimuth lies in one of many cells, so wide that a step at full rate is a whole number of them. Then no motion
  changes its cell by more than that number a step, wherever in the cell it is, and every motion there can be is one of
  the courses that are compared.
- A cell is on the beam at a sample if any azimuth in it is, with whatever elevation is best within the limits. The
  elevation gets there at once, nothing has to gain speed, any angle can be had, and the mask is in nobody's way.
- Only to lean over takes its time. Between a look at the satellite from one side of the zenith and one from the other
  the antenna passes whatever lies nearer to the zenith than the beam is wide, and the samples of that time are lost.
- Where to begin is free. Samples for which the mask hides the satellite count nothing, as for those who are compared.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from bench.flyovers import STEP_S, ZENITH_DEG, Flyover
from fleetd.contact.axis import Angles, Flags
from fleetd.contact.reach import best_look
from fleetd.contact.sighting import separation_deg
from fleetd.contact.turning import least_within

_CELL_DEG = 0.25
_HAIR_DEG = 1e-6
_BETWEEN_DEG = 0.01  # nearer to the zenith than at any sample it may be between two of them


def least_off_beam_s(over: Flyover, half_beam_deg: float) -> float:
    """No antenna with these axes is for fewer seconds further than that beside the satellite."""
    a_step_deg = over.axes.azimuth_slew_deg_s * STEP_S
    most_cells = math.ceil(a_step_deg / _CELL_DEG)
    off = _off_beam(over, half_beam_deg, a_step_deg / most_cells)
    seen = np.array(over.in_sight)
    off[~seen] = False
    hidden_free_s = np.concatenate([[0.0], np.cumsum(seen * STEP_S)])
    between = _fewest_between(over, half_beam_deg)
    cost = np.empty(off.shape)
    cost[0] = off[0] * STEP_S
    for sample in range(1, len(cost)):
        come = least_within(cost[sample - 1], most_cells)
        if over.axes.elevation_max_deg > ZENITH_DEG and (begin := sample - 1 - int(between[sample])) >= 0:
            lost_s = hidden_free_s[sample] - hidden_free_s[begin + 1]
            other = least_within(cost[begin, ::-1], most_cells * (sample - begin))
            come = np.minimum(come, other + lost_s)
        cost[sample] = come + off[sample] * STEP_S
    return float(cost[-1].min())


def _off_beam(over: Flyover, half_beam_deg: float, cell_deg: float) -> Flags:
    """At each sample, upright and leaning over, whether no azimuth of a cell is on the beam."""
    axes = over.axes
    cells = math.floor((axes.azimuth_max_deg - axes.azimuth_min_deg) / cell_deg) + 1
    middle = axes.azimuth_min_deg + (np.arange(cells) + 0.5) * cell_deg
    satellite = over.elevation_deg[:, None]
    found = []
    for leaning in (False, True) if axes.elevation_max_deg > ZENITH_DEG else (False,):
        lowest = ZENITH_DEG * 2 - axes.elevation_max_deg if leaning else axes.elevation_min_deg
        apart = (middle - over.azimuth_deg[:, None] - 180 * leaning + 180) % 360 - 180
        nearest = np.maximum(np.abs(apart) - cell_deg / 2 - _HAIR_DEG, 0)
        look = best_look(nearest, satellite, np.array(max(lowest, axes.elevation_min_deg)), np.array(ZENITH_DEG))
        found.append(separation_deg(nearest, satellite, look) > half_beam_deg + _HAIR_DEG)
    return np.stack(found, axis=1)


def _fewest_between(over: Flyover, half_beam_deg: float) -> NDArray[np.intp]:
    """For each sample at which the antenna may have come to the other side, how many before it are lost at least."""
    rate_deg = over.axes.elevation_slew_deg_s * STEP_S
    beside_zenith = ZENITH_DEG - over.elevation_deg - half_beam_deg - _BETWEEN_DEG
    wanted = np.maximum(0, np.floor(2 * beside_zenith / rate_deg)).astype(int).tolist()
    return np.array([_fewest(beside_zenith, rate_deg, sample, most) for sample, most in enumerate(wanted)])


def _fewest(beside_zenith: Angles, rate_deg: float, sample: int, most: int) -> int:
    """The satellite may have stood nearer to the zenith when the change began: then it took less time."""
    for count in range(most, 0, -1):
        nearest_deg = beside_zenith[max(0, sample - count - 1) : sample + 1].min()
        if 2 * nearest_deg / rate_deg >= count:
            return count
    return 0
