"""The register of alarms: each change told once, nothing forgotten before somebody has seen it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from fleetd.alarms import Alarms
from fleetd.alarms.away import Away
from fleetd.clock import VirtualClock
from fleetd.errors import Refusal
from fleetd.hub import Hub
from fleetd.records import Alarm, DeviceState, DeviceStatus, Event, Severity

NOON = datetime(2026, 11, 11, 12, tzinfo=UTC)


class Register:
    def __init__(self) -> None:
        self.clock = VirtualClock(NOON)
        self.told: list[Alarm | Event] = []
        self.alarms = Alarms(self.clock, self.told.append)

    def low(self, percent: float, severity: Severity = Severity.WARNING) -> None:
        text = f"battery of robot-01 is at {percent} %, below 20 %"
        self.alarms.raise_("robot-01", "battery", severity, text, value=percent, limit=20.0)


async def test_an_alarm_is_told_when_it_comes_when_it_worsens_and_when_it_goes() -> None:
    register = Register()
    register.low(19.0)
    await register.clock.advance(5)
    register.low(18.0)  # still the same alarm: kept, not told
    register.low(4.0, Severity.CRITICAL)
    register.alarms.clear("robot-01", "battery")
    register.alarms.clear("robot-01", "battery")
    told = [(alarm.active, alarm.severity, alarm.value) for alarm in register.told if isinstance(alarm, Alarm)]
    assert told == [(True, "warning", 19.0), (True, "critical", 4.0), (False, "critical", 4.0)]
    assert register.told[0].limit == 20.0  # type: ignore[union-attr]


async def test_the_register_keeps_the_newest_value_and_the_oldest_time() -> None:
    register = Register()
    register.low(19.0)
    await register.clock.advance(5)
    register.low(18.0)
    [entry] = register.alarms.list()
    assert (entry.at, entry.value, entry.active) == (NOON, 18.0, True)


async def test_what_came_and_went_unseen_stays_until_it_is_seen() -> None:
    register = Register()
    register.low(19.0)
    register.alarms.clear("robot-01", "battery")
    [entry] = register.alarms.list()
    assert (entry.active, entry.cleared_at) == (False, NOON)
    register.alarms.ack("robot-01", "battery", "uid:1000(li)")
    assert register.alarms.list() == []


async def test_what_was_seen_stays_until_it_goes() -> None:
    register = Register()
    register.low(19.0)
    seen = register.alarms.ack("robot-01", "battery", "uid:1000(li)")
    assert (seen.acknowledged_by, seen.acknowledged_at) == ("uid:1000(li)", NOON)
    register.low(18.0)
    [entry] = register.alarms.list()
    assert entry.acknowledged_by == "uid:1000(li)"
    register.alarms.clear("robot-01", "battery")
    assert register.alarms.list() == []
    assert any(isinstance(record, Event) and "uid:1000(li)" in record.text for record in register.told)


def test_an_alarm_that_is_not_there_cannot_be_seen() -> None:
    register = Register()
    register.low(19.0)
    with pytest.raises(Refusal, match="robot-01/battery"):
        register.alarms.ack("robot-01", "fire", "me")


async def test_active_ones_come_first_and_the_newest_before_the_older() -> None:
    register = Register()
    for device in ("a", "b", "c"):
        register.alarms.raise_(device, "x", Severity.INFO, "x")
        await register.clock.advance(1)
    register.alarms.clear("c", "x")
    assert [entry.device for entry in register.alarms.list()] == ["b", "a", "c"]


async def test_a_device_that_stays_away_is_an_alarm_until_it_is_back() -> None:
    register, hub = Register(), Hub()

    def status(state: DeviceState, reason: str = "") -> None:
        hub.publish(DeviceStatus(at=register.clock.now(), device="robot-01", state=state, reason=reason))

    watch = asyncio.create_task(Away(register.alarms, after_s=60.0).watch(hub), name="watch")
    await register.clock.advance(0)
    status(DeviceState.STALE, "no answer")
    await register.clock.advance(30)
    status(DeviceState.OFFLINE, "no route to it")
    await register.clock.advance(29)
    assert register.told == []
    await register.clock.advance(8)
    [alarm] = register.told
    assert isinstance(alarm, Alarm)
    assert (alarm.device, alarm.name, alarm.active, alarm.limit) == ("robot-01", "offline", True, 60.0)
    assert "no route to it" in alarm.text
    await register.clock.advance(600)
    status(DeviceState.ONLINE)
    await register.clock.advance(0)
    assert [record.active for record in register.told if isinstance(record, Alarm)] == [True, False]
    assert register.told[-1].at == NOON + timedelta(seconds=667)
    await register.clock.advance(600)
    assert len(register.told) == 2
    watch.cancel()
    await asyncio.wait([watch])


async def test_one_that_latches_stays_active_until_it_is_acknowledged() -> None:
    register = Register()
    register.alarms.latched = ("*/battery",)
    register.low(19.0)
    register.alarms.clear("robot-01", "battery")
    [entry] = register.alarms.list()
    assert (entry.active, entry.latched, entry.cleared_at) == (True, True, NOON)
    register.low(18.0)  # it comes again before anybody has seen it: the same alarm
    register.alarms.clear("robot-01", "battery")
    register.alarms.ack("robot-01", "battery", "me")
    assert register.alarms.list() == []
    told = [(alarm.active, alarm.latched) for alarm in register.told if isinstance(alarm, Alarm)]
    assert told == [(True, False), (True, True), (True, False), (True, True), (False, False)]


async def test_one_that_latches_and_was_seen_goes_with_its_condition() -> None:
    register = Register()
    register.alarms.raise_("robot-01", "fire", Severity.CRITICAL, "fire", latch=True)
    register.alarms.ack("robot-01", "fire", "me")
    register.alarms.clear("robot-01", "fire")
    assert register.alarms.list() == []


async def test_a_shelf_says_who_and_until_when_and_ends_by_itself() -> None:
    register = Register()
    register.low(19.0)
    until = NOON + timedelta(minutes=30)
    register.alarms.shelve("robot-01", "battery", "me", until, "new pack is on its way")
    sweep = asyncio.create_task(register.alarms.run(), name="sweep")
    register.alarms.clear("robot-01", "battery")
    register.low(12.0)
    [entry] = register.alarms.list()
    assert (entry.shelved_by, entry.shelved_until, entry.shelved_why) == ("me", until, "new pack is on its way")
    told = [record for record in register.told if isinstance(record, Alarm)]
    assert [(alarm.active, alarm.shelved_by, alarm.shelved_until) for alarm in told[1:]] == [
        (True, "me", until),
        (False, "me", until),
        (True, "me", until),
    ]
    await register.clock.advance(1_810)
    [entry] = register.alarms.list()
    assert (entry.active, entry.shelved_by) == (True, None)
    last = [record for record in register.told if isinstance(record, Alarm)][-1]
    assert (last.active, last.shelved_by) == (True, "")
    assert [record.name for record in register.told if isinstance(record, Event)] == [
        "alarm-shelved",
        "alarm-unshelved",
    ]
    sweep.cancel()
    await asyncio.wait([sweep])


def test_only_what_is_in_the_register_is_shelved_and_not_for_ever() -> None:
    register = Register()
    register.low(19.0)
    with pytest.raises(Refusal, match="there is no alarm 'fire'"):
        register.alarms.shelve("robot-01", "fire", "me", NOON + timedelta(hours=1))
    for until in (NOON, NOON + timedelta(days=31)):
        with pytest.raises(Refusal, match="up to 30 days"):
            register.alarms.shelve("robot-01", "battery", "me", until)
    with pytest.raises(Refusal, match="not shelved"):
        register.alarms.unshelve("robot-01", "battery", "me")
