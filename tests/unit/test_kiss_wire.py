"""KISS bytes against published examples, and against what decoders in the field get wrong."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetd_drivers.kiss import wire
from fleetd_drivers.kiss.wire import Decoder, Frame, Kind

LONGEST = 300


def decode(*pieces: bytes, longest: int = LONGEST) -> list[Frame]:
    decoder = Decoder(longest)
    return [frame for piece in pieces for frame in decoder.feed(piece)]


# The examples of the encyclopaedia's page on KISS: TEST on port 0, Hello on port 5, the two special bytes on port 0.
PUBLISHED = [
    ("c000544553 54c0", Frame(0, Kind.DATA, b"TEST")),
    ("c05048656c6c6fc0", Frame(5, Kind.DATA, b"Hello")),
    ("c000dbdcdbddc0", Frame(0, Kind.DATA, b"\xc0\xdb")),
]


@pytest.mark.parametrize(("text", "frame"), PUBLISHED)
def test_published_examples_both_ways(text: str, frame: Frame) -> None:
    assert wire.encode(frame) == bytes.fromhex(text)
    assert decode(bytes.fromhex(text)) == [frame]


def test_parameters_as_the_paper_numbers_them() -> None:
    assert wire.encode(Frame(0, Kind.TX_DELAY, b"\x1e")) == bytes.fromhex("c0011ec0")
    assert wire.encode(Frame(2, Kind.FULL_DUPLEX, b"\x01")) == bytes.fromhex("c02501c0")


def test_the_type_is_escaped_too() -> None:
    frame = Frame(12, Kind.DATA, b"x")
    assert wire.encode(frame) == bytes.fromhex("c0dbdc78c0")
    assert decode(wire.encode(frame)) == [frame]


def test_a_port_that_does_not_exist_is_no_frame() -> None:
    with pytest.raises(ValueError, match="from 0 to 15"):
        wire.encode(Frame(16, Kind.DATA, b"x"))


def test_two_frames_may_share_a_delimiter() -> None:
    assert decode(b"\xc0\x00one\xc0\x00two\xc0") == [Frame(0, 0, b"one"), Frame(0, 0, b"two")]


def test_runs_of_delimiters_are_no_frames() -> None:
    assert decode(b"\xc0\xc0\xc0\xc0\x00one\xc0\xc0\xc0") == [Frame(0, 0, b"one")]


def test_what_precedes_the_first_delimiter_is_noise() -> None:
    decoder = Decoder(LONGEST)
    assert list(decoder.feed(b"half a frame\xc0\x00one\xc0")) == [Frame(0, 0, b"one")]
    assert decoder.noise_bytes == 12


def test_unescaping_is_one_pass() -> None:
    # DB DD DC is the byte DB and then a plain DC; a second pass would make C0 of the two.
    assert decode(bytes.fromhex("c000dbdddcc0")) == [Frame(0, 0, b"\xdb\xdc")]


@pytest.mark.parametrize(
    ("body", "data"), [("dbdbdc", b"\xdc"), ("41db42", b"A"), ("41db", b"A")], ids=["DB DB DC", "DB B", "DB at the end"]
)
def test_an_escape_that_means_nothing_drops_its_byte_and_marks_the_frame(body: str, data: bytes) -> None:
    assert decode(bytes.fromhex(f"c000{body}c0")) == [Frame(0, 0, data, whole=False)]


def test_a_frame_beyond_the_bound_is_dropped_and_the_next_one_read() -> None:
    decoder = Decoder(8)
    data = b"\xc0\x00" + b"x" * 9 + b"\xc0\x00" + b"y" * 8 + b"\xc0"
    assert list(decoder.feed(data)) == [Frame(0, 0, b"y" * 8)]
    assert decoder.overlong == 1


def test_a_flood_without_delimiters_takes_no_memory() -> None:
    decoder = Decoder(256)
    assert not list(decoder.feed(b"\xc0\x00"))
    for _ in range(1_000):
        assert not list(decoder.feed(b"\x55" * 1_000))
        assert len(decoder._unread) <= 514
    assert list(decoder.feed(b"\xc0\x00ok\xc0")) == [Frame(0, 0, b"ok")]
    assert decoder.overlong == 1


frames = st.builds(Frame, st.integers(0, 15), st.integers(0, 6), st.binary(min_size=1, max_size=LONGEST))


@given(st.lists(frames, max_size=6), st.randoms(use_true_random=False))
def test_round_trip_in_any_pieces(sent: list[Frame], draw: random.Random) -> None:
    data = b"".join(wire.encode(frame) for frame in sent)
    pieces = []
    while data:
        size = draw.randint(1, len(data))
        pieces.append(data[:size])
        data = data[size:]
    assert decode(*pieces) == sent


@given(st.binary(max_size=2_000), st.binary(min_size=1, max_size=50))
def test_after_any_noise_a_frame_is_read(noise: bytes, data: bytes) -> None:
    """Whatever came before: two delimiters bring the decoder back."""
    read = decode(noise, wire.CLOSE_HALF_FRAME, wire.encode(Frame(0, 0, data)))
    assert read[-1] == Frame(0, 0, data)
