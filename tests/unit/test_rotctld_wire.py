"""Lines of the rotctld protocol against what rotctld 4.5.4 answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetd_drivers.hamlib import net
from fleetd_drivers.hamlib.net import Answer, Decoder
from fleetd_drivers.rotctld import wire

# Captured from Debian's rotctld 4.5.4 with its dummy rotator (-m 1).
GOT_POSITION = b"get_pos:\nAzimuth: 120.00\nElevation: 20.50\nRPRT 0\n"
GOT_STATE = (
    b"dump_state:\nrotctld Protocol Ver: 1\nRotor Model: 1\nMinimum Azimuth: -180.000000\nMaximum Azimuth: 450.000000\n"
    b"Minimum Elevation: 0.000000\nMaximum Elevation: 90.000000\nSouth Zero: 0\nrot_type=AzEl\ndone\nRPRT 0\n"
)


def decode(data: bytes) -> list[Answer]:
    return list(Decoder(wire.COMMANDS).feed(data))


def test_commands_ask_for_the_extended_form() -> None:
    assert net.ask(wire.MOVE, *wire.direction(120.0, 20.5)) == b"+\\set_pos 120.00 20.50\n"
    assert net.ask(wire.ASK_POSITION) == b"+\\get_pos\n"
    assert net.ask(wire.STOP) == b"+\\stop\n"


def test_a_position() -> None:
    [answer] = decode(GOT_POSITION)
    assert (answer.command, answer.report) == ("get_pos", 0)
    assert (answer.number("Azimuth"), answer.number("Elevation")) == (120.0, 20.5)
    assert answer.number("Range") is None


def test_a_state_in_the_extended_form_and_in_the_plain_names() -> None:
    [answer] = decode(GOT_STATE)
    assert answer.command == "dump_state"
    assert (answer.number("Minimum Azimuth"), answer.number("Maximum Elevation")) == (-180.0, 90.0)
    [plain] = decode(b"dump_state:\n1\nmin_az=-180.000000\nmax_az=540,5\ndone\nRPRT 0\n")
    assert (plain.number("min_az"), plain.number("max_az")) == (-180.0, 540.5)


@pytest.mark.parametrize(
    ("data", "answers"),
    [
        (b"set_pos: 120.00 20.50\nRPRT 0\n", [Answer("set_pos", (), 0)]),
        (b"stop:\nRPRT 0\n", [Answer("stop", (), 0)]),
        (b"set_pos: 500 3\nRPRT -1\n", [Answer("set_pos", (), -1)]),
        (b"RPRT 0\n", [Answer("", (), 0)]),  # the plain form does not say what it answers
        (b"\xff7get_pos:\nAzimuth: 1.0\nRPRT 0\n", [Answer("get_pos", ("Azimuth: 1.0",), 0)]),
        (b"90.00\nget_pos:\nAzimuth: 1.0\nRPRT 0\n", [Answer("get_pos", ("Azimuth: 1.0",), 0)]),
        (GOT_POSITION[:-1], []),
    ],
)
def test_answers(data: bytes, answers: list[Answer]) -> None:
    assert decode(data) == answers


@pytest.mark.parametrize("data", [b"x" * 600, b"get_pos:\nRPRT zero\n"])
def test_what_is_no_answer_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"a line of more than 512 bytes|is no report"):
        decode(data)


@given(st.lists(st.sampled_from([GOT_POSITION, GOT_STATE, b"stop:\nRPRT -5\n", b"\n"])), st.data())
def test_pieces_make_no_difference(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    decoder = Decoder(wire.COMMANDS)
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert [answer for piece in pieces for answer in decoder.feed(piece)] == decode(stream)
