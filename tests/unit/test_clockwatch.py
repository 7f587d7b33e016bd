"""What civil time does that it should not is seen within a second, for what it is, and told to whom it concerns."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from fleetd import clockwatch
from fleetd.alarms import Alarms
from fleetd.clock import VirtualClock
from fleetd.clockwatch import ClockWatch, Disturbance, Instant, disturbance
from fleetd.devices import AzEl
from fleetd.kerneltime import Leap, kernel_leap, machine_boot, timesyncd_synced
from fleetd.orbit.elementset import ElementSet
from fleetd.orbit.passes import Station, find_passes
from fleetd.orbit.trajectory import Trajectory
from fleetd.records import Alarm, Event

NOON = datetime(2026, 11, 11, 12, tzinfo=UTC)


@dataclass
class Watched:
    """A watch over a clock that is moved by hand."""

    clock: VirtualClock
    told: list[Event | Alarm] = field(default_factory=list)
    moves: list[float] = field(default_factory=list)
    certain: list[int] = field(default_factory=list)
    leap: Leap = Leap.NONE

    def events(self, name: str = "") -> list[Event]:
        return [each for each in self.told if isinstance(each, Event) and name in ("", each.name)]

    async def take(self, ahead_us: int) -> None:
        self.certain.append(ahead_us)


@asynccontextmanager
async def watched(*, synced: bool = True, uptime_s: float = 0.0) -> AsyncIterator[Watched]:
    here = Watched(VirtualClock(NOON, synced=synced, uptime_s=uptime_s))
    alarms = Alarms(here.clock, here.told.append)
    watch = ClockWatch(
        here.clock,
        here.told.append,
        alarms,
        moved=[lambda: here.moves.append(here.clock.boottime())],
        synced=[here.take],
        leap=lambda: here.leap,
    )
    task = asyncio.create_task(watch.run(), name="clock")
    await here.clock.advance(0)
    try:
        yield here
    finally:
        task.cancel()
        await asyncio.wait([task])


def test_slewing_and_a_busy_machine_are_no_step() -> None:
    before = Instant(1_000.0, 50.0, 40.0)
    assert disturbance(before, Instant(1_000.5, 50.5, 40.5)) == Disturbance(0.0, 0.0)
    assert disturbance(before, Instant(1_060.03, 110.0, 100.0)) == Disturbance(0.0, 0.0)  # 500 millionths
    assert disturbance(before, Instant(1_000.54, 50.5, 40.5)) == Disturbance(0.0, 0.0)
    stepped, slept = disturbance(before, Instant(1_010.5, 60.5, 40.5))
    assert (stepped, slept) == (0.0, pytest.approx(10.0))
    stepped, slept = disturbance(before, Instant(4_600.5, 50.5, 40.5))
    assert (stepped, slept) == (pytest.approx(3_600.0), 0.0)
    stepped, slept = disturbance(before, Instant(1_009.5, 60.5, 40.5))
    assert (stepped, slept) == (pytest.approx(-1.0), pytest.approx(10.0))


async def test_row_30_a_thousand_jumps_are_each_seen_within_a_second() -> None:
    jumps = random.Random(30)
    async with watched() as here:
        for number in range(1, 1_001):
            await here.clock.advance(jumps.uniform(0.6, 5.0), turns=3)
            by_s = jumps.choice((3_600.0, -3_600.0, 86_400.0, -86_400.0, 0.2, -0.2, jumps.uniform(-1e6, 1e6)))
            asked_at = here.clock.boottime()
            here.clock.step(by_s)
            await here.clock.advance(1.0, turns=3)
            assert len(here.moves) == number
            assert here.moves[-1] - asked_at <= 1.0
            event = here.events("clock-stepped")[-1]
            assert event.detail["stepped_s"] == pytest.approx(by_s, abs=0.001)
        assert len(here.events("clock-stepped")) == 1_000
        assert len(here.certain) == 1_001  # and each time records are put right anew


async def test_row_32_a_machine_that_slept_is_seen_also_after_200_days() -> None:
    sleeps = random.Random(32)
    async with watched(uptime_s=1.73e7) as here:
        for number in range(1, 101):
            await here.clock.advance(2.0)
            for_s = sleeps.uniform(0.5, 100_000.0)
            here.clock.suspend(for_s)
            await here.clock.advance(1.0)
            assert [len(here.moves), len(here.events("clock-stepped"))] == [number, 0]
            assert here.events("machine-slept")[-1].detail["slept_s"] == pytest.approx(for_s, abs=0.001)


async def test_row_32_timers_are_on_time_after_200_days() -> None:
    clock = VirtualClock(NOON, uptime_s=1.73e7)
    for delay_s in (0.001, 0.5, 3_600.0, 86_400.0):
        task = asyncio.create_task(clock.sleep(delay_s))
        due_s = clock.monotonic() + delay_s
        await clock.advance(delay_s - 0.0005)
        assert not task.done()
        await clock.advance(0.001)
        assert task.done()
        assert abs(clock.monotonic() - due_s) <= 0.005


async def test_row_31_a_leap_second_is_told_from_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clockwatch, "_AFTER_LEAP_S", 100.0)
    async with watched() as here:
        here.leap = Leap.INSERTING
        await here.clock.advance(1.0)
        here.clock.step(-1.0)
        here.leap = Leap.HAS_BEEN
        await here.clock.advance(1.0)
        assert [event.name for event in here.events()] == ["leap-second-announced", "leap-second"]
        assert len(here.moves) == 1
        await here.clock.advance(101)
        here.clock.step(-1.0)  # later it is an ordinary step
        await here.clock.advance(1.0)
        assert [event.name for event in here.events()][2:] == ["clock-stepped"]


def smeared(true: datetime, leap: datetime) -> datetime:
    """What a clock shows whose service spreads a leap second evenly over the day around it."""
    share = min(1.0, max(0.0, (true - leap + timedelta(hours=12)) / timedelta(days=1)))
    before_leap = true < leap
    return true + timedelta(seconds=0.0 if share in (0.0, 1.0) else (-share if before_leap else 1.0 - share))


def test_row_31_pointing_is_right_once_the_clock_is() -> None:
    """A satellite at 400 km, overhead: in mid smear the clock is half a second off and so is every pointing.

    Nothing on the machine can see that (see the module); before and after it, pointing is right to 0.05 degrees.
    """
    elements = ElementSet(
        norad_id=1, name="low", epoch=NOON, inclination_deg=51.6, raan_deg=0.0, eccentricity=0.0003,
        argument_of_perigee_deg=0.0, mean_anomaly_deg=0.0, mean_motion_rev_day=15.55, bstar=1e-5,
    )  # fmt: skip
    station = Station("here", 30.27, 120.15)
    passes = find_passes([elements], [station], NOON, NOON + timedelta(days=10))
    highest = max(passes, key=lambda each: each.max_elevation_deg)
    assert highest.aos is not None
    assert highest.los is not None
    assert highest.max_elevation_deg > 75
    sky = Trajectory.of(elements, station, highest.aos, highest.los)

    def off_deg(leap: datetime) -> float:
        shown, real = (sky.at(when) for when in (smeared(highest.culmination, leap), highest.culmination))
        here, there = (AzEl(look.azimuth_deg, look.elevation_deg) for look in (shown, real))
        return here.separation_deg(there)

    hours = {hours: off_deg(highest.culmination - timedelta(hours=hours)) for hours in (-13, -11, 0, 11, 13)}
    assert hours[-13] == hours[13] == 0.0
    assert 0.2 < hours[0] < 1.0  # half a second at 7.7 km/s, 400 km up
    assert hours[-11] <= 0.05
    assert hours[11] <= 0.05


async def test_trust_comes_and_goes_with_an_alarm_after_a_minute() -> None:
    async with watched(synced=False) as here:
        await here.clock.advance(59)
        assert here.told == []
        await here.clock.advance(3)
        [alarm] = here.told
        assert isinstance(alarm, Alarm)
        assert (alarm.device, alarm.name, alarm.active, alarm.severity) == (
            "clock",
            "clock-unsynchronised",
            True,
            "critical",
        )
        here.clock.synced = True
        await here.clock.advance(1)
        assert [here.events("clock-synchronised") != [], len(here.certain)] == [True, 1]
        assert [each.active for each in here.told if isinstance(each, Alarm)] == [True, False]
        here.clock.synced = False
        await here.clock.advance(1)
        assert here.events("clock-unsynchronised")
        ahead_us = here.certain[0]
        assert ahead_us == round((NOON.timestamp()) * 1e6)


def test_after_a_step_only_what_a_time_service_said_since_is_believed(tmp_path) -> None:  # type: ignore[no-untyped-def]
    mark = tmp_path / "synchronized"
    assert not timesyncd_synced(mark)
    mark.touch()
    touched = mark.stat().st_mtime
    assert timesyncd_synced(mark, since=touched - 1)
    assert not timesyncd_synced(mark, since=touched + 1)


def test_a_boot_of_the_machine_has_one_name() -> None:
    assert machine_boot() == machine_boot() != ""


def test_a_process_that_is_held_up_between_two_clocks_reads_them_again() -> None:
    class HeldUp(VirtualClock):
        """Loses a tenth of a second now and then, in the middle of a look."""

        def __init__(self) -> None:
            super().__init__(NOON)
            self.looks = 0

        def monotonic(self) -> float:
            self.looks += 1
            if self.looks % 7 == 3:
                self._elapsed_s += 0.1
            return super().monotonic()

    clock = HeldUp()
    before = Instant.of(clock)
    for _ in range(1_000):
        now = Instant.of(clock)
        assert disturbance(before, now) == Disturbance(0.0, 0.0)
        before = now


def test_asking_the_kernel_leaves_nothing_for_the_collector() -> None:
    """It is asked twice a second, and the daemon collects rarely."""
    kernel_leap()
    gc.collect()
    for _ in range(100):
        kernel_leap()
    assert gc.collect() < 100
