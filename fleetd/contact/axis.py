"""What an antenna's two axes can do, and the path that they are to follow through one pass.

Values only: how a path is found is the business of `course`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fleetd.devices import AzEl
from fleetd.errors import Refusal

Angles = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Direction(Protocol):
    """Anything that has an azimuth and an elevation."""

    @property
    def azimuth_deg(self) -> float: ...

    @property
    def elevation_deg(self) -> float: ...


class SkyTrack(Protocol):
    """Where something is in the sky; its azimuth is continuous and may leave 0 to 360."""

    def at(self, when: datetime, /) -> Direction: ...


@dataclass(frozen=True, slots=True)
class Axes:
    """How far, in degrees, and how fast, in degrees a second, an antenna turns. Raises Refusal if it cannot at all."""

    azimuth_min_deg: float
    azimuth_max_deg: float
    elevation_min_deg: float
    elevation_max_deg: float
    azimuth_slew_deg_s: float
    elevation_slew_deg_s: float
    azimuth_acceleration_deg_s2: float = math.inf
    """How quickly it gains and loses speed; infinite where that takes no time."""
    elevation_acceleration_deg_s2: float = math.inf
    resolution_deg: float = 0.0
    """The smallest step that the controller can take; 0 where it takes any."""

    def __post_init__(self) -> None:
        for name, low, high, slew, acceleration in (
            ("azimuth", self.azimuth_min_deg, self.azimuth_max_deg, *self.azimuth_pace),
            ("elevation", self.elevation_min_deg, self.elevation_max_deg, *self.elevation_pace),
        ):
            if not (math.isfinite(low) and math.isfinite(high) and low <= high and 0 < slew < math.inf):
                raise Refusal("axis-limits", f"{name} from {low:g} to {high:g} degrees at {slew:g} deg/s is no axis")
            if not acceleration > 0:
                raise Refusal("axis-limits", f"{name} with an acceleration of {acceleration:g} deg/s² is no axis")

    @property
    def azimuth_pace(self) -> tuple[float, float]:
        """Slew rate and acceleration of the azimuth axis."""
        return self.azimuth_slew_deg_s, self.azimuth_acceleration_deg_s2

    @property
    def elevation_pace(self) -> tuple[float, float]:
        """Slew rate and acceleration of the elevation axis."""
        return self.elevation_slew_deg_s, self.elevation_acceleration_deg_s2

    def slew_s(self, start: AzEl, end: AzEl) -> float:
        """Seconds from standing in one direction to standing in another, both axes turning at once."""
        return max(
            _move_s(abs(end.azimuth_deg - start.azimuth_deg), *self.azimuth_pace),
            _move_s(abs(end.elevation_deg - start.elevation_deg), *self.elevation_pace),
        )


def _move_s(distance_deg: float, slew_deg_s: float, acceleration_deg_s2: float) -> float:
    """Seconds from standstill to standstill."""
    if acceleration_deg_s2 == math.inf:
        return distance_deg / slew_deg_s
    if distance_deg < slew_deg_s**2 / acceleration_deg_s2:
        return 2 * math.sqrt(distance_deg / acceleration_deg_s2)
    return distance_deg / slew_deg_s + slew_deg_s / acceleration_deg_s2


@dataclass(frozen=True, slots=True)
class Around:
    """What comes before and after a pass: where the antenna stands, where it must be next, and how long it has."""

    start: AzEl | None = None
    start_within_s: float = math.inf
    """Seconds from now until the path begins."""
    onward: AzEl | None = None
    """Where the next contact begins."""
    onward_within_s: float = math.inf
    """Seconds between the end of the path and the next contact."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How orders follow one another: none shorter than the dead band, none sooner than the interval."""

    dead_band_deg: float = 0.0
    interval_s: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class AxisPath:
    """Where to point during one pass, sampled every `step_s` from `begin` on, and how far off that will be."""

    begin: datetime
    step_s: float
    azimuth_deg: Angles
    elevation_deg: Angles
    error_deg: Angles
    """Angle on the sky between each sample and the satellite, for an antenna that keeps to its slew rates."""
    turn_rounds: int
    """How often the antenna has to turn round in mid pass."""
    off_beam_s: float
    """Seconds for which the satellite will be outside the beam."""
    unsure_deg: float = 0.0
    """How far beside the path the antenna may be expected, for the controller's steps and the pace of orders."""

    @property
    def start(self) -> AzEl:
        """Where to wait for the satellite."""
        return AzEl(float(self.azimuth_deg[0]), float(self.elevation_deg[0]))

    @property
    def finish(self) -> AzEl:
        """Where it ends."""
        return AzEl(float(self.azimuth_deg[-1]), float(self.elevation_deg[-1]))

    @property
    def duration_s(self) -> float:
        """From the first sample to the last."""
        return self.step_s * (len(self.azimuth_deg) - 1)

    @property
    def end(self) -> datetime:
        """When the last sample is due."""
        return self.begin + timedelta(seconds=self.duration_s)

    @property
    def leans_over(self) -> bool:
        """Whether some of it lies beyond the zenith, the antenna leaning over backwards."""
        return bool(self.elevation_deg.max() > 90)

    @property
    def max_error_deg(self) -> float:
        """The largest error that is known beforehand."""
        return float(self.error_deg.max())

    def at(self, when: datetime) -> AzEl:
        """Where to point at `when`; before the pass its start, after it its end."""
        return AzEl(self._between(self.azimuth_deg, when), self._between(self.elevation_deg, when))

    def error_at(self, when: datetime) -> float:
        """The error in degrees that is known beforehand for `when`."""
        return self._between(self.error_deg, when)

    def _between(self, samples: Angles, when: datetime) -> float:
        place = (when - self.begin).total_seconds() / self.step_s
        place = min(max(place, 0.0), len(samples) - 1.0)
        below = min(int(place), len(samples) - 2)
        share = place - below
        return float(samples[below] * (1 - share) + samples[below + 1] * share)
