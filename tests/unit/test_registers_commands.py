"""Commands as registers: what is written, what is refused with its limit, and what the device's answer means."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer.rtu import FramerRTU

from fleetd.errors import Refusal
from fleetd.registers.codec import decode, pack
from fleetd.registers.commands import encode_command, outcome, read_back_names
from fleetd.registers.loader import load_map

ROBOT = load_map("little-donkey")


def test_send_is_the_golden_sample_of_the_map() -> None:
    write = encode_command(ROBOT, 7, "send", {"stop": 2})
    assert (write.address, write.registers) == (16, ROBOT.samples[2].holding[16])


@given(st.integers(1, 2**32 - 1), st.integers(1, 65535))
def test_a_command_block_reads_back_as_written_and_its_crc_is_another_programs(number: int, stop: int) -> None:
    write = encode_command(ROBOT, number, "send", {"stop": stop})
    values = decode(ROBOT, "holding", write.address, write.registers).values
    assert (values["command_number"], values["command_code"], values["command_argument_1"]) == (number, 1, stop)
    theirs = FramerRTU.compute_CRC(pack("holding", write.registers[:-1])).to_bytes(2, "big")
    assert write.registers[-1] == int.from_bytes(theirs, "little")  # theirs as sent, low byte first


def test_a_scaled_argument_is_written_in_counts() -> None:
    assert encode_command(ROBOT, 1, "set_speed_limit", {"speed_m_s": 2.5}).registers[3:5] == (0, 2500)


@pytest.mark.parametrize(
    ("action", "args", "rule", "reason"),
    [
        ("fly", {}, "action", "unknown action 'fly'; known are send, hold, resume"),
        ("send", {}, "argument", "send needs stop, 1 to 65535"),
        ("send", {"stop": 0}, "range", "send: stop 0 is outside 1 to 65535"),
        ("send", {"stop": 65536}, "range", "send: stop 65536 is outside 1 to 65535"),
        ("send", {"stop": 1.5}, "argument", "send: stop must be a whole number, 1 to 65535, not 1.5"),
        ("send", {"stop": math.nan}, "argument", "must be a whole number"),
        ("send", {"stop": 10**5000}, "range", "stop a number of absurd size is outside"),
        ("send", {"stop": True}, "argument", "must be a whole number"),
        ("send", {"stop": "2"}, "argument", "must be a whole number, 1 to 65535, not '2'"),
        ("send", {"stop": 2, "fast": 1}, "argument", "send has no argument 'fast'; it takes stop"),
        ("hold", {"stop": 2}, "argument", "hold has no argument 'stop'; it takes none"),
        ("set_speed_limit", {"speed_m_s": 6}, "range", "speed_m_s 6 is outside 0.1 to 5.556 m/s"),
        ("set_speed_limit", {"speed_m_s": math.nan}, "range", "speed_m_s nan is outside"),
        ("open_door", {"door": 9}, "range", "door 9 is outside 1 to 8"),
    ],
)
def test_what_cannot_be_told_is_refused_with_the_limit(action: str, args: Any, rule: str, reason: str) -> None:
    with pytest.raises(Refusal) as caught:
        encode_command(ROBOT, 1, action, args)
    assert caught.value.rule == rule
    assert reason in caught.value.reason


@pytest.mark.parametrize("number", [0, -1, 2**32])
def test_a_number_that_no_register_holds_is_refused(number: int) -> None:
    with pytest.raises(Refusal, match="outside 1 to 4294967295"):
        encode_command(ROBOT, number, "hold", {})


def test_a_map_without_commands_takes_none() -> None:
    with pytest.raises(Refusal, match=r"Weather station .* takes no commands"):
        encode_command(load_map("weather-station"), 1, "hold", {})


@pytest.mark.parametrize(
    ("last", "result", "expected"),
    [
        (7, "done", (True, "")),
        (7, "local_reset_pending", (False, "somebody must press the reset on the robot first")),
        (7, None, (False, "None")),
        (6, "done", (None, "its last command is number 6")),
        (None, "done", (None, "its last command is number None")),
    ],
)
def test_what_the_device_says_of_a_number(
    last: int | None, result: str | None, expected: tuple[bool | None, str]
) -> None:
    number, word = read_back_names(ROBOT)
    assert outcome(ROBOT, 7, {number: last, word: result}) == expected


def test_hazardous_actions_are_marked() -> None:
    assert [action.name for action in ROBOT.actions if action.hazardous] == ["resume", "open_door"]
