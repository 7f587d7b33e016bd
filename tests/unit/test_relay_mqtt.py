"""The MQTT codec against the standards' own examples, round trips, any cut, and bytes that mean nothing."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fleetd.relay.mqtt import encode
from fleetd.relay.mqtt.decode import KEPT_BYTES, Decoder
from fleetd.relay.mqtt.packets import (
    MAXIMUM_PACKET_SIZE,
    RECEIVE_MAXIMUM,
    V3,
    V5,
    Connack,
    Disconnect,
    Malformed,
    Packet,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Will,
    reason,
)

LEVELS = st.sampled_from((V3, V5))
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=300)
IDS = st.integers(1, 0xFFFF)
WILL = Will("fleetd/s/status", b"{}", retain=True)


def decoded(data: bytes, level: int = V5) -> list[Packet]:
    return Decoder(level).feed(data)


# MQTT 3.1.1, table 2.4, and 5.0, table 1-1: the smallest and largest values of each length
@pytest.mark.parametrize(
    ("size", "coded"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "8001"),
        (16_383, "ff7f"),
        (16_384, "808001"),
        (2_097_151, "ffff7f"),
        (2_097_152, "80808001"),
        (268_435_455, "ffffff7f"),
    ],
)
def test_lengths_are_those_of_the_standards(size: int, coded: str) -> None:
    assert encode.length(size) == bytes.fromhex(coded)


def test_a_length_beyond_the_standards_is_refused() -> None:
    with pytest.raises(ValueError, match="268435455"):
        encode.length(268_435_456)


# MQTT 3.1.1, figure 3.11 (3.3.2.3), and 5.0, figure 3-9 (3.3.2.4): topic a/b, packet identifier 10
@pytest.mark.parametrize(("level", "coded"), [(V3, "32070003612f62000a"), (V5, "32080003612f62000a00")])
def test_publish_has_the_variable_header_of_the_standards(level: int, coded: str) -> None:
    assert encode.publish("a/b", b"", 10, retain=False, level=level) == bytes.fromhex(coded)
    retained = encode.publish("a/b", b"", 10, retain=True, level=level)
    assert retained[0] == 0x33, "bit 0 of the first byte: 3.3.1.3 of both"


# MQTT 3.1.1, figure 3.6 (3.1.2.10): the flags 1100 1110 and keep alive 10; figure 3.24 (3.8.3.1): filter a/b, QoS 1
def test_connect_and_subscribe_have_the_headers_of_the_standard() -> None:
    will = Will("w", b"gone", retain=False)
    packet = encode.connect("c", will, level=V3, keepalive_s=10, username="u", password="p")  # noqa: S106
    assert packet == bytes.fromhex("101c 00044d515454 04 ce 000a 000163 000177 0004676f6e65 000175 000170")
    assert encode.subscribe("a/b", 10, level=V3) == bytes.fromhex("8208 000a 0003 612f62 01")
    assert encode.subscribe("a/b", 10, level=V5) == bytes.fromhex("8209 000a 00 0003 612f62 01")


def test_connect_of_version_5_has_empty_properties_before_client_and_will() -> None:  # 5.0: 3.1.2.11, 3.1.3.2
    packet = encode.connect("c", Will("w", b"x", retain=True), level=V5, keepalive_s=15)
    assert packet == bytes.fromhex("1015 00044d515454 05 2e 000f 00 0001 63 00 0001 77 0001 78")


def test_the_standards_utf_8_example_survives() -> None:  # 3.1.1: figure 1.2 (1.5.3), 5.0: figure 1-2 (1.5.4)
    topic = bytes.fromhex("0005 41f0aa9b94").hex()
    (message,) = decoded(bytes.fromhex(f"3007{topic}"), V3)
    assert message == Publish("A\U0002a6d4", b"", retain=False, packet_id=None, size=0)
    assert bytes.fromhex(topic) in encode.publish("A\U0002a6d4", b"", 1, retain=False, level=V3)


@pytest.mark.parametrize(
    ("level", "coded", "packet"),
    [
        (V3, "20020000", Connack(0, {})),  # 3.1.1: 3.2
        (V3, "20020004", Connack(0x86, {})),  # 3.1.1: table 3.1, bad user name or password
        (V5, "2003000000", Connack(0, {})),  # 5.0: 3.2
        (V5, "200b 00 00 08 210014 2700010000", Connack(0, {RECEIVE_MAXIMUM: 20, MAXIMUM_PACKET_SIZE: 65536})),
        (V3, "4002000a", Puback(10, 0)),  # 3.1.1: 3.4
        (V5, "4002000a", Puback(10, 0)),  # 5.0: 3.4.2.1, no reason code
        (V5, "4003000a87", Puback(10, 0x87)),
        (V5, "4004000a9700", Puback(10, 0x97)),
        (V5, "400a 000a 97 06 1f 0003 667565", Puback(10, 0x97)),  # with a reason string, 3.4.2.2.2
        (V3, "9003000a01", Suback(10, (1,))),  # 3.1.1: 3.9
        (V5, "9004000a0087", Suback(10, (0x87,))),  # 5.0: 3.9
        (V3, "d000", Pingresp()),  # 3.13 of both
        (V5, "e000", Disconnect(0, {})),  # 5.0: 3.14.2.1
        (V5, "e0018e", Disconnect(0x8E, {})),
        (V5, "30 09 0001 61 05 26 0001 6b 000078".replace(" ", ""), None),
    ],
)
def test_what_a_broker_says_is_read(level: int, coded: str, packet: Packet | None) -> None:
    if packet is None:
        with pytest.raises(Malformed):
            decoded(bytes.fromhex(coded.replace(" ", "")), level)
    else:
        assert decoded(bytes.fromhex(coded), level) == [packet]


@given(LEVELS, TEXTS.filter(bool), st.binary(max_size=300), IDS, st.booleans())
def test_a_message_comes_back_as_it_was_sent(level: int, topic: str, payload: bytes, id: int, retain: bool) -> None:  # noqa: A002
    packet = encode.publish(topic, payload, id, retain=retain, level=level)
    assert decoded(packet, level) == [Publish(topic, payload, retain, id, len(payload))]


@given(IDS, LEVELS)
def test_our_puback_is_read_as_one(id: int, level: int) -> None:  # noqa: A002
    assert decoded(encode.puback(id), level) == [Puback(id, 0)]


def stream(level: int) -> bytes:
    return b"".join(
        (
            bytes.fromhex("2003000000" if level == V5 else "20020000"),
            b"".join(encode.puback(id) for id in range(1, 40)),  # noqa: A001
            encode.publish("fleetd/s/r/command", b"x" * 200, 7, retain=False, level=level),
            bytes.fromhex("d000"),
            encode.publish("long", bytes(KEPT_BYTES + 5000), 8, retain=True, level=level),
            encode.puback(41),
        )
    )


@pytest.mark.parametrize("level", [V3, V5])
def test_a_message_beyond_what_is_kept_is_cut_and_says_how_long_it_was(level: int) -> None:
    *_, cut, last = decoded(stream(level), level)
    assert isinstance(cut, Publish)
    assert (cut.topic, cut.packet_id, cut.retain, cut.size) == ("long", 8, True, KEPT_BYTES + 5000)
    assert KEPT_BYTES - 100 < len(cut.payload) <= KEPT_BYTES
    assert last == Puback(41, 0)


@settings(max_examples=30)  # each works through 170 KB
@given(LEVELS, st.data())
def test_any_cut_gives_the_same_packets(level: int, data: st.DataObject) -> None:
    whole = stream(level)
    near_the_seams = st.integers(0, 500) | st.integers(KEPT_BYTES, len(whole)) | st.integers(0, len(whole))
    cuts = sorted({0, len(whole), *data.draw(st.lists(near_the_seams, max_size=20))})
    decoder = Decoder(level)
    found = [packet for a, b in itertools.pairwise(cuts) for packet in decoder.feed(whole[a:b])]
    assert found == decoded(whole, level)


@pytest.mark.parametrize("level", [V3, V5])
def test_one_byte_at_a_time_gives_the_same_packets(level: int) -> None:
    whole = stream(level)[:500]
    decoder = Decoder(level)
    assert [packet for at in range(500) for packet in decoder.feed(whole[at : at + 1])] == decoded(whole, level)


@given(LEVELS, st.binary(max_size=400))
@example(V5, bytes.fromhex("20ffffffff01"))
@example(V5, bytes.fromhex("9000"))
@example(V5, bytes.fromhex("4005000a0002ff01"))
def test_any_bytes_are_packets_or_malformed_and_nothing_else(level: int, data: bytes) -> None:
    try:
        found = decoded(data, level)
    except Malformed:
        return
    assert sum(2 for _ in found) <= len(data), "no packet is shorter than its header"


@given(LEVELS, st.data())
def test_a_flipped_bit_is_another_packet_or_malformed_and_nothing_else(level: int, data: st.DataObject) -> None:
    whole = bytearray(stream(level)[:450])
    for at in data.draw(st.lists(st.integers(0, len(whole) * 8 - 1), min_size=1, max_size=4)):
        whole[at // 8] ^= 1 << at % 8
    try:
        decoded(bytes(whole), level)
    except Malformed:
        return


@pytest.mark.parametrize(
    ("coded", "complaint"),
    [
        ("30ffffffff7f", "four bytes"),
        ("3402000000", "QoS 2"),  # we subscribe at QoS 1
        ("3603000161", "QoS 3"),  # 3.3.1-4 of both: must not be
        ("f000", "type 15"),
        ("c000", "type 12"),  # PINGREQ is ours to say
        ("4102000a", "flags"),  # 2.2.2-2 / 2.1.3-1
        ("d00100", "too many"),
        ("3005 0003 c3 28 41", "UTF-8"),
        ("3002 0005", "too early"),
        ("2005000002ff00", "no property"),
        ("20090000062100142100 14", "twice"),
        ("20ffffff7f" + "00" * 10, "no message"),
    ],
)
def test_what_no_broker_may_say_is_named(coded: str, complaint: str) -> None:
    with pytest.raises(Malformed, match=complaint):
        decoded(bytes.fromhex(coded))


def test_a_disconnect_from_a_broker_is_of_version_5_only() -> None:
    with pytest.raises(Malformed, match="DISCONNECT"):
        decoded(bytes.fromhex("e000"), V3)


def test_a_reason_is_said_in_words() -> None:
    assert reason(0x87) == "not authorized"
    assert reason(0x97, {0x1F: "no room"}) == "quota exceeded (no room)"
    assert reason(0xF0) == "reason code 0xf0"


def test_fields_have_their_limit() -> None:
    with pytest.raises(ValueError, match="65535"):
        encode.connect("c", Will("t", bytes(70_000), retain=False), level=V5, keepalive_s=1)
