"""One contact worked in virtual time: followed closely, and left safe on every way out."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from contact_bench import AOS, LOS, Bench, Flyby, T, bench
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetd.contact.worker import Worker
from fleetd.devices import AzEl
from fleetd.errors import DeviceError
from fleetd.records import ContactReport

PARK = ("point", AzEl(0.0, 90.0))
PASS_S = (LOS - AOS).total_seconds()


async def started(made: Bench, sky: Flyby | None = None) -> tuple[Worker, asyncio.Task[None]]:
    """A worker set to work two minutes before AOS."""
    await made.advance((AOS - T).total_seconds() - 120)
    worker = made.worker(sky)
    return worker, asyncio.create_task(worker.run(), name="worker")


async def worked(made: Bench, sky: Flyby | None = None) -> ContactReport:
    _, task = await started(made, sky)
    await made.until(task.done)
    await task
    return made.report()


async def test_a_pass_is_worked_from_pre_position_to_park() -> None:
    async with bench() as made:
        _, task = await started(made)
        await made.advance(119)
        at_aos = made.rotator.position()
        assert at_aos.separation_deg(Flyby().at(AOS)) < 1.0  # waiting where it will rise
        await made.until(task.done)
        report = made.report()
    assert report.outcome == "worked"
    assert (report.aos, report.los) == (AOS, LOS)
    assert report.samples == pytest.approx(PASS_S, abs=2)
    assert report.samples_missing == 0
    assert report.max_pointing_error_deg is not None
    assert report.rms_pointing_error_deg is not None
    assert 0 < report.rms_pointing_error_deg < report.max_pointing_error_deg < 1.5
    assert report.off_beam_s == 0
    assert report.elements_hash
    assert made.events() == [
        "contact-pre-position", "contact-aos", "contact-culmination", "contact-los", "contact-ended",
    ]  # fmt: skip
    assert made.rotator.told[-3:-1] == [("stop", None), PARK]
    assert made.antenna.hold.owner is None


async def test_planned_and_measured_track_are_in_the_report() -> None:
    async with bench() as made:
        report = await worked(made)
    assert 300 < len(report.track) <= 601
    for after_s, azimuth_deg, elevation_deg, measured_azimuth_deg, measured_elevation_deg in report.track:
        assert 0 <= after_s <= PASS_S
        planned, measured = AzEl(azimuth_deg, elevation_deg), AzEl(measured_azimuth_deg, measured_elevation_deg)
        assert planned.separation_deg(measured) < 1.5


@pytest.mark.parametrize("period_s", [0.5, 5.0])
async def test_the_tracking_period_is_configuration(period_s: float) -> None:
    async with bench(tracking_period_s=period_s) as made:
        report = await worked(made)
    assert report.outcome == "worked"
    assert report.samples == pytest.approx(PASS_S / period_s, rel=0.02)
    assert len(report.track) <= 601


async def test_a_turn_in_mid_pass_is_foreseen_and_does_not_spoil_the_figures() -> None:
    async with bench(azimuth_limits_deg=(0.0, 360.0)) as made:
        report = await worked(made, Flyby(middle_azimuth_deg=5.0))
    assert report.turn_rounds == 1
    assert report.planned_off_beam_s == pytest.approx(report.off_beam_s, abs=10)
    assert report.off_beam_s > 30
    assert report.max_pointing_error_deg is not None
    assert report.max_pointing_error_deg < 1.5


async def test_with_overlap_the_same_pass_is_never_off_the_beam() -> None:
    async with bench() as made:
        report = await worked(made, Flyby(middle_azimuth_deg=5.0))
    assert (report.turn_rounds, report.off_beam_s) == (0, 0)


async def test_begun_late_it_catches_up_and_does_not_count_that_as_error() -> None:
    async with bench() as made:
        await made.advance((AOS - T).total_seconds() + 200)
        task = asyncio.create_task(made.worker().run(), name="worker")
        await made.until(task.done)
        report = made.report()
    assert report.outcome == "worked"
    assert report.samples == pytest.approx(PASS_S - 200, abs=2)
    assert report.max_pointing_error_deg is not None
    assert report.max_pointing_error_deg < 1.5
    assert 5 < report.off_beam_s < 60


async def test_an_operators_cancellation_stops_and_parks() -> None:
    async with bench() as made:
        worker, task = await started(made)
        await made.advance(300)
        worker.cancelled_by("ada")
        task.cancel()
        await made.advance(0.1)
        assert task.cancelled()
        assert made.rotator.told[-2:] == [("stop", None), PARK]
        report = made.report()
    assert (report.outcome, report.reason) == ("cancelled", "by ada")
    assert report.samples == pytest.approx(180, abs=2)


async def test_the_end_of_the_daemon_stops_and_does_not_park() -> None:
    async with bench() as made:
        _, task = await started(made)
        await made.advance(300)
        task.cancel()
        await made.advance(0.1)
        assert made.verbs()[-1] == "stop"
        assert not made.rotator.moving
        assert made.report().outcome == "broken-off"


async def test_without_a_park_policy_it_is_left_where_it_is() -> None:
    async with bench(park_policy="never") as made:
        await worked(made)
        assert made.verbs()[-1] in ("stop", "where")
        assert made.rotator.told[-1] == ("stop", None)


async def test_an_operators_stop_ends_the_contact_where_it_stands() -> None:
    async with bench() as made:
        _, task = await started(made)
        await made.advance(300)
        stopping = asyncio.create_task(made.antenna.stop(by="ada"), name="stopping")
        await made.until(task.done, within_s=10)
        await stopping
        assert not made.rotator.moving
        report = made.report()
    assert (report.outcome, report.reason) == ("stopped", "dish was stopped by ada")


async def test_a_link_lost_in_mid_pass_is_taken_up_again_with_a_stop_first() -> None:
    async with bench() as made:
        _, task = await started(made)
        await made.advance(120 + 200)
        made.rotator.broken = True
        await made.advance(60)
        made.rotator.heard.clear()
        made.rotator.broken = False
        await made.advance(4)
        assert made.verbs()[:2] == ["stop", "where"]
        assert "point" in made.verbs()
        await made.until(task.done)
        report = made.report()
    assert report.outcome == "degraded"
    assert 55 <= report.samples_missing <= 64
    assert 55 <= report.off_beam_s <= 75
    assert report.max_pointing_error_deg is not None
    assert report.max_pointing_error_deg < 1.5  # catching up is not counted as error
    events = made.events()
    assert events.count("contact-hindered") == events.count("contact-resumed") == 1


async def test_a_link_that_never_comes_is_reported_as_such() -> None:
    async with bench(connected=False) as made:
        report = await worked(made)
    assert report.outcome == "failed"
    assert "dish-rotator" in report.reason
    assert report.samples == 0
    assert report.max_pointing_error_deg is None
    assert report.off_beam_s == pytest.approx(PASS_S, abs=2)
    assert "contact-left-unparked" in made.events()


async def test_maintenance_hinders_and_its_end_lets_it_go_on() -> None:
    async with bench() as made:
        _, task = await started(made)
        await made.advance(300)
        locking = asyncio.create_task(made.lock("ada", "bolts"), name="locking")
        await made.until(task.done)
        await locking
        report = made.report()
    assert report.outcome == "stopped"  # a lock stops, and a stop is the end of a contact


async def test_an_unsynchronised_clock_moves_nothing() -> None:
    async with bench(synced=False) as made:
        report = await worked(made)
        assert [to for verb, to in made.rotator.heard if verb == "point"] == [AzEl(0.0, 90.0)]  # the park alone
    assert report.outcome == "degraded"
    assert "clock is not synchronised" in report.reason


async def test_a_pass_that_no_way_reaches_is_refused() -> None:
    async with bench(azimuth_limits_deg=(300.0, 310.0), park={"azimuth_deg": 300.0, "elevation_deg": 90.0}) as made:
        report = await worked(made)
        assert "point" not in made.verbs()
    assert report.outcome == "refused"
    assert "cannot reach any part of this pass" in report.reason


@pytest.mark.parametrize("step_s", [3600.0, -3600.0, 86_400.0, 5.0, -5.0])
async def test_a_stepped_clock_is_told_and_harms_nothing(step_s: float) -> None:
    async with bench() as made:
        _, task = await started(made)
        await made.advance(300)
        made.clock.step(step_s)
        await made.advance(2)
        assert made.events().count("clock-stepped") == 1
        made.clock.step(-step_s if step_s < 0 else 0)
        await made.until(task.done)
        report = made.report()
    assert (report.outcome, report.reason) == ("degraded", f"the clock was set by {step_s:+.1f} s in mid contact")
    assert not [to for verb, to in made.rotator.heard if verb == "point" and to and not 0 <= to.elevation_deg <= 90]


async def test_an_antenna_that_another_contact_has_is_not_touched() -> None:
    async with bench() as made:
        with made.antenna.hold.by_contact("other"):
            report = await worked(made)
        assert made.verbs().count("point") == 0
    assert (report.outcome, report.reason) == ("refused", "dish is working other")


async def test_cancelled_at_every_await_it_stops_and_parks() -> None:
    """The worker is cancelled after one more round of the event loop each time, all through a tick and its leaving."""
    for rounds in range(0, 60, 2):
        async with bench() as made:
            await made.advance((AOS - T).total_seconds() + 60)
            worker = made.worker()
            task = asyncio.create_task(worker.run(), name="worker")
            await made.advance(20.9)
            made.rotator.heard.clear()
            advancing = asyncio.create_task(made.clock.advance(0.2, turns=100), name="advancing")
            for _ in range(rounds):
                await asyncio.sleep(0)
            worker.cancelled_by("ada")
            task.cancel()
            await advancing
            await made.advance(0.1)
            assert task.done()
            assert made.rotator.told[-2:] == [("stop", None), PARK], rounds
            assert made.report().outcome == "cancelled"


async def test_cancelled_twice_it_still_leaves() -> None:
    async with bench() as made:
        _, task = await started(made)
        await made.advance(300)
        gate = made.rotator.gate = asyncio.Event()
        for _ in range(3):
            task.cancel()
            await made.advance(0.01)
        assert not task.done()
        made.rotator.gate = None
        gate.set()
        await made.advance(0.01)
        assert task.cancelled()
        assert made.verbs()[-1] == "stop"
        assert made.report().outcome == "broken-off"


@settings(max_examples=8, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(1, 300), st.sampled_from(["break", "mend", "lock", "unlock", "stop", "step"])), max_size=6
    )
)
async def test_whatever_happens_it_ends_stopped_and_within_limits(acts: list[tuple[float, str]]) -> None:
    async with bench() as made:
        _, task = await started(made)
        loose = []
        for wait_s, act in acts:
            await made.advance(wait_s)
            if act in ("break", "mend"):
                made.rotator.broken = act == "break"
            elif act == "lock":
                loose.append(asyncio.create_task(made.lock("ada", "x"), name="lock"))
            elif act == "unlock":
                await made.unlock()
            elif act == "stop":
                loose.append(asyncio.create_task(made.antenna.stop(by="ada"), name="stop"))
            else:
                made.clock.step(7.0)
        made.rotator.broken = False
        await made.until(task.done)
        await task
        await asyncio.gather(*loose, return_exceptions=True)
        assert all(isinstance(one.exception(), DeviceError | None) for one in loose)
        await made.advance(40)
        assert not made.rotator.moving
        assert made.report().outcome in ("worked", "degraded", "stopped", "failed")
    for verb, to in made.rotator.heard:
        assert verb != "point" or (to is not None and 0 <= to.azimuth_deg <= 450 and 0 <= to.elevation_deg <= 90)


async def test_a_pass_outlives_a_clock_that_was_wrong_for_a_while() -> None:
    """Row 30: civil time jumps by an hour in mid pass, untrusted; nothing points meanwhile, then the pass goes on."""
    async with bench() as made:
        task = asyncio.create_task(made.worker().run())
        await made.until(lambda: made.clock.now() > AOS + timedelta(minutes=3))
        for by_s in (3_600.0, -3_600.0, 86_400.0, -86_400.0):
            made.clock.step(by_s)
            made.clock.synced = False
            await made.advance(10.0)
            heard = len(made.rotator.heard)
            await made.advance(20.0)
            assert "point" not in [verb for verb, _ in made.rotator.heard[heard:]]
            made.clock.step(-by_s)
            made.clock.synced = True
            heard = len(made.rotator.heard)
            await made.advance(20.0)
            assert "point" in [verb for verb, _ in made.rotator.heard[heard:]]
        await made.until(task.done)
        report = made.report()
        assert report.outcome == "degraded"
        assert timedelta(0) <= report.ended_at - LOS < timedelta(seconds=30)
        assert made.events().count("contact-ended") == 1


async def test_a_contact_ends_by_running_time_if_the_clock_stays_wrong() -> None:
    async with bench() as made:
        task = asyncio.create_task(made.worker().run())
        await made.until(lambda: made.clock.now() > AOS + timedelta(minutes=3))
        made.clock.step(-86_400.0)
        made.clock.synced = False
        await made.until(task.done)
        assert made.report().outcome == "degraded"
        assert timedelta(0) <= made.clock.now() + timedelta(days=1) - LOS < timedelta(seconds=60)
