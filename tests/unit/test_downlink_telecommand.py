"""Orders and answers: bytes worked by hand, forged ones, and another implementation of the satellite's side."""

from __future__ import annotations

import hashlib
import hmac
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetd.downlink import telecommand
from fleetd.downlink.ax25 import Address, UiFrame, encode
from fleetd.downlink.orders import ORDERS
from fleetd.downlink.telecommand import Answer, Status
from fleetd.errors import FrameError, Refusal
from fleetd_hil.models.satellite import Order, SatelliteModel
from fleetd_hil.sims.satellite import SatelliteSim

KEY = b"a key"


def test_an_order_worked_by_hand() -> None:
    """Header of a telecommand to APID 32, counter 7, code 2, 30 seconds; then MAC and CRC from the standard library."""
    signed = bytes.fromhex("1020c0070000") + bytes.fromhex("00000007 02 001e".replace(" ", ""))
    size = len(signed) + 20 - 6
    signed = signed[:4] + struct.pack(">H", size - 1) + signed[6:]
    with_mac = signed + hmac.new(KEY, signed, hashlib.sha256).digest()[:16]
    assert telecommand.order(7, 2, b"\x00\x1e", KEY) == with_mac + zlib.crc32(with_mac).to_bytes(4, "big")


@pytest.mark.parametrize(("counter", "code"), [(0, 1), (2**32, 1), (1, 256)])
def test_what_has_no_room(counter: int, code: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        telecommand.order(counter, code, b"", KEY)


def satellite() -> SatelliteSim:
    return SatelliteSim("tmall-international", SatelliteModel(), 1_796_000_000.0, KEY)


def hears(sim: SatelliteSim, packet: bytes) -> Answer:
    (frame,) = sim.hear(encode(UiFrame(Address("TMALL", 11), Address("GROUND", 1), packet)))
    return telecommand.read_answer(frame[16:-4], KEY)


def test_the_satellite_obeys_rising_counters_and_its_answer_is_read() -> None:
    sim = satellite()
    assert hears(sim, telecommand.order(7, 2, b"\x00\x1e", KEY)) == Answer(7, 2, Status.DONE)
    assert sim.model.beacon_period_s == 30.0
    assert hears(sim, telecommand.order(7, 2, b"\x00\x1e", KEY)).status is Status.DONE  # the same once more: told again
    assert hears(sim, telecommand.order(6, 2, b"\x00\x05", KEY)).status is Status.REPLAYED
    assert hears(sim, telecommand.order(8, 99, b"", KEY)).status is Status.UNKNOWN_CODE
    assert hears(sim, telecommand.order(9, 2, b"\x00\x00", KEY)).status is Status.REFUSED
    assert hears(sim, telecommand.order(10, 1, b"", b"another key")).status is Status.NOT_AUTHENTIC
    assert sim.model.performed == [(7, 2)]


@given(st.integers(0, 10_000), st.integers(0, 7))
def test_a_changed_answer_is_not_believed(place: int, bit: int) -> None:
    (frame,) = satellite().hear(
        encode(UiFrame(Address("TMALL", 11), Address("GROUND", 1), telecommand.order(7, 1, b"", KEY)))
    )
    packet = bytearray(frame[16:-4])
    packet[place % len(packet)] ^= 1 << bit
    with pytest.raises(FrameError, match="not authentic"):
        telecommand.read_answer(bytes(packet), KEY)


@pytest.mark.parametrize("cut", [1, 16, 34])
def test_half_an_answer_is_none(cut: int) -> None:
    (frame,) = satellite().hear(
        encode(UiFrame(Address("TMALL", 11), Address("GROUND", 1), telecommand.order(7, 1, b"", KEY)))
    )
    with pytest.raises(FrameError):
        telecommand.read_answer(frame[16:-4][:-cut], KEY)


def test_both_sides_number_the_orders_alike() -> None:
    """Written apart, from one page."""
    codes = {order.name: order.code for orders in ORDERS.values() for order in orders.values()}
    assert codes == {
        "ping": Order.PING,
        "set-beacon-period": Order.SET_BEACON_PERIOD,
        "payload": Order.PAYLOAD,
        "store-message": Order.STORE_MESSAGE,
        "take-picture": Order.TAKE_PICTURE,
        "transmitter": Order.TRANSMITTER,
    }


@pytest.mark.parametrize(
    ("name", "arguments", "word"),
    [
        ("ping", {"x": 1}, "no arguments"),
        ("set-beacon-period", {"period_s": 0}, "from 1 to 3600"),
        ("set-beacon-period", {"period_s": True}, "from 1 to 3600"),
        ("set-beacon-period", {}, "takes period_s"),
        ("payload", {"on": 1}, "true or false"),
        ("store-message", {"text": ""}, "1 to 180 bytes"),
        ("store-message", {"text": "汉" * 61}, "not 183"),
        ("store-message", {"text": 5}, "1 to 180 bytes"),
    ],
    ids=str,
)
def test_arguments_are_judged(name: str, arguments: dict[str, object], word: str) -> None:
    with pytest.raises(Refusal, match=word):
        ORDERS["tmall-international"][name].body(arguments)  # type: ignore[arg-type]
