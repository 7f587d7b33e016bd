"""The health of units: who is silent too often is asked rarely, and never gets more than its twentieth of the line."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetd.errors import Quarantined
from fleetd_drivers.modbus.health import DEAD_SHARE, SILENCES_TO_DEATH, Health, UnitState, Ward


def dead_unit(ward: Ward, unit: int = 9, now: float = 0.0, used_s: float = 0.5) -> Health:
    health = ward.of(unit, now)
    for _ in range(SILENCES_TO_DEATH):
        ward.silent(health, now, used_s)
    return health


def test_a_unit_is_suspect_then_dead_and_up_again_with_its_first_answer() -> None:
    ward = Ward()
    health = ward.of(9, 0.0)
    seen = [health.state]
    for _ in range(SILENCES_TO_DEATH):
        ward.silent(health, 0.0, 0.5)
        seen.append(health.state)
    ward.answered(health)
    assert seen == [UnitState.UP, UnitState.SUSPECT, UnitState.SUSPECT, UnitState.DEAD]
    assert health.state is UnitState.UP


def test_a_dead_unit_is_refused_with_what_ails_it_and_for_how_long() -> None:
    ward = Ward()
    ward.of(1, 0.0)
    health = dead_unit(ward)
    with pytest.raises(Quarantined, match=r"unit 9 has been silent 3 times in a row.* for 9\.5 s"):
        ward.admit(health, 0.0, 0.5)
    ward.admit(health, 9.6, 0.5)


def test_who_is_alone_on_its_line_takes_it_from_nobody() -> None:
    ward = Ward()
    ward.admit(dead_unit(ward), 0.0, 0.5)


def test_only_one_of_the_dead_is_asked_at_a_time() -> None:
    ward = Ward()
    one, two = dead_unit(ward, 1), dead_unit(ward, 2)
    ward.admit(one, 100.0, 0.5)
    with pytest.raises(Quarantined):
        ward.admit(two, 100.1, 0.5)


@given(st.integers(1, 9), st.floats(0.01, 30.0), st.floats(0.001, 2.0), st.integers(0, 2**32))
def test_all_dead_units_together_never_take_more_than_their_share(
    units: int, within_s: float, asked_every_s: float, seed: int
) -> None:
    draw = random.Random(seed)
    ward = Ward(draw.random)
    ward.of(100, 0.0)
    dead = [dead_unit(ward, unit, 0.0, within_s) for unit in range(units)]
    start = now = within_s / DEAD_SHARE  # the rest that the way to their death has earned them is over
    used_s = 0.0
    for _ in range(100):
        for health in draw.sample(dead, len(dead)):
            try:
                ward.admit(health, now, within_s)
            except Quarantined:
                continue
            now += within_s
            used_s += within_s
            ward.silent(health, now, within_s)
        now += asked_every_s
    # Each probe is paid for by the rest behind it, but for the last one.
    assert used_s - within_s <= DEAD_SHARE * (now - start) * (1 + 1e-9)


def test_probes_of_one_unit_are_jittered_and_come_ever_more_rarely_up_to_a_minute() -> None:
    waits_s = []
    ward = Ward(lambda: 1.0)
    health = ward.of(9, 0.0)
    for _ in range(12):
        ward.silent(health, 0.0, 0.001)
        waits_s.append(health.probe_at)
    assert waits_s[2:] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 60.0]
    hasty = Ward(lambda: 0.0)
    assert dead_unit(hasty).probe_at == 0.5


def test_when_the_first_of_a_dead_line_answers_all_are_asked_at_once() -> None:
    ward = Ward()
    dead = [dead_unit(ward, unit, now=10.0) for unit in range(1, 5)]
    ward.answered(dead[0])
    for health in dead[1:]:
        ward.admit(health, 10.0, 0.5)
        ward.answered(health)


def test_when_one_dead_unit_of_a_living_line_answers_the_others_wait_on() -> None:
    ward = Ward()
    ward.of(100, 0.0)
    one, two = dead_unit(ward, 1), dead_unit(ward, 2)
    ward.answered(one)
    with pytest.raises(Quarantined):
        ward.admit(two, 0.1, 0.5)


def test_the_share_of_the_time_is_that_of_the_last_minute() -> None:
    health = Health(1, 100.0)
    assert health.time_share(100.0) == 0.0
    for second in range(1, 201):
        health.took(100.0 + second, 0.25)
        assert health.time_share(100.0 + second) == pytest.approx(0.25, abs=0.01)
    assert health.time_share(400.0) == 0.0
    assert health.time_share(1000.0) == 0.0


def test_a_units_turnaround_follows_what_it_does() -> None:
    health = Health(1, 0.0)
    health.thought(0.02)
    assert health.turnaround_s == 0.02
    for _ in range(40):
        health.thought(0.1)
    assert health.turnaround_s == pytest.approx(0.1, abs=0.002)
