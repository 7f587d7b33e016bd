"""What a reading becomes in a VDA 5050 state, held against the standard's schema whatever the robot reports."""

from __future__ import annotations

import asyncio
import json
import math
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vda5050 import MANUFACTURER, SERIAL, faults

from fleetd.clock import VirtualClock
from fleetd.records import DeviceState, Quality, Reading, Value
from fleetd.robots.fleet import Member
from fleetd.robots.settings import Place
from fleetd.vda5050.errands import Errands
from fleetd.vda5050.factsheet import factsheet
from fleetd.vda5050.messages import encode
from fleetd.vda5050.settings import Vda5050Settings
from fleetd.vda5050.speaker import Speaker
from fleetd.vda5050.state import Origin, Seen
from fleetd.vda5050.vehicle import Vehicle, World
from fleetd_drivers.modbus.profile import load_profile

NOON = datetime(2026, 11, 11, 12, tzinfo=UTC)
ACTIONS = load_profile("little-donkey").actions
SETTINGS = Vda5050Settings(manufacturer=MANUFACTURER, robots={"robot-01": SERIAL})
ORIGIN = Origin(30.3, 120.08, "site")
STANDING: dict[str, Value] = {
    "state": "idle",
    "stop_latched": False,
    "speed_m_s": 0.0,
    "latitude_deg": 30.301,
    "longitude_deg": 120.08,
    "heading_deg": 90.0,
    "battery_charge_percent": 80.0,
    "battery_voltage_v": 51.2,
    "range_m": 90_000,
    "last_stop": 1,
    "target_stop": None,
    "field_violation": False,
}


def speaker(values: dict[str, Value] | None, *, online: bool = True) -> tuple[Speaker, Vehicle]:
    reading = None
    if values is not None:
        reading = Reading(at=NOON, device="robot-01", quality=Quality.GOOD, values=values)
    state = DeviceState.ONLINE if online else DeviceState.OFFLINE
    poller = SimpleNamespace(newest=reading, device=SimpleNamespace(name="robot-01", state=state))
    member = Member(cast("Any", poller), "little-donkey", ACTIONS)
    clock = VirtualClock(NOON)
    places = {"depot": Place(stop=1, latitude_deg=30.301, longitude_deg=120.08)}
    world = World(SETTINGS, places, ORIGIN, Errands(cast("asyncio.Future[Any]", None), clock), clock)
    vehicle = Vehicle(member, SERIAL, world)
    return Speaker({SERIAL: vehicle}, world, cast("Any", None)), vehicle


def state_of(values: dict[str, Value] | None, *, online: bool = True) -> dict[str, Any]:
    says, vehicle = speaker(values, online=online)
    message: dict[str, Any] = json.loads(encode(says.state(vehicle)))
    assert faults("state", message) == []
    return message


def test_a_standing_robot() -> None:
    state = state_of(STANDING)
    assert (state["operatingMode"], state["driving"], state["paused"]) == ("AUTOMATIC", False, False)
    assert state["batteryState"] == {
        "batteryCharge": 80.0, "charging": False, "batteryVoltage": 51.2, "reach": 90_000.0,
    }  # fmt: skip
    position = state["agvPosition"]
    assert (position["x"], position["theta"]) == (0.0, 0.0), "heading east is theta 0"
    assert position["y"] == pytest.approx(111.195, abs=0.01), "a thousandth of a degree to the north, on a sphere"
    assert state["errors"] == []


@pytest.mark.parametrize(
    ("heading_deg", "theta"), [(0.0, math.pi / 2), (90.0, 0.0), (180.0, -math.pi / 2), (359.9, 1.5725)]
)
def test_theta_runs_the_other_way_from_east(heading_deg: float, theta: float) -> None:
    assert state_of(STANDING | {"heading_deg": heading_deg})["agvPosition"]["theta"] == pytest.approx(theta, abs=1e-4)


@pytest.mark.parametrize(
    ("changes", "path", "wanted"),
    [
        ({"stop_latched": True}, ("safetyState", "eStop"), "MANUAL"),
        ({"field_violation": True}, ("safetyState", "fieldViolation"), True),
        ({"state": "holding"}, ("paused",), True),
        ({"state": "manual"}, ("operatingMode",), "MANUAL"),
        ({"state": "starting"}, ("operatingMode",), "SERVICE"),
        ({"state": "charging"}, ("batteryState", "charging"), True),
        ({"speed_m_s": 4.2}, ("velocity", "vx"), 4.2),
    ],
)
def test_what_it_says_of_itself(changes: dict[str, Value], path: tuple[str, ...], wanted: object) -> None:
    found: Any = state_of(STANDING | changes)
    for step in path:
        found = found[step]
    assert found == wanted


def test_what_is_not_known_is_left_out_and_a_silent_battery_is_an_error() -> None:
    state = state_of(STANDING | dict.fromkeys(("latitude_deg", "speed_m_s", "battery_charge_percent", "range_m")))
    assert "agvPosition" not in state
    assert "velocity" not in state
    assert (state["batteryState"]["batteryCharge"], [each["errorType"] for each in state["errors"]]) == (
        0.0, ["batteryUnknown"],
    )  # fmt: skip


def test_a_fault_is_fatal_and_a_robot_out_of_reach_is_said_to_be() -> None:
    state = state_of(STANDING | {"fault_brake": True}, online=False)
    assert {(each["errorType"], each["errorLevel"]) for each in state["errors"]} == {
        ("fault_brake", "FATAL"), ("robotUnreachable", "WARNING"),
    }  # fmt: skip


@given(st.dictionaries(st.sampled_from(sorted(STANDING)), st.one_of(st.none(), st.booleans(), st.integers(-10, 10))))
def test_whatever_a_robot_reports_the_state_is_valid(changes: dict[str, Value]) -> None:
    state_of(STANDING | changes)
    assert Seen(STANDING | changes).battery.charging is ((STANDING | changes)["state"] == "charging")


def test_before_the_first_reading_the_state_is_valid() -> None:
    assert state_of(None)["operatingMode"] == "SERVICE"


def test_the_factsheet_is_valid_and_lists_what_the_robot_can_do() -> None:
    head = {"version": "2.1.0", "manufacturer": MANUFACTURER, "serialNumber": SERIAL}
    sheet = head | factsheet(SETTINGS, ACTIONS)
    assert faults("factsheet", json.loads(encode(sheet))) == []
    scopes = {each["actionType"]: each["actionScopes"] for each in sheet["protocolFeatures"]["agvActions"]}
    assert scopes["open_door"] == ["INSTANT", "NODE"]
    assert scopes["cancelOrder"] == ["INSTANT"]
    assert "send" not in scopes


@pytest.mark.parametrize("state", ["ONLINE", "OFFLINE", "CONNECTIONBROKEN"])
def test_connections_are_valid_retained_and_numbered(state: Any) -> None:
    says, vehicle = speaker(STANDING)
    messages = [says.connection(vehicle, state) for _ in range(3)]
    bodies = [json.loads(message.payload) for message in messages]
    assert all(faults("connection", body) == [] for body in bodies)
    assert [body["headerId"] for body in bodies] == [0, 1, 2]
    assert {(message.topic, message.retain) for message in messages} == {("uagv/v2/KIT/0001/connection", True)}
