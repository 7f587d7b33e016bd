"""Space packets, length-prefixed messages and checksums against their standards and against another implementation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from space_packet_parser.generators import ccsds as referee

from fleetd.downlink import ccsds, checksum, lengthprefixed
from fleetd.downlink.ccsds import Sequence, SpacePacket
from fleetd.errors import FrameError

# By hand from CCSDS 133.0-B-2, figure 4-2: telemetry, secondary header, APID 0x0A5, unsegmented, count 7, two bytes.
VECTOR = bytes.fromhex("08a5c0070001dead")
PACKET = SpacePacket(0x0A5, 7, b"\xde\xad", secondary_header=True)

packets = st.builds(
    SpacePacket,
    st.integers(0, 0x7FF),
    st.integers(0, 0x3FFF),
    st.binary(min_size=1, max_size=200),
    st.booleans(),
    st.booleans(),
    st.integers(0, 3),
)


def split(data: bytes) -> list[SpacePacket]:
    return [packet for packet, _ in ccsds.split(data)]


def test_a_packet_worked_by_hand_both_ways() -> None:
    assert ccsds.encode(PACKET) == VECTOR
    assert split(VECTOR) == [PACKET]


@given(packets)
def test_the_referee_reads_and_writes_the_same(packet: SpacePacket) -> None:
    ours = ccsds.encode(packet)
    theirs = referee.CCSDSPacketBytes(ours)
    assert (theirs.apid, theirs.sequence_count, theirs.data_length) == (
        packet.apid,
        packet.sequence_count,
        len(packet.data) - 1,
    )
    made = referee.create_ccsds_packet(
        data=packet.data,
        type=int(packet.telecommand),
        secondary_header_flag=int(packet.secondary_header),
        apid=packet.apid,
        sequence_flags=packet.sequence_flags,
        sequence_count=packet.sequence_count,
    )
    assert bytes(made) == ours


@given(st.lists(packets, max_size=5))
def test_several_packets_share_a_frame(sent: list[SpacePacket]) -> None:
    assert split(b"".join(map(ccsds.encode, sent))) == sent


WRONG = {
    "cut": (VECTOR[:-1], "ccsds-length"),
    "no data": (VECTOR[:6], "ccsds-short"),
    "a byte behind it": (VECTOR + b"\x00", "ccsds-short"),
    "longer than its frame": (VECTOR[:4] + b"\xff\xff" + VECTOR[6:], "ccsds-length"),
    "another version": (b"\xe8" + VECTOR[1:], "ccsds-version"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_row_of_packets_is_refused_by_name(name: str) -> None:
    data, rule = WRONG[name]
    with pytest.raises(FrameError) as caught:
        split(data)
    assert caught.value.rule == rule


@pytest.mark.parametrize(
    "packet",
    [SpacePacket(0x800, 0, b"x"), SpacePacket(0, 1 << 14, b"x"), SpacePacket(0, 0, b"")],
    ids=["apid", "count", "empty"],
)
def test_what_has_no_room_in_the_header(packet: SpacePacket) -> None:
    with pytest.raises(ValueError, match="out of range"):
        ccsds.encode(packet)


# Gaps


@pytest.mark.parametrize(
    ("counts", "missing", "repeated"),
    [
        ([5, 6, 7], 0, 0),
        ([5, 7], 1, 0),
        ([5, 100], 94, 0),
        ([16_382, 16_383, 0, 1], 0, 0),
        ([16_380, 2], 5, 0),
        ([5, 5], 0, 1),
        ([50, 52, 51], 1, 1),
        ([9_000, 0, 1], 0, 0),  # it has started anew
        ([100, 3, 4], 0, 0),  # the same
    ],
)
def test_gaps_in_the_sequence(counts: list[int], missing: int, repeated: int) -> None:
    sequence = Sequence()
    for count in counts:
        sequence.take(1, count)
    assert (sequence.missing, sequence.repeated) == (missing, repeated)


def test_each_application_counts_for_itself() -> None:
    sequence = Sequence()
    assert [sequence.take(apid, count) for apid, count in [(1, 5), (2, 900), (1, 6), (2, 902)]] == [0, 0, 0, 1]


# Lengths


def test_messages_behind_their_lengths() -> None:
    assert lengthprefixed.encode(b"abc") == bytes.fromhex("0003616263")
    assert list(lengthprefixed.split(bytes.fromhex("000361626300017a"))) == [b"abc", b"z"]


@given(st.lists(st.binary(min_size=1, max_size=255), max_size=6), st.sampled_from([1, 2, 4]))
def test_messages_round_trip(messages: list[bytes], prefix_size: lengthprefixed.PrefixSize) -> None:
    data = b"".join(lengthprefixed.encode(message, prefix_size) for message in messages)
    assert list(lengthprefixed.split(data, prefix_size)) == messages


@pytest.mark.parametrize("text", ["00", "0000", "0003ab", "0001616100", "ffff61"])
def test_lengths_that_do_not_fit(text: str) -> None:
    with pytest.raises(FrameError, match="does not fit"):
        list(lengthprefixed.split(bytes.fromhex(text)))


def test_a_message_has_a_length_or_none() -> None:
    for message in (b"", b"x" * 256):
        with pytest.raises(ValueError, match="has no length"):
            lengthprefixed.encode(message, 1)


# Checksums


def test_the_published_check_values() -> None:
    assert checksum.sealed(b"123456789", "crc16")[-2:] == bytes.fromhex("29b1")
    assert checksum.sealed(b"123456789", "crc32")[-4:] == bytes.fromhex("cbf43926")
    assert checksum.sealed(b"123456789", "none") == b"123456789"


@given(st.binary(max_size=100), st.sampled_from(["none", "crc16", "crc32"]))
def test_sealed_opens(data: bytes, kind: checksum.Checksum) -> None:
    sealed = checksum.sealed(data, kind)
    assert len(sealed) == len(data) + checksum.size(kind)
    assert checksum.opened(sealed, kind) == data


@given(st.binary(min_size=1, max_size=60), st.data(), st.sampled_from(["crc16", "crc32"]))
def test_a_flipped_bit_is_found(data: bytes, draw: st.DataObject, kind: checksum.Checksum) -> None:
    sealed = bytearray(checksum.sealed(data, kind))
    bit = draw.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(FrameError, match="is not that of"):
        checksum.opened(bytes(sealed), kind)


def test_less_than_a_checksum_is_none() -> None:
    with pytest.raises(FrameError):
        checksum.opened(b"\x00", "crc16")
