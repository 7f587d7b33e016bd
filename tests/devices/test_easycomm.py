"""What is peculiar to EasyComm: status after moves, axes asked apart, units without elevation, alarms; and its sim."""

from __future__ import annotations

import pytest
from farend import EagerClock, connected, far_end
from rotators import KINDS, on_bench

from fleetd.clock import SystemClock
from fleetd.devices import AzEl
from fleetd.errors import BadReply, Declined, Refusal
from fleetd_hil.models.rotator import RotatorBuild, RotatorModel
from fleetd_hil.sims.easycomm import EasycommSim

II, III = (kind for kind in KINDS if kind.name.startswith("easycomm"))


async def test_a_jammed_unit_of_version_iii_declines() -> None:
    async with on_bench(III, "tcp", EagerClock(), {}) as seat:
        seat.bench.break_("jam")
        with pytest.raises(Declined, match=r"stands in error 2; .*, asked GS, got GS8") as declined:
            await seat.driver.point(AzEl(200.0, 30.0))
        assert declined.value.code == 2
        seat.bench.sim.faults.clear("jam")
        await seat.driver.point(AzEl(200.0, 30.0))
        assert await seat.arrives(AzEl(200.0, 30.0))


async def test_firmware_without_status_is_not_asked_for_it() -> None:
    async with on_bench(III, "tcp", EagerClock(), {"reads_status": False}) as seat:
        seat.bench.break_("jam")
        await seat.driver.point(AzEl(200.0, 30.0))
        await seat.driver.where()
        assert b"".join(seat.bench.heard) == b"AZ200.0 EL30.0\nAZ EL \n"


async def test_version_ii_writes_what_hamlib_writes_and_no_more() -> None:
    async with on_bench(II, "tcp", EagerClock(), {}) as seat:
        await seat.driver.point(AzEl(200.0, 30.0))
        await seat.driver.where()
        await seat.driver.stop()
        await seat.driver.where()
        assert b"".join(seat.bench.heard) == b"AZ200.0 EL30.0\nAZ EL \nSA SE \nAZ EL \n"


async def test_axes_are_asked_apart_where_the_firmware_wants_it() -> None:
    async with on_bench(II, "tcp", EagerClock(), {"asks": "apart"}) as seat:
        assert await seat.driver.where() == AzEl(100.0, 20.0)
        assert seat.bench.heard == [b"AZ\n", b"EL\n"]


@pytest.mark.parametrize("faults", [("alarm",), ("apart",), ("cr",), ("alarm", "apart", "cr")])
async def test_odd_but_honest_units_are_understood(faults: tuple[str, ...]) -> None:
    async with on_bench(II, "tcp", SystemClock(), {}) as seat:
        seat.bench.break_(*faults)
        for _ in range(3):
            assert await seat.driver.where() == AzEl(100.0, 20.0)


async def test_units_without_elevation() -> None:
    async with on_bench(II, "tcp", EagerClock(), {"azimuth_only": True}) as seat:
        seat.bench.break_("az-only")
        await seat.driver.point(AzEl(10.0, 0.0))
        assert await seat.arrives(AzEl(10.0, 0.0))
        with pytest.raises(Refusal, match="elevation 5 is outside"):
            await seat.driver.point(AzEl(10.0, 5.0))
        assert not any(b"EL" in heard for heard in seat.bench.heard)


async def test_an_angle_beyond_the_limits_is_no_position() -> None:
    async with far_end(II, "tcp", EagerClock(), {"start_azimuth_deg": 400.0}) as far:
        async with connected(II, far.url, {}, EagerClock()) as driver:
            with pytest.raises(BadReply, match=r"beyond its limits; are they set right.*got AZ400 EL20"):
                await driver.where()
        async with connected(II, far.url, {"azimuth_max_deg": 450}, EagerClock()) as driver:
            assert await driver.where() == AzEl(400.0, 20.0)


async def test_the_limits_are_those_of_the_settings() -> None:
    settings = {"azimuth_min_deg": -10, "azimuth_max_deg": 370, "elevation_min_deg": 0, "elevation_max_deg": 90}
    async with on_bench(II, "tcp", EagerClock(), settings) as seat:
        assert (seat.limits.azimuth_min_deg, seat.limits.elevation_max_deg) == (-10.0, 90.0)
        with pytest.raises(Refusal):
            await seat.driver.point(AzEl(100.0, 90.1))


# The sim


def ask(sim: EasycommSim, command: bytes, at_s: float = 0.0) -> bytes:
    return b"".join(answer.data for answer in sim.feed(command, at_s))


def standing(version: int = 2) -> EasycommSim:
    build = RotatorBuild(start_azimuth_deg=123.4, start_elevation_deg=45.0)
    return EasycommSim(RotatorModel(build), version)  # type: ignore[arg-type]


def test_what_is_asked_is_answered() -> None:
    assert ask(standing(), b"AZ\n") == b"AZ123.4\n"  # easycomm.txt
    assert ask(standing(), b"AZ EL \n") == b"AZ123.4 EL45.0\n"  # as Hamlib 4.5.4 asks, and what it takes
    assert ask(standing(), b"VE\r") == b"VE2.0\n"
    assert ask(standing(), b"UP145800000 UMFM AOS\n") == b""


def test_half_a_line_waits_and_a_flood_is_forgotten() -> None:
    sim = standing()
    assert ask(sim, b"AZ EL") == b""
    assert ask(sim, b" \n") == b"AZ123.4 EL45.0\n"
    assert ask(sim, b"Z" * 5000) == b""
    assert ask(sim, b"\nAZ\n") == b"AZ123.4\n"


def test_moving_takes_time_and_stop_ends_it() -> None:
    sim = standing(3)
    assert ask(sim, b"AZ200.0 EL60.0\n", 0.0) == b""
    assert ask(sim, b"GS\n", 2.0) == b"GS2\n"
    ask(sim, b"SA SE \n", 2.0)
    stopped = ask(sim, b"AZ EL \n", 10.0)
    assert ask(sim, b";GS\nAZ EL \n", 100.0) == b"GS1\n" + stopped  # Hamlib puts a stray ; before the next command
    assert stopped not in (b"AZ123.4 EL45.0\n", b"AZ200.0 EL60.0\n")


def test_jogging_at_a_speed() -> None:
    sim = standing(3)
    ask(sim, b"VR1000\n", 0.0)
    assert ask(sim, b"AZ\n", 10.0)[:5] == b"AZ133"
    ask(sim, b"VR0\n", 10.0)
    assert ask(sim, b"AZ\n", 20.0) == ask(sim, b"AZ\n", 60.0)
    ask(sim, b"ML MD\n", 60.0)
    assert ask(sim, b"AZ EL \n", 300.0) == b"AZ0.0 EL0.0\n"
    ask(sim, b"AZ90\n", 300.0)
    assert ask(sim, b"AZ\n", 320.0) == b"AZ90.0\n"


def test_what_it_cannot_do_is_noted_and_not_done() -> None:
    sim = standing()
    ask(sim, b"AZ500.0 EL-1.0 ZZ9 GS\n", 0.0)
    assert ask(sim, b"AZ EL \n", 60.0) == b"AZ123.4 EL45.0\n"
    assert len(sim.violations) == 4
