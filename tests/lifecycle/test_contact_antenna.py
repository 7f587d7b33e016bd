"""One antenna: who may move it, where to, and that it stands still whenever it should."""

from __future__ import annotations

import asyncio
import contextlib
import math

import pytest
from contact_bench import Bench, bench
from hypothesis import given
from hypothesis import strategies as st

from fleetd.contact.antennastatus import status_of
from fleetd.contact.axis import Axes
from fleetd.contact.scale import Scale
from fleetd.devices import AzEl, RotatorLimits
from fleetd.errors import DeviceError, LinkLost, Refusal
from fleetd.records import DeviceState, DeviceStatus, Quality, Reading


async def order(act: object, made: Bench) -> None:
    """Do something and let the antenna carry it out."""
    task = asyncio.ensure_future(act)  # type: ignore[arg-type]
    await made.advance(0.01)
    await task


async def test_after_connecting_it_stops_and_looks_before_anything_moves() -> None:
    async with bench() as made:
        assert made.verbs() == ["stop", "where"]
        assert made.antenna.measured is not None
        await order(made.antenna.point(AzEl(20.0, 30.0)), made)
        assert made.rotator.heard[2:] == [("point", AzEl(20.0, 30.0))]


async def test_its_readings_carry_measured_and_commanded_direction() -> None:
    async with bench() as made:
        await order(made.antenna.point(AzEl(12.0, 84.0)), made)
        await made.advance(5.0)
        readings = [record for record in made.all_records() if isinstance(record, Reading)]
        assert readings[0].absent == dict.fromkeys(
            ("commanded_azimuth_deg", "commanded_elevation_deg"),
            "not sent anywhere since it was stopped or connected",
        )
        assert readings[-1].device == "dish-rotator"
        assert readings[-1].quality is Quality.GOOD
        assert readings[-1].values == {
            "azimuth_deg": 12.0, "elevation_deg": 84.0, "commanded_azimuth_deg": 12.0, "commanded_elevation_deg": 84.0,
        }  # fmt: skip


async def test_a_lost_link_is_told_and_stop_is_the_first_act_after_it() -> None:
    async with bench() as made:
        await order(made.antenna.point(AzEl(400.0, 10.0)), made)
        made.rotator.broken = True
        with pytest.raises(LinkLost, match="dish-rotator: the adapter was unplugged"):
            await order(made.antenna.measure(), made)
        made.rotator.heard.clear()
        with pytest.raises(DeviceError, match=r"dish-rotator: is (stale|offline)"):
            await order(made.antenna.point(AzEl(1.0, 1.0)), made)
        await made.advance(10.0)
        made.rotator.broken = False
        await made.advance(2.1)  # the longest wait before the next attempt
        assert made.verbs()[:2] == ["stop", "where"]
        assert not made.rotator.moving
        states = [record.state for record in made.all_records() if isinstance(record, DeviceStatus)]
        assert states[0] is DeviceState.ONLINE
        assert states[-1] is DeviceState.ONLINE
        stale = [record for record in made.all_records() if isinstance(record, Reading) and record.quality == "STALE"]
        assert len(stale) == 1


async def test_the_end_of_the_daemon_leaves_it_stopped() -> None:
    async with bench() as made:
        await order(made.antenna.point(AzEl(400.0, 10.0)), made)
        await made.advance(3.0)
        assert made.rotator.moving
    assert made.verbs()[-1] == "stop"
    assert not made.rotator.moving


async def test_an_exchange_under_way_is_finished_before_the_end() -> None:
    """Half an exchange would cost the link, and with it the stop."""
    async with bench() as made:
        await order(made.antenna.point(AzEl(400.0, 10.0)), made)
        made.rotator.gate = asyncio.Event()
        asking = asyncio.create_task(made.antenna.measure(), name="asking")
        await made.advance(0.01)
        asking.cancel()
        await made.advance(0.01)
        gate, made.rotator.gate = made.rotator.gate, None
        gate.set()
        await made.advance(0.01)
        assert asking.cancelled()
        assert made.verbs()[-1] == "where"
        await order(made.antenna.stop(), made)
        assert not made.rotator.moving


async def test_the_end_in_mid_exchange_waits_for_it_and_then_stops() -> None:
    async with bench() as made:
        await order(made.antenna.point(AzEl(400.0, 10.0)), made)
        await made.advance(3.0)
        gate = made.rotator.gate = asyncio.Event()
        asking = asyncio.create_task(made.antenna.measure(), name="asking")
        await made.advance(0.01)
        made.serving.cancel()
        await made.advance(0.01)
        made.serving.cancel()  # once more, as an impatient end does
        await made.advance(0.01)
        assert not made.serving.done()
        made.rotator.gate = None
        gate.set()
        await made.advance(0.01)
        assert made.serving.done()
        with contextlib.suppress(LinkLost):
            await asking
        assert made.verbs()[-2:] == ["where", "stop"]
        assert not made.rotator.moving


async def test_stop_overtakes_questions_that_wait() -> None:
    async with bench() as made:
        gate = made.rotator.gate = asyncio.Event()
        looking = [asyncio.create_task(made.antenna.measure(), name="looking") for _ in range(3)]
        await made.advance(0.01)
        stopping = asyncio.create_task(made.antenna.stop(), name="stopping")
        await made.advance(0.01)
        made.rotator.gate = None
        gate.set()
        await made.advance(0.01)
        await asyncio.gather(*looking, stopping)
        assert made.verbs()[2:] == ["where", "stop", "where", "where"]


async def test_stop_overtakes_motions_that_wait() -> None:
    async with bench() as made:
        made.rotator.gate = asyncio.Event()
        looking = asyncio.create_task(made.antenna.measure(), name="looking")
        await made.advance(0.01)
        pointing = asyncio.create_task(made.antenna.point(AzEl(100.0, 10.0)), name="pointing")
        await made.advance(0.01)
        stopping = asyncio.create_task(made.antenna.stop(), name="stopping")
        await made.advance(0.01)
        gate, made.rotator.gate = made.rotator.gate, None
        gate.set()
        await made.advance(0.01)
        await asyncio.gather(looking, stopping)
        with pytest.raises(Refusal, match="was stopped before this began"):
            await pointing
        assert made.verbs()[2:] == ["where", "stop"]


@pytest.mark.parametrize(
    ("to", "rule"),
    [
        (AzEl(-0.01, 10), "azimuth-limits"),
        (AzEl(450.4, 10), "azimuth-limits"),
        (AzEl(10, 90.4), "elevation-limits"),
        (AzEl(10, -1), "elevation-limits"),
        (AzEl(math.nan, 10), "not-finite"),
        (AzEl(10, math.inf), "not-finite"),
    ],
)
async def test_what_is_outside_never_reaches_the_rotator(to: AzEl, rule: str) -> None:
    async with bench() as made:
        with pytest.raises(Refusal) as refusal:
            await order(made.antenna.point(to), made)
        assert refusal.value.rule == rule
        assert made.verbs() == ["stop", "where"]


async def test_a_refusal_gives_the_figure() -> None:
    async with bench(elevation_limits_deg=(5.0, 85.0), park={"azimuth_deg": 0.0, "elevation_deg": 85.0}) as made:
        with pytest.raises(Refusal, match=r"elevation 88\.0 is outside the limits of dish, 5 to 85 degrees"):
            await order(made.antenna.point(AzEl(10, 88)), made)


async def test_an_unsynchronised_clock_stops_tracking_but_no_operator() -> None:
    async with bench(synced=False) as made:
        with pytest.raises(Refusal, match="clock is not synchronised"):
            await order(made.antenna.track(AzEl(10, 10), by="x"), made)
        await order(made.antenna.point(AzEl(10, 10)), made)
    async with bench(synced=False, require_synced_clock=False) as made:
        await order(made.antenna.track(AzEl(10, 10), by="x"), made)


async def test_maintenance_stops_it_and_refuses_all_motion_but_stop() -> None:
    async with bench() as made:
        await order(made.antenna.point(AzEl(400, 10), by="ben"), made)
        await order(made.lock("ada", "new bearing"), made)
        assert not made.rotator.moving
        for motion in (made.antenna.point(AzEl(1, 1), by="ada"), made.antenna.park(by="ada")):
            with pytest.raises(Refusal, match="dish is locked by ada: new bearing"):
                await order(motion, made)
        await order(made.antenna.stop(), made)
        assert status_of(made.antenna).locked_by == "ada"
        await made.unlock()
        await order(made.antenna.point(AzEl(1, 1), by="ada"), made)


async def test_one_owner_at_a_time() -> None:
    async with bench() as made:
        await order(made.antenna.point(AzEl(10, 10), by="ada"), made)
        with pytest.raises(Refusal, match="dish is held by ada"):
            await order(made.antenna.point(AzEl(20, 10), by="ben"), made)
        with made.antenna.hold.by_contact("c1"):  # takes precedence
            with pytest.raises(Refusal, match="dish is held by c1"):
                await order(made.antenna.point(AzEl(20, 10), by="ada"), made)
            with pytest.raises(Refusal, match="dish is working c1"), made.antenna.hold.by_contact("c2"):
                pass
        await order(made.antenna.point(AzEl(20, 10), by="ben"), made)
        await made.advance(61.0)  # a lease runs out
        await order(made.antenna.point(AzEl(10, 10), by="ada"), made)


async def test_a_motion_that_was_refused_gives_no_lease() -> None:
    async with bench() as made:
        with pytest.raises(Refusal):
            await order(made.antenna.point(AzEl(500, 10), by="ada"), made)
        await order(made.antenna.point(AzEl(10, 10), by="ben"), made)


async def test_less_than_the_dead_band_is_not_sent() -> None:
    async with bench(dead_band_deg=2.0) as made:
        for azimuth_deg in (10.0, 10.4, 11.0, 11.9, 12.0, 12.3):
            await order(made.antenna.track(AzEl(azimuth_deg, 10.0), by="c"), made)
        assert [to for verb, to in made.rotator.heard if verb == "point"] == [AzEl(10.0, 10.0), AzEl(12.0, 10.0)]


async def test_an_offset_is_taken_off_and_put_on_and_limits_stay_with_the_stops() -> None:
    async with bench(offset={"azimuth_deg": 3.0, "elevation_deg": -1.0}) as made:
        assert made.antenna.axes.azimuth_max_deg == 447.0
        await order(made.antenna.point(AzEl(100.0, 50.0)), made)
        assert made.rotator.heard[-1] == ("point", AzEl(103.0, 49.0))
        await made.advance(30.0)
        measured = made.antenna.measured
        assert measured is not None
        assert measured.position == AzEl(100.0, 50.0)
        with pytest.raises(Refusal, match=r"azimuth 451\.0 is outside"):
            await order(made.antenna.point(AzEl(448.0, 50.0)), made)
        made.antenna.offset(0.0, 0.0)
        with pytest.raises(Refusal, match="an azimuth offset of nan"):
            made.antenna.offset(math.nan, 0.0)


angles = st.floats(-1000, 1000) | st.sampled_from([math.nan, math.inf, -math.inf])


@given(angles, angles, st.floats(-20, 20), st.sampled_from([0.1, 0.5, 1.0]), st.floats(-180, 0), st.floats(60, 540))
def test_steps_never_leave_the_limits(
    azimuth: float, elevation: float, offset: float, step: float, low: float, high: float
) -> None:
    axes = Axes(low, high, 0.3, 89.6, 6.0, 3.0)
    shown = Scale(AzEl(offset, 0.0)).shown_for(AzEl(azimuth, elevation), axes, RotatorLimits(low, high, 0, 180, step))
    if low <= azimuth + offset <= high:
        assert low <= shown.azimuth_deg <= high
        assert abs(shown.azimuth_deg - azimuth - offset) <= step
    elif math.isfinite(azimuth):
        assert not low <= shown.azimuth_deg <= high  # left for the interlock to refuse
    if 0.3 <= elevation <= 89.6:
        assert 0.3 <= shown.elevation_deg <= 89.6


MAST = {"mask_deg": ((0.0, 0.0), (90.0, 0.0), (95.0, 40.0), (105.0, 40.0), (110.0, 0.0))}


async def test_the_mask_is_where_it_may_not_turn_with_rule_and_figure() -> None:
    async with bench(**MAST) as made:
        with pytest.raises(Refusal, match=r"dish may not point there: azimuth 100\.0, elevation 39\.0 is below") as no:
            await order(made.antenna.point(AzEl(100.0, 39.0)), made)
        assert no.value.rule == "mask"
        assert made.verbs() == ["stop", "where"]
    async with bench(**MAST, elevation_limits_deg=(0.0, 180.0)) as made:
        with pytest.raises(Refusal, match=r"leaning over, it looks at azimuth 100\.0, elevation 20\.0") as no:
            await order(made.antenna.track(AzEl(280.0, 160.0), by="c"), made)
        assert no.value.rule == "mask"


async def test_a_slew_past_the_mast_goes_up_across_and_down() -> None:
    async with bench(**MAST) as made:
        await order(made.antenna.point(AzEl(80.0, 10.0)), made)
        await made.advance(60.0)
        made.rotator.heard.clear()
        await order(made.antenna.point(AzEl(120.0, 10.0)), made)
        lowest = 90.0
        for _ in range(400):
            await made.advance(0.2)
            here = made.rotator.position()
            if 95 <= here.azimuth_deg <= 105:
                lowest = min(lowest, here.elevation_deg)
        assert made.rotator.position() == AzEl(120.0, 10.0)
        assert [to for verb, to in made.rotator.heard if verb == "point"] == [
            AzEl(80.0, 40.0), AzEl(120.0, 40.0), AzEl(120.0, 10.0),
        ]  # fmt: skip
        assert lowest >= 40.0


async def test_a_stop_ends_a_slew_of_several_turns() -> None:
    async with bench(**MAST) as made:
        await order(made.antenna.point(AzEl(80.0, 10.0)), made)
        await made.advance(60.0)
        await order(made.antenna.point(AzEl(120.0, 10.0)), made)
        await made.advance(5.0)
        await order(made.antenna.stop(), made)
        where = made.rotator.position()
        await made.advance(60.0)
        assert made.rotator.position() == where


async def test_a_step_beside_the_mask_is_the_one_above_it() -> None:
    async with bench(mask_deg=((0.0, 7.3),)) as made:
        await order(made.antenna.point(AzEl(20.0, 7.4)), made)
        assert made.rotator.heard[-1] == ("point", AzEl(20.0, 8.0))


async def test_a_rotator_that_answers_and_shows_no_position_is_no_loop_without_progress() -> None:
    """The daemon's watchdog must not be starved, and the daemon ended, because a drive reports a failure."""
    async with bench(idle_period_s=10.0) as made:
        made.rotator.declines = True
        for _ in range(20):
            await made.advance(15.0)
            assert made.antenna._supervision.progress.overdue() == []
        assert made.antenna.device.state == "online"
