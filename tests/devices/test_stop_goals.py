"""What the robot itself promises: it stops when its supervisor falls silent, and nothing remote sets it off again.

Through the registers of the reference map alone, as any supervisor on the line could write them.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from contextlib import suppress

import pytest

from fleetd.records import Value
from fleetd.registers.codec import decode
from fleetd.registers.loader import load_map
from fleetd_hil.faults import Faults
from fleetd_hil.models.robot import RobotBuild, RobotModel
from fleetd_hil.models.streets import Streets
from fleetd_hil.sims import little_donkey
from fleetd_hil.sims.framing import crc16
from fleetd_hil.sims.little_donkey import LittleDonkeyUnit
from fleetd_hil.sims.modbus import Denial, Table

MAP = load_map("little-donkey")
STREETS = Streets.of_seed(0)
SEND, HOLD, RESUME, OPEN_DOOR, SET_SPEED, DOCK = range(1, 7)
TIMEOUT_S = 0.5


class Robot:
    """A robot on its errand, and a supervisor that can do no more than write registers."""

    def __init__(self) -> None:
        self.faults = Faults(little_donkey.FAULTS)
        self.model = RobotModel(RobotBuild(), STREETS, parcels=20)
        self.unit = LittleDonkeyUnit(MAP, self.model, self.faults, 1)
        self.now_s = 1000.0
        self.commands = 0
        self.beats = 0
        self.unit.advance(self.now_s)
        self.write("holding", 1, [round(1000 * TIMEOUT_S)])

    def write(self, table: Table, address: int, cells: list[int]) -> None:
        with suppress(Denial):
            self.unit.write(table, address, cells, self.now_s)

    def tell(self, code: int, argument: int = 0) -> None:
        self.commands += 1
        data = struct.pack(">IHii", self.commands, code, argument, 0)
        self.write("holding", 16, [*struct.unpack(">7H", data), crc16(data)])

    def beat(self) -> None:
        self.beats = self.beats % 0xFFFF + 1
        self.write("holding", 0, [self.beats])

    def see(self) -> dict[str, Value]:
        return decode(MAP, "input", 0, self.unit.read("input", 0, 32, self.now_s)).values

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.unit.advance(self.now_s)


def fall_silent(seed: int) -> None:
    """Beats at 5 Hz, a silence that begins at any phase of the errand and of the beat."""
    rng = random.Random(seed)
    robot = Robot()
    robot.beat()
    robot.tell(SEND, rng.choice((2, 3)))
    for _ in range(rng.randrange(1, 150)):
        robot.wait(0.2)
        robot.beat()
    speed_m_s = float(robot.see()["speed_m_s"] or 0)
    driving = robot.see()["target_stop"] is not None
    robot.wait(rng.uniform(0, TIMEOUT_S * 0.99))
    speed_m_s = max(speed_m_s, float(robot.see()["speed_m_s"] or 0))
    top_m_s = min(robot.model.build.cruise_m_s, speed_m_s + TIMEOUT_S * robot.model.build.acceleration_m_s2)
    since_beat_s = robot.model.heartbeat_age_s
    robot.wait(TIMEOUT_S - since_beat_s + top_m_s / robot.model.build.deceleration_m_s2 + 0.01)
    seen = robot.see()
    if not driving:
        return  # it had arrived: there was nothing to stop
    assert seen["speed_m_s"] == 0, seed
    assert (seen["stop_latched"], seen["e_stop_source"], seen["local_reset_pending"]) == (True, "heartbeat", True)
    for _ in range(20):  # the supervisor is back, and would like to go on
        robot.wait(0.2)
        robot.beat()
        robot.tell(RESUME)
        robot.tell(SEND, 2)
    seen = robot.see()
    assert (seen["speed_m_s"], seen["stop_latched"]) == (0, True), seed


def test_16_the_robot_stops_by_itself_when_heartbeats_fall_silent() -> None:
    for seed in range(60):
        fall_silent(seed)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_16_the_robot_stops_by_itself_in_a_thousand_silences() -> None:
    for seed in range(1000):
        fall_silent(seed)


def remote_acts(robot: Robot, rng: random.Random) -> list[Callable[[], None]]:
    """Everything that can be done from the other end of a line, the forbidden included."""
    return [
        robot.beat,
        lambda: robot.tell(rng.randrange(0, 9), rng.randrange(-2, 10)),
        lambda: robot.tell(RESUME),
        lambda: robot.tell(SEND, rng.randrange(0, 5)),
        lambda: robot.write("coil", rng.randrange(0, 3), [rng.randrange(2)]),
        lambda: robot.write("coil", 2, [1]),
        lambda: robot.write("coil", 0, [0]),
        lambda: robot.write("coil", 0, [0, 0, 1]),
        lambda: robot.write(
            "holding", rng.randrange(0, 30), [rng.randrange(0x10000) for _ in range(rng.randrange(1, 9))]
        ),
        lambda: robot.wait(rng.choice((0.01, 0.2, 2.0, 60.0))),
    ]


def sequence(seed: int, acts: int) -> None:
    """A robot that was stopped, somehow, and then everything that a remote hand might try."""
    rng = random.Random(seed)
    robot = Robot()
    robot.beat()
    robot.tell(SEND, 2)
    robot.wait(rng.uniform(0, 0.4))
    match rng.choice(("remote", "button", "bumper", "silence")):
        case "remote":
            robot.write("coil", 0, [1])
        case "silence":
            robot.wait(1.0)
        case pressed:
            robot.faults.inject(f"{pressed}+0.5", robot.now_s)
            robot.wait(0.1)
    assert robot.see()["stop_latched"] is True
    robot.wait(4.0)
    odometer = robot.model.odometer_m
    for _ in range(acts):
        rng.choice(remote_acts(robot, rng))()
        assert robot.model.latched_by, seed
    robot.wait(5.0)
    assert robot.see()["stop_latched"] is True
    assert robot.model.odometer_m == odometer, seed


def test_17_nothing_remote_ends_a_stop() -> None:
    for seed in range(1000):
        sequence(seed, 12)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_17_nothing_remote_ends_a_stop_in_a_hundred_thousand_sequences() -> None:
    for seed in range(100_000):
        sequence(seed, 12)


def test_17_a_local_reset_and_then_a_resume_end_it_in_this_order_alone() -> None:
    robot = Robot()
    robot.write("coil", 0, [1])
    robot.tell(RESUME)
    assert robot.see()["last_command_result"] == "local_reset_pending"
    robot.faults.inject("local-reset+0.1", robot.now_s)
    robot.wait(0.2)
    seen = robot.see()
    assert (seen["stop_latched"], seen["local_reset_pending"]) == (True, False), "a reset alone starts nothing"
    robot.tell(SEND, 2)
    assert robot.see()["last_command_result"] == "stop_latched"
    robot.tell(RESUME)
    assert robot.see()["stop_latched"] is False
