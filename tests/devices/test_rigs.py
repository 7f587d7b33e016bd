"""What every rig driver must do, against its sim over pseudo-terminal and TCP, or against a real radio.

`pytest tests/devices/test_rigs.py --device icom-civ=serial:///dev/ttyUSB0?baud=19200` tunes a real radio by some kHz
about where it stands; with `--i-am-watching` it also transmits for a moment: put a dummy load on it.
"""

from __future__ import annotations

import asyncio
import math

import pytest
import rigs
from rigs import RigStand

from fleetd.devices import Rig, Side, driver_names, load_driver
from fleetd.errors import Declined, LinkLost, Refusal
from fleetd_hil import catalogue

SIDES = (Side.MAIN, Side.SUB)


async def test_each_side_is_read_and_reading_changes_nothing(rig_stand: RigStand) -> None:
    async with rig_stand.open() as desk:
        assert isinstance(desk.driver, Rig)
        first = [await desk.driver.tuned(side) for side in SIDES]
        assert [await desk.driver.tuned(side) for side in SIDES] == first
        assert await desk.driver.keyed() is False
        if desk.far:
            assert first == [435_000_000, 145_000_000]
            assert not desk.far.sim.violations


async def test_each_side_is_tuned_and_the_other_stays(rig_stand: RigStand) -> None:
    async with rig_stand.open() as desk:
        start = {side: await desk.driver.tuned(side) for side in SIDES}
        for side in SIDES:
            await desk.driver.tune(side, start[side] + 12_340)
            assert await desk.driver.tuned(side) == start[side] + 12_340
        assert await desk.driver.tuned(Side.MAIN) == start[Side.MAIN] + 12_340
        if desk.far:
            assert (desk.model.main.frequency_hz, desk.model.sub.frequency_hz) == (435_012_340, 145_012_340)
        for side in SIDES:
            await desk.driver.tune(side, start[side])


async def test_each_side_has_its_mode(rig_stand: RigStand) -> None:
    async with rig_stand.open() as desk:
        if desk.far is None:
            pytest.skip("a radio's modes cannot be read back over this Protocol")
        await desk.driver.set_mode(Side.MAIN, "usb")
        await desk.driver.set_mode(Side.SUB, "fm")
        assert (desk.model.main.mode, desk.model.sub.mode) == ("USB", "FM")
        await desk.driver.set_mode(Side.SUB, "lsb")
        assert (desk.model.main.mode, desk.model.sub.mode) == ("USB", "LSB")
        assert not desk.far.sim.violations


@pytest.mark.moves
async def test_it_transmits_when_keyed_and_not_when_unkeyed(rig_stand: RigStand) -> None:
    async with rig_stand.open() as desk:
        try:
            await desk.driver.key()
            assert await desk.driver.keyed() is True
            assert desk.far is None or desk.model.keyed
        finally:
            await desk.driver.unkey()
        assert await desk.driver.keyed() is False
        assert desk.far is None or not desk.model.keyed


async def test_unkeying_what_is_not_keyed_is_harmless(rig_stand: RigStand) -> None:
    async with rig_stand.open() as desk:
        await desk.driver.unkey()
        assert await desk.driver.keyed() is False


async def test_what_is_no_frequency_never_reaches_the_wire(rig_stand: RigStand) -> None:
    async with rig_stand.open() as desk:
        already = desk.heard
        limits = desk.driver.limits
        for wrong in (math.nan, math.inf, -math.inf, -1, 0, limits.low_hz - 1, limits.high_hz + 1, 145_000_000.5):
            with pytest.raises(Refusal, match=r"frequency \S+ Hz is") as refused:
                await desk.driver.tune(Side.MAIN, wrong)  # type: ignore[arg-type]
            assert refused.value.rule == "rig-limits"
        assert desk.heard == already


async def test_a_frequency_that_the_radio_lacks_is_declined_and_the_link_stays(rig_stand: RigStand) -> None:
    async with rig_stand.open() as desk:
        if desk.far is None:
            pytest.skip("a real radio may have that band")
        with pytest.raises(Declined):
            await desk.driver.tune(Side.MAIN, 50_000_000)
        assert await desk.driver.tuned(Side.MAIN) == 435_000_000 or desk.kind.name == "icom-civ"


async def test_callers_at_once_take_turns(rig_stand: RigStand) -> None:
    async with rig_stand.open() as desk:
        start = {side: await desk.driver.tuned(side) for side in SIDES}
        async with asyncio.TaskGroup() as tasks:
            asked = [(side, tasks.create_task(desk.driver.tuned(side))) for _ in range(3) for side in SIDES]
            tasks.create_task(desk.driver.unkey())
        assert all(task.result() == start[side] for side, task in asked)


async def test_cancelled_in_mid_exchange_a_fresh_link_works(rig_stand: RigStand) -> None:
    async with rig_stand.open() as desk:
        if desk.far:
            desk.far.break_("drop")
        already = desk.heard
        asking = asyncio.create_task(desk.driver.tuned(Side.MAIN), name="asking")
        for _ in range(200):
            await asyncio.sleep(0 if rig_stand.real else 0.001)
            if desk.heard > already:
                break
        if asking.done():
            pytest.skip("it answers faster than it can be cancelled")
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        if desk.far:
            desk.far.sim.faults.clear("drop")
        with pytest.raises(LinkLost):
            await desk.driver.tuned(Side.MAIN)
        async with rig_stand.again(desk) as fresh:
            hz = await fresh.driver.tuned(Side.MAIN)
            assert rig_stand.real or hz == 435_000_000
            await fresh.driver.unkey()


def test_every_rig_driver_is_in_this_suite_and_has_a_sim_of_its_name() -> None:
    names = {kind.name for kind in rigs.KINDS}
    assert names <= set(catalogue.KINDS)
    assert names == {name for name in driver_names() if load_driver(name).capability == "rig"}
