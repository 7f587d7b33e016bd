"""A satellite as an antenna will see it through one pass: sampled directions, and what being off them costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from fleetd.contact.axis import Angles, Flags, SkyTrack
from fleetd.errors import Refusal
from fleetd.orbit.horizon import HorizonMask

_STEP_S = 0.5
_MOST_SAMPLES = 1_000  # beyond eight minutes of pass the step grows; what stays up longer moves more slowly
_ZENITH_WORTH = 0.05  # of two courses that lose the same time, the one that loses it low down is taken
_CENTRE_WORTH = 0.01  # and of two that lose none, the one that keeps nearer to the middle of the beam
_HIDDEN_WORTH = 0.05  # behind the mask there is next to nothing to be lost: the time to turn in


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """Directions of the satellite every `step_s` from `begin` on; what lies within `half_beam_deg` of it is on beam.

    An antenna does not point to a hair where its path lies: `unsure_deg` is how far it may be beside it.
    """

    begin: datetime
    step_s: float
    azimuth_deg: Angles
    elevation_deg: Angles
    half_beam_deg: float
    unsure_deg: float = 0.0
    mask: HorizonMask | None = None
    """What hides the satellite where it stands below."""

    def __len__(self) -> int:
        return len(self.azimuth_deg)

    @property
    def worth_s(self) -> Angles:
        """What it costs to be off the beam for the whole of each sample: a second for a second, at the zenith more."""
        worth = 1 + _ZENITH_WORTH * np.clip(self.elevation_deg, 0, 90) / 90
        return np.where(self.hidden, _HIDDEN_WORTH, worth) * self.step_s

    @property
    def hidden(self) -> Flags:
        """Whether the mask hides the satellite."""
        if self.mask is None:
            return np.zeros(len(self), dtype=np.bool_)
        return np.asarray(self.elevation_deg < self.mask.elevation_deg(self.azimuth_deg))

    def share_off(self, error_deg: Angles) -> Angles:
        """The share of each sample that pointing so far off may be expected to cost."""
        inner = max(0.0, self.half_beam_deg - self.unsure_deg)
        ramp = max(self.half_beam_deg + self.unsure_deg / 2 - inner, 1e-6)
        beyond = np.clip((error_deg - inner) / ramp, 0, 1)
        return np.asarray(beyond + _CENTRE_WORTH * np.minimum(1, error_deg / self.half_beam_deg))

    def error_deg(self, azimuth_deg: Angles, elevation_deg: Angles) -> Angles:
        """Angle on the sky to other directions (haversine, as in `AzEl.separation_deg`)."""
        return separation_deg(azimuth_deg - self.azimuth_deg, self.elevation_deg, elevation_deg)

    def moves_deg(self, within_s: float) -> float:
        """How far the satellite moves on the sky meanwhile, at its fastest."""
        steps = separation_deg(np.diff(self.azimuth_deg), self.elevation_deg[:-1], self.elevation_deg[1:])
        return float(steps.max()) * within_s / self.step_s

    def coarser(self, every: int) -> Sighting:
        """The same with only each so-manieth sample."""
        return Sighting(
            self.begin,
            self.step_s * every,
            self.azimuth_deg[::every],
            self.elevation_deg[::every],
            self.half_beam_deg,
            self.unsure_deg,
            self.mask,
        )


def separation_deg(apart_deg: Angles, here_deg: Angles, there_deg: Angles) -> Angles:
    """Angle on the sky between two elevations whose azimuths are `apart_deg` from each other."""
    here, there, half_turn = np.radians(here_deg), np.radians(there_deg), np.radians(apart_deg) / 2
    h = np.sin((there - here) / 2) ** 2 + np.cos(here) * np.cos(there) * np.sin(half_turn) ** 2
    return np.asarray(np.degrees(2 * np.arcsin(np.sqrt(np.clip(h, 0, 1)))))


def sighting(sky: SkyTrack, begin: datetime, end: datetime, half_beam_deg: float) -> Sighting:
    """Look along a sky track. Raises Refusal when it holds no finite directions or no time."""
    duration_s = (end - begin).total_seconds()
    if not duration_s > 0:
        raise Refusal("no-time", f"a pass that ends {-duration_s:g} s before it begins cannot be planned")
    steps = 2 * max(1, math.ceil(duration_s / max(_STEP_S, duration_s / _MOST_SAMPLES) / 2))
    step_s = duration_s / steps
    looks = [sky.at(begin + timedelta(seconds=index * step_s)) for index in range(steps + 1)]
    azimuth = np.array([look.azimuth_deg for look in looks], dtype=np.float64)
    elevation = np.array([look.elevation_deg for look in looks], dtype=np.float64)
    if not (np.isfinite(azimuth).all() and np.isfinite(elevation).all()):
        raise Refusal("not-finite", "the sky track of this pass holds directions that are no finite numbers")
    return Sighting(begin, step_s, azimuth, elevation, half_beam_deg)
