"""The Doppler shift against worked figures and against Skyfield's own range rate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from orbit_referee import timescale
from skyfield.api import wgs84

from fleetd.contact.doppler import LIGHT_KM_S, Steps, heard_hz, to_send_hz
from fleetd.orbit.elementset import ElementSet
from fleetd.orbit.passes import find_passes
from fleetd.orbit.station import Station
from fleetd.orbit.trajectory import Trajectory

START = datetime(2026, 11, 11, tzinfo=UTC)
HANGZHOU = Station("hangzhou", 30.27, 120.15, 20.0)
SATELLITE = ElementSet(
    norad_id=999_100_101, name="candy-tin", epoch=START, inclination_deg=97.5, raan_deg=0.0, eccentricity=0.001,
    argument_of_perigee_deg=0.0, mean_anomaly_deg=0.0, mean_motion_rev_day=15.2, bstar=1e-5,
)  # fmt: skip
UHF_HZ = 437_525_000
SKYFIELD_HZ = 0.5
"""SGP4's velocity, from which Skyfield takes its range rate, is not the derivative of its position: some mm/s."""


def test_approaching_is_heard_higher_and_must_be_sent_lower() -> None:
    # 7 km/s at 437.525 MHz: 437.525e6 * 7 / 299792.458 = 10215.98 Hz, and its square over the carrier, 0.24 Hz.
    assert heard_hz(UHF_HZ, -7.0) - UHF_HZ == pytest.approx(10_215.98 + 0.24, abs=0.02)
    assert heard_hz(UHF_HZ, 7.0) - UHF_HZ == pytest.approx(-10_215.98 + 0.24, abs=0.02)
    assert to_send_hz(UHF_HZ, -7.0) - UHF_HZ == pytest.approx(-10_215.98 + 0.24, abs=0.02)
    assert to_send_hz(UHF_HZ, 7.0) - UHF_HZ == pytest.approx(10_215.98 + 0.24, abs=0.02)
    assert heard_hz(UHF_HZ, 0.0) == to_send_hz(UHF_HZ, 0.0) == UHF_HZ


@given(st.floats(-11, 11))
def test_what_is_sent_so_is_heard_where_it_is_wanted(range_rate_km_s: float) -> None:
    sent_hz = to_send_hz(UHF_HZ, range_rate_km_s)
    assert sent_hz * (1 - range_rate_km_s / LIGHT_KM_S) == pytest.approx(UHF_HZ, abs=1e-3)


def test_every_second_of_real_passes_agrees_with_skyfield() -> None:
    passes = find_passes([SATELLITE], [HANGZHOU], START, START + timedelta(days=2), 5.0)
    assert len(passes) >= 4
    site = wgs84.latlon(HANGZHOU.latitude_deg, HANGZHOU.longitude_deg, elevation_m=HANGZHOU.altitude_m)
    for each in passes:
        assert each.aos is not None
        assert each.los is not None
        sky = Trajectory.of(SATELLITE, HANGZHOU, each.aos, each.los)
        moments = [each.aos + timedelta(seconds=after) for after in range(int((each.los - each.aos).total_seconds()))]
        seen = (SATELLITE.skyfield(timescale()) - site).at(timescale().from_datetimes(moments))
        rates = np.asarray(seen.frame_latlon_and_rates(site)[5].km_per_s)
        for when, rate in zip(moments, rates, strict=True):
            ours = sky.at(when).range_rate_km_s
            assert abs(heard_hz(UHF_HZ, ours) - heard_hz(UHF_HZ, float(rate))) < SKYFIELD_HZ


@pytest.mark.parametrize(("wished", "radio", "step"), [(10, 1, 10), (10, 100, 100), (15, 10, 20), (1, 1, 1)])
def test_steps_are_whole_steps_of_the_radio(wished: int, radio: int, step: int) -> None:
    assert Steps(wished, radio).step_hz == step


def test_a_step_is_due_only_when_it_changes() -> None:
    steps = Steps(10, 1)
    assert steps.due(145_900_004.9) == 145_900_000
    steps.written_hz = 145_900_000
    assert steps.due(145_900_004.9) is None
    assert steps.due(145_900_005.1) == 145_900_010
    assert steps.due(145_899_994.9) == 145_899_990
