"""The fleet's newest state, as the golden names of the reference map give it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from fleetd.clock import VirtualClock
from fleetd.errors import Refusal
from fleetd.hub import Hub
from fleetd.records import DeviceState, Quality, Reading, Result, Stage
from fleetd.registers.loader import load_map
from fleetd.robots.fleet import Fleet, Member
from fleetd.robots.poll import Poller, Rhythm
from fleetd.robots.settings import Place, RobotsSettings
from fleetd.settings import Settings
from fleetd.supervise import Device, Progress, Supervision

NOON = datetime(2026, 11, 11, 12, tzinfo=UTC)
PLACES = {"library": Place(stop=2, latitude_deg=30.3, longitude_deg=120.1)}


@asynccontextmanager
async def nothing() -> AsyncIterator[None]:
    yield


def fleet_of(*names: str) -> Fleet:
    clock = VirtualClock(NOON)
    supervision = Supervision(clock, lambda _: None, Progress(clock))
    members = {
        name: Member(Poller(Device(name, nothing), supervision, lambda _: None, Rhythm()), "little-donkey", {})
        for name in names
    }
    return Fleet(members, PLACES)


def driving() -> dict[str, object]:
    """What the reference map's own golden sample of a driving robot holds."""
    return dict(load_map("little-donkey").samples[0].values)


async def watched(fleet: Fleet, *records: Reading | Result) -> None:
    hub = Hub()
    watch = asyncio.create_task(fleet.watch(hub), name="watch")
    await asyncio.sleep(0)
    for record in records:
        hub.publish(record)
    for _ in range(5):
        await asyncio.sleep(0)
    watch.cancel()
    await asyncio.wait([watch])


def reading(device: str, **values: object) -> Reading:
    return Reading(at=NOON, device=device, quality=Quality.GOOD, values=values)  # type: ignore[arg-type]


async def test_a_robot_in_a_line_comes_from_its_newest_reading_and_result() -> None:
    fleet = fleet_of("robot-01")
    result = Result(at=NOON, id="c", device="robot-01", action="send", stage=Stage.SUCCEEDED)
    await watched(fleet, reading("robot-01", state="idle"), reading("robot-01", **driving()), result)
    [robot] = fleet.list()
    assert (robot.name, robot.driver, robot.state, robot.reason) == (
        "robot-01",
        "little-donkey",
        DeviceState.OFFLINE,
        "not connected yet",
    )
    assert (robot.mode, robot.errand, robot.battery_percent) == ("driving", "library", 87.6)
    assert robot.speed_m_s == pytest.approx(4.167)
    assert robot.stop_latched is False
    assert (robot.at, robot.quality, robot.last_result) == (NOON, Quality.GOOD, result)
    assert fleet.show("robot-01").values["parcels"] == 42


async def test_a_robot_never_heard_of_has_nothing_to_say() -> None:
    [robot] = fleet_of("robot-01").list()
    assert (robot.at, robot.mode, robot.battery_percent, robot.errand, robot.last_result) == (None,) * 5


async def test_a_stop_without_a_name_is_shown_by_number() -> None:
    fleet = fleet_of("robot-01")
    await watched(fleet, reading("robot-01", target_stop=17))
    assert fleet.show("robot-01").errand == "17"


async def test_unknown_robots_are_refused_by_name_and_never_kept() -> None:
    fleet = fleet_of("robot-01", "robot-02")
    await watched(fleet, reading("weather", temperature_c=20.0))
    with pytest.raises(Refusal, match=r"no robot 'weather'; there are robot-01, robot-02"):
        fleet.show("weather")
    assert len(fleet.list()) == 2
    assert "weather" not in fleet._readings


async def test_the_fleet_in_one_line() -> None:
    fleet = fleet_of("a", "b", "c")
    for name in "ab":
        fleet.member(name).poller.device.state = DeviceState.ONLINE
    await watched(
        fleet,
        reading("a", state="driving", battery_charge_percent=80.0, stop_latched=False),
        reading("b", state="stopped", battery_charge_percent=30.5, stop_latched=True),
    )
    summary = fleet.summary()
    assert (summary.robots, summary.online, summary.offline, summary.stop_latched) == (3, 2, 1, 1)
    assert summary.modes == {"driving": 1, "stopped": 1}
    assert summary.lowest_battery_percent == 30.5


class _Polled(Settings):
    poll_s: float = 7.0
    heartbeat_s: float = 0.5


class _Plain(Settings):
    unit: int = 1


def test_a_rhythm_comes_from_the_drivers_settings() -> None:
    assert Rhythm.of(_Polled()) == Rhythm(7.0, 0.5)
    assert Rhythm.of(_Plain(), 60.0) == Rhythm(5.0, None, 60.0)


def test_settings_refuse_what_cannot_be() -> None:
    assert RobotsSettings().command_expiry_s == 30.0
    for bad in ({"command_expiry_s": 0.0}, {"places": {"Not A Name": PLACES["library"]}}, {"queue_length": 0}):
        with pytest.raises(ValueError, match="validation error"):
            RobotsSettings(**bad)  # type: ignore[arg-type]
    assert timedelta(seconds=RobotsSettings().recall_window_s) == timedelta(minutes=1)
