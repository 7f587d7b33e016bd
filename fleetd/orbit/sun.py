"""Sunlight: where the Sun is, whether a satellite is lit, how high the Sun stands at a station.

The Sun's place comes from a table, an excerpt of the JPL ephemeris DE421 that reaches from `RANGE[0]` to `RANGE[1]` and
is refused outside. The Earth's shadow is taken as Skyfield takes it: a satellite is lit unless the line from it to the
Sun's centre meets a sphere of the equatorial radius. There is no twilight in between; the true one lasts seconds.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

import numpy as np
from numpy.typing import NDArray

from fleetd.orbit.earth import DATA, DAY_S, Floats, julian_date, sidereal_rad, to_ground, tt_minus_utc_s
from fleetd.orbit.motion import lagrange
from fleetd.orbit.station import Station

SOURCE = "an excerpt of JPL DE421"
RANGE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2046, 1, 1, tzinfo=UTC)
_TABLE_START_JD = 2_461_034.5  # 2025-12-25 0h TT, the first row; one row a day
_EARTH_RADIUS_KM = 6378.1366  # of IERS 2010, as Skyfield's
_POINTS = 8
_BASIS = lagrange(_POINTS)


@cache
def _table_km() -> Floats:
    table: Floats = np.load(DATA / "sun.npy")
    return table


def out_of_range() -> str:
    """Why nothing is said of sunlight outside `RANGE`, in words for people."""
    return f"the Sun's place is known from {RANGE[0]:%Y-%m-%d} to {RANGE[1]:%Y-%m-%d} only ({SOURCE})"


def known_s(start: datetime) -> tuple[float, float]:
    """From when to when the Sun's place is known, in seconds after `start`."""
    first, last = ((edge - start).total_seconds() for edge in RANGE)
    return first, last


def known(start: datetime, after_s: Floats) -> NDArray[np.bool_]:
    """Whether the Sun's place is known at instants after `start`."""
    first, last = known_s(start)
    return (first <= after_s) & (after_s <= last)


def sun_km(start: datetime, after_s: Floats) -> Floats:
    """The Sun's centre from the Earth's in SGP4's frame, (n, 3), at instants after `start`.

    Raises ValueError outside `RANGE`.
    """
    if not known(start, after_s).all():
        raise ValueError(out_of_range())
    day, fraction = julian_date(start)
    fractions = fraction + after_s / DAY_S
    days = (day - _TABLE_START_JD) + fractions + tt_minus_utc_s(day, fractions) / DAY_S
    stencil = np.floor(days).astype(np.intp) - (_POINTS // 2 - 1)
    x = days - stencil - (_POINTS - 1) / 2
    powers = np.ones((_POINTS, len(x)))
    np.multiply.accumulate(np.broadcast_to(x, (_POINTS - 1, len(x))), axis=0, out=powers[1:])
    weights = powers.T @ _BASIS
    place: Floats = np.einsum("nk,nkj->nj", weights, _table_km()[stencil[:, None] + np.arange(_POINTS)])
    return place


def sun_direction_deg(station: Station, when: datetime) -> tuple[float, float]:
    """Azimuth (0 to below 360) and elevation of the Sun's centre at a station, without refraction.

    Raises ValueError outside `RANGE`.
    """
    ground_km = to_ground(sun_km(when, np.zeros(1)), sidereal_rad(*_day(when)))[0] - np.array(station.position_km)
    east, north, up = (float(ground_km @ np.array(axis)) for axis in (station.east, station.north, station.up))
    return float(np.degrees(np.arctan2(east, north))) % 360, float(np.degrees(np.arctan2(up, np.hypot(east, north))))


def _day(when: datetime) -> tuple[float, Floats]:
    day, fraction = julian_date(when)
    return day, np.array([fraction])


def shadow_depth_km(satellite_km: Floats, towards_sun_km: Floats) -> Floats:
    """How far inside the Earth's shadow (positive) or outside it (negative) satellites are, across the line to the Sun.

    Both in one frame, (n, 3), from the Earth's centre. On the day side it is minus the distance from the centre, which
    keeps the sign right; it is continuous where it changes sign.
    """
    ray = towards_sun_km - satellite_km
    ray /= np.sqrt((ray * ray).sum(axis=1))[:, None]
    along = -(satellite_km * ray).sum(axis=1)
    radius2 = (satellite_km * satellite_km).sum(axis=1)
    across = np.sqrt(np.maximum(radius2 - along * along, 0.0))
    result: Floats = np.where(along > 0, _EARTH_RADIUS_KM - across, -np.sqrt(radius2))
    return result
