"""The Modbus wire against byte vectors of the specifications, and against itself in both directions."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetd.errors import BadReply, Declined
from fleetd.registers.crc import crc16
from fleetd.registers.model import Table
from fleetd_drivers.modbus import wire

# Requests and answers of "MODBUS Application Protocol Specification V1.1b3", the examples of sections 6.1 to 6.6, 6.11
# and 6.12; the addresses there count from one in the text and from zero in the bytes.
SPECIFIED = [
    (wire.read("coil", 0x13, 0x13), "01 00 13 00 13", "01 03 CD 6B 05", "CD 6B 05"),
    (wire.read("discrete", 0xC4, 0x16), "02 00 C4 00 16", "02 03 AC DB 35", "AC DB 35"),
    (wire.read("holding", 0x6B, 3), "03 00 6B 00 03", "03 06 02 2B 00 00 00 64", "02 2B 00 00 00 64"),
    (wire.read("input", 8, 1), "04 00 08 00 01", "04 02 00 0A", "00 0A"),
    (wire.write_coil(0xAC, True), "05 00 AC FF 00", "05 00 AC FF 00", ""),
    (wire.write_register(1, 3), "06 00 01 00 03", "06 00 01 00 03", ""),
    (
        wire.write_coils(0x13, [bool(0x01CD >> bit & 1) for bit in range(10)]),
        "0F 00 13 00 0A 02 CD 01",
        "0F 00 13 00 0A",
        "",
    ),
    (wire.write_registers(1, [0x000A, 0x0102]), "10 00 01 00 02 04 00 0A 01 02", "10 00 01 00 02", ""),
]


@pytest.mark.parametrize(("request_", "sent", "answered", "data"), SPECIFIED)
def test_requests_and_answers_are_those_of_the_specification(
    request_: wire.Request, sent: str, answered: str, data: str
) -> None:
    assert request_.pdu == bytes.fromhex(sent)
    assert wire.payload(request_, bytes.fromhex(answered)) == bytes.fromhex(data)


def test_an_exception_answer_is_declined_with_its_code_and_meaning() -> None:
    # V1.1b3, section 7: a request for output 1245 (0x04A1) answered with 81 02.
    with pytest.raises(Declined, match="exception 2, illegal data address") as caught:
        wire.payload(wire.read("coil", 0x04A1, 1), bytes.fromhex("81 02"))
    assert caught.value.code == 2
    assert caught.value.asked == "01 04 a1 00 01"


def test_an_unknown_exception_is_still_told() -> None:
    with pytest.raises(Declined, match="exception 99, of no known meaning"):
        wire.payload(wire.read("coil", 0, 1), bytes((0x81, 99)))


@pytest.mark.parametrize(
    "answer",
    [
        "04 04 00 01 00 02",  # another function
        "03 02 00 01",  # one register where two were asked for
        "03 04 00 01 00",  # cut short
        "03 04 00 01 00 02 00",  # too long
        "84 02",  # the exception of another function
        "",
    ],
)
def test_an_answer_to_another_question_is_no_answer(answer: str) -> None:
    with pytest.raises(BadReply):
        wire.payload(wire.read("holding", 0, 2), bytes.fromhex(answer))


def test_a_write_answer_must_echo_what_was_written() -> None:
    with pytest.raises(BadReply):
        wire.payload(wire.write_register(1, 3), bytes.fromhex("06 00 01 00 04"))
    with pytest.raises(BadReply):
        wire.payload(wire.write_registers(1, [1, 2]), bytes.fromhex("10 00 01 00 01"))


@pytest.mark.parametrize(
    ("table", "address", "count"),
    [("holding", 0, 126), ("coil", 0, 2001), ("input", 65535, 2), ("input", 0, 0), ("discrete", -1, 1)],
)
def test_what_no_read_can_ask_for_is_not_framed(table: Table, address: int, count: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        wire.read(table, address, count)


def test_what_no_write_can_hold_is_not_framed() -> None:
    with pytest.raises(ValueError, match="count 124 is outside 1 to 123"):
        wire.write_registers(0, [0] * 124)
    with pytest.raises(ValueError, match="register 65536 is outside"):
        wire.write_registers(0, [65536])
    with pytest.raises(ValueError, match="register -1 is outside"):
        wire.write_register(0, -1)
    with pytest.raises(ValueError, match="count 0 is outside"):
        wire.write_coils(0, [])
    with pytest.raises(ValueError, match="address 65536 is outside"):
        wire.write_coil(65536, True)


def test_the_checksum_is_that_of_the_serial_line_guide() -> None:
    # "MODBUS over Serial Line V1.02", appendix B: message 02 07 gives 0x1241, sent low byte first as 41 12.
    assert crc16(bytes.fromhex("02 07")) == 0x1241
    assert wire.frame_rtu(2, b"\x07") == bytes.fromhex("02 07 41 12")
    assert crc16(b"123456789") == 0x4B37  # the check value by which catalogues know CRC-16/MODBUS


def test_a_tcp_frame_is_that_of_the_messaging_guide() -> None:
    # "MODBUS Messaging on TCP/IP V1.0b", chapter 4.4.2: transaction 0x1501, unit 255, a read of register 5.
    assert wire.frame_tcp(0x1501, 0xFF, wire.read("holding", 4, 1).pdu) == bytes.fromhex(
        "15 01 00 00 00 06 FF 03 00 04 00 01"
    )


@given(
    st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 255), st.binary(min_size=2, max_size=253)), max_size=6),
    st.data(),
)
def test_a_tcp_stream_is_cut_into_its_answers_however_it_arrives(
    answers: list[tuple[int, int, bytes]], data: st.DataObject
) -> None:
    stream = b"".join(wire.frame_tcp(*answer) for answer in answers)
    decoder, got = wire.TcpDecoder(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        got += decoder.feed(stream[:size])
        stream = stream[size:]
    assert got == answers
    assert not decoder.broken_off


@pytest.mark.parametrize(
    "header", ["00 01 00 01 00 03 01", "00 01 00 00 00 02 01", "00 01 00 00 00 FF 01", "00 01 00 00 FF FF 01"]
)
def test_a_tcp_stream_that_lost_its_step_is_given_up(header: str) -> None:
    with pytest.raises(BadReply, match="no Modbus TCP header"):
        wire.TcpDecoder().feed(bytes.fromhex(header))


REQUEST = wire.read("input", 2, 3)
ANSWER = struct.pack(">BB3H", 4, 6, 1, 2, 3)


@given(st.binary(max_size=300), st.data())
def test_an_rtu_answer_is_found_behind_any_noise_however_it_arrives(noise: bytes, data: st.DataObject) -> None:
    stream = noise + wire.frame_rtu(17, ANSWER)
    decoder, got = wire.RtuDecoder(17, REQUEST), None
    while stream and got is None:
        size = data.draw(st.integers(1, len(stream)))
        got, stream = decoder.feed(stream[:size]), stream[size:]
    assert got == ANSWER


@given(st.integers(0, 8 * 11 - 1))
def test_an_rtu_answer_with_one_flipped_bit_is_none(bit: int) -> None:
    frame = bytearray(wire.frame_rtu(17, ANSWER))
    frame[bit // 8] ^= 1 << bit % 8
    assert wire.RtuDecoder(17, REQUEST).feed(bytes(frame)) is None


@pytest.mark.parametrize(
    ("unit", "pdu"),
    [
        (18, ANSWER),  # another unit
        (17, b"\x03" + ANSWER[1:]),  # another function
        (17, struct.pack(">BB2H", 4, 4, 1, 2)),  # another length
        (17, b"\x83\x02"),  # another function's exception
    ],
)
def test_an_rtu_frame_of_another_unit_function_or_length_is_not_taken(unit: int, pdu: bytes) -> None:
    assert wire.RtuDecoder(17, REQUEST).feed(wire.frame_rtu(unit, pdu)) is None


def test_an_rtu_exception_is_an_answer() -> None:
    assert wire.RtuDecoder(17, REQUEST).feed(b"\xff" + wire.frame_rtu(17, b"\x84\x02")) == b"\x84\x02"


def test_rtu_noise_is_not_kept_for_ever() -> None:
    decoder = wire.RtuDecoder(17, REQUEST)
    for _ in range(100):
        decoder.feed(b"\x11" * 100)
    assert len(decoder.heard) <= 512


def test_frames_are_what_another_library_makes_of_them() -> None:
    from pymodbus.framer.rtu import FramerRTU
    from pymodbus.framer.socket import FramerSocket
    from pymodbus.pdu import DecodePDU
    from pymodbus.pdu.register_message import ReadInputRegistersRequest, WriteMultipleRegistersRequest

    read = ReadInputRegistersRequest(dev_id=17, address=2, count=3, transaction_id=5)
    write = WriteMultipleRegistersRequest(dev_id=17, address=16, registers=[0, 7, 1], transaction_id=5)
    for theirs, ours in ((read, REQUEST), (write, wire.write_registers(16, [0, 7, 1]))):
        assert FramerRTU(DecodePDU(True)).buildFrame(theirs) == wire.frame_rtu(17, ours.pdu)
        assert FramerSocket(DecodePDU(True)).buildFrame(theirs) == wire.frame_tcp(5, 17, ours.pdu)
