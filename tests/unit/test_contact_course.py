"""The axis path of a whole pass: which way round, what cannot be reached, and never outside the limits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetd.contact.axis import Around, Axes, AxisPath, Pace
from fleetd.contact.clearance import Obstruction
from fleetd.contact.course import NOTHING_AROUND, plan_axis_path
from fleetd.devices import AzEl
from fleetd.errors import Refusal
from fleetd.orbit.horizon import HorizonMask

T = datetime(2026, 11, 11, 12, tzinfo=UTC)
DURATION_S = 600.0


@dataclass(frozen=True)
class Flyby:
    """A straight flight 500 km up at 7.5 km/s: azimuth falls by almost 180 degrees, counted on through north."""

    peak_deg: float
    middle_azimuth_deg: float

    def at(self, when: datetime) -> AzEl:
        along_km = 7.5 * ((when - T).total_seconds() - DURATION_S / 2)
        aside_km = 500 / math.tan(math.radians(self.peak_deg))
        azimuth_deg = self.middle_azimuth_deg - math.degrees(math.atan2(along_km, aside_km))
        return AzEl(azimuth_deg, math.degrees(math.atan2(500, math.hypot(along_km, aside_km))))


def axes(azimuth: tuple[float, float] = (0.0, 450.0), elevation_max_deg: float = 90.0, slew: float = 6.0) -> Axes:
    return Axes(*azimuth, 0.0, elevation_max_deg, slew, slew / 2)


def plan(sky: Flyby, of: Axes, start: AzEl | None = None) -> AxisPath:
    return plan_axis_path(
        sky,
        T,
        T + timedelta(seconds=DURATION_S),
        of,
        beam_width_deg=6.0,
        around=Around(start) if start else NOTHING_AROUND,
    )


def test_a_pass_within_the_limits_is_followed_exactly() -> None:
    path = plan(Flyby(40, 180), axes((0, 360)))
    assert path.max_error_deg < 1e-4
    assert path.turn_rounds == 0
    for second in (0, 100, 300.25, 599):
        when = T + timedelta(seconds=second)
        assert path.at(when).separation_deg(Flyby(40, 180).at(when)) < 0.01
    assert path.at(T - timedelta(hours=1)) == path.start
    assert path.end == T + timedelta(seconds=DURATION_S)


def test_overlap_carries_a_pass_across_north() -> None:
    path = plan(Flyby(40, 40), axes((0, 450)))  # 115 falling to -35: it would have to begin at 475
    assert path.turn_rounds == 1
    path = plan(Flyby(40, 5), axes((0, 450)))  # 80 falling to -70 is 440 falling to 290
    assert path.turn_rounds == 0
    assert path.max_error_deg < 1e-4
    assert path.start.azimuth_deg == pytest.approx(440, abs=2)


def test_without_overlap_it_turns_round_once_at_full_speed_and_centred() -> None:
    sky = Flyby(40, 5)
    path = plan(sky, axes((0, 360)))
    assert path.turn_rounds == 1
    steps_deg = np.diff(path.azimuth_deg)
    turning_s = np.count_nonzero(steps_deg > 1) * path.step_s
    assert 45 < turning_s <= 60  # 360 degrees at 6 deg/s, less what the sky moves meanwhile
    assert path.off_beam_s < 55
    crossing = min(range(len(steps_deg)), key=lambda n: abs(sky.at(T + timedelta(seconds=n * path.step_s)).azimuth_deg))
    turning = np.flatnonzero(steps_deg > 1)
    assert turning[0] <= crossing <= turning[-1]


def test_rather_than_turn_round_it_waits_at_a_stop_for_a_satellite_that_is_soon_there() -> None:
    path = plan(Flyby(40, 20), axes((0, 450)))  # 95 falling to -55: it would have to begin at 455
    assert path.turn_rounds == 0
    assert path.start.azimuth_deg == pytest.approx(450, abs=1)
    assert 30 < path.off_beam_s < 50  # until the satellite has come within the beam; a turn would take 53 s


def test_the_turn_is_put_where_it_costs_least() -> None:
    """With overlap to spare it could be anywhere in 90 degrees of azimuth: best where the satellite comes along."""
    path = plan(Flyby(70, 40), axes((0, 450)))
    turn = np.flatnonzero(np.diff(path.azimuth_deg) > 1)
    assert path.turn_rounds == 1
    assert path.elevation_deg[int(turn.mean())] > 60
    assert path.off_beam_s < 46  # low down it would be some 57 s


def test_where_the_antenna_stands_decides_between_equal_ways() -> None:
    sky = Flyby(10, 60)  # all of it lies between 0 and 90, so it can be had at 360 to 450 as well
    short = plan_axis_path(
        sky,
        T + timedelta(seconds=270),
        T + timedelta(seconds=330),
        axes(),
        beam_width_deg=6.0,
        around=Around(AzEl(20, 0)),
    )
    assert short.start.azimuth_deg < 90
    far = plan_axis_path(
        sky,
        T + timedelta(seconds=270),
        T + timedelta(seconds=330),
        axes(),
        beam_width_deg=6.0,
        around=Around(AzEl(400, 0)),
    )
    assert far.start.azimuth_deg > 360


def test_leaning_over_backwards_saves_turning_round() -> None:
    path = plan(Flyby(40, 5), axes((0, 360), elevation_max_deg=180))
    assert path.turn_rounds == 0
    assert path.leans_over
    assert path.max_error_deg < 1e-4


def test_straight_overhead_leaning_over_loses_nothing() -> None:
    upright = plan(Flyby(89.9, 180), axes())
    over = plan(Flyby(89.9, 180), axes(elevation_max_deg=180))
    assert upright.off_beam_s > 10
    assert over.off_beam_s == 0


def test_a_lag_is_known_beforehand_and_shared_between_lead_and_lag() -> None:
    path = plan(Flyby(88, 180), axes())
    middle = path.at(T + timedelta(seconds=DURATION_S / 2)).azimuth_deg
    assert middle == pytest.approx(180, abs=3)
    assert 1 < path.max_error_deg < 10
    assert path.error_at(T) == 0


def test_what_no_way_reaches_is_known_to_be_off_beam() -> None:
    path = plan(Flyby(40, 180), Axes(350.0, 360.0, 0.0, 90.0, 6.0, 3.0))
    assert path.off_beam_s >= path.duration_s
    low = plan(Flyby(40, 180), Axes(0.0, 450.0, 30.0, 90.0, 6.0, 3.0))  # its lowest part is out of reach
    assert 0 < low.off_beam_s < low.duration_s
    assert low.elevation_deg.min() == 30.0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(bad: float) -> None:
    class Broken:
        def at(self, when: datetime) -> AzEl:
            return AzEl(bad, 10.0)

    with pytest.raises(Refusal, match="no finite numbers"):
        plan_axis_path(Broken(), T, T + timedelta(seconds=10), axes(), beam_width_deg=6.0)
    with pytest.raises(Refusal, match="is no axis"):
        Axes(0.0, bad, 0.0, 90.0, 6.0, 3.0)
    with pytest.raises(Refusal, match="cannot be planned"):
        plan_axis_path(Flyby(40, 0), T, T, axes(), beam_width_deg=6.0)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(5, 90),
    st.floats(-360, 720),
    st.sampled_from([(0.0, 360.0), (0.0, 450.0), (-180.0, 180.0), (-180.0, 540.0), (30.0, 200.0)]),
    st.sampled_from([60.0, 90.0, 180.0]),
    st.floats(1, 20),
)
def test_no_path_leaves_the_limits_or_the_slew_rates(
    peak: float, middle: float, azimuth: tuple[float, float], highest: float, slew: float
) -> None:
    of = axes(azimuth, highest, slew)
    path = plan(Flyby(peak, middle), of)
    assert path.azimuth_deg.min() >= of.azimuth_min_deg
    assert path.azimuth_deg.max() <= of.azimuth_max_deg
    assert path.elevation_deg.min() >= of.elevation_min_deg
    assert path.elevation_deg.max() <= of.elevation_max_deg
    assert np.abs(np.diff(path.azimuth_deg)).max() <= of.azimuth_slew_deg_s * path.step_s + 1e-5
    assert np.abs(np.diff(path.elevation_deg)).max() <= of.elevation_slew_deg_s * path.step_s + 1e-5
    when = T + timedelta(seconds=123.4)
    foreseen = path.at(when).separation_deg(Flyby(peak, middle).at(when))
    assert foreseen == pytest.approx(path.error_at(when), abs=3.0)


@settings(max_examples=20, deadline=None)
@given(st.floats(10, 85), st.floats(0, 360))
def test_a_span_of_two_turns_never_turns_round(peak: float, middle: float) -> None:
    assert plan(Flyby(peak, middle), axes((-180.0, 540.0))).turn_rounds == 0


MASK = HorizonMask(((0.0, 5.0), (170.0, 5.0), (180.0, 45.0), (190.0, 5.0)))  # a mast in the south


@settings(max_examples=40, deadline=None)
@given(
    st.floats(5, 90),
    st.floats(-360, 720),
    st.sampled_from([(0.0, 450.0), (-180.0, 540.0), (0.0, 360.0)]),
    st.sampled_from([90.0, 180.0]),
    st.floats(2, 6),
    st.sampled_from([0.0, 1.0]),
)
def test_no_path_looks_below_the_mask_leaning_over_included(
    peak: float, middle: float, azimuth: tuple[float, float], highest: float, slew: float, resolution: float
) -> None:
    of = Axes(*azimuth, 0.0, highest, slew, slew, 3.0, 3.0, resolution)
    path = plan_axis_path(Flyby(peak, middle), T, T + timedelta(seconds=DURATION_S), of, beam_width_deg=6.0, mask=MASK)
    gate = Obstruction(MASK)
    for azimuth_deg, elevation_deg in zip(path.azimuth_deg.tolist(), path.elevation_deg.tolist(), strict=True):
        assert of.azimuth_min_deg <= azimuth_deg <= of.azimuth_max_deg
        assert not gate.at(AzEl(azimuth_deg, elevation_deg))
        if resolution:
            assert not gate.at(AzEl(float(round(azimuth_deg)), float(round(elevation_deg))))


def test_behind_a_mast_it_waits_above_and_is_there_when_the_satellite_comes_out() -> None:
    sky = Flyby(30, 180)  # it culminates right behind the mast
    end = T + timedelta(seconds=DURATION_S)
    path = plan_axis_path(sky, T, end, Axes(0, 450, 0, 90, 6, 3, 3, 3), beam_width_deg=6.0, mask=MASK)
    assert path.elevation_deg.max() == pytest.approx(45, abs=1)
    hidden = MASK.elevation_deg(np.array([sky.at(T + timedelta(seconds=n)).azimuth_deg % 360 for n in range(600)]))
    seen = np.array([sky.at(T + timedelta(seconds=n)).elevation_deg for n in range(600)]) >= hidden
    errors = np.array([path.error_at(T + timedelta(seconds=n)) for n in range(600)])
    assert np.count_nonzero((errors > 3) & seen) <= 3
    assert np.count_nonzero(errors > 3) > 5


def test_a_turn_in_mid_pass_is_made_while_the_satellite_is_hidden() -> None:
    """A hill just higher than the satellite, before the stop at north: its edge is within the beam and worth little."""
    sky, end = Flyby(40, 5), T + timedelta(seconds=DURATION_S)  # azimuth 80 falling to -70
    hill = HorizonMask(((0.0, 42.0), (20.0, 41.0), (40.0, 36.5), (41.0, 0.0), (359.0, 0.0)))
    path = plan_axis_path(sky, T, end, axes((0, 360)), beam_width_deg=6.0, mask=hill)
    looks = [sky.at(T + timedelta(seconds=n * path.step_s)) for n in range(len(path.error_deg))]
    hidden = np.array([look.elevation_deg < hill.elevation_deg(np.array(look.azimuth_deg % 360)) for look in looks])
    off = path.error_deg > 3
    assert np.count_nonzero(off & hidden) * path.step_s > 40
    assert np.count_nonzero(off & ~hidden) * path.step_s < 6


def test_a_turn_over_hills_stays_above_all_of_them() -> None:
    """Close above each of them the interlock would take the way apart, and the antenna come late."""
    hills = HorizonMask(((0.0, 0.0), (100.0, 0.0), (130.0, 38.0), (160.0, 5.0), (200.0, 25.0), (230.0, 0.0)))
    of = Axes(0.0, 360.0, 0.0, 90.0, 6.0, 3.0, 3.0, 3.0, 1.0)
    path = plan_axis_path(Flyby(15, 5), T, T + timedelta(seconds=DURATION_S), of, beam_width_deg=6.0, mask=hills)
    assert path.turn_rounds == 1
    crossing = (path.azimuth_deg > 90) & (path.azimuth_deg < 260)
    assert path.elevation_deg[crossing].min() > 38


def test_motors_gain_and_lose_speed_no_faster_than_they_can() -> None:
    of = Axes(0.0, 360.0, 0.0, 90.0, 6.0, 3.0, 2.0, 2.0)
    path = plan_axis_path(Flyby(40, 5), T, T + timedelta(seconds=DURATION_S), of, beam_width_deg=6.0)
    assert path.turn_rounds == 1
    assert np.abs(np.diff(path.azimuth_deg, 2)).max() <= 2.0 * path.step_s**2 * 1.001
    quick = plan_axis_path(Flyby(40, 5), T, T + timedelta(seconds=DURATION_S), axes((0, 360)), beam_width_deg=6.0)
    assert quick.off_beam_s < path.off_beam_s < quick.off_beam_s + 6


def test_too_little_time_to_get_there_is_part_of_the_plan() -> None:
    sky, end = Flyby(40, 180), T + timedelta(seconds=DURATION_S)
    around = Around(AzEl(100, 0), start_within_s=10.0)
    path = plan_axis_path(sky, T, end, axes((0, 450)), beam_width_deg=6.0, around=around)
    assert path.start.azimuth_deg == pytest.approx(160, abs=1)  # as far as it gets in ten seconds
    assert 10 < path.off_beam_s < 18
    assert path.error_at(T + timedelta(seconds=30)) < 0.1


def test_it_ends_where_the_next_contact_begins_best() -> None:
    sky, end = Flyby(10, 60), T + timedelta(seconds=330)  # all of it lies between 0 and 90, or 360 and 450
    for onward, low, high in ((AzEl(20, 10), 0, 90), (AzEl(420, 10), 360, 450)):
        path = plan_axis_path(
            sky, T + timedelta(seconds=270), end, axes(), beam_width_deg=6.0, around=Around(onward=onward)
        )
        assert low <= path.finish.azimuth_deg <= high


def test_the_pace_of_orders_is_known_to_add_to_the_error() -> None:
    sky, end = Flyby(60, 180), T + timedelta(seconds=DURATION_S)
    quick = plan_axis_path(sky, T, end, axes(), beam_width_deg=6.0)
    slow = plan_axis_path(sky, T, end, axes(), beam_width_deg=6.0, pace=Pace(dead_band_deg=2.0, interval_s=4.0))
    assert quick.unsure_deg == 0
    assert slow.unsure_deg == pytest.approx(0.35 * 2.0 + 4.0 * 0.75 / 2, abs=0.1)  # at most 0.75 deg/s on the sky


def test_where_the_antenna_is_unsure_a_lag_stays_further_inside_the_beam() -> None:
    sky, end = Flyby(86, 180), T + timedelta(seconds=DURATION_S)
    errors = []
    for pace in (Pace(), Pace(dead_band_deg=3.0)):
        path = plan_axis_path(sky, T, end, axes(slew=3.0), beam_width_deg=6.0, pace=pace)
        errors.append(path.error_deg[path.error_deg <= 3.0])
    sure, unsure = errors
    assert np.count_nonzero(unsure > 2.2) < np.count_nonzero(sure > 2.2)
