"""The course through one whole pass, found before the antenna moves: which way round, where it must lag, by how much.

Pure functions. A direction can be reached at several unwrapped azimuths (10 is 370) and, where the elevation goes
beyond 90, also leaning over backwards. The course taken loses the fewest seconds off the beam, whatever it takes:
overlap, leaning over, lead and lag through the keyhole, or a turn in mid pass where no way avoids it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import numpy as np

from fleetd.contact.axis import Angles, Around, Axes, AxisPath, Flags, Pace, SkyTrack
from fleetd.contact.motors import at_rate, eased, raised
from fleetd.contact.reach import Reach, best_look
from fleetd.contact.sighting import Sighting, separation_deg, sighting
from fleetd.contact.turning import Course, cheapest_course
from fleetd.devices import AzEl
from fleetd.orbit.horizon import HorizonMask

_TIE_BREAK = 1e-5  # a second of slewing before or after the pass weighs this much of a second off the beam
_EVERY = 2  # samples of a path to one of the search for it
_ON_COURSE_CELLS = 1.5
_NEAR_DEG = 30.0  # beyond that it does not help to come nearer
_UNSURE_SHARE = 0.35  # of a step or dead band, by which an antenna stands beside its path on the average
NOTHING_AROUND = Around()
AT_ONCE = Pace()


def plan_axis_path(
    sky: SkyTrack,
    begin: datetime,
    end: datetime,
    axes: Axes,
    *,
    beam_width_deg: float,
    mask: HorizonMask | None = None,
    around: Around = NOTHING_AROUND,
    pace: Pace = AT_ONCE,
) -> AxisPath:
    """The best path from `begin` to `end` that keeps to the axes and looks at nothing below the mask.

    The fewest seconds off the beam, for an antenna that is sent at such a pace; of equals, the one that begins nearest
    to where the antenna stands and ends nearest to where it must be next. Raises Refusal when the sky track holds no
    finite directions or no time.
    """
    seen = sighting(sky, begin, end, beam_width_deg / 2)
    seen = replace(
        seen,
        unsure_deg=_UNSURE_SHARE * (axes.resolution_deg + pace.dead_band_deg) + seen.moves_deg(pace.interval_s) / 2,
        mask=mask,
    )
    reach = Reach(axes, mask)
    found = _path(seen, reach, _finer(cheapest_course(seen.coarser(_EVERY), reach, around), seen, axes))
    whole = [_path(seen, reach, course) for course in _whole_ways(seen, axes)]
    in_time = [path for path in whole if _in_time(axes, around, path)]
    return min([found, *in_time], key=lambda path: _cost(seen, axes, around, path))


def _in_time(axes: Axes, around: Around, path: AxisPath) -> bool:
    """Whether the antenna can be at its start when it begins."""
    return around.start is None or axes.slew_s(around.start, path.start) <= around.start_within_s


def _whole_ways(seen: Sighting, axes: Axes) -> Iterator[Course]:
    """One way from end to end: exact where the search is as coarse as its grid."""
    for over in Reach(axes).postures:
        bearing = seen.azimuth_deg + (180 if over else 0)
        fewest = math.ceil((axes.azimuth_min_deg - bearing.min()) / 360)
        most = math.floor((axes.azimuth_max_deg - bearing.max()) / 360)
        for turns in range(fewest, most + 1):
            yield Course(bearing + 360 * turns, np.full(len(seen), over))


def _finer(course: Course, seen: Sighting, axes: Axes) -> Course:
    """A course found on a coarse grid at each sample, and exactly on the satellite where it is as good as on it."""
    places = np.arange(len(seen)) / _EVERY
    azimuth = np.interp(places, np.arange(len(course.azimuth_deg)), course.azimuth_deg)
    over = course.over[np.minimum(np.rint(places).astype(int), len(course.over) - 1)]
    bearing = seen.azimuth_deg + np.where(over, 180, 0)
    exact = bearing + 360 * np.rint((azimuth - bearing) / 360)
    azimuth = np.where(np.abs(exact - azimuth) <= _ON_COURSE_CELLS * course.cell_deg, exact, azimuth)
    return Course(np.clip(azimuth, axes.azimuth_min_deg, axes.azimuth_max_deg), over, course.cell_deg)


def _path(seen: Sighting, reach: Reach, course: Course) -> AxisPath:
    """What the motors can make of a course."""
    slew, acceleration = reach.axes.azimuth_pace
    azimuth = eased(at_rate(course.azimuth_deg, slew * seen.step_s), seen.step_s, slew, acceleration)
    elevation = _elevations(seen, reach, azimuth, course.over)
    error = seen.error_deg(azimuth, elevation)
    off = error > seen.half_beam_deg
    return AxisPath(
        begin=seen.begin,
        step_s=seen.step_s,
        azimuth_deg=azimuth,
        elevation_deg=elevation,
        error_deg=error,
        turn_rounds=_turn_rounds(seen, azimuth, course.over, off),
        off_beam_s=float(np.count_nonzero(off) * seen.step_s),
        unsure_deg=seen.unsure_deg,
    )


def _elevations(seen: Sighting, reach: Reach, azimuth_deg: Angles, over: Flags) -> Angles:
    """The elevations that come nearest to the satellite, as far as motor, limits and mask allow.

    Where none comes near, the antenna keeps to the satellite's own, instead of swinging up and down for nothing.
    """
    slew, acceleration = reach.axes.elevation_pace
    apart = azimuth_deg - seen.azimuth_deg - np.where(over, 180, 0)
    looks = best_look(apart, seen.elevation_deg, *reach.looks(azimuth_deg, over))
    near = separation_deg(apart, seen.elevation_deg, looks) <= _NEAR_DEG
    looks = np.where(near, looks, seen.elevation_deg)
    wanted = np.where(over, 180 - looks, looks)
    turned = eased(at_rate(wanted, slew * seen.step_s), seen.step_s, slew, acceleration)
    low, high = reach.elevations(azimuth_deg)
    low, high = _high_enough(low, ~near), -_high_enough(-high, ~near)
    floor, ceiling = raised(low, slew * seen.step_s), -raised(-high, slew * seen.step_s)
    return np.asarray(np.clip(np.clip(turned, floor, ceiling), low, high))


def _high_enough(floor: Angles, far: Flags) -> Angles:
    """A floor that stays as high as it gets for as long as the satellite is far: what is crossed then lies below.

    Close above each hill an order may lead through it, and would have to be taken apart.
    """
    level = floor.copy()
    for first, last in np.flatnonzero(np.diff(far, prepend=False, append=False)).reshape(-1, 2):
        level[first:last] = floor[first:last].max()
    return level


def _turn_rounds(seen: Sighting, azimuth_deg: Angles, over: Flags, off: Flags) -> int:
    """How often it loses the satellite at one turn of the azimuth and finds it at another."""
    turns = np.rint((azimuth_deg - seen.azimuth_deg - np.where(over, 180, 0)) / 360)
    on = np.flatnonzero(~off)
    changed = (np.diff(turns[on]) != 0) & (over[on][1:] == over[on][:-1]) & (np.diff(on) > 1)
    return int(np.count_nonzero(changed))


def _cost(seen: Sighting, axes: Axes, around: Around, path: AxisPath) -> float:
    cost = float((seen.share_off(path.error_deg) * seen.worth_s).sum())
    return (
        cost
        + _slewing(axes, around.start, path.start, around.start_within_s)
        + _slewing(axes, path.finish, around.onward, around.onward_within_s)
    )


def _slewing(axes: Axes, start: AzEl | None, end: AzEl | None, within_s: float) -> float:
    """What the way to or from a path costs: time that is not there, and next to nothing else."""
    if start is None or end is None:
        return 0.0
    slew_s = axes.slew_s(start, end)
    return max(0.0, slew_s - within_s) + slew_s * _TIE_BREAK
