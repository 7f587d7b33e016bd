"""Where one satellite stands in one station's sky through a stretch of time: worked out once, read while tracking.

The ray from station to satellite is sampled with SGP4 and fitted by one polynomial every two minutes, so that a look at
any instant costs microseconds and its rates are exact derivatives. The ray keeps within `RAY_ERROR_KM` of SGP4 with
Skyfield's geometry, a millionth of a degree at 600 km. Straight overhead the azimuth turns as fast as it must.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

import numpy as np

from fleetd.errors import ElementsError
from fleetd.orbit.elementset import ElementSet
from fleetd.orbit.motion import Window
from fleetd.orbit.station import Station

RAY_ERROR_KM = 1e-5
_PIECE_S = 120.0
_SHORTEST_WINDOW_S = 1e-3
_DEGREE = 8
_UNWRAP_STEP_S = 2.0
_MOST_UNWRAP_STEPS = 20_000
# Of the ray's length: with a horizontal part below this the azimuth has no meaning, and its rate is given as 0.
_OVERHEAD = 1e-12


@dataclass(frozen=True, slots=True)
class Look:
    """Where to look at one instant. Azimuth is continuous over the whole trajectory, so it may leave 0 to 360."""

    azimuth_deg: float
    elevation_deg: float
    range_km: float
    range_rate_km_s: float
    azimuth_rate_deg_s: float
    elevation_rate_deg_s: float


class Trajectory:
    """The path of one satellite over one station from `start` to `end`; build it with `of`."""

    def __init__(self, start: datetime, end: datetime, pieces: Sequence[Sequence[Sequence[float]]]) -> None:
        self.start = start
        self.end = end
        self._length_s = (end - start).total_seconds()
        self._pieces = pieces
        self._piece_s = self._length_s / len(pieces)
        # Within such a step the path over ground is all but straight, so it turns by less than half a circle.
        steps = max(1, min(math.ceil(self._length_s / _UNWRAP_STEP_S), _MOST_UNWRAP_STEPS))
        self._unwrap_step_s = self._length_s / steps
        raw = [self._azimuth_deg(number * self._unwrap_step_s) for number in range(steps + 1)]
        self._unwrapped_deg: list[float] = np.unwrap(raw, period=360).tolist()

    @classmethod
    def of(cls, elements: ElementSet, station: Station, start: datetime, end: datetime) -> Self:
        """Work it out. Raises ElementsError where SGP4 fails within the stretch, ValueError where it is empty."""
        length_s = (end - start).total_seconds()
        if length_s < _SHORTEST_WINDOW_S:
            raise ValueError("a trajectory ends after it starts")
        count = math.ceil(length_s / _PIECE_S)
        piece_s = length_s / count
        # Chebyshev points of each piece, counted from -1 to 1; the fit through them is as good as any near the ends.
        points = -np.cos(np.pi * (np.arange(_DEGREE + 1) + 0.5) / (_DEGREE + 1))
        after_s = ((np.arange(count)[:, None] + 0.5 + points / 2) * piece_s).ravel()
        window = Window(start, length_s)
        errors, ground_km = window.position_km(elements.satrec(), after_s)
        if errors.any():
            raise ElementsError(
                f"{elements.source or elements.name}: SGP4 fails within {start:%Y-%m-%d %H:%M} to {end:%H:%M}"
            )
        axes = np.array([station.east, station.north, station.up])
        local_km = (ground_km - np.array(station.position_km)) @ axes.T
        samples = local_km.reshape(count, _DEGREE + 1, 3)
        fit = np.linalg.inv(points[:, None] ** np.arange(_DEGREE + 1))
        # piece, axis, power: highest power first, as Horner's rule reads them
        coefficients = np.einsum("pn,cna->cap", fit, samples)[:, :, ::-1]
        return cls(start, end, coefficients.tolist())

    def at(self, when: datetime) -> Look:
        """Where it stands. Raises ValueError outside the stretch (a second of grace at each end)."""
        after_s = (when - self.start) / timedelta(seconds=1)
        if not -1.0 <= after_s <= self._length_s + 1.0:
            raise ValueError(f"{when.isoformat()} lies outside the trajectory from {self.start} to {self.end}")
        return self._look(after_s)

    def _look(self, after_s: float) -> Look:
        (east, east_1), (north, north_1), (up, up_1) = self._ray(after_s)
        flat2 = east * east + north * north
        flat, range2 = math.sqrt(flat2), flat2 + up * up
        range_km = math.sqrt(range2)
        along = (east * east_1 + north * north_1 + up * up_1) / range_km
        meaningful = flat > _OVERHEAD * range_km
        azimuth_rate = (east_1 * north - north_1 * east) / flat2 if meaningful else 0.0
        elevation_rate = (up_1 - up * along / range_km) / flat if meaningful else 0.0
        return Look(
            azimuth_deg=self._continuous_deg(math.degrees(math.atan2(east, north)), after_s),
            elevation_deg=math.degrees(math.atan2(up, flat)),
            range_km=range_km,
            range_rate_km_s=along,
            azimuth_rate_deg_s=math.degrees(azimuth_rate),
            elevation_rate_deg_s=math.degrees(elevation_rate),
        )

    def _azimuth_deg(self, after_s: float) -> float:
        (east, _), (north, _), _ = self._ray(after_s)
        return math.degrees(math.atan2(east, north)) % 360

    def _continuous_deg(self, azimuth_deg: float, after_s: float) -> float:
        """The azimuth with as many whole turns as bring it nearest to the unwrapped samples."""
        steps = min(max(after_s / self._unwrap_step_s, 0.0), len(self._unwrapped_deg) - 1.0)
        number = min(int(steps), len(self._unwrapped_deg) - 2)
        before, after = self._unwrapped_deg[number : number + 2]
        near_deg = before + (after - before) * (steps - number)
        return azimuth_deg + 360 * round((near_deg - azimuth_deg) / 360)

    def _ray(self, after_s: float) -> list[tuple[float, float]]:
        """East, north and up in km, each with its rate in km/s."""
        number = min(max(int(after_s / self._piece_s), 0), len(self._pieces) - 1)
        x = 2 * (after_s / self._piece_s - number) - 1
        found = []
        for powers in self._pieces[number]:
            value = slope = 0.0
            for coefficient in powers:
                slope = slope * x + value
                value = value * x + coefficient
            found.append((value, slope * 2 / self._piece_s))
        return found
