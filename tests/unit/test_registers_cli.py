"""`fleetctl registers`: what a field technician sees, on sims behind a TCP port and a pseudo-terminal."""

from __future__ import annotations

import asyncio
import json
import os
import select
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fleetd.cli.app import app
from fleetd.cli.registeracts import unit_numbers
from fleetd.clock import SystemClock
from fleetd.errors import Refusal
from fleetd.registers.crc import crc16
from fleetd_hil import catalogue
from fleetd_hil.bench import Bench


@dataclass
class Served:
    """Three robots and a weather station at unit 10, served by a loop of their own while commands run in this one."""

    link: str
    inject: Callable[[str], None]

    def run(self, verb: str, *words: str) -> Result:
        return CliRunner().invoke(app, ["registers", verb, "--link", self.link, *words])

    def answer(self, verb: str, *words: str) -> Any:
        result = self.run(verb, *words, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@contextmanager
def served(scheme: str) -> Iterator[Served]:
    loop, ready, done = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    made: list[Served] = []

    async def serve() -> None:
        async with Bench.open(SystemClock()) as bench:
            framing = "tcp" if scheme == "modbus+tcp" else "rtu"
            sim = catalogue.build("little-donkey", {}, 0, catalogue.Bus(framing, 3, {10: "weather-station"}))  # type: ignore[arg-type]
            port = await (bench.pty(sim) if scheme == "modbus+rtu" else bench.tcp(sim))

            def inject(fault: str) -> None:
                loop.call_soon_threadsafe(bench.inject, sim, fault)

            made.append(Served(f"{scheme}://{port.address}", inject))
            ready.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), name="sims")
    thread.start()
    try:
        assert ready.wait(10)
        yield made[0]
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(10)
        loop.close()


@pytest.fixture(params=["modbus+tcp", "modbus+rtu", "modbus+rtuovertcp"])
def line(request: pytest.FixtureRequest) -> Iterator[Served]:
    with served(request.param) as made:
        yield made


@pytest.fixture
def network() -> Iterator[Served]:
    with served("modbus+tcp") as made:
        yield made


def test_a_map_gives_names_units_and_reasons(line: Served) -> None:
    answer = line.answer("read", "--unit", "2", "--map", "little-donkey")
    assert answer["values"]["state"] == "idle"
    assert answer["values"]["map_id"] == 19524
    assert answer["absent"]["target_stop"] == "no errand"
    assert answer["failed"] == []
    shown = line.run("read", "--unit", "2", "--map", "little-donkey", "heartbeat_age_ms", "safety_chain")
    assert [row.split() for row in shown.stdout.splitlines() if "heartbeat_age" in row] == [
        ["heartbeat_age_ms", "-", "ms", "no", "heartbeat", "yet"]
    ]
    assert "stop_latched" in shown.stdout
    assert "latitude" not in shown.stdout


def test_registers_are_read_raw(line: Served) -> None:
    answer = line.answer("read", "--unit", "1", "--table", "input", "--address", "0", "--count", "2")
    assert answer["cells"] == [19524, 1]
    assert "0x4c44" in line.run("read", "--unit", "1", "--table", "input", "--address", "0").stdout
    assert line.answer("read", "--unit", "1", "--table", "coil", "--address", "0", "--count", "2")["cells"] == [0, 0]


def test_what_is_written_is_read_back(line: Served) -> None:
    answer = line.answer("write", "--unit", "1", "--map", "little-donkey", "speed_limit_m_s=2.5", "hold_request=true")
    assert answer["written"] == [
        {"what": "speed_limit_m_s", "sent": 2.5, "read_back": 2.5},
        {"what": "hold_request", "sent": True, "read_back": True},
    ]
    answer = line.answer("write", "--unit", "1", "--address", "2", "0x05DC", "7")
    assert answer["written"] == [{"what": "holding 2", "sent": [1500, 7], "read_back": [1500, 7]}]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--map", "little-donkey", "speed_limit_m_s=9"), "speed_limit_m_s 9 is outside 0.1 to 5.556 m/s"),
        (("--map", "little-donkey", "state=idle"), "state can only be read"),
        (("--map", "little-donkey", "stop_request=false"), "stop_request can be set, never cleared"),
        (("--map", "little-donkey", "stop_request"), "must be NAME=VALUE"),
        (("--map", "little-donkey", "speed=1"), "little-donkey has no value 'speed' that could be written"),
        (("--map", "little-donkey", "doors=1"), "doors is a register of bits"),
        (("--map", "little-donkey", "--address", "150", "1"), "holding 100 to 199 must be left alone: Calibration"),
        (("--address", "0", "65536"), "65536 must be a whole number from 0 to 65535"),
        (("--address", "0", "--table", "input", "1"), "the input table can only be read"),
        (("--address", "0", "--table", "coil", "2"), "2 must be a whole number from 0 to 1"),
    ],
)
def test_what_may_not_be_written_is_refused_with_its_limit(words: tuple[str, ...], reason: str) -> None:
    result = CliRunner().invoke(
        app, ["registers", "write", "--link", "modbus+tcp://127.0.0.1:1", "--unit", "1", *words]
    )
    assert result.exit_code in (1, 2)
    assert reason in result.stderr


def test_an_exception_a_silence_and_garbled_bytes_are_told_apart(line: Served) -> None:
    word = ("--unit", "1", "--timeout-ms", "40")
    result = line.run("read", *word, "--address", "900")
    assert (result.exit_code, "exception 2, illegal address" in result.stderr) == (1, True)
    line.inject("crc")
    result = line.run("read", *word, "--address", "0")
    assert (result.exit_code, "garbled" in result.stderr) == (1, True)
    line.inject("silent")
    result = line.run("read", *word, "--address", "0")
    assert (result.exit_code, "no answer within 0.04 s" in result.stderr) == (1, True)


def test_a_scan_finds_who_is_there_and_keeps_its_time(line: Served) -> None:
    words = ("--units", "1-4,9-11", "--timeout-ms", "40")
    answer = line.answer("scan", *words)
    found = {unit["unit"]: unit["result"] for unit in answer["units"]}
    assert found == {1: "answers", 2: "answers", 3: "answers", 4: "silent", 9: "silent", 10: "exception", 11: "silent"}
    assert (answer["silent"], answer["not_asked"]) == (3, 0)
    shown = line.run("scan", *words).stdout
    assert "asking 7 units for holding 0, 40 ms each: at most 0.3 s" in shown
    assert "exception 2, illegal address" in shown


def test_a_scan_stops_when_its_time_is_up(network: Served) -> None:
    answer = network.answer("scan", "--units", "20-60", "--timeout-ms", "400", "--budget-s", "1")
    assert answer["silent"] <= 2
    assert answer["silent"] + answer["not_asked"] == 41


@pytest.mark.parametrize(
    "words",
    [
        ("read", "--unit", "1", "--link", "serial:///dev/ttyUSB0", "--address", "0"),
        ("read", "--unit", "1", "--link", "modbus+tcp://", "--address", "0"),
        ("read", "--unit", "1", "--link", "modbus+tcp://127.0.0.1:1"),
        ("read", "--unit", "0", "--link", "modbus+tcp://127.0.0.1:1", "--address", "0"),
        ("read", "--unit", "1", "--link", "modbus+tcp://127.0.0.1:1", "--address", "0", "--table", "drawer"),
        ("write", "--unit", "1", "--link", "modbus+tcp://127.0.0.1:1", "5"),
        ("scan", "--link", "modbus+tcp://127.0.0.1:1", "--units", "0-3"),
    ],
)
def test_wrong_words_are_a_matter_of_usage(words: tuple[str, ...]) -> None:
    assert CliRunner().invoke(app, ["registers", *words]).exit_code == 2


def test_a_line_that_is_not_there_is_one_line_on_standard_error() -> None:
    words = ["registers", "read", "--unit", "1", "--address", "0", "--link", "modbus+rtu:///dev/fleetd-absent"]
    result = CliRunner().invoke(app, words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("fleetctl: /dev/fleetd-absent: ")
    assert result.stderr.count("\n") == 1


def test_units_are_written_as_ranges() -> None:
    assert unit_numbers("3,1-2,2") == [1, 2, 3]
    for wrong in ("", "0", "256", "5-3", "a", "1-", "1--3"):
        with pytest.raises(Refusal, match="write it as 1-32,247"):
            unit_numbers(wrong)


def test_the_schema_is_printed_for_editors() -> None:
    result = CliRunner().invoke(app, ["registers", "schema"])
    assert json.loads(result.stdout)["title"] == "RegisterMap"


def decoded(*words: str) -> list[dict[str, Any]]:
    result = CliRunner().invoke(app, ["registers", "decode", *words, "--json"])
    assert result.exit_code == 0, result.output
    meanings: list[dict[str, Any]] = json.loads(result.stdout)["meanings"]
    return meanings


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ("ABCD", ("0x41C8", "0x0000")),
        ("BADC", ("0xC841", "0x0000")),
        ("CDAB", ("0x0000", "0x41C8")),
        ("DCBA", ("0x0000", "0xC841")),
    ],
)
def test_registers_are_tried_in_all_four_orders(order: str, words: tuple[str, str]) -> None:
    """25.0 is 41 C8 00 00 as IEEE 754 has it."""
    meanings = decoded(*words, "--min", "20", "--max", "30")
    sensible = [(each["type"], each["order"], each["value"]) for each in meanings if each["sense"]]
    assert sensible == [("f32", order, 25.0)]
    assert len(meanings) == 12
    assert all("is outside 20 to 30" in each["reason"] for each in meanings if not each["sense"])


def test_without_a_range_a_real_number_of_ordinary_size_makes_sense() -> None:
    floats = {each["order"]: each["sense"] for each in decoded("0x41C8", "0x0000") if each["type"] == "f32"}
    assert floats == {"ABCD": True, "BADC": True, "CDAB": False, "DCBA": False}


def test_registers_are_taken_for_a_value_of_a_map_with_its_scale_and_range() -> None:
    meanings = decoded("0x1211", "0xF0E4", "--map", "little-donkey", "--name", "latitude_deg")
    assert {each["order"]: each["value"] for each in meanings}["ABCD"] == pytest.approx(0x1211F0E4 * 1e-7)


@pytest.mark.parametrize(
    "words",
    [("1", "2", "3"), ("1", "--map", "little-donkey"), ("1", "--map", "little-donkey", "--name", "state_")],
)
def test_what_cannot_be_decoded_is_a_matter_of_usage(words: tuple[str, ...]) -> None:
    assert CliRunner().invoke(app, ["registers", "decode", *words]).exit_code == 2


def test_what_changes_is_watched(network: Served) -> None:
    words = ("--unit", "1", "--map", "little-donkey", "state", "heartbeat_age_ms", "--every", "0.01", "--count", "5")
    looks = [json.loads(text) for text in network.run("watch", *words, "--json").stdout.splitlines()]
    assert set(looks[0]["changed"]) == {"state", "heartbeat_age_ms"}
    assert all("state" not in look["changed"] for look in looks[1:])
    shown = network.run("watch", *words)
    assert shown.exit_code == 0
    assert "state" in shown.stdout


def test_a_look_that_fails_does_not_end_the_watch(network: Served) -> None:
    words = ("--unit", "99", "--map", "little-donkey", "--every", "0.01", "--count", "2", "--timeout-ms", "20")
    result = network.run("watch", *words)
    assert result.exit_code == 0
    assert result.stderr.count("fleetctl: ") == 2


@contextmanager
def speaking_at(speed: int, unit: int) -> Iterator[str]:
    """A unit behind a pseudo-terminal that understands only who has set this speed, and talks gibberish to others."""
    master, slave = os.openpty()
    tty.setraw(slave)
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            if not select.select([master], [], [], 0.01)[0]:
                continue
            frame = os.read(master, 256)
            if termios.tcgetattr(master)[4] != speed:
                os.write(master, b"\xff\x00\xfe")
            elif frame[0] == unit:
                body = bytes((unit, 3, 2, 0x12, 0x34))
                os.write(master, body + crc16(body).to_bytes(2, "little"))

    thread = threading.Thread(target=serve, name="unit")
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        over.set()
        thread.join()
        os.close(master)
        os.close(slave)


def test_a_scan_tells_which_rate_and_unit_answered() -> None:
    with speaking_at(termios.B19200, 7) as path:
        words = ["--link", f"modbus+rtu://{path}?parity=N", "--bauds", "9600,19200", "--units", "6-7"]
        result = CliRunner().invoke(app, ["registers", "scan", *words, "--timeout-ms", "40", "--json"])
    assert result.exit_code == 0, result.output
    told = {(each["baud"], each["unit"]): each["result"] for each in json.loads(result.stdout)["units"]}
    assert told == {(9600, 6): "garbled", (9600, 7): "garbled", (19200, 6): "silent", (19200, 7): "answers"}


def test_rates_are_for_serial_lines(network: Served) -> None:
    assert network.run("scan", "--bauds", "9600").exit_code == 2
    assert network.run("scan", "--bauds", "fast").exit_code == 2
