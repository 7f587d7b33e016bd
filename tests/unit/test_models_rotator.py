"""The rotator's mechanics: slew rate, end stops, overlap, and the ways in which it breaks."""

from __future__ import annotations

import pytest

from fleetd_hil.models.rotator import RotatorModel


def test_a_turn_takes_its_time() -> None:
    model = RotatorModel()
    model.azimuth.go(60.0)
    model.step(5.0)
    assert 20 < model.azimuth.position_deg < 30  # 6 deg/s at most, less the second of speeding up
    assert model.azimuth.moving
    model.step(10.0)
    assert model.azimuth.position_deg == 60.0
    assert not model.azimuth.moving


def test_azimuth_runs_through_north_up_to_450_and_no_further() -> None:
    model = RotatorModel()
    model.azimuth.go(370.0)
    model.step(120.0)
    assert model.azimuth.position_deg == 370.0  # not 10: the cable is wound up
    model.azimuth.jog(1)
    model.step(120.0)
    assert model.azimuth.position_deg == 450.0
    model.azimuth.go(-20.0)
    model.step(120.0)
    assert model.azimuth.position_deg == 0.0


def test_axes_move_each_for_itself_and_stop_brakes_both() -> None:
    model = RotatorModel()
    model.azimuth.go(90.0)
    model.elevation.go(45.0)
    model.step(5.0)
    for axis in model.axes:
        axis.stop()
    model.step(5.0)
    azimuth_deg, elevation_deg = model.azimuth.position_deg, model.elevation.position_deg
    assert 0 < elevation_deg < azimuth_deg < 45
    model.step(60.0)
    assert (model.azimuth.position_deg, model.elevation.position_deg) == (azimuth_deg, elevation_deg)


def test_a_seized_motor_stands_still_and_goes_on_once_freed() -> None:
    model = RotatorModel()
    model.azimuth.go(90.0)
    model.azimuth.seized = True
    model.step(30.0)
    assert model.azimuth.position_deg == 0.0
    model.azimuth.seized = False
    model.step(30.0)
    assert model.azimuth.position_deg == 90.0


def test_a_reversed_motor_runs_into_the_end_stop() -> None:
    model = RotatorModel()
    model.azimuth.go(40.0)
    model.step(30.0)
    model.azimuth.reversed = True
    model.azimuth.go(90.0)
    model.step(3.0)
    assert model.azimuth.position_deg < 40.0
    model.step(30.0)
    assert model.azimuth.position_deg == 0.0
    assert not model.azimuth.moving


def test_overshoot_passes_the_target_and_settles_on_it() -> None:
    model = RotatorModel()
    model.azimuth.overshoot_deg = 4.0
    model.azimuth.go(30.0)
    highest_deg = 0.0
    for _ in range(200):
        model.step(0.1)
        highest_deg = max(highest_deg, model.azimuth.position_deg)
    assert highest_deg == pytest.approx(34.0, abs=0.1)
    assert model.azimuth.position_deg == 30.0
