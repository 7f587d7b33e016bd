"""All contacts of a site in virtual time: planned, started in time, ended by people, and never worked twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise

import pytest
from contact_bench import ELEMENTS, Bench, bench

from fleetd.contact.contacts import Contacts
from fleetd.contact.contactsite import ContactSite
from fleetd.contact.diary import Diary
from fleetd.contact.planner import Stage
from fleetd.contact.settings import ContactsSettings
from fleetd.contact.sky import Outlook, Satellite, candidates_of, chart_of, passes_of
from fleetd.devices import RotatorLimits
from fleetd.errors import Refusal
from fleetd.orbit.horizon import HorizonMask
from fleetd.orbit.passes import Station
from fleetd.orbit.settings import SatelliteSettings
from fleetd.records import ContactReport
from fleetd.supervise import Progress

STATION = Station("here", 30.27, 120.15, 20.0)


def satellites(**changes: float) -> list[Satellite]:
    settings = SatelliteSettings(name="candy-tin", norad_id=ELEMENTS.norad_id, elements=["x"], min_elevation_deg=10.0)
    return [Satellite(settings, replace(ELEMENTS, **changes) if changes else ELEMENTS)]


@dataclass
class Site:
    contacts: Contacts
    made: Bench
    task: asyncio.Task[None]

    async def eventually(self, done: Callable[[], bool]) -> None:
        """Let real time pass, in which a search in its thread ends; virtual time stands still but for a tick."""
        for _ in range(500):
            if done():
                return
            await asyncio.sleep(0.002)
            await self.made.advance(0.001)
        raise AssertionError("not so after a second")

    async def until(self, done: Callable[[], bool], step_s: float = 30.0) -> None:
        await self.made.until(done, within_s=86_400, step_s=step_s)

    def states(self) -> list[str]:
        return [each.state for each in self.contacts.booked]


@asynccontextmanager
async def site(**changes: object) -> AsyncIterator[Site]:
    """One antenna and one satellite, the first plan made."""
    # Searching anew is left to the tests: a thread and a virtual clock do not keep step.
    settings = ContactsSettings.model_validate({"replan_every_s": 86_400.0} | changes)
    async with bench(idle_period_s=30.0) as made:
        here = ContactSite(satellites(), Outlook(STATION), {"dish": made.antenna}, settings)
        contacts = Contacts(here, made.hub, Progress(made.clock))
        task = asyncio.create_task(contacts.run(), name="contacts")
        one = Site(contacts, made, task)
        try:
            await one.eventually(lambda: bool(contacts.booked))
            yield one
        finally:
            task.cancel()
            await asyncio.wait({task})


async def test_a_plan_is_made_from_real_passes() -> None:
    async with site() as here:
        booked = here.contacts.booked
        assert 2 <= len(booked) <= 8
        assert {each.antenna for each in booked} == {"dish"}
        assert {each.state for each in booked} == {"booked"}
        assert all(one.los < other.aos for one, other in pairwise(booked))
        passes = await here.contacts.next_passes(24)
        assert {each.satellite for each in passes} == {"candy-tin"}
        assert booked[0].aos in [each.aos for each in passes]
        explained = here.contacts.explain(booked[0].id)
        assert explained.booked
        assert explained.reason.startswith("booked on dish, worth")


async def test_a_contact_runs_in_its_time_and_the_next_one_follows() -> None:
    async with site() as here:
        first, second = here.contacts.booked[:2]
        assert first.id == f"candy-tin-{first.aos:%Y%m%dT%H%M%SZ}"
        await here.until(lambda: "running" in here.states(), step_s=10)
        assert first.aos - timedelta(seconds=131) < here.made.clock.now() < first.aos
        await here.until(lambda: bool(here.contacts.recent), step_s=60)
        (ended,) = here.contacts.recent
        assert (ended.id, ended.state) == (first.id, "worked")
        assert here.contacts.booked[0].id == second.id
        report = here.made.report()
        assert report.contact == first.id
        assert report.max_pointing_error_deg is not None
        assert report.max_pointing_error_deg < 1.5
        assert here.contacts.explain(first.id).reason == "over on dish: worked"
        await here.made.advance(2)
        news = [name for name in here.made.events() if name.startswith("pass-")]
        assert news == ["pass-soon", "pass-aos", "pass-culmination", "pass-los"]


async def test_a_booking_is_cancelled_for_good() -> None:
    async with site() as here:
        first = here.contacts.booked[0]
        assert here.contacts.cancel(first.id, "ada").state == "cancelled"
        assert first.id not in [each.id for each in here.contacts.booked]
        assert here.contacts.explain(first.id).reason == "cancelled by ada"
        with pytest.raises(Refusal, match="no contact"):
            here.contacts.cancel(first.id, "ada")
        assert here.contacts.book("candy-tin", first.aos, "dish").by_hand
        assert here.contacts.booked[0].id == first.id


async def test_a_running_contact_is_cancelled_with_stop_and_park() -> None:
    async with site() as here:
        first = here.contacts.booked[0]
        await here.until(lambda: "running" in here.states(), step_s=10)
        await here.made.advance(200)
        here.contacts.cancel(first.id, "ada")
        await here.made.advance(2)
        assert [(each.state, each.reason) for each in here.contacts.recent] == [("cancelled", "by ada")]
        assert [verb for verb, _ in here.made.rotator.told[-2:]] == ["stop", "point"]
        assert here.made.report().outcome == "cancelled"
        assert "running" not in here.states()


async def test_new_elements_leave_a_running_contact_alone_and_do_not_double_it() -> None:
    async with site() as here:
        first = here.contacts.booked[0]
        await here.until(lambda: "running" in here.states(), step_s=10)
        later = [each.aos for each in here.contacts.booked[1:]]
        here.contacts.renew(satellites(mean_anomaly_deg=0.2))
        await here.made.advance(2)
        await here.eventually(lambda: [each.aos for each in here.contacts.booked[1:]] != later)
        assert [each.id for each in here.contacts.booked].count(first.id) == 1
        assert here.contacts.booked[0].aos == first.aos
        await here.until(lambda: bool(here.contacts.recent), step_s=60)
        assert here.made.report().elements_hash == ELEMENTS.hash
        assert first.id not in [each.id for each in here.contacts.booked]


async def test_what_the_controller_turns_less_than_the_site_says_is_planned_for_at_once() -> None:
    async with site() as here:
        low = [each for each in here.contacts.booked if each.max_elevation_deg < 60]
        assert low
        here.made.antenna.interlock.controller = RotatorLimits(0.0, 450.0, 60.0, 90.0, 1.0)
        await here.made.advance(1.0)
        await here.eventually(lambda: not {each.id for each in low} & {each.id for each in here.contacts.booked})
        assert "dish can look at it for 0 s" in here.contacts.explain(low[0].id).reason


async def test_the_end_of_the_daemon_breaks_off_and_leaves_the_antenna_stopped() -> None:
    async with site() as here:
        await here.until(lambda: "running" in here.states(), step_s=10)
        await here.made.advance(200)
        here.task.cancel()
        await here.made.advance(1)
        assert here.task.cancelled()
        assert here.made.verbs()[-1] == "stop"
        assert not here.made.rotator.moving
        assert here.made.report().outcome == "broken-off"


async def test_after_a_sleep_past_the_whole_pass_it_is_missed_not_worked_late() -> None:
    async with site() as here:
        first = here.contacts.booked[0]
        here.made.clock.step((first.los - here.made.clock.now()).total_seconds() + 10)
        await here.made.advance(2)
        assert [(each.id, each.state) for each in here.contacts.recent] == [(first.id, "missed")]
        assert "contact-missed" in here.made.events()
        here.made.clock.step(-7200)  # and set back: not worked twice, nor once too late
        await here.made.advance(2)
        assert first.id not in [each.id for each in here.contacts.booked]


async def test_a_pass_under_way_at_the_start_is_worked_from_where_it_is() -> None:
    async with site() as here:
        first = here.contacts.booked[0]
        lead_s = (first.aos - here.made.clock.now()).total_seconds() + 100
    async with bench() as made:
        made.clock.step(lead_s)
        contacts = Contacts(
            ContactSite(satellites(), Outlook(STATION), {"dish": made.antenna}, ContactsSettings()),
            made.hub,
            Progress(made.clock),
        )
        task = asyncio.create_task(contacts.run(), name="contacts")
        again = Site(contacts, made, task)
        await again.eventually(lambda: bool(contacts.booked))
        assert contacts.booked[0].id == first.id  # the same contact as before the restart
        await again.until(lambda: bool(contacts.recent), step_s=20)
        assert contacts.recent[0].state == "worked"
        task.cancel()
        await asyncio.wait({task})


async def test_what_has_no_future_is_refused() -> None:
    async with site() as here:
        with pytest.raises(Refusal, match="there is no antenna 'mast'"):
            here.contacts.book("candy-tin", here.contacts.booked[0].aos, "mast")
        with pytest.raises(Refusal, match="no pass of 'other'"):
            here.contacts.book("other", here.contacts.booked[0].aos, "dish")
        with pytest.raises(Refusal, match="no pass 'x'"):
            here.contacts.explain("x")


async def test_a_ghost_loses_its_bookings_and_is_neither_shown_nor_announced_nor_booked_by_hand() -> None:
    async with site() as here:
        first, second = here.contacts.booked[:2]
        here.contacts.book("candy-tin", second.aos, "dish")
        told = [name for name in here.made.events() if name.startswith("pass-")]
        (alive,) = satellites()
        here.contacts.renew([replace(alive, ghost="by its elements it is down")])
        await here.made.advance(2)
        await here.eventually(lambda: not here.contacts.booked)
        assert await here.contacts.next_passes(24) == []
        assert here.contacts.explain(first.id).reason == "by its elements it is down"
        with pytest.raises(Refusal, match="cannot be booked: by its elements it is down"):
            here.contacts.book("candy-tin", second.aos, "dish")
        await here.until(lambda: here.made.clock.now() > first.los, step_s=60)
        assert [name for name in here.made.events() if name.startswith("pass-")] == told


async def test_an_explanation_names_the_elements() -> None:
    async with site() as here:
        explanation = here.contacts.explain(here.contacts.booked[0].id)
        assert explanation.elements.startswith(f"{ELEMENTS.hash} of 2026-11-11T12:00:00.000Z, ")
        assert explanation.elements.endswith("days old at AOS")


async def test_a_satellite_without_elements_has_no_passes_until_they_come() -> None:
    async with site() as here:
        (alive,) = satellites()
        here.contacts.renew([replace(alive, elements=None)])
        await here.made.advance(2)
        await here.eventually(lambda: not here.contacts.booked)
        here.contacts.renew([alive])
        await here.made.advance(2)
        await here.eventually(lambda: bool(here.contacts.booked))


async def test_a_chart_shows_the_passes_that_are_planned() -> None:
    async with site() as here:
        passes, chart = await here.contacts.next_passes(24), await here.contacts.next_chart(24)
        assert chart.station == "here"
        assert [each.begin for each in chart.tracks] == [each.aos for each in passes]
        for track, sat_pass in zip(chart.tracks, passes, strict=True):
            assert max(elevation for _, _, elevation in track.points) == pytest.approx(
                sat_pass.max_elevation_deg, abs=1.0
            )
            assert track.points[0][1:] == pytest.approx((sat_pass.aos_azimuth_deg, 10.0), abs=0.01)


def rival() -> Satellite:
    """A satellite that follows the other closely, so that both want the antenna at the same time."""
    settings = SatelliteSettings(name="rival", norad_id=2, elements=["x"], min_elevation_deg=10.0, priority=3)
    return Satellite(settings, replace(ELEMENTS, norad_id=2, name="rival", mean_anomaly_deg=3.0))


async def test_passes_that_compete_are_decided_by_the_solver_and_explained() -> None:
    async with site() as here:
        alone = [each.aos for each in here.contacts.booked]
        here.contacts.renew([*satellites(), rival()])
        await here.made.advance(2)
        await here.eventually(lambda: any(each.satellite == "rival" for each in here.contacts.booked))
        booked = here.contacts.booked
        lost = [aos for aos in alone if aos not in [each.aos for each in booked]]
        assert lost
        explained = here.contacts.explain(f"candy-tin-{lost[0]:%Y%m%dT%H%M%SZ}")
        assert not explained.booked
        assert "but dish works rival-" in explained.reason
        assert ", worth " in explained.reason
        # A booking by hand displaces the weightier one, before anything is started.
        by_hand = here.contacts.book("candy-tin", lost[0], "dish")
        await here.made.advance(2)
        await here.eventually(lambda: by_hand.id in [each.id for each in here.contacts.booked])
        assert here.contacts.explain(by_hand.id).reason == "booked on dish, by hand"


async def test_a_lock_takes_the_bookings_away_and_its_end_brings_them_back() -> None:
    async with site() as here:
        first = here.contacts.booked[0]
        locking = asyncio.create_task(here.made.lock("ada", "new bearing"), name="locking")
        await here.made.advance(2)
        await locking
        assert here.contacts.booked == []
        assert here.contacts.explain(first.id).reason.endswith(
            "but dish is under maintenance by ada until it is unlocked: new bearing"
        )
        await here.made.unlock()
        await here.made.advance(2)
        assert here.contacts.booked[0].id == first.id


async def test_a_lock_leaves_a_running_contact_in_the_plan() -> None:
    async with site() as here:
        first = here.contacts.booked[0]
        await here.until(lambda: "running" in here.states(), step_s=10)
        work = await here.made.maintenance.add("dish", first.los, first.los + timedelta(hours=30), "ada", "bolts")
        await here.made.advance(2)
        assert [each.id for each in here.contacts.booked] == [first.id]
        await here.until(lambda: bool(here.contacts.recent), step_s=30)
        assert here.contacts.recent[0].state == "worked"
        await here.made.maintenance.remove(work.id, "ada")


async def test_in_high_wind_no_contact_begins_and_afterwards_the_plan_goes_on() -> None:
    async with site() as here:
        first = here.contacts.booked[0]
        here.made.antenna.interlock.wind = "it blows"
        await here.until(lambda: here.made.clock.now() > first.aos + timedelta(seconds=60), step_s=20)
        assert "running" not in here.states()
        here.made.antenna.interlock.wind = ""
        await here.made.advance(2)
        assert here.states()[0] == "running"
        await here.until(lambda: bool(here.contacts.recent), step_s=30)
        assert here.contacts.recent[0].state == "worked"
        second = here.contacts.booked[0]
        here.made.antenna.interlock.wind = "it blows"
        here.made.clock.step((second.los - here.made.clock.now()).total_seconds() + 1)
        await here.made.advance(2)
        assert [each.reason for each in here.contacts.recent][1:] == ["its time went by; it blows"]


async def under_jumps(jumps: int, passes: int) -> None:
    """Civil time jumps, untrusted, and is set right again; no pass is worked twice, and none missed for it."""
    chance = random.Random(30)
    async with site() as here:
        clock = here.made.clock
        booked = here.contacts.booked[:passes]
        due, last_los = [each.id for each in booked], booked[-1].los
        search, searches = here.contacts._search, []

        async def counted() -> None:
            await search()
            searches.append(clock.now())

        here.contacts._search = counted  # type: ignore[method-assign]
        for number in range(1, jumps + 1):
            await here.made.advance(chance.uniform(0.0, 2.0 * (last_los - clock.now()).total_seconds() / jumps))
            by_s = chance.choice((3_600.0, -3_600.0, 86_400.0, -86_400.0))
            clock.step(by_s)
            clock.synced = False
            here.contacts.clock_moved()
            await here.made.advance(chance.uniform(0.5, 5.0))
            clock.step(-by_s)
            clock.synced = True
            here.contacts.clock_moved()
            await here.made.advance(1.1)
            await here.eventually(lambda number=number: len(searches) == number)  # type: ignore[misc]
        while clock.now() < last_los + timedelta(minutes=2):
            await here.made.advance(60.0)
        reports = [each.contact for each in here.made.all_records() if isinstance(each, ContactReport)]
        assert len(reports) == len(set(reports))  # 0 double actions
        over = {each.id: each.state for each in here.contacts.recent}
        assert set(due) <= set(reports)  # 0 missed passes
        assert {over[each] for each in due} <= {"worked", "degraded"}


async def test_row_30_no_pass_is_doubled_or_missed_under_jumps() -> None:
    await under_jumps(12, passes=1)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_row_30_the_same_with_a_thousand_jumps() -> None:
    await under_jumps(1_000, passes=99)


def test_the_station_s_own_horizon_cuts_what_is_planned() -> None:
    day = (ELEMENTS.epoch, ELEMENTS.epoch + timedelta(days=1))
    hills = Outlook(STATION, HorizonMask(((0.0, 30.0),)))
    free, behind = passes_of(satellites(), Outlook(STATION), *day), passes_of(satellites(), hills, *day)
    assert len(behind) == len(free) > 0
    for cut, whole in zip(behind, free, strict=True):
        assert whole.aos < cut.aos < cut.los < whole.los
    for track, cut in zip(chart_of(satellites(), hills, *day).tracks, behind, strict=True):
        assert cut.aos is not None
        assert abs(track.begin - cut.aos) < timedelta(milliseconds=1)
    assert not passes_of(satellites(), Outlook(STATION, HorizonMask(((0.0, 89.9),))), *day)


async def test_what_was_missed_by_a_clock_that_was_ahead_is_open_again() -> None:
    outlook = Outlook(STATION)
    begin = ELEMENTS.epoch
    found = candidates_of(satellites(), outlook, begin, begin + timedelta(days=1))
    diary = Diary((Stage("dish", 60.0, 0.0, ()),), ContactsSettings())
    settings = {"candy-tin": satellites()[0].settings}
    diary.renew(found, begin)
    diary.take(diary.question(settings).answer())
    first = diary.waiting()[0]
    diary.ended(first, "missed", "its time went by")
    diary.renew(found, first.candidate.end + timedelta(hours=1))
    diary.take(diary.question(settings).answer())
    assert first.id not in [each.id for each in diary.waiting()]  # an hour later it is over
    diary.renew(found, begin)
    diary.take(diary.question(settings).answer())
    assert first.id in [each.id for each in diary.waiting()]  # and back at the true time it is still to come
    diary.ended(first, "worked", "")
    diary.renew(found, begin)
    diary.take(diary.question(settings).answer())
    assert first.id not in [each.id for each in diary.waiting()]  # what was worked never is
