"""Every fault does what its name says, to the byte, and only while it lasts."""

from __future__ import annotations

import struct

import pytest

from fleetd.errors import ConfigError
from fleetd_hil import catalogue, line
from fleetd_hil.faults import Faults
from fleetd_hil.models.rotator import RotatorBuild, RotatorModel
from fleetd_hil.sims.framing import crc16, rtu_frame
from fleetd_hil.sims.gs232b import FAULTS, Gs232bSim
from fleetd_hil.sims.modbus import ModbusSim

# How a fault is written


def test_a_fault_has_a_time_a_value_and_a_unit() -> None:
    faults = Faults(line.FAULTS)
    faults.inject("delay=2.5/3@60+120", 1000.0)
    assert faults.value("delay", 1059.9, 3) is None
    assert faults.value("delay", 1060.0, 3) == 2.5
    assert faults.value("delay", 1060.0, 4) is None
    assert faults.value("delay", 1179.9, 3) == 2.5
    assert faults.value("delay", 1180.0, 3) is None
    faults.inject("garble", 0.0)
    assert faults.value("garble", 1e9) == 0.2
    faults.clear("garble")
    assert faults.value("garble", 1e9) is None


def test_edges_are_where_faults_begin_and_end() -> None:
    faults = Faults(line.FAULTS)
    faults.inject("stall@10+5", 0.0)
    faults.inject("echo@12", 0.0)
    assert list(faults.edges(0.0, 20.0)) == [10.0, 12.0, 15.0, 20.0]
    assert list(faults.edges(15.0, 15.0)) == [15.0]


@pytest.mark.parametrize("spec", ["", "Stall", "stall@", "stall=x", "stall@-1", "stall+1@2", "stall 1"])
def test_what_is_no_fault_is_refused(spec: str) -> None:
    with pytest.raises(ConfigError, match="write it as"):
        Faults(line.FAULTS).inject(spec, 0.0)


# GS-232B


def sim_with(fault: str, azimuth_deg: float = 10.0, elevation_deg: float = 20.0) -> Gs232bSim:
    build = RotatorBuild(start_azimuth_deg=azimuth_deg, start_elevation_deg=elevation_deg)
    sim = Gs232bSim(RotatorModel(build))
    sim.faults.inject(fault, 0.0)
    return sim


def ask(sim: Gs232bSim, command: bytes, at_s: float = 0.0) -> bytes:
    return b"".join(answer.data for answer in sim.feed(command, at_s))


@pytest.mark.parametrize(
    ("fault", "question", "answer"),
    [
        ("extra-cr", b"\rC\r", b"?>\r\nAZ=010\r\n"),
        ("prompt", b"C\r", b">\r\nAZ=010\r\n"),
        ("az-only", b"C2\r", b"AZ=010\r\n"),
        ("no-lf", b"C2\r", b"AZ=010  EL=020\r"),
        ("no-cr", b"C2\r", b"AZ=010  EL=020\n"),
        ("no-end", b"C2\r", b"AZ=010  EL=020"),
    ],
)
def test_gs232b_wording_faults(fault: str, question: bytes, answer: bytes) -> None:
    assert ask(sim_with(fault), question) == answer
    assert ask(sim_with(f"{fault}@0+5"), question, 5.0) != answer


def test_gs232b_swallows_the_first_byte_of_what_comes_too_soon() -> None:
    sim = sim_with("swallow")
    assert ask(sim, b"C2\r", 0.0) == b"AZ=010  EL=020\r\n"
    assert ask(sim, b"C2\r", 0.02) == b"?>\r\n"  # it heard "2"
    assert ask(sim, b"C2\r", 0.2) == b"AZ=010  EL=020\r\n"


def test_gs232b_reports_a_frozen_position_while_it_moves() -> None:
    sim = sim_with("frozen@5+10")
    ask(sim, b"M100\r", 0.0)
    frozen = ask(sim, b"C\r", 8.0)
    assert frozen == ask(sim, b"C\r", 14.0) == b"AZ=037\r\n"  # as it was at 5 s, though first asked at 8 s
    assert ask(sim, b"C\r", 20.0) == b"AZ=100\r\n"


def test_gs232b_glitches_once_in_ten() -> None:
    sim = sim_with("glitch")
    seen = [ask(sim, b"C\r") for _ in range(20)]
    assert seen.count(b"AZ=010\r\n") == 18
    assert seen[9] == seen[19] == b"AZ=070\r\n"


def test_gs232b_wraps_a_bearing() -> None:
    assert ask(sim_with("wrapped", azimuth_deg=370.0), b"C\r") == b"AZ=010\r\n"


def test_gs232b_motor_faults_begin_and_end_on_time() -> None:
    seized = sim_with("seized@0+60")
    ask(seized, b"M100\r", 0.0)
    assert ask(seized, b"C\r", 59.0) == b"AZ=010\r\n"
    assert ask(seized, b"C\r", 90.0) == b"AZ=100\r\n"
    wrong = sim_with("wrong-way")
    ask(wrong, b"M100\r", 0.0)
    assert ask(wrong, b"C\r", 1.5) < b"AZ=010"
    over = sim_with("overshoot=5")
    ask(over, b"M100\r", 0.0)
    assert max(ask(over, b"C\r", t / 10) for t in range(400)) == b"AZ=105\r\n"
    assert ask(over, b"C\r", 60.0) == b"AZ=100\r\n"


def test_a_welded_relay_does() -> None:
    sim = sim_with("runaway@3+60")
    ask(sim, b"M100\r", 0.0)
    ask(sim, b"S\r", 5.0)
    assert ask(sim, b"C\r", 60.0) > b"AZ=300"
    ask(sim, b"S\r", 64.0)
    assert ask(sim, b"C\r", 70.0) == ask(sim, b"C\r", 90.0)


@pytest.mark.parametrize("kind", [kind for kind in FAULTS if kind.name != "runaway"], ids=lambda kind: kind.name)
def test_no_other_gs232b_fault_keeps_it_from_stopping(kind: object) -> None:
    sim = sim_with(kind.name)  # type: ignore[attr-defined]
    ask(sim, b"M400\r", 0.0)
    ask(sim, b"S\r", 5.0)
    stopped_deg = sim.model.azimuth.position_deg
    sim.advance(7.0)
    settled_deg = sim.model.azimuth.position_deg
    assert abs(settled_deg - stopped_deg) <= 3.1  # v²/2a of 6 deg/s at 6 deg/s²
    sim.advance(60.0)
    assert sim.model.azimuth.position_deg == settled_deg


# Modbus

READ = bytes.fromhex("04 00 02 00 04")
UNIT_2 = bytes.fromhex("04 08 00 01 00 00 00 00 00 20")  # idle, no faults, no stop, brake applied


def bus(fault: str) -> ModbusSim:
    sim = catalogue.build("little-donkey", {}, 0, catalogue.Bus("rtu", 3))
    assert isinstance(sim, ModbusSim)
    sim.faults.inject(fault, 0.0)
    return sim


def answers(sim: ModbusSim, unit: int = 2, at_s: float = 1.0) -> list[bytes]:
    return [answer.data for answer in sim.attach()(rtu_frame(unit, READ), at_s)]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("silent/2", []),
        ("exception=6/2", [rtu_frame(2, bytes.fromhex("84 06"))]),
        ("half/2", [rtu_frame(2, UNIT_2)[:6]]),
        ("crc/2", [rtu_frame(2, UNIT_2)[:-2] + struct.pack("<H", crc16(rtu_frame(2, UNIT_2)[:-2]) ^ 0x5A5A)]),
        ("short/2", [rtu_frame(2, bytes.fromhex("04 06") + UNIT_2[2:-2])]),
        ("wrong-unit/2", [rtu_frame(3, UNIT_2)]),
        ("wrong-function/2", [rtu_frame(2, bytes([3]) + UNIT_2[1:])]),
    ],
)
def test_modbus_faults_strike_their_unit_alone(fault: str, expected: list[bytes]) -> None:
    sim = bus(f"{fault}@0+10")
    assert answers(sim, 2) == expected
    assert answers(sim, 1) == [rtu_frame(1, UNIT_2)]
    assert answers(sim, 2, at_s=11.0) == [rtu_frame(2, UNIT_2)]


@pytest.mark.parametrize(("fault", "stopped"), [("silent", 0), ("exception", 0), ("half", 1), ("crc", 1)])
def test_only_a_damaged_answer_hides_that_a_write_was_taken(fault: str, stopped: int) -> None:
    sim = bus(f"{fault}/2@0+10")
    sim.attach()(rtu_frame(2, bytes.fromhex("05 00 00 FF 00")), 1.0)
    (answer,) = sim.attach()(rtu_frame(2, bytes.fromhex("01 00 00 00 01")), 20.0)
    assert answer.data == rtu_frame(2, bytes([1, 1, stopped]))


def test_a_late_unit_is_late() -> None:
    sim = bus("late=1.5/2")
    ear = sim.attach()
    (late,), (prompt,) = ear(rtu_frame(2, READ), 0.0), ear(rtu_frame(1, READ), 0.0)
    assert late.after_s - prompt.after_s == 1.5


def test_a_wrong_transaction_bears_the_last_number() -> None:
    sim = catalogue.build("little-donkey", {}, 0, catalogue.Bus("tcp", 1))
    ear = sim.attach()
    sim.faults.inject("wrong-transaction@0.5", 0.0)
    for number, shown, at_s in ((7, 7, 0.0), (8, 7, 1.0)):
        (answer,) = ear(struct.pack(">HHHB", number, 0, 6, 1) + READ, at_s)
        assert struct.unpack_from(">H", answer.data) == (shown,)
