"""The robot: it drives, drains, holds, and above all stops and stays stopped."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetd_hil.models.robot import DEPOT, RobotBuild, RobotModel, State, Verdict
from fleetd_hil.models.streets import Route, Streets

STREETS = Streets.of_seed(0)
TO_LIBRARY_M = Route(STREETS.way(1, 2)).length_m


def robot(**build: float) -> RobotModel:
    return RobotModel(RobotBuild(**{"heartbeat_timeout_s": 1e9, **build}), STREETS, parcels=3)


def driving(**build: float) -> RobotModel:
    model = robot(**build)
    model.beat()
    assert model.send(2) is Verdict.DONE
    model.step(10.0)
    assert model.state is State.DRIVING
    return model


def test_it_drives_to_a_stop_at_15_km_h() -> None:
    model = driving()
    assert model.speed_m_s == pytest.approx(15 / 3.6)
    # The way at cruising speed, plus half the time of speeding up (1 m/s²) and of braking (1.5 m/s²).
    cruise = 15 / 3.6
    takes_s = TO_LIBRARY_M / cruise + cruise / 2 / 1.0 + cruise / 2 / 1.5
    model.step(takes_s - 10.0 - 0.1)
    assert model.state is State.DRIVING
    model.step(0.2)
    assert model.state is State.IDLE
    assert (model.place.stop, model.last_stop, model.target) == (2, 2, 0)
    assert model.odometer_m == pytest.approx(TO_LIBRARY_M)


def test_driving_takes_615_watts_and_standing_60() -> None:
    model = robot()
    model.step(3600.0)
    assert model.energy_wh == pytest.approx(4000 - 60)
    model.send(3)
    before_wh, seconds = model.energy_wh, 0.0
    while model.target:
        model.step(1.0)
        seconds += 1.0
    assert before_wh - model.energy_wh == pytest.approx(615 * seconds / 3600, rel=0.02)


def test_stop_brakes_at_1_5_and_latches_until_reset_and_resume() -> None:
    model = driving()
    start_m = model.odometer_m
    model.stop("remote")
    model.step(10.0)
    assert model.odometer_m - start_m == pytest.approx((15 / 3.6) ** 2 / 3.0)  # v²/2a: 5.8 m from 15 km/h
    assert model.state is State.STOPPED
    assert model.resume() is Verdict.LOCAL_RESET_PENDING
    assert model.send(3) is Verdict.STOP_LATCHED
    model.reset()
    model.step(60.0)
    assert model.state is State.STOPPED  # a reset alone moves nothing
    assert model.resume() is Verdict.DONE
    model.step(10.0)
    assert model.state is State.DRIVING


def test_a_reset_is_of_no_use_while_the_button_is_down() -> None:
    model = driving()
    model.pressed = True
    model.stop("button")
    model.reset()
    assert model.resume() is Verdict.LOCAL_RESET_PENDING


def test_a_stop_keeps_its_first_cause() -> None:
    model = driving()
    model.stop("bumper")
    model.stop("remote")
    assert model.latched_by == "bumper"


@pytest.mark.parametrize("after_s", [0.1, 3.0, 25.0])
def test_without_heartbeat_it_stops_by_itself_and_latches(after_s: float) -> None:
    model = robot(heartbeat_timeout_s=5.0)
    model.beat()
    model.send(2)
    for _ in range(round(after_s * 10)):
        model.step(0.1)
        model.beat()
    model.step(4.9)
    assert model.state is State.DRIVING
    model.step(0.2)
    assert model.latched_by == "heartbeat"
    model.step(15 / 3.6 / 1.5)
    assert model.speed_m_s == 0
    model.beat()
    model.step(600.0)
    assert model.state is State.STOPPED  # the heartbeat's return starts nothing
    assert model.speed_m_s == 0


def test_an_idle_robot_has_nothing_to_stop_when_the_heartbeat_ends() -> None:
    model = robot(heartbeat_timeout_s=5.0)
    model.beat()
    model.step(3600.0)
    assert model.state is State.IDLE
    assert not model.heartbeat_alive
    assert model.send(2) is Verdict.DONE  # it gets the timeout from here, and no longer
    model.step(5.1)
    assert model.latched_by == "heartbeat"


def test_hold_pauses_and_resume_goes_on() -> None:
    model = driving()
    assert model.hold() is Verdict.DONE
    model.step(10.0)
    assert (model.state, model.speed_m_s) == (State.HOLDING, 0.0)
    assert model.resume() is Verdict.DONE
    model.step(5.0)
    assert model.state is State.DRIVING
    assert driving().resume() is Verdict.NOT_HOLDING


def test_taking_back_a_hold_does_not_end_a_stop() -> None:
    model = driving()
    model.stop("remote")
    model.reset()
    model.take_back_hold()
    model.step(10.0)
    assert model.state is State.STOPPED


def test_a_held_robot_takes_a_new_errand_and_a_moving_one_does_not() -> None:
    model = driving()
    assert model.send(3) is Verdict.MOVING
    model.hold()
    model.step(10.0)
    assert model.send(3) is Verdict.DONE
    model.step(1000.0)
    assert model.place.stop == 3


def test_doors_open_only_at_rest_and_keep_the_robot_there() -> None:
    model = driving(door_open_s=20.0)
    assert model.open_door(1) is Verdict.MOVING
    model.step(1000.0)
    assert model.open_door(9) is Verdict.OUT_OF_RANGE
    assert model.open_door(8) is Verdict.DONE
    assert model.doors_open == [False] * 7 + [True]
    assert model.parcels == 2
    assert model.send(1) is Verdict.DOOR_OPEN
    model.step(20.0)
    assert not any(model.doors_open)
    assert model.send(1) is Verdict.DONE


def test_an_open_door_keeps_a_resumed_robot_where_it_is() -> None:
    model = driving(door_open_s=20.0)
    model.hold()
    model.step(10.0)
    model.open_door(1)
    model.resume()
    model.step(10.0)
    assert model.speed_m_s == 0
    model.step(15.0)
    assert model.speed_m_s > 0


def test_it_refuses_what_it_cannot_do() -> None:
    assert robot().send(21) is Verdict.OUT_OF_RANGE
    assert robot(start_charge_percent=4.0).send(2) is Verdict.LOW_BATTERY
    faulty = robot()
    faulty.faulty = True
    assert (faulty.send(2), faulty.state) == (Verdict.FAULTY, State.FAULTY)
    assert robot().limit_speed(6.0) is Verdict.OUT_OF_RANGE
    assert robot().limit_speed(0.05) is Verdict.OUT_OF_RANGE


def test_a_speed_limit_holds_at_once() -> None:
    model = driving()
    assert model.limit_speed(1.0) is Verdict.DONE
    model.step(5.0)
    assert model.speed_m_s == pytest.approx(1.0)


def test_an_empty_battery_stops_it() -> None:
    model = robot(battery_wh=20.0, least_charge_percent=0.0)
    model.send(3)
    model.step(3600.0)
    assert model.energy_wh == 0
    assert (model.state, model.speed_m_s) == (State.STOPPED, 0.0)


def test_it_charges_at_the_depot() -> None:
    model = RobotModel(RobotBuild(heartbeat_timeout_s=1e9, start_charge_percent=50.0), STREETS, start=2)
    model.send(DEPOT)
    model.step(1000.0)
    assert model.state is State.CHARGING
    model.step(2 * 3600.0)
    assert model.charge_percent == 100.0
    assert model.state is State.IDLE


def test_the_keeper_resets_a_stopped_robot_when_there_is_one() -> None:
    model = driving(keeper_s=30.0)
    model.stop("remote")
    model.step(29.0)
    assert model.resume() is Verdict.LOCAL_RESET_PENDING
    model.step(2.0)
    assert model.resume() is Verdict.DONE


@given(st.lists(st.floats(0.01, 40.0), min_size=1, max_size=40), st.integers(2, 20))
def test_one_long_step_is_as_good_as_many(steps: list[float], stop: int) -> None:
    at_once, in_steps = (
        robot(heartbeat_timeout_s=60.0, door_open_s=7.0),
        robot(heartbeat_timeout_s=60.0, door_open_s=7.0),
    )
    for model in (at_once, in_steps):
        model.send(stop)
        model.open_door(1)
    at_once.step(math.fsum(steps))
    for step_s in steps:
        in_steps.step(step_s)
    assert in_steps.odometer_m == pytest.approx(at_once.odometer_m, abs=0.05)
    assert in_steps.energy_wh == pytest.approx(at_once.energy_wh, abs=0.01)
    assert in_steps.latched_by == at_once.latched_by


ACTS = st.sampled_from(["send", "hold", "resume", "stop", "reset", "press", "release", "beat", "take_back", "wait"])


@given(st.lists(ACTS, max_size=60))
def test_nothing_but_reset_and_resume_ends_a_latched_stop(acts: list[str]) -> None:
    model = robot(heartbeat_timeout_s=5.0)
    was_reset = False
    for act in acts:
        latched = bool(model.latched_by)
        if act == "reset":
            was_reset = not model.pressed
            model.reset()
        elif act in ("press", "release"):
            model.pressed = act == "press"
            if model.pressed:
                model.stop("button")
        else:
            _do(model, act)
        if (not latched and model.latched_by) or act in ("stop", "press"):
            was_reset = False
        if latched and not model.latched_by:
            assert act == "resume"
            assert was_reset
        if model.latched_by:
            model.step(5.0)
            assert model.speed_m_s == 0


def _do(model: RobotModel, act: str) -> None:
    acts = {
        "send": lambda: model.send(3),
        "hold": model.hold,
        "resume": model.resume,
        "stop": lambda: model.stop("remote"),
        "beat": model.beat,
        "take_back": model.take_back_hold,
        "wait": lambda: model.step(2.0),
    }
    acts[act]()
