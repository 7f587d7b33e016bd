"""What is peculiar to the GS-232B: its angles, its refusals, units without elevation, its pause. See test_rotators."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fleetd.clock import SystemClock
from fleetd.devices import AzEl, Rotator, load_driver
from fleetd.errors import BadReply, Declined, Refusal
from fleetd.link.ports import Ports
from fleetd.link.url import parse_link
from fleetd_drivers.gs232b.driver import SPEC, Gs232b, Gs232bSettings
from fleetd_hil.bench import Bench
from fleetd_hil.line import Pace
from fleetd_hil.models.rotator import AxisBuild, RotatorBuild, RotatorModel
from fleetd_hil.sims.gs232b import Gs232bSim

MEDIA = ("pty", "tcp")
QUICK = RotatorBuild(AxisBuild(0.0, 450.0, 4000.0, 400_000.0), AxisBuild(0.0, 180.0, 2000.0, 400_000.0))


@asynccontextmanager
async def driven(
    medium: str, sim: Gs232bSim, settings: Gs232bSettings | None = None
) -> AsyncIterator[tuple[Gs232b, Bench]]:
    """A driver connected to the sim through real bytes."""
    clock = SystemClock()
    async with Bench.open(clock) as bench:
        if medium == "pty":
            url = f"serial://{(await bench.pty(sim, Pace.of(9600))).address}?baud=9600"
        else:
            url = f"tcp://{(await bench.tcp(sim)).address}"
        settings = settings or Gs232bSettings(pause_after_write_ms=5)
        async with SPEC.connect(Ports(), parse_link(url), settings, clock) as driver:
            yield driver, bench


async def arrives(driver: Gs232b, at: AzEl) -> bool:
    """Whether it gets there: the answers are asked for until they say so."""
    for _ in range(100):
        if await driver.where() == at:
            return True
        await asyncio.sleep(0.01)
    return False


async def test_the_driver_is_installed_and_is_a_rotator() -> None:
    assert load_driver("gs232b") is SPEC
    assert SPEC.capability == "rotator"
    async with driven("tcp", Gs232bSim()) as (driver, _):
        assert isinstance(driver, Rotator)


@pytest.mark.parametrize("medium", MEDIA)
async def test_points_reads_and_stops(medium: str) -> None:
    sim = Gs232bSim(RotatorModel(QUICK))
    async with driven(medium, sim) as (driver, _):
        await driver.point(AzEl(123.4, 44.6))
        assert await arrives(driver, AzEl(123.0, 45.0))
        await driver.point(AzEl(370.0, 90.0))
        assert await arrives(driver, AzEl(370.0, 90.0))
    assert not sim.violations


async def test_angles_count_from_the_counter_clockwise_stop() -> None:
    sim = Gs232bSim(RotatorModel(QUICK))
    settings = Gs232bSettings(counterclockwise_stop_deg=-180.0, azimuth_span_deg=360, pause_after_write_ms=1)
    async with driven("tcp", sim, settings) as (driver, _):
        assert (driver.limits.azimuth_min_deg, driver.limits.azimuth_max_deg) == (-180.0, 180.0)
        await driver.point(AzEl(-90.0, 10.0))
        assert await arrives(driver, AzEl(-90.0, 10.0))
    assert sim.model.azimuth.position_deg == pytest.approx(90.0, abs=0.5)  # it shows whole degrees, perhaps early


async def test_azimuth_only_units_are_told_and_asked_azimuth_only() -> None:
    sim = Gs232bSim(RotatorModel(QUICK))
    async with driven("tcp", sim, Gs232bSettings(azimuth_only=True, pause_after_write_ms=1)) as (driver, _):
        await driver.point(AzEl(200.0, 0.0))
        assert await arrives(driver, AzEl(200.0, 0.0))
        with pytest.raises(Refusal, match="elevation 10 is outside"):
            await driver.point(AzEl(200.0, 10.0))
    assert sim.model.elevation.position_deg == 0.0


async def test_a_refused_move_is_declined_and_the_link_stays() -> None:
    sim = Gs232bSim(RotatorModel(QUICK))
    sim.feed(b"P36\r", 0.0)  # somebody has switched the unit to 360 degrees
    async with driven("tcp", sim) as (driver, _):
        with pytest.raises(Declined, match=r"refused the command, asked W400 010, got \?>"):
            await driver.point(AzEl(400.0, 10.0))
        await driver.point(AzEl(300.0, 10.0))
        assert await arrives(driver, AzEl(300.0, 10.0))


async def test_a_unit_without_elevation_is_named_as_such() -> None:
    sim = Gs232bSim(RotatorModel(QUICK))
    async with driven("tcp", sim) as (driver, bench):
        bench.inject(sim, "az-only")
        with pytest.raises(BadReply, match="gave no elevation; is it azimuth_only"):
            await driver.where()


async def test_the_pause_is_kept_in_the_clocks_time() -> None:
    """A unit that loses the first byte of what follows within 50 ms never gets the chance."""
    sim = Gs232bSim(RotatorModel(QUICK))
    async with driven("tcp", sim, Gs232bSettings(pause_after_write_ms=60)) as (driver, bench):
        bench.inject(sim, "swallow")
        for azimuth_deg in (10.0, 20.0, 30.0):
            await driver.point(AzEl(azimuth_deg, 10.0))
        assert await arrives(driver, AzEl(30.0, 10.0))
