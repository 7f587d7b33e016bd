"""AX.25 UI frames against published bytes, in all the forms that stations send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetd.downlink import ax25
from fleetd.downlink.ax25 import Address, Digipeater, UiFrame, Use
from fleetd.errors import FrameError

# CQ < N0CALL-1, "Hi". Worked by hand from AX.25 2.2, section 3.12; Dire Wolf 1.6 reads it as N0CALL-1>CQ:Hi.
HI = bytes.fromhex("86a24040 4040e0 9c6086829898 63 03f0 4869".replace(" ", ""))
HI_FRAME = UiFrame(Address("CQ"), Address("N0CALL", 1), b"Hi")
# The frame of AX.25 2.2, figures 3.3 and 3.5: NJ7P < N7LEM via N7OO-1 (repeated), here with one byte of text.
VIA = bytes.fromhex("9c946ea04040e0 9c6e98 8a9a4060 9c6e9e 9e4040e3 03f0 78".replace(" ", ""))
VIA_FRAME = UiFrame(Address("NJ7P"), Address("N7LEM"), b"x", (Digipeater(Address("N7OO", 1), repeated=True),))


@pytest.mark.parametrize(("data", "frame"), [(HI, HI_FRAME), (VIA, VIA_FRAME)])
def test_published_frames_both_ways(data: bytes, frame: UiFrame) -> None:
    assert ax25.decode(data) == frame
    assert ax25.encode(frame) == data


@pytest.mark.parametrize(
    ("destination_bit", "source_bit", "use"),
    [(True, False, Use.COMMAND), (False, True, Use.RESPONSE), (True, True, Use.OLD), (False, False, Use.OLD)],
)
def test_all_four_combinations_of_c_bits_are_read(destination_bit: bool, source_bit: bool, use: Use) -> None:
    data = bytearray(HI)
    data[6] = data[6] & 0x7F | destination_bit << 7
    data[13] = data[13] & 0x7F | source_bit << 7
    frame = ax25.decode(bytes(data))
    assert (frame.destination_bit, frame.source_bit, frame.use) == (destination_bit, source_bit, use)
    assert ax25.encode(frame) == bytes(data)


def test_reserved_bits_and_the_poll_bit_do_not_matter() -> None:
    data = bytearray(HI)
    data[6] &= ~0x60
    data[14] = 0x13
    frame = ax25.decode(bytes(data))
    assert frame.poll
    assert (frame.source, frame.info) == (HI_FRAME.source, b"Hi")


def test_other_protocols_and_empty_texts_are_frames_too() -> None:
    frame = ax25.decode(HI[:15] + b"\xcf")
    assert (frame.pid, frame.info) == (0xCF, b"")


WRONG = {
    "cut in the source": (HI[:13], "ax25-short"),
    "cut before the protocol byte": (HI[:15], "ax25-short"),
    "empty": (b"", "ax25-short"),
    "lower case": (bytes((0x63 << 1,)) + HI[1:], "ax25-callsign"),
    "a zero": (b"\x00" + HI[1:], "ax25-callsign"),
    "all blank": (b"\x40" * 6 + HI[6:], "ax25-callsign"),
    "a blank within": (HI[:1] + b"\x40" + HI[:1] + HI[3:], "ax25-callsign"),
    "an end within": (bytes((HI[0] | 1,)) + HI[1:], "ax25-callsign"),
    "no source": (HI[:6] + bytes((HI[6] | 1,)) + HI[7:], "ax25-addresses"),
    "no end": (HI[:7] * 11, "ax25-addresses"),
    "an I frame": (HI[:14] + b"\x00" + HI[15:], "ax25-control"),
    "SABM": (HI[:14] + b"\x3f" + HI[15:], "ax25-control"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_ui_frame_is_refused_by_name(name: str) -> None:
    data, rule = WRONG[name]
    with pytest.raises(FrameError) as caught:
        ax25.decode(data)
    assert caught.value.rule == rule
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["n0call", "", "TOOLONG", "N0CALL-16", "N0CALL-", "N0 ALL", "N0CALL-1x"])
def test_callsigns_that_do_not_exist(text: str) -> None:
    with pytest.raises(ValueError, match="write a callsign as"):
        Address.parse(text)


def test_callsigns_in_words() -> None:
    assert Address.parse("BI4ABC-11") == Address("BI4ABC", 11)
    assert str(Address.parse("BI4ABC-0")) == "BI4ABC"


def test_nine_digipeaters_have_no_room() -> None:
    with pytest.raises(ValueError, match="9 digipeaters"):
        ax25.encode(UiFrame(Address("A"), Address("B"), b"", (Digipeater(Address("C")),) * 9))


addresses = st.builds(
    Address, st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=6), st.integers(0, 15)
)
frames = st.builds(
    UiFrame,
    addresses,
    addresses,
    st.binary(max_size=300),
    st.lists(st.builds(Digipeater, addresses, st.booleans()), max_size=8).map(tuple),
    st.integers(0, 255),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)


@given(frames)
def test_round_trip(frame: UiFrame) -> None:
    assert ax25.decode(ax25.encode(frame)) == frame


@given(st.binary(max_size=120))
def test_any_bytes_are_a_frame_or_refused(data: bytes) -> None:
    try:
        frame = ax25.decode(data)
    except FrameError:
        return
    assert ax25.decode(ax25.encode(frame)) == frame
