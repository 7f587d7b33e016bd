"""The fleet's newest state, as the golden names of the reference map give it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from fleetd.clock import VirtualClock
from fleetd.errors import Refusal, ReplyTimeout
from fleetd.hub import Hub
from fleetd.records import DeviceState, Event, Quality, Reading, Result, Stage
from fleetd.registers.loader import load_map
from fleetd.robots.fleet import Fleet, Member
from fleetd.robots.poll import Poller, Rhythm
from fleetd.robots.settings import Place, RobotsSettings, Zone
from fleetd.robots.zones import Zones
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


async def events(fleet: Fleet, *records: Reading) -> list[Event]:
    hub = Hub()
    with hub.subscribe("test", Event) as told:
        watch = asyncio.create_task(fleet.watch(hub), name="watch")
        await asyncio.sleep(0)
        for record in records:
            hub.publish(record)
        for _ in range(5):
            await asyncio.sleep(0)
        watch.cancel()
        await asyncio.wait([watch])
        return await told.get_batch(100) if len(told) else []  # type: ignore[return-value]


async def test_what_a_robot_does_is_an_event_when_it_changes_and_not_at_each_reading() -> None:
    idle, driving = reading("robot-01", state="idle"), reading("robot-01", state="driving", target_stop=2)
    told = await events(fleet_of("robot-01"), idle, idle, driving, driving, driving, idle)
    assert [(event.name, event.text) for event in told] == [
        ("robot-mode", "robot-01: mode is driving, was idle"),
        ("robot-errand", "robot-01: errand is 2, was unknown"),
        ("robot-mode", "robot-01: mode is idle, was driving"),
        ("robot-errand", "robot-01: errand is unknown, was 2"),
    ]


async def test_a_latched_stop_is_a_warning_and_its_end_is_none() -> None:
    runs, stopped = reading("robot-01", stop_latched=False), reading("robot-01", stop_latched=True)
    told = await events(fleet_of("robot-01"), runs, stopped, runs)
    assert [event.severity for event in told] == ["warning", "info"]


async def test_a_crossing_of_a_zone_is_published() -> None:
    fleet = fleet_of("robot-01")
    fleet.zones = Zones({"yard": Zone(corners=((30.0, 120.0), (30.0, 120.1), (30.1, 120.1), (30.1, 120.0)))})
    outside = reading("robot-01", latitude_deg=31.0, longitude_deg=120.05)
    told = await events(fleet, outside, reading("robot-01", latitude_deg=30.05, longitude_deg=120.05))
    assert [event.name for event in told] == ["zone-entered"]


async def test_the_fleet_in_a_line_is_told_at_its_pace_and_only_when_it_is_another() -> None:
    fleet, hub, clock = fleet_of("robot-01", "robot-02"), Hub(), VirtualClock(NOON)
    with hub.subscribe("test", Event) as told:
        work = asyncio.create_task(fleet.summarise(hub, clock, 60.0))
        await clock.advance(300.0)
        assert len(told) == 1
        fleet.members["robot-01"].poller.device.state = DeviceState.ONLINE
        await clock.advance(300.0)
        assert len(told) == 2
        last = (await told.get_batch(2))[-1]
        assert isinstance(last, Event)
        assert last.text == "1 of 2 robots online (1 unknown), 0 stopped"
        assert last.detail["offline"] == 1
        work.cancel()
        await asyncio.wait([work])


async def test_the_last_errors_of_a_robot_are_kept_newest_first_and_few_of_them() -> None:
    clock = VirtualClock(NOON)
    supervision = Supervision(clock, lambda _: None, Progress(clock))
    fleet = fleet_of("robot-01")
    device = fleet.members["robot-01"].poller.device
    for number in range(8):
        supervision.failed(device, ReplyTimeout(f"silence {number}"))
        await clock.advance(1.0)
    errors = fleet.show("robot-01").errors
    assert [error.text for error in errors] == [f"silence {number}" for number in (7, 6, 5, 4, 3)]
    assert errors[0].at - errors[1].at == timedelta(seconds=1)
