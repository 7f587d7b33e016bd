"""What nobody can spare in a pass: cases that can be reckoned by hand, and motions at random that never lose less."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.flyovers import STEP_S, Flyover
from bench.least import least_off_beam_s
from fleetd.contact.axis import Angles, Axes
from fleetd.contact.sighting import separation_deg
from fleetd.devices import AzEl
from fleetd.orbit.horizon import HorizonMask

T = datetime(2026, 11, 11, 12, tzinfo=UTC)
HALF_DEG = 3.0


def flyover(azimuth_deg: Angles, elevation_deg: Angles, axes: Axes, mask: HorizonMask | None = None) -> Flyover:
    sky: Any = None  # nobody looks along it: all that counts is sampled
    return Flyover(sky, T, T, float(elevation_deg.max()), azimuth_deg, elevation_deg, axes, mask, AzEl(0, 0))


def test_a_satellite_that_outruns_the_motor_is_on_the_beam_once() -> None:
    """At 5 deg/s past the antenna it needs 1.2 s for the 6 degrees of the beam: three samples of 21."""
    over = flyover(100 + 5.0 * np.arange(21), np.zeros(21), Axes(0, 450, 0, 90, 5, 5))
    assert least_off_beam_s(over, HALF_DEG) == (21 - 3) * STEP_S


def test_time_behind_the_mask_is_lost_by_nobody() -> None:
    hills = HorizonMask(((0.0, 0.0), (139.0, 0.0), (141.0, 10.0), (200.0, 10.0)))
    over = flyover(100 + 5.0 * np.arange(21), np.zeros(21), Axes(0, 450, 0, 90, 5, 5), hills)
    assert least_off_beam_s(over, HALF_DEG) == (8 - 3) * STEP_S  # from 100 to 135 degrees it is seen


def test_a_stop_in_mid_pass_costs_a_whole_turn_less_the_beam() -> None:
    """From 3 degrees beyond 0 to 3 before 360 at 10 deg/s: 35.4 s, of which the satellite needs none."""
    azimuth = np.concatenate([np.full(100, 0.0), np.full(100, -0.01)])
    over = flyover(azimuth, np.zeros(200), Axes(0, 360, 0, 90, 10, 10))
    assert least_off_beam_s(over, HALF_DEG) == 0.0  # both are on the beam from where it stops
    azimuth = np.concatenate([np.full(100, 5.0), np.full(100, -5.0)])
    over = flyover(azimuth, np.zeros(200), Axes(0, 360, 0, 90, 10, 10))
    assert least_off_beam_s(over, HALF_DEG) == pytest.approx(34.5, abs=0.5)  # from 2 to 358 less a step and the cells


@pytest.mark.parametrize(("highest_deg", "least_s"), [(180.0, 8.5), (90.0, 30.0)])
def test_leaning_over_takes_the_elevation_its_time(highest_deg: float, least_s: float) -> None:
    """Between 27 degrees before and 27 behind the zenith at 6 deg/s lie 9 s; by azimuth it would take 90 s."""
    azimuth = np.concatenate([np.full(60, 100.0), np.full(60, 280.0)])
    over = flyover(azimuth, np.full(120, 60.0), Axes(0, 450, 0, highest_deg, 1.9, 6))
    assert least_off_beam_s(over, HALF_DEG) == least_s


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-8, 8), st.floats(-4, 4)), min_size=10, max_size=60),
    st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=60, max_size=60),
    st.floats(0, 90),
    st.floats(0, 450),
    st.sampled_from([90.0, 180.0]),
    st.floats(2, 6),
)
def test_no_motion_loses_less(
    turns: list[tuple[float, float]],
    eagerness: list[tuple[float, float]],
    elevation_deg: float,
    azimuth_deg: float,
    highest_deg: float,
    slew_deg_s: float,
) -> None:
    """Motions that hunt the satellite from either side, now more eagerly and now less."""
    axes = Axes(0.0, 450.0, 0.0, highest_deg, slew_deg_s, slew_deg_s)
    azimuth = azimuth_deg + np.cumsum([turn for turn, _ in turns])
    elevation = np.clip(elevation_deg + np.cumsum([turn for _, turn in turns]), 0, 90)
    least_s = least_off_beam_s(flyover(azimuth, elevation, axes), HALF_DEG)
    for leaning in (False, True) if highest_deg > 90 else (False,):
        at = np.array([azimuth[0] % 360 + 180 * leaning * (-1 if azimuth[0] % 360 > 270 else 1), elevation[0]])
        lost = 0
        for index, (wish, lift) in enumerate(eagerness[: len(azimuth)]):
            here = float(separation_deg(at[0] - azimuth[index], elevation[index], at[1]))
            lost += here > HALF_DEG
            step_deg = slew_deg_s * STEP_S
            nearest = (azimuth[index] - at[0] + 180) % 360 - 180
            at[0] = np.clip(at[0] + np.clip(nearest + wish, -step_deg, step_deg), 0, 450)
            at[1] = np.clip(at[1] + np.clip(elevation[index] - at[1] + lift * 9, -step_deg, step_deg), 0, highest_deg)
        assert least_s <= lost * STEP_S + 1e-9
