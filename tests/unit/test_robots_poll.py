"""Polling: in step with the clock, honest about age, and deaf to what ails the others."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetd.clock import VirtualClock
from fleetd.devices import Sample
from fleetd.errors import LinkLost, ReplyTimeout
from fleetd.hub import Hub
from fleetd.records import DeviceState, DeviceStatus, Quality, Reading
from fleetd.robots.poll import Cadence, Poller, Rhythm
from fleetd.supervise import Backoff, Device, Progress, Supervision

NOON = datetime(2026, 11, 11, 12, tzinfo=UTC)


@dataclass
class Unit:
    """A driver and the device behind it: it answers, fails, or says nothing for `silence_s` and then times out."""

    clock: VirtualClock
    values: dict[str, Any] = field(default_factory=lambda: {"state": "idle"})
    there: bool = True
    suspect: bool = False
    silence_s: float | None = None
    reads: list[float] = field(default_factory=list)
    beats: list[float] = field(default_factory=list)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Unit]:
        if not self.there:
            raise LinkLost("no route to it")
        yield self

    async def read(self) -> Sample:
        if self.silence_s is not None:
            await self.clock.sleep(self.silence_s)
            raise ReplyTimeout("no answer")
        if not self.there:
            raise LinkLost("it went away")
        self.reads.append(self.clock.monotonic())
        return Sample(dict(self.values), suspect=self.suspect)

    async def heartbeat(self) -> None:
        self.beats.append(self.clock.monotonic())


@dataclass
class Scene:
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(NOON))
    records: list[Any] = field(default_factory=list)
    healthy: bool = True

    def __post_init__(self) -> None:
        self.progress = Progress(self.clock)
        self.supervision = Supervision(self.clock, self.records.append, self.progress)

    def readings(self, name: str = "unit") -> list[Reading]:
        return [record for record in self.records if isinstance(record, Reading) and record.device == name]

    def states(self, name: str = "unit") -> list[DeviceState]:
        return [record.state for record in self.records if isinstance(record, DeviceStatus) and record.device == name]

    @asynccontextmanager
    async def working(self, units: dict[str, Unit], rhythm: Rhythm) -> AsyncIterator[dict[str, Poller]]:
        pollers = {
            name: Poller(
                Device(name, unit.connect, Backoff(2.0, 2.0)),
                self.supervision,
                self.records.append,
                rhythm,
                lambda: self.healthy,
            )
            for name, unit in units.items()
        }
        async with asyncio.TaskGroup() as tasks:
            loops = [tasks.create_task(self.supervision.run(poller.device, poller.work)) for poller in pollers.values()]
            yield pollers
            for loop in loops:
                loop.cancel()


@given(
    st.text(min_size=1, max_size=20),
    st.floats(0.05, 3600),
    st.lists(st.floats(0, 10), min_size=2, max_size=30),
    st.floats(0, 1e9),
)
def test_a_cadence_neither_drifts_nor_repeats_nor_makes_up_for_lost_slots(
    name: str, period_s: float, waits_s: list[float], start_s: float
) -> None:
    cadence, now_s, before_s = Cadence(name, period_s), start_s, None
    assert 0 <= cadence.phase_s < period_s
    for wait_s in waits_s:
        due_s = cadence.next_s(now_s)
        slack_s = 1e-9 * max(1.0, now_s)
        assert now_s - slack_s <= due_s <= now_s + 2 * period_s + slack_s
        slots = (due_s - cadence.phase_s) / period_s
        assert slots == pytest.approx(round(slots), abs=1e-3 + slack_s / period_s)
        if before_s is not None:
            assert due_s - before_s > period_s / 2
        before_s, now_s = due_s, due_s + wait_s * period_s


def test_a_slot_is_not_due_twice_when_its_timer_fires_early() -> None:
    cadence = Cadence("unit", 10.0)
    due_s = cadence.next_s(0.0)
    assert cadence.next_s(due_s - 1e-7) == pytest.approx(due_s + 10)


def test_a_fleet_spreads_over_the_period() -> None:
    phases = sorted(Cadence(f"robot-{number}", 1.0).phase_s for number in range(700))
    widest = max(after - before for before, after in itertools.pairwise(phases))
    assert widest < 0.11  # the grid of instants


async def test_polls_come_at_once_and_then_at_a_fixed_cadence() -> None:
    scene = Scene()
    unit = Unit(scene.clock)
    async with scene.working({"unit": unit}, Rhythm(5.0)) as pollers:
        await scene.clock.advance(0.0)
        assert unit.reads == [0.0]
        await scene.clock.advance(1000)
        phase_s = Cadence("unit", 5.0).phase_s
        assert unit.reads[1:] == pytest.approx([phase_s + 5 * slot for slot in range(200)])
        assert pollers["unit"].online.is_set()
        assert scene.states() == [DeviceState.ONLINE]


async def test_missed_slots_are_skipped() -> None:
    scene = Scene()
    unit = Unit(scene.clock)
    read = unit.read

    async def slowly() -> Sample:
        sample = await read()
        await scene.clock.sleep(12.0)
        return sample

    unit.read = slowly  # type: ignore[method-assign]
    async with scene.working({"unit": unit}, Rhythm(5.0)):
        await scene.clock.advance(100)
    gaps = [after - before for before, after in zip(unit.reads[1:], unit.reads[2:], strict=False)]
    assert gaps == pytest.approx([15.0] * len(gaps))


async def test_a_reading_bears_the_time_of_its_answer_and_its_doubts() -> None:
    scene = Scene()
    unit = Unit(scene.clock, suspect=True)
    async with scene.working({"unit": unit}, Rhythm(5.0)):
        await scene.clock.advance(0.0)
    [reading] = scene.readings()
    assert (reading.at, reading.quality, reading.values) == (NOON, Quality.SUSPECT, {"state": "idle"})


@pytest.mark.parametrize("loss", [{"there": False}, {"silence_s": 0.5}], ids=["gone", "silent"])
async def test_a_lost_device_is_stale_under_its_old_time_once_then_offline_then_back(loss: dict[str, Any]) -> None:
    scene = Scene()
    unit = Unit(scene.clock)
    async with scene.working({"unit": unit}, Rhythm(1.0)) as pollers:
        await scene.clock.advance(3)
        good = scene.readings()[-1]
        for fault, value in loss.items():
            setattr(unit, fault, value)
        await scene.clock.advance(30)
        stale = scene.readings()[-1]
        assert (stale.at, stale.values, stale.quality) == (good.at, good.values, Quality.STALE)
        assert [reading.quality for reading in scene.readings()].count(Quality.STALE) == 1
        assert scene.states() == [DeviceState.ONLINE, DeviceState.STALE, DeviceState.OFFLINE]
        assert not pollers["unit"].online.is_set()
        unit.there, unit.silence_s = True, None
        await scene.clock.advance(3)
        assert scene.states()[-1] is DeviceState.ONLINE
        assert scene.readings()[-1].quality is Quality.GOOD
        assert scene.readings()[-1].at > good.at


async def test_a_silent_robot_does_not_delay_the_others() -> None:
    scene = Scene()
    units = {f"robot-{number}": Unit(scene.clock) for number in range(10)}
    units["robot-3"].silence_s = 7.0
    async with scene.working(units, Rhythm(1.0)):
        await scene.clock.advance(60)
        for name, unit in units.items():
            if name != "robot-3":
                assert len(unit.reads) in (60, 61)
                assert scene.states(name) == [DeviceState.ONLINE]
        assert scene.states("robot-3") == [DeviceState.STALE, DeviceState.OFFLINE]


async def test_heartbeats_keep_their_period_and_cease_while_the_daemon_ails() -> None:
    scene = Scene()
    unit = Unit(scene.clock)
    async with scene.working({"unit": unit}, Rhythm(poll_s=60.0, heartbeat_s=0.5)):
        await scene.clock.advance(10)
        assert len(unit.beats) == pytest.approx(21, abs=1)
        scene.healthy = False
        before = len(unit.beats)
        await scene.clock.advance(10)
        assert len(unit.beats) == before
        scene.healthy = True
        await scene.clock.advance(1)
        assert len(unit.beats) > before


class BeatingUnit(Unit):
    """The same, but its heartbeats need no task; one may fail, or stay under way."""

    outcome: Exception | None = None
    keeps_silent = False
    given_up = 0

    def beat(self, told: Callable[[Exception | None], None], /) -> BeatingUnit:
        self.beats.append(self.clock.monotonic())
        if not self.keeps_silent:
            told(self.outcome)
        return self

    def give_up(self) -> None:
        self.given_up += 1


async def test_heartbeats_without_a_task_keep_the_same_rules() -> None:
    scene = Scene()
    unit = BeatingUnit(scene.clock)
    async with scene.working({"unit": unit}, Rhythm(poll_s=60.0, heartbeat_s=0.5)):
        await scene.clock.advance(10)
        assert len(unit.beats) == pytest.approx(21, abs=1)
        scene.healthy = False
        before = len(unit.beats)
        await scene.clock.advance(10)
        assert len(unit.beats) == before
        scene.healthy = True
        unit.keeps_silent = True
        await scene.clock.advance(10)
        assert len(unit.beats) == before + 1  # none is sent while the last is under way
    assert unit.given_up == 1


async def test_a_heartbeat_that_fails_ends_the_work_and_it_is_connected_anew() -> None:
    scene = Scene()
    unit = BeatingUnit(scene.clock)
    async with scene.working({"unit": unit}, Rhythm(poll_s=60.0, heartbeat_s=0.5)):
        await scene.clock.advance(3)
        unit.outcome = ReplyTimeout("no answer")
        await scene.clock.advance(1)
        unit.outcome = None
        await scene.clock.advance(10)
        states = scene.states()  # perhaps it was connected, and lost by its next heartbeat, once more within the second
        assert states[:2] == [DeviceState.ONLINE, DeviceState.STALE]
        assert states[-1] is DeviceState.ONLINE


async def test_a_sensor_gets_no_heartbeat() -> None:
    scene = Scene()
    unit = Unit(scene.clock)
    async with scene.working({"unit": unit}, Rhythm(1.0)):
        await scene.clock.advance(10)
    assert unit.beats == []


async def test_a_slow_poll_does_not_look_like_a_hang_to_the_watchdog() -> None:
    scene = Scene()
    async with scene.working({"unit": Unit(scene.clock)}, Rhythm(900.0)):
        await scene.clock.advance(3000)
        assert scene.progress.overdue() == []


async def test_what_another_task_lost_is_connected_anew() -> None:
    scene = Scene()
    unit = Unit(scene.clock)
    async with scene.working({"unit": unit}, Rhythm(60.0)) as pollers:
        await scene.clock.advance(1)
        poller = pollers["unit"]
        poller.lost(object(), LinkLost("of an older connection"))
        await scene.clock.advance(1)
        assert scene.states() == [DeviceState.ONLINE]
        poller.lost(poller.device.driver, LinkLost("reset"))
        poller.lost(poller.device.driver, LinkLost("said twice"))
        assert not poller.online.is_set()
        await scene.clock.advance(5)
        assert scene.states() == [DeviceState.ONLINE, DeviceState.STALE, DeviceState.ONLINE]


async def test_unchanged_readings_are_silent_for_as_long_as_allowed() -> None:
    scene = Scene()
    unit = Unit(scene.clock)
    async with scene.working({"unit": unit}, Rhythm(1.0, max_silence_s=20.0)):
        await scene.clock.advance(60.5)
        assert len(scene.readings()) in (3, 4)
        before = len(scene.readings())
        unit.values = {"state": "driving"}
        await scene.clock.advance(1.0)
        assert len(scene.readings()) == before + 1
        unit.there = False
        await scene.clock.advance(5)
        stale = scene.readings()[-1]
        assert stale.quality is Quality.STALE
        assert (stale.at - NOON).total_seconds() == pytest.approx(unit.reads[-1])  # the last taken, not the last told


async def test_cancelling_the_work_leaves_no_task_and_reports_nothing() -> None:
    before = asyncio.all_tasks()
    scene = Scene()
    async with scene.working({"unit": Unit(scene.clock)}, Rhythm(1.0, heartbeat_s=0.5)):
        await scene.clock.advance(3)
    assert asyncio.all_tasks() == before
    assert all(reading.quality is Quality.GOOD for reading in scene.readings())


async def test_the_hub_takes_what_pollers_publish() -> None:
    clock, hub = VirtualClock(NOON), Hub()
    unit = Unit(clock)
    poller = Poller(
        Device("unit", unit.connect), Supervision(clock, hub.publish, Progress(clock)), hub.publish, Rhythm(1.0)
    )
    with hub.subscribe("test", Reading) as readings:
        work = asyncio.create_task(poller.work(unit), name="work")
        assert (await readings.get()).at == NOON
        work.cancel()
        await asyncio.wait([work])
