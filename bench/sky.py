"""The orbits and stations of the pass benchmark: made up by a seed, in the form that every contestant can read.

Of fifty orbits 46 are low, as the two satellites' are, two geostationary, one a navigation orbit and one a transfer or
Molniya orbit, which is about how active satellites are spread. All are written as two lines first and read back, so
that every contestant has the same numbers to the last digit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from sgp4.exporter import export_tle

from fleetd.orbit.elements import parse_elements
from fleetd.orbit.elementset import ElementSet
from fleetd.orbit.station import Station

START = datetime(2026, 11, 11, tzinfo=UTC)
_AXIS_OF_NO_HEIGHT_KM = 6378.135
_MU_KM3_S2 = 398_600.8


@dataclass(frozen=True, slots=True)
class Case:
    """So many satellites over so many stations for so many days, above the horizon."""

    satellites: tuple[ElementSet, ...]
    lines: tuple[tuple[str, str], ...]
    stations: tuple[Station, ...]
    days: int

    @property
    def end(self) -> datetime:
        """When the window that opens at `START` closes."""
        return START + timedelta(days=self.days)


def draw(satellites: int, stations: int, days: int) -> Case:
    """The same case for the same numbers."""
    random = np.random.default_rng(satellites * 1000 + stations)
    lines = tuple(_two_lines(random, number) for number in range(satellites))
    sets = tuple(
        parse_elements("\n".join(pair).encode(), f"satellite {number}")[0] for number, pair in enumerate(lines)
    )
    places = tuple(
        Station(
            f"station {number}",
            float(random.uniform(-60, 75)),
            float(random.uniform(-180, 180)),
            float(random.uniform(0, 3_000)),
        )
        for number in range(stations)
    )
    return Case(sets, lines, places, days)


def _two_lines(random: np.random.Generator, number: int) -> tuple[str, str]:
    low, high, eccentricity, inclination_deg = _regime(number)
    e = float(random.uniform(*eccentricity))
    axis_km = (_AXIS_OF_NO_HEIGHT_KM + float(random.uniform(low, high))) / (1 - e)
    elements = ElementSet(
        norad_id=90_001 + number,
        name=f"SATELLITE {number}",
        epoch=START - timedelta(days=float(random.uniform(0, 2))),
        inclination_deg=float(random.choice(inclination_deg)),
        raan_deg=float(random.uniform(0, 360)),
        eccentricity=e,
        argument_of_perigee_deg=270.0 if inclination_deg == (63.4,) else float(random.uniform(0, 360)),
        mean_anomaly_deg=float(random.uniform(0, 360)),
        mean_motion_rev_day=86_400 / (math.tau * math.sqrt(axis_km**3 / _MU_KM3_S2)),
        bstar=float(random.uniform(1e-5, 1e-4)),
    )
    first, second = export_tle(elements.satrec())
    return first, second


def _regime(number: int) -> _Regime:
    return _HIGH[number % 100] if number % 50 > 45 else _LOW


_Regime = tuple[float, float, tuple[float, float], tuple[float, ...]]
"""Lowest and highest perigee in km, eccentricities, inclinations."""
_LOW: _Regime = (350.0, 1_200.0, (0.0001, 0.01), (51.6, 53.0, 66.0, 74.0, 97.5, 98.6, 99.3))
_NAVIGATION: _Regime = (19_000.0, 21_000.0, (0.0, 0.01), (55.0, 64.8))
_TRANSFER: _Regime = (250.0, 600.0, (0.70, 0.73), (7.0, 28.0))
_MOLNIYA: _Regime = (600.0, 1_200.0, (0.70, 0.74), (63.4,))
_STATIONARY: _Regime = (35_780.0, 35_792.0, (0.0001, 0.0005), (0.03, 0.08))
_HIGH = {46: _NAVIGATION, 47: _TRANSFER, 48: _STATIONARY, 49: _STATIONARY,
         96: _NAVIGATION, 97: _MOLNIYA, 98: _STATIONARY, 99: _STATIONARY}  # fmt: skip
