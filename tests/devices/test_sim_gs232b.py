"""The GS-232B sim against the manual's bytes, and against Hamlib, which nobody here wrote."""

from __future__ import annotations

import asyncio

import pytest

from fleetd.clock import SystemClock
from fleetd_hil.bench import Bench
from fleetd_hil.line import Pace
from fleetd_hil.models.rotator import AxisBuild, RotatorBuild, RotatorModel
from fleetd_hil.sims.gs232b import Gs232bSim

QUICK = RotatorBuild(AxisBuild(0.0, 450.0, 400.0, 4000.0), AxisBuild(0.0, 180.0, 200.0, 4000.0))


def ask(sim: Gs232bSim, command: bytes, at_s: float = 0.0) -> bytes:
    return b"".join(answer.data for answer in sim.feed(command, at_s))


def parked_at(azimuth_deg: float, elevation_deg: float) -> Gs232bSim:
    return Gs232bSim(RotatorModel(RotatorBuild(start_azimuth_deg=azimuth_deg, start_elevation_deg=elevation_deg)))


def test_position_is_worded_as_captured() -> None:
    # Hamlib issue 122, a GS-232B's answer to C2, here with the line feed that follows data (GS-232A manual, p. 15).
    captured = bytes.fromhex("41 5A 3D 31 38 30 20 20 45 4C 3D 30 39 30 0D")
    assert ask(parked_at(180, 90), b"C2\r") == captured + b"\n"


def test_position_of_one_axis() -> None:
    sim = parked_at(7, 9)
    assert ask(sim, b"C\r") == b"AZ=007\r\n"  # the form of an azimuth-only unit's answer in Hamlib issue 309
    assert ask(sim, b"B\r") == b"EL=009\r\n"


def test_move_takes_time_and_stop_ends_it() -> None:
    sim = Gs232bSim()
    assert ask(sim, b"W200 030\r", 0.0) == b"\r"
    assert ask(sim, b"C2\r", 5.0) == b"AZ=027  EL=014\r\n"  # 6 and 3 deg/s, less the time of speeding up
    ask(sim, b"S\r", 5.0)
    stopped = ask(sim, b"C2\r", 10.0)
    assert ask(sim, b"C2\r", 100.0) == stopped != b"AZ=200  EL=030\r\n"
    ask(sim, b"w200 030\r", 100.0)  # either case
    assert ask(sim, b"C2\r", 200.0) == b"AZ=200  EL=030\r\n"


def test_azimuth_overlap_is_counted_on_from_the_stop() -> None:
    sim = Gs232bSim()
    ask(sim, b"M450\r", 0.0)
    assert ask(sim, b"C\r", 200.0) == b"AZ=450\r\n"
    ask(sim, b"P36\r", 200.0)
    assert ask(sim, b"M370\r", 200.0) == b"?>\r\n"
    ask(sim, b"P45\r", 200.0)
    assert ask(sim, b"M370\r", 200.0) == b"\r"


@pytest.mark.parametrize(
    "command", [b"M5\r", b"M1234\r", b"M-10\r", b"W200\r", b"W200 181\r", b"W451 000\r", b"W200  030\r", b"Q\r", b"M\r"]
)
def test_what_is_malformed_or_out_of_range_is_declined_and_moves_nothing(command: bytes) -> None:
    sim = Gs232bSim()
    assert ask(sim, command, 0.0) == b"?>\r\n"
    assert ask(sim, b"C2\r", 60.0) == b"AZ=000  EL=000\r\n"


def test_jog_one_axis_and_stop_it() -> None:
    sim = parked_at(100, 50)
    ask(sim, b"R\rU\r", 0.0)
    ask(sim, b"A\rE\r", 5.0)
    assert ask(sim, b"C2\r", 20.0) == b"AZ=130  EL=065\r\n"
    ask(sim, b"L\rD\r", 20.0)
    assert ask(sim, b"C2\r", 200.0) == b"AZ=000  EL=000\r\n"


def test_slow_speed_is_slow() -> None:
    sim = parked_at(0, 0)
    ask(sim, b"X1\rM090\r", 0.0)
    assert ask(sim, b"C\r", 10.0) == b"AZ=015\r\n"


@pytest.mark.parametrize("command", [b"M010 020 030\r", b"W005 010 020 030 040\r", b"T\r"])
def test_a_timed_program_moves_nothing_and_is_noted(command: bytes) -> None:
    sim = Gs232bSim()
    assert ask(sim, command, 0.0) == b"\r"
    assert ask(sim, b"C2\r", 60.0) == b"AZ=000  EL=000\r\n"
    assert "timed program" in sim.violations[0]


def test_a_program_of_two_pairs_is_counted() -> None:
    sim = Gs232bSim()
    ask(sim, b"W005 010 020 030 040\r")
    assert ask(sim, b"N\r") == b"+0002+0000\r\n"


@pytest.mark.parametrize("command", [b"O\r", b"F\r", b"O2\r", b"F2\r", b"Z\r"])
def test_calibration_is_declined_and_noted(command: bytes) -> None:
    sim = Gs232bSim()
    assert ask(sim, command) == b"?>\r\n"
    assert "calibration" in sim.violations[0]


def test_half_a_command_waits_for_the_rest() -> None:
    sim = parked_at(45, 0)
    assert ask(sim, b"C") == b""
    assert ask(sim, b"2") == b""
    assert ask(sim, b"\rC\r") == b"AZ=045  EL=000\r\nAZ=045\r\n"


def test_a_flood_without_end_is_declined_and_forgotten() -> None:
    sim = parked_at(45, 0)
    assert ask(sim, b"A" * 20_000) == b"?>\r\n"
    assert ask(sim, b"C\r") == b"AZ=045\r\n"


async def rotctl(port: str, *words: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "rotctl", "-m", "603", "-r", port, "-s", "9600", *words, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode()


@pytest.mark.peer("rotctl")
@pytest.mark.parametrize("fault", ["", "extra-cr", "trickle=0.0005"])
async def test_hamlib_points_reads_and_stops(fault: str) -> None:
    async with Bench.open(SystemClock()) as bench:
        sim = Gs232bSim(RotatorModel(QUICK))
        port = await bench.pty(sim, Pace.of(9600))
        if fault:
            bench.inject(sim, fault)
        await rotctl(port.address, "P", "200", "30", "p", "S", "P", "300", "60")
        async with asyncio.timeout(10):
            while await rotctl(port.address, "p") != "300.00\n60.00\n":
                pass
        await rotctl(port.address, "P", "0", "0", "S")
        stopped = await rotctl(port.address, "p")
        assert stopped != "0.00\n0.00\n"
        assert await rotctl(port.address, "p") == stopped
        assert not sim.violations
