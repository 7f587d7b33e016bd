"""Passes over a station's own horizon, against a walk along Skyfield's altitude and azimuth."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from orbit_referee import START, Window, draw_orbit, draw_station, orbit, seconds

from fleetd.orbit.passes import HorizonMask, find_passes
from fleetd.orbit.station import Station

HANGZHOU = Station("hangzhou", 30.27, 120.15, 20.0)
HILLS = HorizonMask(
    ((0.0, 5.0), (60.0, 25.0), (75.0, 3.0), (150.0, 3.0), (160.0, 40.0), (170.0, 3.0), (270.0, 15.0), (300.0, 12.0))
)
DAY = timedelta(days=1)


def test_the_mask_goes_round_through_north() -> None:
    assert HILLS.elevation_deg(np.array([0.0, 30.0, 330.0, 359.999, 220.0])) == pytest.approx(
        [5, 15, 8.5, 5, 9], abs=1e-3
    )
    assert HorizonMask(((90.0, 7.0),)).elevation_deg(np.array([0.0, 200.0])) == pytest.approx([7, 7])


@pytest.mark.parametrize(
    "points",
    [(), ((360.0, 1.0),), ((-1.0, 0.0),), ((10.0, 1.0), (10.0, 2.0)), ((20.0, 1.0), (10.0, 2.0)), ((0.0, 91.0),)],
)
def test_masks_that_cannot_be(points: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(ValueError, match="horizon"):
        HorizonMask(points)


def test_passes_are_cut_where_the_hills_hide_them() -> None:
    random, window = np.random.default_rng(8), Window(START, 86_400.0, 20.0)
    several = 0
    for number in range(18):
        elements, station = draw_orbit(random, number), draw_station(random, number)
        altitude, azimuth, _ = window._altaz(elements, station, window._times)
        excess = np.minimum(altitude - HILLS.elevation_deg(azimuth), altitude - 4.0)
        found = find_passes([elements], [station], START, START + DAY, 4.0, horizon=HILLS)
        plain = find_passes([elements], [station], START, START + DAY, 4.0)
        several += len(found) > len(plain)
        inside = np.zeros(len(altitude), dtype=bool)
        for each in found:
            begin_s = seconds(START, each.aos) if each.aos else -1.0
            end_s = seconds(START, each.los) if each.los else 86_401.0
            within = (window.after_s >= begin_s) & (window.after_s <= end_s)
            inside |= within
            assert altitude[within].max(initial=-90.0) <= each.max_elevation_deg + 1e-5
            top_s = seconds(START, each.culmination)
            assert window.altitude_deg(elements, station, top_s) == pytest.approx(each.max_elevation_deg, abs=1e-5)
        clear = np.abs(excess) > 0.02  # nearer than this, 20 s of walking cannot tell
        assert (inside == (excess >= 0))[clear].all()
    assert several


def test_a_flat_horizon_is_a_minimum_elevation() -> None:
    flat = find_passes([orbit()], [HANGZHOU], START, START + DAY, 0.0, horizon=HorizonMask(((0.0, 10.0),)))
    plain = find_passes([orbit()], [HANGZHOU], START, START + DAY, 10.0)
    assert len(flat) == len(plain)
    for ours, theirs in zip(flat, plain, strict=True):
        assert ours.aos and theirs.aos  # noqa: PT018
        assert abs(ours.aos - theirs.aos) < timedelta(milliseconds=1)
        assert (ours.culminations, ours.culmination) == (theirs.culminations, theirs.culmination)


def test_windows_cut_what_the_horizon_leaves() -> None:
    (whole, *_) = find_passes([orbit()], [HANGZHOU], START, START + DAY, 10.0)
    begin = whole.culmination - timedelta(seconds=20)
    (found,) = find_passes(
        [orbit()], [HANGZHOU], begin, begin + timedelta(seconds=40), 0.0, horizon=HorizonMask(((0.0, 10.0),))
    )
    assert (found.aos, found.los) == (None, None)
    wall = HorizonMask(((0.0, 89.0),))
    assert find_passes([orbit()], [HANGZHOU], START, START + DAY, 0.0, horizon=wall) == []
    assert find_passes([orbit()], [HANGZHOU], START, START + timedelta(seconds=1), 0.0, horizon=wall) == []


def test_up_when_the_window_opens_but_behind_the_hills_still_rises() -> None:
    (whole, *_) = find_passes([orbit()], [HANGZHOU], START, START + DAY, 10.0)
    assert whole.aos
    assert whole.los
    begin, end = whole.aos - timedelta(seconds=60), whole.los + timedelta(seconds=60)
    (found,) = find_passes([orbit()], [HANGZHOU], begin, end, 0.0, horizon=HorizonMask(((0.0, 10.0),)))
    assert found.aos
    assert found.los
    assert abs(found.aos - whole.aos) < timedelta(milliseconds=1)
    assert abs(found.los - whole.los) < timedelta(milliseconds=1)
