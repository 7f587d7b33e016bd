"""SPID bytes against spid.txt and what Hamlib writes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetd_drivers.spid import wire
from fleetd_drivers.spid.wire import Decoder, Position

# The reply that Hamlib 4.5.4's rotctl -m 901 reads as 200 and 30 degrees: raw digits, 10 pulses to the degree.
AT_200_30 = bytes.fromhex("57 05 06 00 00 0a 03 09 00 00 0a 20")


def decode(data: bytes, *, azimuth_only: bool = False) -> list[Position]:
    return list(Decoder(azimuth_only=azimuth_only).feed(data))


def test_commands_are_what_hamlib_writes() -> None:
    # Seen from rotctl -m 901 setting 200/30 with 10 pulses to the degree, asking and stopping.
    assert wire.turn(200.0, 30.0, 10, 10) == bytes.fromhex("57 35 36 30 30 0a 33 39 30 30 0a 2f 20")
    assert bytes.fromhex("57 00 00 00 00 00 00 00 00 00 00 1f 20") == wire.STATUS
    assert bytes.fromhex("57 00 00 00 00 00 00 00 00 00 00 0f 20") == wire.STOP


def test_commands_are_what_the_manual_works_out() -> None:
    # spid.txt: azimuth 123.5, elevation 77.0, two pulses to the degree; Rot1Prog, azimuth 123.
    assert wire.turn(123.5, 77.0, 2, 2) == bytes.fromhex("57 30 39 36 37 02 30 38 37 34 02 2F 20")
    assert wire.turn_azimuth(123.0) == bytes.fromhex("57 34 38 33 30 00 00 00 00 00 00 2F 20")


def test_angles_are_rounded_and_not_cut() -> None:
    assert wire.turn(123.9, 76.9, 1, 1)[1:5] == b"0484"
    assert wire.turn_azimuth(-0.6)[1:4] == b"359"


def test_what_four_digits_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit into four digits"):
        wire.turn(540.0, 0.0, 20, 20)


@pytest.mark.parametrize(
    ("data", "positions"),
    [
        (AT_200_30, [Position(200.0, 30.0, 10, 10)]),
        (bytes.fromhex("57 04 08 03 05 02 04 03 07 00 02 20"), [Position(123.5, 77.0, 2, 2)]),
        (bytes.fromhex("57 01 08 00 00 01 03 04 00 05 01 20"), [Position(-180.0, -19.5, 1, 1)]),
        (b"1 motor 0: 24.1 V\r\n" + AT_200_30, [Position(200.0, 30.0, 10, 10)]),  # an MD-01's line of text
        (b"2 Warning: Wind 12 m/s W\r\n" + AT_200_30, [Position(200.0, 30.0, 10, 10)]),
        (AT_200_30[:7] + AT_200_30, [Position(200.0, 30.0, 10, 10)]),  # a reply that broke off
        (AT_200_30 + AT_200_30[:5], [Position(200.0, 30.0, 10, 10)]),
        (bytes.fromhex("57 05 0a 00 00 0a 03 09 00 00 0a 20"), []),  # a digit above 9
        (bytes.fromhex("57 05 06 00 00 00 03 09 00 00 0a 20"), []),  # no pulses
        (bytes.fromhex("57 35 36 30 30 0a 33 39 30 30 0a 20"), []),  # ASCII digits are a command's
        (AT_200_30[:-1] + b"\x21", []),
        (b"W" * 40, []),
    ],
)
def test_replies(data: bytes, positions: list[Position]) -> None:
    assert decode(data) == positions


def test_a_rot1prog_has_replies_of_its_own() -> None:
    assert decode(bytes.fromhex("57 04 08 03 20"), azimuth_only=True) == [Position(123.0)]
    assert decode(bytes.fromhex("57 0a 08 03 20"), azimuth_only=True) == []
    assert decode(b"\xff57W" + bytes.fromhex("57 03 06 00 20"), azimuth_only=True) == [Position(0.0)]


@given(st.lists(st.sampled_from([AT_200_30, b"3 log W\r\n", b"W", b"\x00"])), st.data())
def test_pieces_make_no_difference(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    decoder = Decoder()
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert [position for piece in pieces for position in decoder.feed(piece)] == decode(stream)


@given(st.binary(max_size=200))
def test_text_is_never_a_reply(data: bytes) -> None:
    printable = bytes(0x20 + byte % 0x5F for byte in data)
    assert decode(printable) == []
    assert decode(printable, azimuth_only=True) == []


@given(st.integers(-720, 1080), st.integers(0, 360), st.sampled_from([1, 2, 4]))
def test_digits_hold_the_nearest_pulse(half_azimuth: int, half_elevation: int, pulses: int) -> None:
    command = wire.turn(half_azimuth / 2, half_elevation / 2, pulses, pulses)
    assert len(command) == 13
    assert abs(int(command[1:5]) / pulses - 360 - half_azimuth / 2) <= 0.5 / pulses
    assert abs(int(command[6:10]) / pulses - 360 - half_elevation / 2) <= 0.5 / pulses
