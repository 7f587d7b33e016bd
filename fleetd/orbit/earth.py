"""How the Earth turns: from UTC to the angle between SGP4's frame and the ground.

SGP4 gives positions in TEME (true equator, mean equinox); a turn by Greenwich mean sidereal time of 1982 about the axis
makes them Earth-fixed (Vallado et al., AIAA 2006-6753, appendix C). Skyfield goes a longer way through GCRS, in which
precession, nutation and apparent sidereal time cancel out; both arrive at the same point. UT1 comes from a table of
TT - UT1 that `design/make_sky_tables.py` writes: IERS values where known, a long-term curve after them.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

DATA = Path(__file__).parent / "data"
DAY_S = 86_400.0
_TABLE_START = datetime(1980, 1, 1, tzinfo=UTC)
_J2000_JD = 2_451_545.0
_J2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)
_TABLE_START_JD = 2_444_239.5
_TT_MINUS_TAI_S = 32.184
_TAI_MINUS_UTC_1980_S = 19
# First UTC days on which TAI - UTC was one second more (IERS Bulletin C), as days since the start of the table.
_LEAP_DAYS = np.array(
    [
        (datetime(year, month, 1, tzinfo=UTC) - _TABLE_START).days
        for year, month in (
            (1981, 7), (1982, 7), (1983, 7), (1985, 7), (1988, 1), (1990, 1), (1991, 1), (1992, 7), (1993, 7),
            (1994, 7), (1996, 1), (1997, 7), (1999, 1), (2006, 1), (2009, 1), (2012, 7), (2015, 7), (2017, 1),
        )
    ]
)  # fmt: skip


@cache
def _delta_t_s() -> Floats:
    table: NDArray[np.int32] = np.load(DATA / "delta-t.npy")
    return table * 1e-7


def time_range() -> tuple[datetime, datetime]:
    """The first and the last day on which the Earth's rotation is known; a month less than the table reaches."""
    return _TABLE_START + timedelta(days=31), _TABLE_START + timedelta(days=len(_delta_t_s()) - 32)


def julian_date(when: datetime) -> tuple[float, float]:
    """UTC Julian date as the preceding midnight and the fraction of the day since."""
    since = when - _J2000 + timedelta(hours=12)
    return _J2000_JD - 0.5 + since.days, (since.seconds + since.microseconds / 1e6) / DAY_S


def tt_minus_utc_s(day: float, fraction: Floats) -> Floats:
    """Terrestrial time less UTC in seconds, at the Julian dates `day + fraction`."""
    days = (day - _TABLE_START_JD) + fraction
    leaps: Floats = np.searchsorted(_LEAP_DAYS, days, side="right").astype(np.float64)
    return leaps + (_TT_MINUS_TAI_S + _TAI_MINUS_UTC_1980_S)


def ut1_minus_utc_s(day: float, fraction: Floats) -> Floats:
    """UT1 less UTC in seconds, at the Julian dates `day + fraction`."""
    days = (day - _TABLE_START_JD) + fraction
    if not len(days):
        return days
    # Only the days in question: to lay out the whole table would take longer than a small search.
    first, last = (int(pick(days)) for pick in (np.min, np.max))
    table = _delta_t_s()[first : last + 2]
    delta_t_s: Floats = np.interp(days, np.arange(first, first + len(table)), table)
    return tt_minus_utc_s(day, fraction) - delta_t_s


def sidereal_rad(day: float, fraction: Floats) -> Floats:
    """Greenwich mean sidereal time of 1982 in radians, less whole turns, at the UTC Julian dates `day + fraction`."""
    ut1 = fraction + ut1_minus_utc_s(day, fraction) / DAY_S
    centuries = (day - _J2000_JD + ut1) / 36_525
    seconds = 67_310.548_41 + (8_640_184.812_866 + (0.093_104 - 6.2e-6 * centuries) * centuries) * centuries
    # The hour angle of the mean Sun turns once a day from midnight: `day` ends in .5, hence half a turn.
    turns = (day % 1.0 + ut1) % 1.0 + (seconds / DAY_S) % 1.0
    angle: Floats = (turns % 1.0) * math.tau
    return angle


def to_ground(teme_km: Floats, sidereal: Floats) -> Floats:
    """Turn TEME vectors (…, 3) into Earth-fixed ones by sidereal angles (…)."""
    cosine, sine = np.cos(sidereal), np.sin(sidereal)
    ground = np.empty_like(teme_km)
    ground[..., 0] = cosine * teme_km[..., 0] + sine * teme_km[..., 1]
    ground[..., 1] = cosine * teme_km[..., 1] - sine * teme_km[..., 0]
    ground[..., 2] = teme_km[..., 2]
    return ground
