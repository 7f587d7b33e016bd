"""What is peculiar to SPID: pace, pulses, silent and answered moves, text between replies; and its sim."""

from __future__ import annotations

import asyncio

import pytest
from farend import EagerClock, connected
from rotators import KINDS, on_bench

from fleetd.clock import SystemClock
from fleetd.devices import AzEl
from fleetd.errors import BadReply, Refusal, ReplyTimeout
from fleetd_hil.models.rotator import AxisBuild, RotatorBuild, RotatorModel
from fleetd_hil.sims.spid import SpidSim

MD01, ROT1, ROT2 = (kind for kind in KINDS if kind.name.startswith("spid"))
STATUS = bytes.fromhex("57 00 00 00 00 00 00 00 00 00 00 1f 20")
STOP = bytes.fromhex("57 00 00 00 00 00 00 00 00 00 00 0f 20")


# The pace of a Rot2Prog


async def worked(pause_ms: int) -> tuple[AzEl, SpidSim]:
    """A Rot2Prog that drifts, asked, turned and stopped without mercy by three at once."""
    async with on_bench(ROT2, "tcp", EagerClock(), {"pause_ms": pause_ms}) as seat:
        seat.bench.break_("drift=1")
        async with asyncio.TaskGroup() as tasks:
            for _ in range(3):
                tasks.create_task(seat.driver.where())
            tasks.create_task(seat.driver.stop())
            tasks.create_task(seat.driver.point(AzEl(120.0, 30.0)))
        await seat.clock.sleep(60.0)
        at = await seat.driver.where()
        assert isinstance(seat.bench.sim, SpidSim)
        return at, seat.bench.sim


async def test_a_rot2prog_keeps_its_calibration_at_the_drivers_pace() -> None:
    at, sim = await worked(2100)
    assert at == AzEl(120.0, 30.0)
    assert sim.model.azimuth.position_deg == 120.0
    assert not sim.violations


async def test_a_rot2prog_would_drift_if_it_were_spoken_to_sooner() -> None:
    at, sim = await worked(1900)
    assert sim.off_deg >= 4
    assert at.azimuth_deg - sim.model.azimuth.position_deg == sim.off_deg
    assert "spoken to after 1.90 s; it needs 2 s" in sim.violations


async def test_the_default_pace_is_that_of_the_manual_plus_a_margin() -> None:
    async with on_bench(ROT2, "tcp", EagerClock(), {}) as seat:
        for expected_s in (2.1, 4.2, 6.3):  # the first, too: it may have been spoken to over a link before this one
            await seat.driver.where()
            assert seat.clock.monotonic() == pytest.approx(expected_s, abs=0.001)


async def test_the_pace_is_kept_from_one_link_to_the_next() -> None:
    """An answer is lost, the link ends with it, and the next one must not speak at once."""
    async with on_bench(ROT2, "tcp", clock := EagerClock(), {}) as seat:
        await seat.driver.where()
        async with connected(ROT2, seat.url, {}, clock) as again:
            await again.stop()
        assert not seat.bench.sim.violations


async def test_a_stop_goes_before_whoever_waits() -> None:
    async with on_bench(ROT2, "tcp", EagerClock(), {}) as seat:
        await seat.driver.where()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(3):
                tasks.create_task(seat.driver.where())
            await asyncio.sleep(0)
            tasks.create_task(seat.driver.stop())
        assert seat.bench.heard == [STATUS, STOP, STATUS, STATUS, STATUS]
        assert not seat.bench.sim.violations


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_stop_may_be_told_not_to_wait(at_once: bool) -> None:
    async with on_bench(ROT2, "tcp", EagerClock(), {"stop_at_once": at_once}) as seat:
        await seat.driver.where()
        await seat.driver.stop()
        assert (seat.clock.monotonic() < 2.2) == at_once
        assert bool(seat.bench.sim.violations) == at_once


# Moves


@pytest.mark.parametrize("pulses", [1.0, 2.0, 4.0, 10.0])
async def test_moves_are_counted_in_the_units_own_pulses(pulses: float) -> None:
    async with on_bench(MD01, "tcp", EagerClock(), {}, {"pulses_per_degree": pulses}) as seat:
        assert seat.limits.resolution_deg == 1.0
        await seat.driver.point(AzEl(-90.0, 47.0))
        assert seat.bench.heard[0] == STATUS
        assert seat.limits.resolution_deg == 1 / pulses
        assert await seat.arrives(AzEl(-90.0, 47.0))
        assert not seat.bench.sim.violations


async def test_an_md01_answers_moves_and_one_that_does_not_can_be_told_of() -> None:
    async with on_bench(MD01, "tcp", EagerClock(), MD01.quick) as seat:
        await seat.driver.where()
        seat.bench.break_("silent-set")
        with pytest.raises(ReplyTimeout, match="asked to turn"):
            await seat.driver.point(AzEl(120.0, 30.0))
    async with on_bench(MD01, "tcp", EagerClock(), {"answers_moves": False}) as seat:
        seat.bench.break_("silent-set")
        await seat.driver.point(AzEl(120.0, 30.0))
        assert await seat.arrives(AzEl(120.0, 30.0))


async def test_a_rot2prog_that_does_answer_a_move_is_not_misread() -> None:
    async with on_bench(ROT2, "tcp", EagerClock(), {}) as seat:
        seat.bench.break_("answers-set")
        await seat.driver.point(AzEl(300.0, 30.0))
        await seat.clock.sleep(120.0)
        assert await seat.driver.where() == AzEl(300.0, 30.0)


async def test_a_rot1prog_has_no_elevation() -> None:
    async with on_bench(ROT1, "tcp", EagerClock(), {}) as seat:
        with pytest.raises(Refusal, match="elevation 1 is outside the controller's 0 to 0"):
            await seat.driver.point(AzEl(120.0, 1.0))


async def test_where_after_a_stop_does_not_rest_on_the_stops_own_answer() -> None:
    async with on_bench(MD01, "tcp", EagerClock(), {}) as seat:
        seat.bench.break_("stop-error=2")
        await seat.driver.stop()
        assert await seat.driver.where() == AzEl(100.0, 20.0)


# Bad replies


@pytest.mark.parametrize("faults", [("log",), ("log-w",), ("log", "log-w", "trickle=0.0005")])
async def test_text_between_replies_is_passed_over(faults: tuple[str, ...]) -> None:
    async with on_bench(MD01, "tcp", SystemClock(), {"pause_ms": 0}) as seat:
        seat.bench.break_(*faults)
        for _ in range(3):
            assert await seat.driver.where() == AzEl(100.0, 20.0)
        await seat.driver.point(AzEl(100.0, 20.0))
        await seat.driver.stop()


@pytest.mark.parametrize("kind", [MD01, ROT1, ROT2], ids=str)
@pytest.mark.parametrize("fault", ["digit", "half"])
async def test_a_broken_reply_is_none(kind: object, fault: str) -> None:
    async with on_bench(kind, "tcp", SystemClock(), kind.quick) as seat:  # type: ignore[arg-type,attr-defined]
        seat.bench.break_(fault)
        with pytest.raises(ReplyTimeout, match="asked for status, got 57"):
            await seat.driver.where()


async def test_an_angle_beyond_the_limits_is_no_position() -> None:
    async with on_bench(MD01, "tcp", EagerClock(), {"azimuth_max_deg": 50.0}) as seat:
        with pytest.raises(BadReply, match=r"beyond its limits; are they set right\?.*got 100 20 in 57 04 06"):
            await seat.driver.where()


# The sim


def ask(sim: SpidSim, command: bytes, at_s: float = 0.0) -> bytes:
    return b"".join(answer.data for answer in sim.feed(command, at_s))


def standing(kind: str, pulses: int = 10) -> SpidSim:
    axes = AxisBuild(-180.0, 540.0, 6.0, 6.0), AxisBuild(-20.0, 210.0, 3.0, 3.0)
    return SpidSim(RotatorModel(RotatorBuild(*axes, 200.0, 30.0)), kind, pulses)  # type: ignore[arg-type]


def test_the_sim_words_positions_as_hamlib_reads_them() -> None:
    # The reply that Hamlib 4.5.4's rotctl -m 901 reads as 200 and 30 degrees.
    assert ask(standing("rot2"), STATUS) == bytes.fromhex("57 05 06 00 00 0a 03 09 00 00 0a 20")
    assert ask(standing("rot1"), STATUS) == bytes.fromhex("57 05 06 00 20")


def test_the_sim_obeys_the_bytes_of_hamlib_and_answers_as_its_model_does() -> None:
    # What rotctl -m 901 writes to set 200/30, and the Rot1Prog set of spid.txt for 123.
    to_200_30 = bytes.fromhex("57 35 36 30 30 0a 33 39 30 30 0a 2f 20")
    for kind, answer in (("rot1", 0), ("rot2", 0), ("md01", 12)):
        sim = standing(kind)
        assert len(ask(sim, to_200_30, 0.0)) == answer
    rot1 = standing("rot1")
    assert ask(rot1, bytes.fromhex("57 34 38 33 30 00 00 00 00 00 00 2F 20"), 0.0) == b""
    assert ask(rot1, STATUS, 60.0) == bytes.fromhex("57 04 08 03 20")


def test_the_sim_turns_by_hand_and_stops() -> None:
    sim = standing("md01")
    assert len(ask(sim, b"W\x06" + bytes(9) + b"\x14 ", 0.0)) == 12  # right and up
    ask(sim, STOP, 5.0)
    rested = ask(sim, STATUS, 20.0)
    assert rested == ask(sim, STATUS, 60.0) > bytes.fromhex("57 05 06 00 00 0a 03 09 00 00 0a 20")


def test_the_sim_waits_for_whole_commands_and_resynchronises() -> None:
    sim = standing("rot1")
    assert ask(sim, b"\x00?" + STATUS[:5]) == b""
    assert ask(sim, STATUS[5:]) == bytes.fromhex("57 05 06 00 20")
    assert ask(sim, b"WW" + STATUS + b"W") == bytes.fromhex("57 05 06 00 20")


def test_what_the_sim_cannot_do_is_noted_and_not_done() -> None:
    sim = standing("rot2")
    ask(sim, b"W\x06" + bytes(9) + b"\x14 ", 0.0)
    ask(sim, bytes.fromhex("57 05 06 00 00 0a 03 09 00 00 0a 2f 20"), 10.0)  # raw digits are a reply's
    ask(sim, b"W9999\x0a9999\x0a\x2f ", 20.0)
    assert ask(sim, STATUS, 100.0) == bytes.fromhex("57 05 06 00 00 0a 03 09 00 00 0a 20")
    assert len(sim.violations) == 4
