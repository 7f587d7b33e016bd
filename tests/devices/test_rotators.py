"""What every rotator driver must do, against its sim over pseudo-terminal and TCP, or against real hardware.

`make hil DEVICE=gs232b URL=serial:///dev/ttyUSB0 …` moves a real antenna by a few degrees about where it stands, inside
a stated box and while somebody watches; otherwise only what reads and what must be refused is tried. See
`docs/how-to/hardware-days.md`.
"""

from __future__ import annotations

import asyncio
import math

import pytest
import rotators
from rotators import Seat, Stand

from fleetd.devices import AzEl, Rotator, driver_names, load_driver
from fleetd.errors import LinkLost, Refusal
from fleetd_hil import catalogue


def small_step(seat: Seat, start: AzEl) -> AzEl:
    """A direction some degrees from where it stands, within its limits; a real antenna has little room."""
    limits = seat.limits
    azimuth_deg = step(start.azimuth_deg, limits.azimuth_min_deg, limits.azimuth_max_deg, 8)
    elevation_deg = step(start.elevation_deg, limits.elevation_min_deg, limits.elevation_max_deg, 4)
    return seat.target(azimuth_deg, elevation_deg)


def step(at_deg: float, low_deg: float, high_deg: float, by_deg: int) -> int:
    """A whole degree so far from where it stands, or as far as there is room."""
    up_deg, down_deg = (
        min(round(at_deg) + by_deg, math.floor(high_deg)),
        max(round(at_deg) - by_deg, math.ceil(low_deg)),
    )
    return up_deg if up_deg - at_deg >= at_deg - down_deg else down_deg


async def comes_to_rest(seat: Seat, within_s: float = 20.0) -> AzEl:
    """Where it stands once it has shown the same three times a second apart."""
    shown = [await seat.driver.where()]
    for _ in range(int(within_s)):
        await seat.clock.sleep(1.0)
        shown.append(await seat.driver.where())
        if len(shown) >= 3 and shown[-1] == shown[-2] == shown[-3]:
            return shown[-1]
    pytest.fail(f"it does not come to rest: {shown[-3:]}")


async def test_where_is_within_the_limits_and_moves_nothing(stand: Stand) -> None:
    async with stand.open() as seat:
        assert isinstance(seat.driver, Rotator)
        first = await seat.driver.where()
        limits = seat.limits
        assert limits.azimuth_min_deg - 1 <= first.azimuth_deg <= limits.azimuth_max_deg + 1
        assert limits.elevation_min_deg - 1 <= first.elevation_deg <= limits.elevation_max_deg + 1
        assert 0 < limits.resolution_deg <= seat.kind.resolution_deg or limits.resolution_deg == 1.0
        await seat.clock.sleep(2.0)
        assert seat.near(await seat.driver.where(), first)
        if not stand.real:
            assert seat.near(first, seat.target(100.0, 20.0))


@pytest.mark.moves
async def test_it_points_and_arrives(stand: Stand) -> None:
    async with stand.open() as seat:
        start = await seat.driver.where()
        targets = [small_step(seat, start), seat.target(round(start.azimuth_deg), round(start.elevation_deg))]
        if not stand.real:
            targets = [seat.target(123.4, 44.6), seat.target(359.0, 90.0), seat.target(3.0, 5.0)]
        for target in targets:
            await seat.driver.point(target)
            assert await seat.arrives(target), f"{await seat.driver.where()} and not {target}"
        assert seat.far is None or not seat.far.sim.violations


@pytest.mark.moves
async def test_stop_stops_what_moves(stand: Stand) -> None:
    async with stand.open() as seat:
        start = await seat.driver.where()
        target = small_step(seat, start) if stand.real else seat.target(300.0, 80.0)
        await seat.driver.point(target)
        for _ in range(100):
            await seat.clock.sleep(0.1)
            if not seat.near(await seat.driver.where(), start):
                break
        else:
            pytest.fail("it does not begin to move")
        await seat.driver.stop()
        stood = await comes_to_rest(seat)
        assert not seat.near(stood, target), "it had arrived before it was stopped"


async def test_what_is_beyond_the_limits_never_reaches_the_wire(stand: Stand) -> None:
    async with stand.open() as seat:
        limits = seat.limits
        azimuth_deg, elevation_deg = limits.azimuth_min_deg, limits.elevation_min_deg
        already = seat.heard
        for wrong_deg in (azimuth_deg - 0.01, limits.azimuth_max_deg + 0.01, math.nan, math.inf, -math.inf):
            with pytest.raises(Refusal, match=r"azimuth \S+ is outside the controller's") as refused:
                await seat.driver.point(AzEl(wrong_deg, elevation_deg))
            assert refused.value.rule == "controller-limits"
        for wrong_deg in (elevation_deg - 0.01, limits.elevation_max_deg + 0.01, math.nan, math.inf, -math.inf):
            with pytest.raises(Refusal, match=r"elevation \S+ is outside the controller's"):
                await seat.driver.point(AzEl(azimuth_deg, wrong_deg))
        assert seat.heard == already


@pytest.mark.moves
async def test_callers_at_once_take_turns(stand: Stand) -> None:
    async with stand.open() as seat:
        start = await seat.driver.where()
        target = small_step(seat, start)
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(seat.driver.where()) for _ in range(3)]
            tasks.create_task(seat.driver.point(target))
            asked += [tasks.create_task(seat.driver.where()) for _ in range(3)]
        low_deg, high_deg = sorted((start.azimuth_deg, target.azimuth_deg))
        assert all(low_deg - 1 <= task.result().azimuth_deg <= high_deg + 1 for task in asked)
        assert await seat.arrives(target)
        assert seat.far is None or not seat.far.sim.violations


async def test_cancelled_in_mid_exchange_a_fresh_link_works(stand: Stand) -> None:
    async with stand.open() as seat:
        if seat.far:
            seat.far.break_("drop")
        already = seat.heard
        asking = asyncio.create_task(seat.driver.where(), name="asking")
        for _ in range(200):
            await asyncio.sleep(0 if stand.real else 0.001)
            if seat.heard > already:
                break
        if asking.done():
            pytest.skip("it answers faster than it can be cancelled")
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        if seat.far:
            seat.far.sim.faults.clear("drop")
        if "modbus" in seat.url:  # a bus outlives whoever stops waiting, and tells the answers apart
            at = await seat.driver.where()
            assert stand.real or seat.near(at, seat.target(100.0, 20.0))
            return
        with pytest.raises(LinkLost):
            await seat.driver.where()
        async with stand.again(seat) as fresh:
            at = await fresh.driver.where()
            assert stand.real or seat.near(at, seat.target(100.0, 20.0))
            await fresh.driver.stop()


def test_every_rotator_driver_is_in_this_suite_and_has_a_sim_of_its_name() -> None:
    names = {kind.name for kind in rotators.KINDS}
    assert names <= set(catalogue.KINDS)
    assert names == {name for name in driver_names() if load_driver(name).capability == "rotator"}
