"""Frames of CI-V against the maker's guide and against frames that Hamlib 4.5.4 writes to an IC-9700."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetd.devices import Side
from fleetd_drivers.icom_civ import wire
from fleetd_drivers.icom_civ.wire import Decoder, Frame


def h(text: str) -> bytes:
    return bytes.fromhex(text)


def test_frames_are_as_the_guide_shows_them() -> None:
    # IC-9700 CI-V Reference Guide, p. 3: FE FE A2 E0 Cn Sc data FD; p. 13: frequencies, lowest pair of digits first.
    assert wire.frame(0xA2, wire.tune(437_525_000)) == h("fe fe a2 e0 05 00 50 52 37 04 fd")
    assert wire.tune(145_812_500) == h("05 00 25 81 45 01")
    assert wire.tune(1_294_500_001) == h("05 01 00 50 94 12")
    assert wire.frame(0xA2, wire.MODES["fm"]) == h("fe fe a2 e0 06 05 fd")


def test_what_hamlib_writes_to_the_same_end_is_the_same() -> None:
    """Seen from rigctl 4.5.4 -m 3081 before a radio of one wire: `f`, `T 1`, `T 0`, and selecting Main and Sub."""
    assert wire.frame(0xA2, wire.ASK_FREQUENCY) == h("fe fe a2 e0 03 fd")
    assert wire.frame(0xA2, wire.KEY) == h("fe fe a2 e0 1c 00 01 fd")
    assert wire.frame(0xA2, wire.UNKEY) == h("fe fe a2 e0 1c 00 00 fd")
    assert wire.frame(0xA2, wire.SELECT[Side.MAIN]) == h("fe fe a2 e0 07 d0 fd")
    assert wire.frame(0xA2, wire.SELECT[Side.SUB]) == h("fe fe a2 e0 07 d1 fd")


@pytest.mark.parametrize(
    ("data", "frames"),
    [
        (h("fe fe e0 a2 fb fd"), [Frame(0xE0, 0xA2, wire.OK)]),  # p. 3
        (h("fe fe e0 a2 fa fd"), [Frame(0xE0, 0xA2, wire.NG)]),  # p. 3
        (h("fe fe a2 e0 03 fd fe fe e0 a2 fb fd"), [Frame(0xA2, 0xE0, b"\x03"), Frame(0xE0, 0xA2, wire.OK)]),  # echo
        (h("fe e0 a2 fb fd"), [Frame(0xE0, 0xA2, wire.OK)]),  # one FE is lost
        (h("01 02 fd fe fe fe e0 a2 fb fd"), [Frame(0xE0, 0xA2, wire.OK)]),
        (h("fe fe e0 a2 03 00 fe fe e0 a2 fb fd"), [Frame(0xE0, 0xA2, wire.OK)]),  # one broke off
        (h("fe fe e0 fd"), []),
        (h("fe fe e0 a2 fb"), []),
    ],
)
def test_frames_are_found(data: bytes, frames: list[Frame]) -> None:
    assert list(Decoder().feed(data)) == frames
    decoder = Decoder()
    assert [frame for byte in data for frame in decoder.feed(bytes((byte,)))] == frames
    assert not decoder.collided


def test_a_jam_is_a_collision() -> None:
    decoder = Decoder()
    assert list(decoder.feed(h("fe fe a2 e0 05 fc fc fc fc fc fd"))) in (
        [],
        [Frame(0xA2, 0xE0, h("05 fc fc fc fc fc"))],
    )
    assert decoder.collided


@pytest.mark.parametrize(
    "body", ["03", "03 00 00 50 52", "03 00 50 52 37 04 00", "03 0a 50 52 37 04", "03 ff ff ff ff ff"]
)
def test_what_is_no_frequency_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match=r"a frequency of|the digits"):
        wire.frequency(h(body))


def test_the_transmit_state() -> None:
    assert wire.keyed(h("1c 00 01")) is True
    assert wire.keyed(h("1c 00 00")) is False
    for wrong in ("1c 00", "1c 00 02", "1c 00 01 01"):
        with pytest.raises(ValueError, match="transmit state"):
            wire.keyed(h(wrong))


def test_too_many_digits_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 10 digits"):
        wire.tune(10_000_000_000)


@given(st.integers(0, 9_999_999_999))
def test_a_frequency_comes_back(frequency_hz: int) -> None:
    assert wire.frequency(b"\x03" + wire.tune(frequency_hz)[1:]) == frequency_hz


@given(st.lists(st.binary(max_size=40)), st.binary(min_size=1, max_size=20))
def test_whatever_came_before_a_frame_after_a_pause_is_found(garbage: list[bytes], body: bytes) -> None:
    body = bytes(byte for byte in body if byte < 0xFC) or b"\xfb"
    decoder = Decoder()
    for piece in garbage:
        list(decoder.feed(piece))
    assert list(decoder.feed(bytes((0xFE, 0xFE, 0xE0, 0xA2)) + body + b"\xfd"))[-1] == Frame(0xE0, 0xA2, body)
