"""Skyfield as the referee of our own geometry: altitudes from its public API, roots by halving."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
from skyfield.api import load, wgs84

from fleetd.orbit.elementset import ElementSet
from fleetd.orbit.station import Station

START = datetime(2026, 11, 11, tzinfo=UTC)


@cache
def timescale() -> Any:
    return load.timescale(builtin=True)


class Window:
    """A window sampled evenly; the times are shared, since Skyfield's nutation is what costs."""

    def __init__(self, start: datetime, length_s: float, step_s: float) -> None:
        self.start = start
        self.length_s = length_s
        self.after_s = np.linspace(0.0, length_s, max(3, math.ceil(length_s / step_s) + 1))
        self._times = self.times(self.after_s)

    def times(self, after_s: Any) -> Any:
        first = timescale().from_datetime(self.start)
        return timescale().tt_jd(first.whole, first.tt_fraction + np.asarray(after_s) / 86_400)

    def altitudes_deg(self, elements: ElementSet, station: Station) -> Any:
        return self._altaz(elements, station, self._times)[0]

    def altitude_deg(self, elements: ElementSet, station: Station, after_s: float) -> float:
        return float(self._altaz(elements, station, self.times(after_s))[0])

    def azimuth_deg(self, elements: ElementSet, station: Station, after_s: float) -> float:
        return float(self._altaz(elements, station, self.times(after_s))[1])

    @staticmethod
    def _altaz(elements: ElementSet, station: Station, times: Any) -> tuple[Any, Any, Any]:
        site = wgs84.latlon(station.latitude_deg, station.longitude_deg, elevation_m=station.altitude_m)
        altitude, azimuth, distance = (elements.skyfield(timescale()) - site).at(times).altaz()
        return altitude.degrees, azimuth.degrees, distance.km

    def root_s(self, elements: ElementSet, station: Station, mask_deg: float, low_s: float, high_s: float) -> float:
        """Where the altitude crosses the mask between two instants on its two sides, to 0.1 ms."""
        low_above = self.altitude_deg(elements, station, low_s) >= mask_deg
        while high_s - low_s > 1e-4:
            middle_s = (low_s + high_s) / 2
            if (self.altitude_deg(elements, station, middle_s) >= mask_deg) == low_above:
                low_s = middle_s
            else:
                high_s = middle_s
        return (low_s + high_s) / 2


def seconds(start: datetime, when: datetime) -> float:
    return (when - start) / timedelta(seconds=1)


def orbit(**changes: Any) -> ElementSet:
    """A plain low orbit, but for what is changed."""
    plain: dict[str, Any] = {
        "norad_id": 999_100_101,
        "name": "TEST ORBIT",
        "epoch": START,
        "inclination_deg": 49.0,
        "raan_deg": 178.6,
        "eccentricity": 0.0005,
        "argument_of_perigee_deg": 90.0,
        "mean_anomaly_deg": 317.28,
        "mean_motion_rev_day": 15.15,
        "bstar": 2e-5,
    }
    return ElementSet(**(plain | changes))


def draw_orbit(random: np.random.Generator, number: int) -> ElementSet:
    """An orbit of any regime: low, middle, geosynchronous, eccentric up to 0.9, prograde or retrograde."""
    regime = REGIMES[number % len(REGIMES)]
    eccentricity, perigee_km = regime(random)
    axis_km = (6378.135 + perigee_km) / (1 - eccentricity)
    return orbit(
        norad_id=int(random.integers(1, 1_000_000_000)),
        epoch=START + timedelta(days=float(random.uniform(-5, 2))),
        inclination_deg=float(random.choice([random.uniform(0, 180), random.uniform(50, 100), random.uniform(0, 1)])),
        raan_deg=float(random.uniform(0, 360)),
        eccentricity=eccentricity,
        argument_of_perigee_deg=float(random.uniform(0, 360)),
        mean_anomaly_deg=float(random.uniform(0, 360)),
        mean_motion_rev_day=86_400 / (math.tau * math.sqrt(axis_km**3 / 398_600.8)),
        bstar=float(random.uniform(0, 1e-4)),
    )


# Each draws (eccentricity, perigee height in km).
REGIMES: tuple[Callable[[np.random.Generator], tuple[float, float]], ...] = (
    lambda r: (float(r.uniform(0, 0.003)), float(r.uniform(300, 1_200))),
    lambda r: (float(r.uniform(0, 0.1)), float(r.uniform(250, 900))),
    lambda r: (float(r.uniform(0.1, 0.9)), float(r.uniform(250, 2_000))),
    lambda r: (float(r.uniform(0.6, 0.9)), float(r.uniform(300, 1_500))),
    lambda r: (float(r.uniform(0, 0.02)), float(r.uniform(5_000, 30_000))),
    lambda r: (float(r.uniform(0, 0.05)), 35_786.0 + float(r.uniform(-100, 100))),
)


def draw_station(random: np.random.Generator, number: int) -> Station:
    """Anywhere, the poles and both sides of the date line included."""
    latitude = (float(random.uniform(-90, 90)), 90.0, -90.0, float(random.uniform(-60, 60)))[number % 4]
    longitude = (float(random.uniform(-180, 180)), 180.0, -180.0)[number % 3]
    return Station(f"station-{number}", latitude, longitude, float(random.uniform(-100, 4_000)))
