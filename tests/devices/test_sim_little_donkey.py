"""The robot sim through its registers: what it shows, what it takes, and the command block's rules."""

from __future__ import annotations

import struct

import pytest

from fleetd.records import Value
from fleetd.registers.codec import decode
from fleetd.registers.loader import load_map
from fleetd_hil.faults import Faults
from fleetd_hil.models.robot import RobotBuild, RobotModel
from fleetd_hil.models.streets import Streets
from fleetd_hil.models.weather import WeatherModel
from fleetd_hil.sims import little_donkey, weather_station
from fleetd_hil.sims.framing import crc16
from fleetd_hil.sims.little_donkey import LittleDonkeyUnit
from fleetd_hil.sims.modbus import Denial
from fleetd_hil.sims.weather_station import WeatherStationUnit

MAP = load_map("little-donkey")
SEND, HOLD, RESUME, OPEN_DOOR, SET_SPEED, DOCK = range(1, 7)


class Robot:
    """A robot sim with a supervisor's hands."""

    def __init__(self, **build: float) -> None:
        self.faults = Faults(little_donkey.FAULTS)
        model = RobotModel(RobotBuild(**{"heartbeat_timeout_s": 60.0, **build}), Streets.of_seed(0), parcels=20)
        self.unit = LittleDonkeyUnit(MAP, model, self.faults, 1)
        self.now_s = 1000.0
        self.unit.advance(self.now_s)

    def see(self) -> dict[str, Value]:
        return decode(MAP, "input", 0, self.unit.read("input", 0, 32, self.now_s)).values

    def tell(self, number: int, code: int, argument: int = 0) -> str:
        """Write the command block as one request; the result that is read back."""
        data = struct.pack(">IHii", number, code, argument, 0)
        cells = struct.unpack(">7H", data)
        self.unit.write("holding", 16, [*cells, crc16(data)], self.now_s)
        seen = self.see()
        assert seen["last_command_number"] == number
        return str(seen["last_command_result"])

    def coil(self, address: int, on: bool = True) -> None:
        self.unit.write("coil", address, [int(on)], self.now_s)

    def beat(self, count: int) -> None:
        self.unit.write("holding", 0, [count], self.now_s)

    def wait(self, seconds: float) -> None:
        self.now_s += seconds


def test_the_golden_command_of_the_map_is_taken() -> None:
    robot = Robot()
    golden = next(sample for sample in MAP.samples if 16 in sample.holding)
    robot.unit.write("holding", 16, golden.holding[16], robot.now_s)  # send number 7 to stop 2
    seen = robot.see()
    assert (seen["last_command_number"], seen["last_command_result"], seen["target_stop"]) == (7, "done", 2)


def test_an_errand_is_driven_and_seen() -> None:
    robot = Robot(heartbeat_timeout_s=60.0)
    assert robot.see()["state"] == "idle"
    assert robot.tell(1, SEND, 2) == "done"
    robot.wait(20.0)
    seen = robot.see()
    assert seen["state"] == "driving"
    assert seen["speed_m_s"] == 4.167
    assert 50 < float(seen["odometer_m"] or 0) < 85
    for _ in range(60):
        robot.wait(10.0)
        robot.beat(int(robot.now_s) & 0xFFFF)
    seen = robot.see()
    assert (seen["state"], seen["last_stop"], seen["target_stop"]) == ("idle", 2, None)
    assert (seen["latitude_deg"], seen["longitude_deg"]) == (30.3052, 120.0841)
    assert 90 < float(seen["battery_charge_percent"] or 0) < 100


def test_a_number_that_was_taken_has_no_second_effect() -> None:
    robot = Robot()
    assert robot.tell(5, OPEN_DOOR, 1) == "done"
    robot.wait(60.0)
    assert robot.see()["door_1_open"] is False
    assert robot.tell(5, OPEN_DOOR, 1) == "done"
    assert robot.see()["door_1_open"] is False
    assert robot.see()["parcels"] == 19
    assert robot.tell(6, OPEN_DOOR, 9) == "out_of_range"
    assert robot.tell(5, OPEN_DOOR, 1) == "done"  # an older number is answered from memory
    assert robot.see()["door_1_open"] is False


def test_a_command_with_a_wrong_crc_or_in_pieces_is_not_taken() -> None:
    robot = Robot()
    data = struct.pack(">IHii", 9, SEND, 2, 0)
    cells = [*struct.unpack(">7H", data), crc16(data) ^ 1]
    with pytest.raises(Denial) as denied:
        robot.unit.write("holding", 16, cells, robot.now_s)
    assert denied.value.code == 3
    for first, part in ((16, cells[:4]), (20, cells[4:]), (15, [0, *cells])):
        with pytest.raises(Denial):
            robot.unit.write("holding", first, part, robot.now_s)
    assert (robot.see()["last_command_number"], robot.see()["state"]) == (0, "idle")


@pytest.mark.parametrize(
    ("code", "argument", "result"),
    [
        (99, 0, "unknown_code"),
        (SEND, 21, "out_of_range"),
        (SEND, 0, "out_of_range"),
        (RESUME, 0, "not_holding"),
        (OPEN_DOOR, 0, "out_of_range"),
        (SET_SPEED, 99, "out_of_range"),
        (SET_SPEED, 5556, "done"),
        (HOLD, 0, "done"),
        (DOCK, 0, "done"),
    ],
)
def test_results(code: int, argument: int, result: str) -> None:
    assert Robot().tell(1, code, argument) == result


def test_stop_coil_latches_and_only_reset_and_resume_end_it() -> None:
    robot = Robot()
    robot.tell(1, SEND, 2)
    robot.wait(10.0)
    robot.coil(0)
    robot.wait(5.0)
    seen = robot.see()
    assert (seen["state"], seen["stop_latched"], seen["e_stop_source"], seen["speed_m_s"]) == (
        "stopped",
        True,
        "remote",
        0,
    )
    robot.coil(0, on=False)  # set-only
    robot.coil(1, on=False)
    assert robot.see()["stop_latched"] is True
    assert robot.tell(2, RESUME) == "local_reset_pending"
    assert robot.tell(3, SEND, 3) == "stop_latched"
    robot.faults.inject("local-reset/1", robot.now_s)
    assert robot.see()["local_reset_pending"] is False
    robot.coil(1, on=False)
    assert robot.see()["stop_latched"] is True
    robot.coil(2)
    robot.wait(5.0)
    assert robot.see()["state"] == "driving"


def test_hold_coil_pauses_and_can_be_taken_back() -> None:
    robot = Robot()
    robot.tell(1, SEND, 2)
    robot.wait(10.0)
    robot.coil(1)
    robot.wait(10.0)
    assert robot.see()["state"] == "holding"
    assert list(robot.unit.read("coil", 0, 3, robot.now_s)) == [0, 1, 0]
    robot.coil(1, on=False)
    robot.wait(5.0)
    assert robot.see()["state"] == "driving"


def test_heartbeat_counts_only_when_it_changes() -> None:
    robot = Robot(heartbeat_timeout_s=2.0)
    assert robot.see()["heartbeat_age_ms"] is None
    robot.beat(1)
    robot.tell(1, SEND, 3)
    for count in range(2, 12):
        robot.wait(1.0)
        robot.beat(count)
    assert robot.see()["heartbeat_alive"] is True
    for _ in range(3):
        robot.wait(1.0)
        robot.beat(11)
    seen = robot.see()
    assert (seen["state"], seen["e_stop_source"], seen["heartbeat_alive"]) == ("stopped", "heartbeat", False)
    assert seen["heartbeat_age_ms"] == 3000


def test_the_heartbeat_timeout_can_be_set_within_its_range() -> None:
    robot = Robot()
    robot.unit.write("holding", 1, [1500], robot.now_s)
    assert list(robot.unit.read("holding", 1, 1, robot.now_s)) == [1500]
    for wrong in (199, 60_001):
        with pytest.raises(Denial) as denied:
            robot.unit.write("holding", 1, [wrong], robot.now_s)
        assert denied.value.code == 3


def test_reading_what_is_forbidden_locks_the_robot() -> None:
    robot = Robot()
    with pytest.raises(Denial):
        robot.unit.read("holding", 90, 20, robot.now_s)
    assert robot.unit.conduct.locked
    assert "Calibration" in next(iter(robot.unit.conduct.violations))


@pytest.mark.parametrize(
    ("fault", "absent"),
    [("no-position", "latitude_deg"), ("no-odometry", "speed_m_s"), ("no-pack", "battery_voltage_v")],
)
def test_what_is_not_known_is_absent(fault: str, absent: str) -> None:
    robot = Robot()
    robot.faults.inject(fault, robot.now_s)
    assert robot.see()[absent] is None


def test_the_red_button_stops_exactly_when_it_is_pressed() -> None:
    robot = Robot()
    robot.tell(1, SEND, 2)
    robot.faults.inject("button/1@20+10", robot.now_s)
    robot.wait(40.0)  # nobody asks until long after
    seen = robot.see()
    assert (seen["state"], seen["e_stop_source"], seen["e_stop_pressed"]) == ("stopped", "button", False)
    assert 70 < float(seen["odometer_m"] or 0) < 90  # 20 s of driving and the braking distance, not 40 s


def test_a_reported_fault_keeps_it_from_driving() -> None:
    robot = Robot()
    robot.faults.inject("faulty=8", robot.now_s)
    seen = robot.see()
    assert (seen["state"], seen["fault_lidar"], seen["fault_drive"]) == ("faulty", True, False)
    assert robot.tell(1, SEND, 2) == "faulty"


def test_a_hung_computer_repeats_itself() -> None:
    robot = Robot()
    robot.faults.inject("frozen@0+100", robot.now_s)
    before = robot.see()
    robot.wait(50.0)
    robot.coil(0)
    assert robot.see() == before
    robot.wait(60.0)
    assert robot.see()["heartbeat_counter"] != before["heartbeat_counter"]


def test_the_weather_station_shows_its_weather_and_what_has_no_value() -> None:
    weather_map = load_map("weather-station")
    faults = Faults(weather_station.FAULTS)
    unit = WeatherStationUnit(weather_map, WeatherModel(3), faults, 10)

    def see(at_s: float) -> dict[str, Value]:
        return decode(weather_map, "input", 0, unit.read("input", 0, 8, at_s)).values

    assert all(value is not None for value in see(0.0).values())
    faults.inject("gale=28", 0.0)
    assert see(1.0)["wind_speed_average_m_s"] == 28.0
    faults.inject("iced/10", 1.0)
    faults.inject("thermometer-out", 1.0)
    seen = see(2.0)
    assert (seen["wind_gust_m_s"], seen["temperature_c"]) == (None, None)
    assert seen["pressure_hpa"] is not None
    with pytest.raises(Denial) as denied:
        unit.write("holding", 0, [1], 3.0)
    assert denied.value.code == 2
