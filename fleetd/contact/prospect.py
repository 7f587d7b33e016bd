"""What a pass is worth on each antenna: for how long that can look at the satellite, and where it begins and ends."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np

from fleetd.contact.axis import Angles, Axes
from fleetd.contact.booking import Candidate, Prospect
from fleetd.contact.reach import Reach
from fleetd.devices import AzEl
from fleetd.errors import ElementsError
from fleetd.orbit.station import Station
from fleetd.orbit.trajectory import Trajectory

_STEP_S = 5.0
_MOST_SAMPLES = 240


def with_prospects(candidates: Sequence[Candidate], station: Station, reaches: Mapping[str, Reach]) -> list[Candidate]:
    """The candidates, each with what every antenna can make of it. Takes a millisecond each: call it in a thread."""
    return [replace(candidate, prospects=_prospects(candidate, station, reaches)) for candidate in candidates]


def turn_s(axes: Axes, first: AzEl, then: AzEl) -> float:
    """Seconds from one direction to another by the shortest way round that the limits leave, upright.

    A course is chosen so that it ends well for the next one; that it can be is what this assumes.
    """
    ways = [
        axes.slew_s(AzEl(start_deg, first.elevation_deg), AzEl(end_deg, then.elevation_deg))
        for start_deg in _aliases(axes, first.azimuth_deg)
        for end_deg in _aliases(axes, then.azimuth_deg)
    ]
    return min(ways, default=0.0)


def _prospects(candidate: Candidate, station: Station, reaches: Mapping[str, Reach]) -> dict[str, Prospect]:
    steps = min(_MOST_SAMPLES, max(1, math.ceil(candidate.duration_s / _STEP_S)))
    step_s = candidate.duration_s / steps
    try:
        sky = Trajectory.of(candidate.elements, station, candidate.begin, candidate.end)
    except (ElementsError, ValueError):
        return {}  # it is refused in its own time, by name
    looks = [sky.at(candidate.begin + timedelta(seconds=(index + 0.5) * step_s)) for index in range(steps)]
    azimuth = np.array([look.azimuth_deg for look in looks])
    elevation = np.array([look.elevation_deg for look in looks])
    ends = [AzEl(looks[index].azimuth_deg % 360, looks[index].elevation_deg) for index in (0, -1)]
    return {
        name: Prospect(
            float(_seen(reach, azimuth, elevation).sum() * step_s),
            turn_in=ends[0], turn_out=ends[1], axes=reach.axes,
        )
        for name, reach in reaches.items()
    }  # fmt: skip


def _seen(reach: Reach, azimuth_deg: Angles, elevation_deg: Angles) -> Angles:
    """1 for each sample that the antenna can look at, upright or leaning over; 0 for the others."""
    seen = np.zeros(len(azimuth_deg), dtype=bool)
    for over in reach.postures:
        at = (azimuth_deg + (180 if over else 0) - reach.axes.azimuth_min_deg) % 360 + reach.axes.azimuth_min_deg
        low, high = reach.looks(at, np.full(len(at), over))
        seen |= (at <= reach.axes.azimuth_max_deg) & (low <= elevation_deg) & (elevation_deg <= high)
    return seen.astype(np.float64)


def _aliases(axes: Axes, azimuth_deg: float) -> list[float]:
    first = math.ceil((axes.azimuth_min_deg - azimuth_deg) / 360)
    last = math.floor((axes.azimuth_max_deg - azimuth_deg) / 360)
    return [azimuth_deg + 360 * turns for turns in range(first, last + 1)]
