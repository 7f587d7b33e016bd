"""An antenna in the wind: stowed in time, whoever holds it, kept there until it is calm, and then the plan goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from contact_bench import AOS, Bench, T, bench

from fleetd.alarms import Alarms
from fleetd.contact.safetysettings import WindSettings
from fleetd.contact.wind import Gale, WindWatch
from fleetd.devices import AzEl
from fleetd.errors import DeviceError, Refusal
from fleetd.records import Alarm, Quality, Reading

WIND = {"sensor": "weather", "limit": 20.0, "calm": 15.0, "calm_for_s": 120.0}
STOW = AzEl(90.0, 90.0)


@dataclass
class Windy:
    made: Bench
    alarms: Alarms

    async def blow(self, gust_m_s: float | None, *, quality: Quality = Quality.GOOD, advance_s: float = 0.0) -> None:
        made = self.made
        reading = Reading(at=made.clock.now(), device="weather", quality=quality, values={"wind_gust_m_s": gust_m_s})
        made.hub.publish(reading)
        await made.advance(advance_s)

    async def keep_blowing(self, gust_m_s: float, seconds: float, every_s: float = 10.0) -> None:
        for _ in range(round(seconds / every_s)):
            await self.blow(gust_m_s, advance_s=every_s)

    def alarm(self) -> Alarm:
        return [record for record in self.made.all_records() if isinstance(record, Alarm)][-1]


@asynccontextmanager
async def windy(**changes: object) -> AsyncIterator[Windy]:
    stow = {"azimuth_deg": STOW.azimuth_deg, "elevation_deg": STOW.elevation_deg}
    async with bench(wind=WIND, stow=stow, **changes) as made:
        alarms = Alarms(made.clock, made.hub.publish)
        watch = WindWatch(made.antenna, WindSettings.model_validate(WIND), made.hub, alarms)
        task = asyncio.create_task(watch.run(), name="wind")
        await made.advance(0.1)
        try:
            yield Windy(made, alarms)
        finally:
            task.cancel()
            await asyncio.wait({task})


async def test_row_13_high_wind_stows_within_two_seconds_and_nothing_else_moves() -> None:
    async with windy() as site:
        made = site.made
        await site.blow(20.0, advance_s=5.0)
        assert made.verbs().count("point") == 0, "the limit itself is still allowed"
        await site.blow(20.1, advance_s=2.0)
        assert made.rotator.told[-1] == ("point", STOW)
        with pytest.raises(
            Refusal, match=r"dish is stowed: wind_gust_m_s of weather is 20\.1, above 20, the limit"
        ) as no:
            await _order(made, made.antenna.point(AzEl(10.0, 10.0)))
        assert no.value.rule == "wind"
        alarm = site.alarm()
        assert (alarm.device, alarm.name, alarm.active, alarm.value, alarm.limit) == ("dish", "wind", True, 20.1, 20.0)


async def test_row_13_a_silent_sensor_counts_as_high_wind_after_a_minute() -> None:
    async with windy() as site:
        await site.blow(3.0, advance_s=59.0)
        assert site.made.verbs().count("point") == 0
        await site.blow(3.0, quality=Quality.STALE)  # an old value once more is no news
        await site.blow(None)
        await site.made.advance(3.0)
        assert site.made.rotator.told[-1] == ("point", STOW)
        assert "weather has given no wind_gust_m_s for 61 s, more than 60" in site.alarm().text


async def test_row_13_a_ramp_is_stowed_at_the_limit_and_released_after_a_calm() -> None:
    async with windy() as site:
        made = site.made
        for gust in range(26):
            await site.blow(float(gust), advance_s=2.0)
            assert bool(made.antenna.interlock.wind) == (gust > 20)
        await site.keep_blowing(16.0, 600.0)  # below the limit is not calm yet
        assert "above 15, the calm again" in made.antenna.interlock.wind
        await site.keep_blowing(14.0, 110.0)
        assert "at most 15 for 110 s of 120" in made.antenna.interlock.wind
        await site.blow(15.5)
        await site.keep_blowing(14.0, 110.0)
        assert made.antenna.interlock.wind, "a gust in between begins it anew"
        await site.keep_blowing(14.0, 20.0)
        assert not made.antenna.interlock.wind
        assert not site.alarm().active
        assert made.events().count("antenna-stowed") == made.events().count("antenna-released") == 1
        await _order(made, made.antenna.point(AzEl(10.0, 80.0)))


async def test_a_running_contact_is_stowed_and_taken_up_again_and_its_report_says_so() -> None:
    async with windy() as site:
        made = site.made
        await site.keep_blowing(3.0, (AOS - T).total_seconds() - 120)
        task = asyncio.create_task(made.worker().run(), name="worker")
        await site.keep_blowing(3.0, 220)
        await site.blow(25.0, advance_s=2.0)
        await site.keep_blowing(3.0, 100)
        assert made.rotator.position() == STOW
        while not task.done():
            await site.keep_blowing(3.0, 10)
        report = made.report()
    assert report.outcome == "degraded"
    assert "dish is stowed" in report.reason
    assert report.stowed_s == pytest.approx(121, abs=3)
    assert report.off_beam_s >= report.stowed_s - 15
    assert report.max_pointing_error_deg is not None
    assert report.max_pointing_error_deg < 1.5  # the time stowed is no pointing error


async def test_a_stop_is_left_in_peace_for_half_a_minute_and_a_lost_link_is_not_the_end() -> None:
    async with windy() as site:
        made = site.made
        await _order(made, made.antenna.point(AzEl(300.0, 10.0)))
        await made.advance(50.0)
        await site.blow(30.0, advance_s=5.0)
        await _order(made, made.antenna.stop())
        where = made.rotator.position()
        await site.keep_blowing(30.0, 20.0)
        assert made.rotator.position() == where
        await site.keep_blowing(30.0, 20.0)
        assert made.rotator.moving
        made.rotator.broken = True
        with pytest.raises(DeviceError):
            await _order(made, made.antenna.measure())
        await site.keep_blowing(30.0, 40.0)
        made.rotator.broken = False
        await site.keep_blowing(30.0, 60.0)
        assert made.rotator.position() == STOW


async def test_people_at_work_are_safe_from_it() -> None:
    async with windy() as site:
        made = site.made
        await _order(made, made.lock("ada", "bolts"))
        await site.blow(30.0, advance_s=60.0)
        assert made.verbs().count("point") == 0
        await made.unlock()
        await site.blow(30.0, advance_s=3.0)
        assert made.rotator.told[-1] == ("point", STOW)


def test_a_calm_broken_by_silence_begins_anew() -> None:
    gale = Gale(WindSettings.model_validate(WIND), 0.0)
    gale.take(25.0, 1.0)
    gale.take(3.0, 10.0)
    assert gale.why_high(60.0)
    assert "unknown wind" in gale.why_high(100.0)
    gale.take(3.0, 101.0)
    assert gale.why_high(160.0)
    gale.take(3.0, 160.0)
    gale.take(3.0, 215.0)
    assert gale.why_high(220.0)
    assert not gale.why_high(221.0)


async def _order(made: Bench, act: object) -> None:
    task = asyncio.ensure_future(act)  # type: ignore[arg-type]
    await made.advance(0.01)
    await task
