"""Motion along a line: ends where it should, keeps its limits, and does not care how time is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetd_hil.models.motion import Motion

POSITIONS = st.floats(-500, 500)
SPEEDS = st.floats(0.1, 20)
STEPS = st.lists(st.floats(0.001, 30), min_size=1, max_size=30)


def test_speeds_up_cruises_and_brakes_as_schoolbook_kinematics_say() -> None:
    # 100 m at 10 m/s, 2 m/s² up and 5 m/s² down: 5 s and 25 m up, 2 s and 10 m down, 65 m in 6.5 s between.
    motion = Motion(0.0, 2.0, 5.0)
    assert motion.step(5.0, 100.0, 10.0) == 0
    assert (motion.position, motion.velocity) == pytest.approx((25.0, 10.0))
    motion.step(6.5, 100.0, 10.0)
    assert (motion.position, motion.velocity) == pytest.approx((90.0, 10.0))
    assert motion.step(3.0, 100.0, 10.0) == pytest.approx(1.0)
    assert (motion.position, motion.velocity) == (100.0, 0.0)


def test_a_short_way_never_reaches_cruising_speed() -> None:
    # Up and down at 1 unit/s²: 4 units take 2 + 2 s with a peak of 2 units/s.
    motion = Motion(0.0, 1.0, 1.0)
    motion.step(2.0, 4.0, 50.0)
    assert motion.velocity == pytest.approx(2.0)
    assert motion.step(10.0, 4.0, 50.0) == pytest.approx(8.0)


def test_without_a_target_it_brakes_to_a_standstill() -> None:
    motion = Motion(0.0, 2.0, 1.5)
    motion.step(3.0, 1e6, 4.5)
    assert motion.velocity == 4.5
    assert motion.step(10.0, None, 4.5) == pytest.approx(7.0)  # 4.5 / 1.5 = 3 s of braking
    assert motion.velocity == 0


def test_a_target_behind_is_reached_after_braking_and_turning() -> None:
    motion = Motion(0.0, 2.0, 2.0)
    motion.step(2.0, 100.0, 6.0)
    motion.step(1.0, -5.0, 6.0)
    assert motion.velocity == pytest.approx(2.0)
    motion.step(60.0, -5.0, 6.0)
    assert (motion.position, motion.velocity) == (-5.0, 0.0)


def test_a_lower_cruise_slows_it_down() -> None:
    motion = Motion(0.0, 5.0, 2.0)
    motion.step(10.0, 1000.0, 6.0)
    motion.step(2.0, 1000.0, 2.0)
    assert motion.velocity == pytest.approx(2.0)


@given(start=POSITIONS, target=POSITIONS, up=SPEEDS, down=SPEEDS, cruise=SPEEDS, steps=STEPS)
def test_it_arrives_within_its_limits_however_time_is_cut(
    start: float, target: float, up: float, down: float, cruise: float, steps: list[float]
) -> None:
    motion, at_once = Motion(start, up, down), Motion(start, up, down)
    for step_s in steps:
        before = motion.velocity
        motion.step(step_s, target, cruise)
        assert abs(motion.velocity) <= cruise * (1 + 1e-9)
        assert abs(motion.velocity - before) <= max(up, down) * step_s * (1 + 1e-9) + 1e-6
        assert min(start, target) - 1e-6 <= motion.position <= max(start, target) + 1e-6
    at_once.step(sum(steps), target, cruise)
    assert at_once.position == pytest.approx(motion.position, abs=1e-4)
    motion.step(100_000, target, cruise)
    assert (motion.position, motion.velocity) == (target, 0.0)


@given(targets=st.lists(st.tuples(POSITIONS | st.none(), st.floats(0.0, 5.0)), max_size=20), up=SPEEDS, down=SPEEDS)
def test_changing_its_mind_never_hangs_it_or_breaks_its_speed_limit(
    targets: list[tuple[float | None, float]], up: float, down: float
) -> None:
    motion = Motion(0.0, up, down)
    for target, step_s in targets:
        motion.step(step_s, target, 6.0)
        assert abs(motion.velocity) <= 6.0 * (1 + 1e-9)
    motion.step(1000.0, 7.0, 6.0)
    assert motion.position == 7.0
