"""What stands against an action in a reading; what is not known counts as the worse case."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetd.devices import ActionSpec, InterlockSpec
from fleetd.errors import Refusal
from fleetd.records import Quality, Reading, Value
from fleetd.registers.loader import load_map
from fleetd.robots.interlocks import is_hazardous, judge_interlocks
from fleetd_drivers.modbus.profile import load_profile

NOON = datetime(2026, 11, 11, 12, tzinfo=UTC)
ROBOT = load_profile("little-donkey").actions
READY: dict[str, Value] = {
    "battery_charge_percent": 80.0,
    "local_reset_pending": False,
    "stop_latched": False,
    "speed_m_s": 0.0,
    "state": "idle",
    **{f"door_{number}_open": False for number in range(1, 9)},
}


def reading(absent: dict[str, str] | None = None, **changes: Value) -> Reading:
    return Reading(at=NOON, device="robot-01", quality=Quality.GOOD, values=READY | changes, absent=absent or {})


def refused(action: str, now: Reading) -> str:
    try:
        judge_interlocks(ROBOT[action], now)
    except Refusal as refusal:
        return f"{refusal.rule}: {refusal.reason}"
    return ""


@pytest.mark.parametrize(
    ("action", "changes", "says"),
    [
        ("send", {}, ""),
        ("send", {"battery_charge_percent": 9.9}, "interlock-battery: the battery is too low to set out: battery_"),
        ("send", {"battery_charge_percent": 10.0}, ""),
        (
            "send",
            {"door_8_open": True},
            "interlock-doors_closed: a door is open: door_8_open is true, as of 2026-11-11",
        ),
        ("send", {"local_reset_pending": True}, "interlock-no_local_reset_pending"),
        ("send", {"stop_latched": True}, "interlock-no_stop_latched"),
        ("dock", {"battery_charge_percent": 1.0}, ""),
        ("dock", {"door_1_open": True}, "interlock-doors_closed"),
        ("resume", {"stop_latched": True}, ""),
        ("resume", {"local_reset_pending": True, "stop_latched": True}, "interlock-no_local_reset_pending"),
        ("open_door", {"speed_m_s": 0.1}, "interlock-stands_still: the robot is moving: speed_m_s is 0.1"),
        ("open_door", {"speed_m_s": -0.1}, "interlock-stands_still"),
        ("open_door", {"speed_m_s": None}, "interlock-stands_still"),
        ("hold", {"speed_m_s": 3.0, "door_1_open": True}, ""),
        ("set_speed_limit", {"stop_latched": True}, ""),
    ],
)
def test_the_robot_s_interlocks(action: str, changes: dict[str, Value], says: str) -> None:
    found = refused(action, reading(**changes))
    assert found.startswith(says)
    assert bool(found) is bool(says)


def test_what_is_absent_stands_against_it_with_its_reason() -> None:
    found = refused("send", reading(absent={"battery_charge_percent": "no pack"}, battery_charge_percent=None))
    assert "battery_charge_percent is absent (no pack)" in found


@given(st.dictionaries(st.sampled_from(sorted(READY)), st.one_of(st.none(), st.booleans(), st.floats(), st.text())))
def test_only_what_was_seen_to_be_right_lets_an_action_pass(changes: dict[str, Value]) -> None:
    now = reading(**changes)
    if refused("send", now):
        return
    charge = now.values["battery_charge_percent"]
    assert isinstance(charge, int | float)
    assert charge >= 10.0
    assert all(now.values[f"door_{number}_open"] is False for number in range(1, 9))
    assert now.values["local_reset_pending"] is now.values["stop_latched"] is False


@pytest.mark.parametrize(
    ("action", "changes", "hazardous"),
    [
        ("resume", {"stop_latched": False}, False),
        ("resume", {"stop_latched": True}, True),
        ("resume", {"stop_latched": None}, True),
        ("resume", {"stop_latched": 0}, True),
        ("open_door", {"state": "idle"}, False),
        ("open_door", {"state": "charging"}, False),
        ("open_door", {"state": "stopped"}, True),
        ("open_door", {"state": None}, True),
        ("send", {"stop_latched": True}, False),
    ],
)
def test_what_takes_a_second_person(action: str, changes: dict[str, Value], hazardous: bool) -> None:
    assert is_hazardous(ROBOT[action], reading(**changes)) is hazardous


def test_without_a_reading_a_hazard_is_one() -> None:
    assert is_hazardous(ROBOT["resume"], None)
    assert is_hazardous(ROBOT["open_door"], None)
    assert not is_hazardous(ROBOT["send"], None)


def test_true_is_not_one() -> None:
    lock = InterlockSpec("one", ("value",), "not one", one_of=(1,))
    with pytest.raises(Refusal):
        judge_interlocks(ActionSpec("act", "", interlocks=(lock,)), reading(value=True))


def test_the_map_names_only_interlocks_that_it_has() -> None:
    robot = load_map("little-donkey")
    named = {name for action in robot.actions for name in action.interlocks}
    assert named == {interlock.name for interlock in robot.interlocks}
