"""Motors and feedback that fail: the right alarm within three seconds, and what is then done, against real sims."""

from __future__ import annotations

import asyncio

import pytest
from contact_bench import AOS, LOS, Flyby, T, contact
from sim_antenna import SimAntenna, sim_antenna

from fleetd.contact.worker import Worker
from fleetd.devices import AzEl
from fleetd.errors import Refusal
from fleetd.records import ContactReport

FAR = AzEl(300.0, 80.0)
WITHIN_S = 3.0


async def turning(made: SimAntenna, for_s: float = 4.0) -> None:
    """On its way, both axes at full speed."""
    await made.point(FAR)
    await made.advance(for_s)
    assert made.active == set()


@pytest.mark.parametrize("driver", ["gs232b", "gs232a", "easycomm2", "spid-rot2"])
@pytest.mark.parametrize(
    ("fault", "alarm"),
    [("stalled", "motor-stalled"), ("frozen", "feedback-frozen"), ("wrong-way", "motor-wrong-way")],
)
async def test_in_mid_slew_the_right_alarm_comes_within_three_seconds(driver: str, fault: str, alarm: str) -> None:
    async with sim_antenna(driver) as made:
        await turning(made)
        made.break_(fault)
        if fault == "wrong-way":  # it has to brake and turn round first
            await made.advance(2.0)
        slow = driver == "spid-rot2"  # may be asked only once in two seconds
        name, after_s = await made.named_after_s()
        assert name == alarm
        assert after_s <= (2 * WITHIN_S if slow else WITHIN_S)


@pytest.mark.parametrize("fault", ["stalled", "wrong-way"])
async def test_from_standstill_as_well(fault: str) -> None:
    async with sim_antenna() as made:
        made.break_(fault)
        await made.point(FAR)
        name, after_s = await made.named_after_s()
        assert (name, after_s <= WITHIN_S) == (f"motor-{fault}", True)


async def test_a_motor_that_does_not_stop_is_a_runaway_and_nothing_moves_it_until_somebody_has_seen_to_it() -> None:
    async with sim_antenna() as made:
        await turning(made)
        made.break_("runaway")
        await made.do(made.antenna.stop())
        name, after_s = await made.named_after_s()
        assert (name, after_s <= WITHIN_S) == ("motor-runaway", True)
        await made.advance(60)  # it stands at its end stop by now, and the alarm stays
        with pytest.raises(Refusal, match="acknowledge the alarm motor-runaway"):
            await made.point(FAR)
        assert made.active == {"motor-runaway"}
        made.sim.faults.clear("runaway")
        made.alarms.ack("dish", "motor-runaway", "ada")
        await made.advance(2)
        assert made.active == set()
        await made.point(FAR)
        await made.advance(60)
        assert made.antenna.measured is not None
        assert made.antenna.measured.position == FAR


@pytest.mark.parametrize("trouble", ["motor-runaway", "motor-wrong-way"])
async def test_a_restart_is_not_somebody_who_has_seen_to_it(trouble: str) -> None:
    async with sim_antenna(alarmed=[trouble]) as made:
        with pytest.raises(Refusal, match=f"{trouble} of before the restart; acknowledge the alarm"):
            await made.point(FAR)
        await made.advance(300)
        assert made.active == {trouble}
        made.alarms.ack("dish", trouble, "ada")
        await made.advance(2)
        assert made.active == set()
        await made.point(FAR)


async def test_a_stalled_motor_is_stopped_and_tried_again() -> None:
    async with sim_antenna() as made:
        await turning(made)
        made.break_("stalled@0+8")
        await made.named_after_s()
        await made.advance(0.5)
        assert made.antenna.commanded is None  # stopped
        with pytest.raises(Refusal, match="tried again 10 s later"):
            await made.point(FAR)
        await made.advance(11)
        await made.point(FAR)
        await made.advance(60)
        assert made.antenna.measured is not None
        assert made.antenna.measured.position == FAR
        assert made.active == set()


async def test_noise_is_named_and_what_is_wild_never_believed() -> None:
    async with sim_antenna() as made:
        made.break_("glitch@0+300")
        await turning(made, 0.1)
        seen = []
        for _ in range(100):
            await made.advance(1.0)
            assert made.antenna.measured is not None
            seen.append(made.antenna.measured.position.azimuth_deg)
        assert max(seen) <= 300.0
        assert seen == sorted(seen)
        assert made.active <= {"feedback-noisy"}
        for _ in range(20):  # there and back, looked at closely
            await made.point(AzEl(200.0, 20.0))
            await made.advance(10.0)
            await made.point(FAR)
            await made.advance(10.0)
            if made.active:
                break
        assert made.active == {"feedback-noisy"}


async def test_small_noise_is_nobodys_fault() -> None:
    async with sim_antenna("easycomm2") as made:
        made.break_("tremble=1.0")
        await made.point(FAR)
        await made.advance(120)
        assert made.active == set()


async def test_an_overshoot_is_nobodys_fault() -> None:
    async with sim_antenna() as made:
        made.break_("overshoot")
        await made.point(FAR)
        await made.advance(120)
        assert made.active == set()


async def test_without_feedback_a_pass_is_worked_blind_with_an_alarm() -> None:
    async with sim_antenna() as made:
        await made.advance((AOS - T).total_seconds() - 30)
        worker = Worker(contact(), made.antenna, Flyby(), made.hub)
        with made.hub.subscribe("test", ContactReport) as reports:
            task = asyncio.create_task(worker.run(), name="worker")
            await made.advance(30 + 120)
            made.deaf.add(b"C2")  # no answer to the one question where it is
            # The deadline of an exchange is real time: each look that is not answered costs its half second.
            for _ in range(200):
                await made.advance(0.1)
                await asyncio.sleep(0.02)
                if made.active:
                    break
            assert made.active == {"feedback-lost"}
            off = []
            for _ in range(8):
                await made.advance(1.0)
                model = made.sim.model  # type: ignore[attr-defined]
                stands = AzEl(model.azimuth.position_deg, model.elevation.position_deg)
                off.append(stands.separation_deg(Flyby().at(made.clock.now())))
            assert max(off[3:]) < 3.0
            made.deaf.clear()
            await made.until(lambda: not made.active)
            await made.advance((LOS - made.clock.now()).total_seconds() + 5)
            await task
            report = await reports.get()
        assert isinstance(report, ContactReport)
        assert report.outcome == "degraded"
        assert report.samples_missing > 3


async def test_a_whole_pass_on_a_sound_rotator_raises_nothing() -> None:
    async with sim_antenna(moves_per_hour=100_000) as made:
        await made.advance((AOS - T).total_seconds() - 120)
        worker = Worker(contact(), made.antenna, Flyby(middle_azimuth_deg=60.0), made.hub)
        with made.hub.subscribe("test", ContactReport) as reports:
            await asyncio.gather(worker.run(), made.advance((LOS - made.clock.now()).total_seconds() + 30))
            report = await reports.get()
        assert made.active == set()
        assert not made.sim.violations
        assert isinstance(report, ContactReport)
        assert report.outcome == "worked"
        assert report.max_pointing_error_deg is not None
        assert report.max_pointing_error_deg < 1.5


async def test_a_budget_of_moves_is_kept_and_said() -> None:
    async with sim_antenna(moves_per_hour=40) as made:
        await made.advance((AOS - T).total_seconds() - 120)
        worker = Worker(contact(), made.antenna, Flyby(middle_azimuth_deg=60.0), made.hub)
        moves = 0
        with made.hub.subscribe("test", ContactReport) as reports:
            task = asyncio.create_task(worker.run(), name="worker")
            last = None
            while made.clock.now() < LOS:
                await made.advance(1.0)
                now = made.antenna.commanded
                moves += now is not None and now != last
                last = now or last
            await made.advance(30)
            await task
            assert await reports.get()
        assert moves <= 41
        assert made.active == {"moves-spent"}
