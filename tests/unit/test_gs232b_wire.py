"""GS-232 bytes against what manuals and captures say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetd_drivers.gs232b import wire
from fleetd_drivers.gs232b.wire import Decoder, Position, Word

# Captured from a GS-232B on C2 (Hamlib issue 122): two spaces, CR, and LF where data is returned.
CAPTURED = bytes.fromhex("41 5A 3D 31 38 30 20 20 45 4C 3D 30 39 30 0D")


def decode(data: bytes) -> list[wire.Reply]:
    return list(Decoder().feed(data))


def test_commands_are_what_hamlib_writes() -> None:
    # Bytes seen from Hamlib 4.5.4's rotctl -m 603 setting 200/30, asking and stopping.
    assert wire.turn_both(200, 30) == b"W200 030\r"
    assert wire.ASK_BOTH == b"C2\r"
    assert wire.STOP == b"S\r"
    assert wire.turn(5) == b"M005\r"  # GS-232A manual p. 17: three digits, zeros in front


@given(st.integers(0, 450), st.integers(0, 180))
def test_a_move_has_exactly_its_own_fields(azimuth: int, elevation: int) -> None:
    # A third number after W, or a second after M, would be a timed program.
    assert wire.turn_both(azimuth, elevation).count(b" ") == 1
    assert b" " not in wire.turn(azimuth)
    assert wire.turn_both(azimuth, elevation).endswith(b"\r")
    assert wire.turn_both(azimuth, elevation).count(b"\r") == 1
    assert len(wire.turn_both(azimuth, elevation)) == len(b"W200 030\r")


@pytest.mark.parametrize(("azimuth", "elevation"), [(-1, 0), (451, 0), (0, -1), (0, 181)])
def test_what_three_digits_cannot_say_is_refused(azimuth: int, elevation: int) -> None:
    with pytest.raises(ValueError, match="is not within"):
        wire.turn_both(azimuth, elevation)


@pytest.mark.parametrize(
    ("data", "replies"),
    [
        (CAPTURED, [Position(180, 90)]),
        (CAPTURED + b"\n", [Position(180, 90)]),
        (b"AZ=229\r", [Position(229)]),  # an azimuth-only unit (Hamlib issue 309)
        (b"+0180+0090\r\n", [Position(180, 90)]),  # the A style
        (b"+0229\r\n", [Position(229)]),
        (b"\r\n", [Word.DONE]),
        (b"\r", [Word.DONE]),
        (b"?>", [Word.REFUSED]),
        (b"?>\r\n", [Word.REFUSED, Word.DONE]),
        (b">\r\n" + CAPTURED, [Position(180, 90)]),  # a stray prompt
        (b"\n\r\n" + CAPTURED, [Word.DONE, Position(180, 90)]),  # a line feed left over, an empty line
        (b"\xff\x00#AZ=100  EL=010\r", [Position(100, 10)]),  # noise before it
        (b"AZ=100  EL=AZ=101  EL=011\r", [Position(101, 11)]),  # an answer that lost its end
        (b"AZ=1O0  EL=010\r", []),
        (b"AZ=1000  EL=010\r", []),
        (b"hello\r", []),
        (b"\x80\r", [Word.DONE]),  # one byte of noise before the answer
        (CAPTURED[:-1], []),
    ],
)
def test_replies(data: bytes, replies: list[wire.Reply]) -> None:
    assert decode(data) == replies


@given(st.lists(st.sampled_from([CAPTURED, b"\r", b"?>", b"AZ=007\r\n", b"+0180+0090\r\n"])), st.data())
def test_pieces_make_no_difference(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    decoder = Decoder()
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert [reply for piece in pieces for reply in decoder.feed(piece)] == decode(stream)


@given(st.binary(max_size=200))
def test_garbage_neither_breaks_nor_invents_angles(data: bytes) -> None:
    for reply in decode(data):
        if isinstance(reply, Position):
            assert b"%03d" % reply.azimuth in data


def test_an_answer_without_any_end_can_be_asked_for() -> None:
    decoder = Decoder()
    assert list(decoder.feed(b"AZ=180  EL=09")) == []
    assert decoder.unended() is None
    assert list(decoder.feed(b"0")) == []
    assert decoder.unended() == Position(180, 90)
