"""The course through one whole pass, found before the antenna moves: which way round, where it must lag, by how much.

Pure functions. A direction can be reached at several unwrapped azimuths (10 is 370) and, where the elevation goes
beyond 90, also leaning over backwards. The course taken loses the fewest weighted seconds off the beam, and turns round
in mid pass only where no way avoids it. Where the sky outruns a motor, the path leads and lags alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from fleetd.contact.axis import Angles, Axes, AxisPath, SkyTrack
from fleetd.devices import AzEl
from fleetd.errors import Refusal

_STEP_S = 0.5
_MOST_SAMPLES = 8_000  # beyond 66 minutes of pass the step grows: what stays up for hours moves slowly
_SAME_DEG = 1e-6
_TURN_ROUND_DEG = 200.0  # no satellite swings so far within a sample: between two of them the way has changed
_TIE_BREAK = 1e-6  # a second of slewing before AOS weighs this much of a second off the beam


def plan_axis_path(
    sky: SkyTrack, begin: datetime, end: datetime, axes: Axes, *, beam_width_deg: float, start: AzEl | None = None
) -> AxisPath:
    """The best path from `begin` to `end`; `start`, where the antenna stands now, decides between equals.

    Least weighted seconds off the beam, where a second at the zenith counts twice one at the horizon. Raises Refusal
    when the sky track holds no finite directions or no time.
    """
    seen = _sample(sky, begin, end)
    ways = _ways(seen, axes)
    half_beam_deg = beam_width_deg / 2
    # What a lag costs depends on all that went before, so the cheapest course by single steps is one candidate of some.
    choices = [_cheapest(ways, seen, axes, half_beam_deg, start), *_simple(ways, seen)]
    paths = [_path(seen, axes, half_beam_deg, ways.along(choice)) for choice in choices]
    return min(paths, key=lambda path: _cost(seen, half_beam_deg, path.error_deg) + _before(axes, start, path.start))


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """The satellite, sampled."""

    begin: datetime
    step_s: float
    azimuth_deg: Angles
    elevation_deg: Angles

    @property
    def worth(self) -> Angles:
        """What a second on the beam is worth at each sample."""
        return 1 + np.clip(self.elevation_deg, 0, 90) / 90

    def error_deg(self, azimuth_deg: Angles, elevation_deg: Angles) -> Angles:
        """Angle on the sky to other directions (haversine, as in `AzEl.separation_deg`)."""
        here, there = np.radians(self.elevation_deg), np.radians(elevation_deg)
        half_turn = np.radians(azimuth_deg - self.azimuth_deg) / 2
        h = np.sin((there - here) / 2) ** 2 + np.cos(here) * np.cos(there) * np.sin(half_turn) ** 2
        return np.asarray(np.degrees(2 * np.arcsin(np.sqrt(np.clip(h, 0, 1)))))


def _sample(sky: SkyTrack, begin: datetime, end: datetime) -> _Seen:
    duration_s = (end - begin).total_seconds()
    if not duration_s > 0:
        raise Refusal("no-time", f"a pass that ends {-duration_s:g} s before it begins cannot be planned")
    steps = max(1, math.ceil(duration_s / max(_STEP_S, duration_s / _MOST_SAMPLES)))
    step_s = duration_s / steps
    looks = [sky.at(begin + timedelta(seconds=index * step_s)) for index in range(steps + 1)]
    azimuth = np.array([look.azimuth_deg for look in looks], dtype=np.float64)
    elevation = np.array([look.elevation_deg for look in looks], dtype=np.float64)
    if not (np.isfinite(azimuth).all() and np.isfinite(elevation).all()):
        raise Refusal("not-finite", "the sky track of this pass holds directions that are no finite numbers")
    return _Seen(begin, step_s, azimuth, elevation)


@dataclass(frozen=True, slots=True, eq=False)
class _Ways:
    """The ways to look at the satellite, a column each: whole turns more or less, upright or leaning over."""

    azimuth_deg: Angles
    elevation_deg: Angles
    over: tuple[bool, ...]
    """Which of the columns lean over."""

    def along(self, chosen: NDArray[np.int64]) -> tuple[Angles, Angles]:
        """Azimuths and elevations if each sample takes the way that `chosen` names."""
        index = np.arange(len(chosen))
        return self.azimuth_deg[index, chosen], self.elevation_deg[index, chosen]


def _ways(seen: _Seen, axes: Axes) -> _Ways:
    azimuths, elevations, leaning = [], [], []
    for over in (False, True) if axes.elevation_max_deg > 90 else (False,):
        bearing = seen.azimuth_deg + (180 if over else 0)
        elevation = 180 - seen.elevation_deg if over else seen.elevation_deg
        for turns in _turns(bearing, axes):
            azimuths.append(np.clip(bearing + 360 * turns, axes.azimuth_min_deg, axes.azimuth_max_deg))
            elevations.append(np.clip(elevation, axes.elevation_min_deg, axes.elevation_max_deg))
            leaning.append(over)
    return _Ways(np.stack(azimuths, axis=1), np.stack(elevations, axis=1), tuple(leaning))


def _simple(ways: _Ways, seen: _Seen) -> list[NDArray[np.int64]]:
    """One way from end to end, or upright to the culmination and leaning over from there, or the reverse."""
    samples, count = ways.azimuth_deg.shape
    after_culmination = np.arange(samples) > int(seen.elevation_deg.argmax())
    return [
        np.where(after_culmination, last, first)
        for first in range(count)
        for last in range(count)
        if first == last or ways.over[first] != ways.over[last]
    ]


def _turns(bearing: Angles, axes: Axes) -> range:
    """The whole turns after which some of the bearings lie within the limits or, if none ever does, near them."""
    fewest = math.ceil((axes.azimuth_min_deg - bearing.max()) / 360)
    most = math.floor((axes.azimuth_max_deg - bearing.min()) / 360)
    return range(min(fewest, most), max(fewest, most) + 1)


def _cheapest(ways: _Ways, seen: _Seen, axes: Axes, half_beam_deg: float, start: AzEl | None) -> NDArray[np.int64]:
    """For each sample the way that lies on the cheapest course through all of them (dynamic programming).

    A sample costs what its clamping to the limits loses; a step costs the worth of the time by which the motors need
    longer for it than the satellite, be it a change of way or a stretch that is too fast.
    """
    samples, count = ways.azimuth_deg.shape
    lost = np.stack(
        [
            _lost(seen.error_deg(azimuth, elevation), half_beam_deg) * seen.worth * seen.step_s
            for azimuth, elevation in zip(ways.azimuth_deg.T, ways.elevation_deg.T, strict=True)
        ],
        axis=1,
    )
    late = _late(ways, seen, axes)
    cost = lost[0] + [
        _before(axes, start, AzEl(*first)) for first in zip(ways.azimuth_deg[0], ways.elevation_deg[0], strict=True)
    ]
    came_from = np.zeros((samples, count), dtype=np.int64)
    for index in range(1, samples):
        through = cost[:, None] + late[index - 1]
        came_from[index] = through.argmin(axis=0)
        cost = through.min(axis=0) + lost[index]
    chosen = np.zeros(samples, dtype=np.int64)
    chosen[-1] = cost.argmin()
    for index in range(samples - 1, 0, -1):
        chosen[index - 1] = came_from[index, chosen[index]]
    return chosen


def _late(ways: _Ways, seen: _Seen, axes: Axes) -> Angles:
    """The cost of each step (first index) from each way (second) to each (third)."""
    slew_s = np.maximum(
        np.abs(ways.azimuth_deg[1:, None, :] - ways.azimuth_deg[:-1, :, None]) / axes.azimuth_slew_deg_s,
        np.abs(ways.elevation_deg[1:, None, :] - ways.elevation_deg[:-1, :, None]) / axes.elevation_slew_deg_s,
    )
    late_s = np.maximum(0.0, slew_s - seen.step_s)
    return np.asarray(late_s * seen.worth[1:, None, None])


def _path(seen: _Seen, axes: Axes, half_beam_deg: float, wanted: tuple[Angles, Angles]) -> AxisPath:
    """What the motors can make of a course."""
    azimuth = _at_rate(wanted[0], axes.azimuth_slew_deg_s * seen.step_s)
    elevation = _at_rate(wanted[1], axes.elevation_slew_deg_s * seen.step_s)
    error = seen.error_deg(azimuth, elevation)
    return AxisPath(
        begin=seen.begin,
        step_s=seen.step_s,
        azimuth_deg=azimuth,
        elevation_deg=elevation,
        error_deg=error,
        turn_rounds=int(np.count_nonzero(np.abs(np.diff(wanted[0])) > _TURN_ROUND_DEG)),
        off_beam_s=float(np.count_nonzero(error > half_beam_deg) * seen.step_s),
    )


def _cost(seen: _Seen, half_beam_deg: float, error_deg: Angles) -> float:
    return float((_lost(error_deg, half_beam_deg) * seen.worth).sum() * seen.step_s)


def _before(axes: Axes, start: AzEl | None, first: AzEl) -> float:
    """What the way to the start of a path counts for: next to nothing, but enough to decide between equals."""
    return 0.0 if start is None else axes.slew_s(start, first) * _TIE_BREAK


def _lost(error_deg: Angles, half_beam_deg: float) -> Angles:
    """The share of a second that an error costs: none on axis, all of it from the beam's edge on."""
    return np.minimum(1.0, error_deg / half_beam_deg)


def _at_rate(wanted: Angles, most_a_step: float) -> Angles:
    """What a motor that turns at most `most_a_step` a sample makes of `wanted`, leading and lagging alike.

    It equals `wanted` wherever that is slow enough. A stretch that is not is crossed at full rate, begun early by as
    much as it ends late, so that its largest error is the least possible. Nothing leaves the extremes of `wanted`.
    """
    # The lowest curve above `wanted` that a motor can follow, and the highest below it: they part where it is too fast.
    ramp = np.arange(len(wanted)) * most_a_step
    rising, falling = wanted + ramp, wanted - ramp
    above = np.maximum(np.maximum.accumulate(rising) - ramp, np.maximum.accumulate(falling[::-1])[::-1] + ramp)
    below = np.minimum(np.minimum.accumulate(falling) + ramp, np.minimum.accumulate(rising[::-1])[::-1] - ramp)
    gap = above - below
    led = wanted.copy()
    for first, last in np.flatnonzero(np.diff(gap > _SAME_DEG, prepend=False, append=False)).reshape(-1, 2):
        part = slice(first, last)
        least_error = gap[part].max() / 2
        led[part] = np.clip(wanted[part], above[part] - least_error, below[part] + least_error)
    return _lagged(led, most_a_step)


def _lagged(wanted: Angles, most_a_step: float) -> Angles:
    """`wanted` followed as fast as allowed: the last resort where several fast stretches run into one another."""
    if len(wanted) < 2 or np.abs(np.diff(wanted)).max() <= most_a_step + _SAME_DEG:
        return wanted
    followed = wanted.tolist()
    for index in range(1, len(followed)):
        behind = followed[index - 1]
        followed[index] = min(max(followed[index], behind - most_a_step), behind + most_a_step)
    return np.array(followed)
