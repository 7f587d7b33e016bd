"""The Earth's rotation, the Sun and the trajectory of a pass, each against Skyfield."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from orbit_referee import START, draw_orbit, orbit, timescale
from skyfield.api import load_file, wgs84
from skyfield.sgp4lib import TEME, theta_GMST1982

from fleetd.errors import ElementsError
from fleetd.orbit import earth, sun
from fleetd.orbit.elementset import ElementSet
from fleetd.orbit.motion import Window, lagrange
from fleetd.orbit.passes import find_passes
from fleetd.orbit.station import Station
from fleetd.orbit.trajectory import RAY_ERROR_KM, Trajectory

HANGZHOU = Station("hangzhou", 30.27, 120.15, 20.0)
# Targets 3, 10 and 399 of JPL DE421 from 2026-11-01 to 2027-01-10, cut out by `python -m jplephem excerpt`.
EPHEMERIS = Path(__file__).parents[1] / "data" / "sun-2026-11.bsp"
ten_microseconds_rad = 7.3e-10  # of the Earth's turning
ten_metres_km = 0.01


@pytest.fixture(scope="module")
def ephemeris() -> Iterator[Any]:
    opened = load_file(str(EPHEMERIS))
    yield opened
    opened.close()


# --- the Earth ---


def test_the_earth_turns_as_skyfield_s() -> None:
    random = np.random.default_rng(1)
    for _ in range(200):
        when = datetime(1980, 2, 1, tzinfo=UTC) + timedelta(days=float(random.uniform(0, 29_000)))
        times = timescale().from_datetime(when)
        theirs, _ = theta_GMST1982(times.whole, times.ut1_fraction)
        day, fraction = earth.julian_date(when)
        ours = earth.sidereal_rad(day, np.array([fraction]))[0]
        assert abs(math.remainder(ours - theirs, math.tau)) < ten_microseconds_rad


def test_leap_seconds_count_from_their_day_on() -> None:
    """TAI - UTC was 36 s on 2016-12-31 and 37 s on 2017-01-01 (IERS Bulletin C 52); TT is 32.184 s ahead of TAI."""
    for when, ahead_s in (
        (datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC), 68.184),
        (datetime(2017, 1, 1, tzinfo=UTC), 69.184),
    ):
        day, fraction = earth.julian_date(when)
        assert earth.tt_minus_utc_s(day, np.array([fraction]))[0] == pytest.approx(ahead_s)


def test_stations_stand_where_skyfield_s_do() -> None:
    for latitude, longitude, altitude in (
        (30.27, 120.15, 20.0),
        (90.0, 0.0, 0.0),
        (-90.0, 10.0, 2835.0),
        (-0.1, -180.0, 8848.0),
    ):
        theirs = wgs84.latlon(latitude, longitude, elevation_m=altitude).itrs_xyz.km
        assert math.dist(Station("s", latitude, longitude, altitude).position_km, theirs) < 1e-8


def test_interpolation_is_exact_for_polynomials_of_its_degree() -> None:
    for points in (2, 6, 8, 12):
        nodes = np.arange(points) - (points - 1) / 2
        x = 0.37
        weights = (x ** np.arange(points)) @ lagrange(points)
        for power in range(points):
            assert weights @ nodes**power == pytest.approx(x**power, abs=1e-9)


# --- the Sun ---


def test_the_sun_stands_where_de421_has_it(ephemeris: Any) -> None:
    after_s = np.linspace(0, 55 * 86_400, 500)
    first = timescale().from_datetime(START)
    times = timescale().tt_jd(first.whole, first.tt_fraction + after_s / 86_400)
    theirs = (ephemeris["sun"] - ephemeris["earth"]).at(times).frame_xyz(TEME).km.T
    assert np.abs(sun.sun_km(START, after_s) - theirs).max() < ten_metres_km


def test_sunlit_is_skyfield_s(ephemeris: Any) -> None:
    random = np.random.default_rng(5)
    dark = 0
    for number in range(24):
        elements = draw_orbit(random, number)
        after_s = np.sort(random.uniform(0, 40 * 86_400, 50))
        first = timescale().from_datetime(START)
        times = timescale().tt_jd(first.whole, first.tt_fraction + after_s / 86_400)
        theirs = elements.skyfield(timescale()).at(times).is_sunlit(ephemeris)
        _, ground_km = Window(START, 41 * 86_400.0).position_km(elements.satrec(), after_s)
        sun_km = earth.to_ground(sun.sun_km(START, after_s), Window(START, 41 * 86_400.0).sidereal(after_s))
        ours = sun.shadow_depth_km(ground_km, sun_km) <= 0
        assert (ours == theirs).all()
        dark += int((~theirs).sum())
    assert dark > 50


def test_light_of_passes_is_skyfield_s(ephemeris: Any) -> None:
    elements = orbit(raan_deg=200.0)
    satellite = elements.skyfield(timescale())
    passes = find_passes([elements], [HANGZHOU], START, START + timedelta(days=4))
    half_second = timedelta(seconds=0.5)
    partly = 0
    for each in passes:
        assert each.aos
        assert each.los

        def lit(when: datetime) -> bool:
            return bool(satellite.at(timescale().from_datetime(when)).is_sunlit(ephemeris))

        assert each.sunlit == lit(each.culmination)
        for begin, end in each.sunlit_intervals:
            assert lit(begin + half_second)
            assert lit(end - half_second)
            assert begin == each.aos or not lit(begin - half_second)
            assert end == each.los or not lit(end + half_second)
        covered = sum((end - begin for begin, end in each.sunlit_intervals), timedelta())
        partly += timedelta() < covered < each.los - each.aos
        earth_site = ephemeris["earth"] + wgs84.latlon(30.27, 120.15, 20.0)
        altitude = (
            earth_site.at(timescale().from_datetime(each.culmination))
            .observe(ephemeris["sun"])
            .apparent(deflectors=())
            .altaz()[0]
        )
        # Ours is geometric: light time and aberration, a two-hundredth of a degree, are left out.
        assert each.sun_elevation_deg == pytest.approx(altitude.degrees, abs=0.01)
    assert partly


def test_out_of_the_sun_s_range_nothing_is_said_and_the_range_is_named() -> None:
    start = datetime(2045, 12, 31, 12, tzinfo=UTC)
    passes = find_passes([orbit(epoch=start)], [HANGZHOU], start, start + timedelta(days=1))
    before = [each for each in passes if each.los and each.los <= sun.RANGE[1]]
    after = [each for each in passes if each.aos and each.aos > sun.RANGE[1]]
    assert before
    assert after
    assert all(each.sunlit is not None and each.sunlit_reason == "" for each in before)
    for each in after:
        assert (each.sunlit, each.sunlit_intervals, each.sun_elevation_deg) == (None, [], None)
        assert (
            each.sunlit_reason
            == "the Sun's place is known from 2026-01-01 to 2046-01-01 only (an excerpt of JPL DE421)"
        )
    with pytest.raises(ValueError, match="the Sun's place is known from"):
        sun.sun_km(sun.RANGE[1], np.array([1.0]))


# --- the trajectory ---


def exact(elements: ElementSet, station: Station, when: datetime) -> tuple[float, ...]:
    """Skyfield's azimuth, elevation, range."""
    site = wgs84.latlon(station.latitude_deg, station.longitude_deg, elevation_m=station.altitude_m)
    altitude, azimuth, distance = (elements.skyfield(timescale()) - site).at(timescale().from_datetime(when)).altaz()
    return float(azimuth.degrees), float(altitude.degrees), float(distance.km)


def test_looks_are_skyfield_s_within_the_stated_error() -> None:
    random = np.random.default_rng(3)
    for number in range(12):
        elements, begin = draw_orbit(random, number), START + timedelta(hours=float(random.uniform(0, 24)))
        trajectory = Trajectory.of(elements, HANGZHOU, begin, begin + timedelta(minutes=25))
        for part in random.uniform(0, 1, 10):
            when = begin + float(part) * timedelta(minutes=25)
            look, (azimuth, elevation, range_km) = trajectory.at(when), exact(elements, HANGZHOU, when)
            error_deg = math.degrees(RAY_ERROR_KM / range_km) + 1e-8
            assert abs(look.elevation_deg - elevation) < error_deg
            assert abs(math.remainder(look.azimuth_deg - azimuth, 360)) * math.cos(math.radians(elevation)) < error_deg
            assert abs(look.range_km - range_km) < RAY_ERROR_KM + 1e-7


def test_rates_are_the_derivatives() -> None:
    (each, *_) = find_passes([orbit()], [HANGZHOU], START, START + timedelta(days=1), 10.0)
    assert each.aos
    assert each.los
    trajectory, step = Trajectory.of(orbit(), HANGZHOU, each.aos, each.los), timedelta(milliseconds=100)
    for part in (0.1, 0.45, 0.5, 0.9):
        when = each.aos + part * (each.los - each.aos)
        before, look, after = (trajectory.at(when + side * step) for side in (-1, 0, 1))
        assert look.azimuth_rate_deg_s == pytest.approx((after.azimuth_deg - before.azimuth_deg) / 0.2, abs=1e-5)
        assert look.elevation_rate_deg_s == pytest.approx((after.elevation_deg - before.elevation_deg) / 0.2, abs=1e-5)
        assert look.range_rate_km_s == pytest.approx((after.range_km - before.range_km) / 0.2, abs=1e-5)


def test_azimuth_goes_on_through_north() -> None:
    """The reference pass rises in the west and sets beyond north: 253 to 392 degrees, never a jump."""
    begin, end = START + timedelta(hours=3, minutes=6, seconds=29), START + timedelta(hours=3, minutes=13, seconds=55)
    trajectory = Trajectory.of(orbit(), HANGZHOU, begin, end)
    azimuths = [trajectory.at(begin + number * timedelta(seconds=1)).azimuth_deg for number in range(447)]
    assert azimuths[0] == pytest.approx(253, abs=1)
    assert azimuths[-1] == pytest.approx(392, abs=1)
    assert max(abs(after - before) for before, after in pairwise(azimuths)) < 2


def test_azimuth_stays_continuous_through_the_zenith() -> None:
    """A station under the track: the azimuth turns by half a circle within moments, and only once."""
    window, after_s = Window(START, 3600.0), 1800.0
    _, ground_km = window.position_km(orbit().satrec(), np.array([after_s]))
    x, y, z = ground_km[0]
    # A little aside, so that there is a way round at all; geocentric latitude will do for that.
    station = Station("under", math.degrees(math.atan2(z, math.hypot(x, y))), math.degrees(math.atan2(y, x)))
    begin = START + timedelta(seconds=after_s - 300)
    trajectory = Trajectory.of(orbit(), station, begin, begin + timedelta(seconds=600))
    looks = [trajectory.at(begin + number * timedelta(seconds=0.05)) for number in range(12_001)]
    assert max(look.elevation_deg for look in looks) > 80
    turned = abs(looks[-1].azimuth_deg - looks[0].azimuth_deg)
    assert 150 < turned < 210
    assert all(abs(after.azimuth_deg - before.azimuth_deg) < 20 for before, after in pairwise(looks))


def test_geostationary_days_and_short_stretches() -> None:
    still = orbit(mean_motion_rev_day=1.0027379, inclination_deg=0.05, eccentricity=0.0, bstar=0.0)
    trajectory = Trajectory.of(still, HANGZHOU, START, START + timedelta(days=3))
    looks = [trajectory.at(START + timedelta(hours=number)) for number in range(72)]
    assert max(look.range_km for look in looks) - min(look.range_km for look in looks) < 500
    moment = Trajectory.of(orbit(), HANGZHOU, START, START + timedelta(seconds=1))
    assert moment.at(START).range_km == pytest.approx(exact(orbit(), HANGZHOU, START)[2], abs=1e-6)


def test_outside_its_stretch_nothing_is_made_up() -> None:
    trajectory = Trajectory.of(orbit(), HANGZHOU, START, START + timedelta(minutes=10))
    trajectory.at(START - timedelta(seconds=1))
    for when in (START - timedelta(seconds=2), START + timedelta(minutes=11)):
        with pytest.raises(ValueError, match="lies outside the trajectory"):
            trajectory.at(when)
    with pytest.raises(ValueError, match="ends after it starts"):
        Trajectory.of(orbit(), HANGZHOU, START, START)


def test_failing_elements_give_no_trajectory() -> None:
    falling = orbit(mean_motion_rev_day=16.2, bstar=0.005)
    with pytest.raises(ElementsError, match="SGP4 fails within"):
        Trajectory.of(falling, HANGZHOU, START + timedelta(days=5), START + timedelta(days=5, minutes=10))


def test_the_sun_stands_over_a_station_where_skyfield_has_it(ephemeris: Any) -> None:
    """Within a hundredth of a degree: Skyfield takes off light time and aberration, which we leave in."""
    station = Station("hangzhou", 30.27, 120.15, 20.0)
    place = ephemeris["earth"] + wgs84.latlon(30.27, 120.15, elevation_m=20.0)
    for hours in (0.0, 4.0, 8.5, 13.0, 22.0):
        when = START + timedelta(hours=hours)
        elevation, azimuth, _ = place.at(timescale().from_datetime(when)).observe(ephemeris["sun"]).apparent(()).altaz()
        ours = sun.sun_direction_deg(station, when)
        assert ours == pytest.approx((azimuth.degrees, elevation.degrees), abs=0.01)
