"""EasyComm bytes against what easycomm.txt says and Hamlib writes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetd_drivers.easycomm import wire
from fleetd_drivers.easycomm.wire import Decoder, Said


def decode(data: bytes) -> list[Said]:
    return list(Decoder().feed(data))


def test_commands_are_what_hamlib_writes() -> None:
    # Bytes seen from Hamlib 4.5.4's rotctl -m 202 setting 200/30, asking and stopping.
    assert wire.turn(200.0, 30.0) == b"AZ200.0 EL30.0\n"
    assert wire.ASK_BOTH == b"AZ EL \n"
    assert wire.STOP == b"SA SE \n"
    assert wire.turn(200.0) == b"AZ200.0\n"


@given(st.floats(-360, 720), st.floats(-90, 180))
def test_a_move_is_one_line_of_tenths(azimuth_deg: float, elevation_deg: float) -> None:
    command = wire.turn(azimuth_deg, elevation_deg)
    match = re.fullmatch(rb"AZ(-?\d{1,3}\.\d) EL(-?\d{1,3}\.\d)\n", command)
    assert match is not None
    assert abs(float(match[1]) - azimuth_deg) <= 0.0501
    assert abs(float(match[2]) - elevation_deg) <= 0.0501
    assert b"-0.0" not in command


BOTH = [Said("AZ", 200.0), Said("EL", 30.0)]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"AZ200.0 EL30.0\n", BOTH),  # the answer that Hamlib 4.5.4 takes
        (b"AZ200.0 EL30.0\r\n", BOTH),
        (b"AZ200.0\nEL30.0\n", BOTH),  # asked apart (easycomm.txt: AZ\n is answered by AZ123.4\n)
        (b"AZ200 EL+30\r", BOTH),
        (b"AZ-10.5 EL0.0\n", [Said("AZ", -10.5), Said("EL", 0.0)]),
        (b"ALmotor at AZ1.0 EL1.0 too hot\nAZ200.0 EL30.0\n", BOTH),  # an alarm comes unasked, and is prose
        (b"AN3,812 UP145800000 AZ200.0 EL30.0\n", BOTH),  # other answers
        (b"\xff\x00#AZ200.0 EL30.0\n", BOTH),  # noise before it
        (b"GS8\nGE2\n", [Said("GS", 8.0), Said("GE", 2.0)]),
        (b"AZ200.0 EL3", []),  # not ended: EL30.0 may be on its way
        (b"AZ2000.0\n", []),
        (b"AZ20x.0\n", []),
        (b"AZ EL \n", []),  # our own question, echoed
        (b"AZnan ELinf\n", []),
    ],
)
def test_answers(data: bytes, said: list[Said]) -> None:
    assert decode(data) == said


@given(st.lists(st.sampled_from([b"AZ200.0 EL30.0\n", b"AL hot\r\n", b"GS1\r", b"\n"])), st.data())
def test_pieces_make_no_difference(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    decoder = Decoder()
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert [said for piece in pieces for said in decoder.feed(piece)] == decode(stream)


@given(st.binary(max_size=300))
def test_garbage_neither_breaks_nor_leaves_the_range_of_three_digits(data: bytes) -> None:
    assert all(abs(said.value) < 1000 for said in decode(data))
