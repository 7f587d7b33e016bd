"""Random passes for the pointing bench: orbits over stations, from 5 degrees up, all heights of pass alike.

Every pass is an SGP4 trajectory, as in service. Seeded: the same number gives the same passes.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from fleetd.contact.axis import Angles, Axes
from fleetd.devices import AzEl
from fleetd.orbit.elementset import ElementSet
from fleetd.orbit.horizon import HorizonMask
from fleetd.orbit.passes import Pass, find_passes
from fleetd.orbit.station import Station
from fleetd.orbit.trajectory import Trajectory

EPOCH = datetime(2026, 11, 11, tzinfo=UTC)
LOWEST_DEG = 5.0
STEP_S = 0.5
ZENITH_DEG = 90.0
_BIN_DEG = 5.0
_BINS = 17
_DAYS = 4
_POOLED = 20
_EARTH_KM, _MU_KM3_S2 = 6378.137, 398_600.4418
_MOST_HIGH_KM, _LEAST_HIGH_KM = 1000.0, 400.0

KINDS = tuple(
    (azimuth, elevation) for azimuth in ((0.0, 450.0), (-180.0, 540.0)) for elevation in ((0.0, 90.0), (0.0, 180.0))
)
"""Azimuth and elevation limits of the rotators."""


@dataclass(frozen=True, slots=True, eq=False)
class Flyover:
    """One pass over one rotator."""

    sky: Trajectory
    begin: datetime
    end: datetime
    max_elevation_deg: float
    azimuth_deg: Angles
    """Every STEP_S, unwrapped."""
    elevation_deg: Angles
    axes: Axes
    mask: HorizonMask | None
    start: AzEl

    @property
    def has_a_way(self) -> bool:
        """Whether it lies within the limits some one way, upright or leaning over, from end to end.

        Where it does not, nobody can work it without turning round, or leaving some of it.
        """
        axes = self.axes
        for leaning in (False, True) if axes.elevation_max_deg > ZENITH_DEG else (False,):
            bearing = self.azimuth_deg + 180 * leaning
            least_turns = math.ceil((axes.azimuth_min_deg - float(bearing.min())) / 360)
            if bearing.max() + 360 * least_turns <= axes.azimuth_max_deg:
                return True
        return False

    @property
    def in_sight(self) -> list[bool]:
        """At each step, whether the satellite stands where the antenna may look."""
        if self.mask is None:
            return [True] * len(self.azimuth_deg)
        seen: list[bool] = (self.elevation_deg >= self.mask.elevation_deg(self.azimuth_deg % 360)).tolist()
        return seen


def flyovers(seed: int) -> Iterator[Flyover]:
    """Without end, over rotators of all kinds in turn."""
    rng = random.Random(seed)  # to be repeated, not to be secret
    for (azimuth, elevation), found in zip(itertools.cycle(KINDS), _passes(rng), strict=False):
        yield _flyover(*found, _axes(azimuth, elevation, rng), rng)


def random_mask(rng: random.Random) -> HorizonMask:
    """Hills all round, up to 20 degrees, and a mast."""
    azimuths = sorted(rng.sample(range(360), rng.randint(4, 12)))
    heights = [rng.uniform(0, 20) for _ in azimuths]
    heights[rng.randrange(len(heights))] = rng.uniform(20, 45)
    return HorizonMask(tuple((float(azimuth), height) for azimuth, height in zip(azimuths, heights, strict=True)))


def _axes(azimuth: tuple[float, float], elevation: tuple[float, float], rng: random.Random) -> Axes:
    return Axes(*azimuth, *elevation, rng.uniform(2, 6), rng.uniform(2, 6), 3.0, 3.0, 1.0)


def _flyover(elements: ElementSet, station: Station, sat_pass: Pass, axes: Axes, rng: random.Random) -> Flyover:
    begin, end = sat_pass.aos, sat_pass.los
    if begin is None or end is None:
        raise ValueError("a pass in the middle of its window has a rise and a set")
    sky = Trajectory.of(elements, station, begin - timedelta(seconds=10), end + timedelta(seconds=10))
    steps = int((end - begin).total_seconds() / STEP_S) + 1
    looks = [sky.at(begin + timedelta(seconds=index * STEP_S)) for index in range(steps)]
    return Flyover(
        sky=sky,
        begin=begin,
        end=end,
        max_elevation_deg=sat_pass.max_elevation_deg,
        azimuth_deg=np.array([look.azimuth_deg for look in looks]),
        elevation_deg=np.array([look.elevation_deg for look in looks]),
        axes=axes,
        mask=random_mask(rng) if rng.random() < 0.5 else None,  # every other one
        start=AzEl(rng.uniform(axes.azimuth_min_deg, axes.azimuth_max_deg), 90.0),
    )


def _passes(rng: random.Random) -> Iterator[tuple[ElementSet, Station, Pass]]:
    """Passes whose greatest elevations are spread evenly from 5 to 90 degrees: one of each height in turn."""
    pools: list[list[tuple[ElementSet, Station, Pass]]] = [[] for _ in range(_BINS)]
    for pool in itertools.cycle(pools):
        while not pool:
            elements, station = _orbit(rng), Station("here", rng.uniform(-60, 60), rng.uniform(-180, 180))
            for sat_pass in find_passes([elements], [station], EPOCH, EPOCH + timedelta(days=_DAYS), LOWEST_DEG):
                other = pools[min(int((sat_pass.max_elevation_deg - LOWEST_DEG) / _BIN_DEG), _BINS - 1)]
                if len(other) < _POOLED and sat_pass.aos is not None and sat_pass.los is not None:
                    other.append((elements, station, sat_pass))
        yield pool.pop()


def _orbit(rng: random.Random) -> ElementSet:
    radius_km = _EARTH_KM + rng.uniform(_LEAST_HIGH_KM, _MOST_HIGH_KM)
    return ElementSet(
        norad_id=999_100_199,
        name="made up",
        epoch=EPOCH,
        inclination_deg=rng.uniform(50, 100),
        raan_deg=rng.uniform(0, 360),
        eccentricity=0.001,
        argument_of_perigee_deg=rng.uniform(0, 360),
        mean_anomaly_deg=rng.uniform(0, 360),
        mean_motion_rev_day=86_400 / (2 * np.pi) * (_MU_KM3_S2 / radius_km**3) ** 0.5,
        bstar=0.0,
    )
