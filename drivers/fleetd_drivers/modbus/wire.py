"""The Modbus wire: requests and answers <-> bytes, framed for TCP and for serial lines. Pure: no clock, no I/O.

Sources: "MODBUS Application Protocol Specification V1.1b3" (functions 1 to 6, 15, 16 and exceptions, chapters 6 and 7),
"MODBUS Messaging on TCP/IP Implementation Guide V1.0b" (MBAP header, 3.1.3) and "MODBUS over Serial Line V1.02" (RTU
framing, 2.5.1). Addresses are zero-based; numbers are big-endian, but for the CRC, whose low byte goes first.
"""

from __future__ import annotations

import struct
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fleetd.errors import BadReply, Declined
from fleetd.registers.crc import crc16
from fleetd.registers.model import Table

READ_FUNCTIONS: Mapping[Table, int] = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
MOST_READ_BITS, MOST_READ_REGISTERS = 2000, 125
MOST_WRITE_BITS, MOST_WRITE_REGISTERS = 1968, 123

EXCEPTIONS: Mapping[int, str] = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledged, and still at work",
    6: "server device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target does not answer",
}

GATEWAY_SAYS_SILENT = (10, 11)
"""Exceptions by which a gateway speaks for a unit behind it that it does not reach."""

_FAILED = 0x80  # set in the function code of an exception answer
_MBAP = struct.Struct(">HHHB")
SHORTEST_RTU = 5  # bytes of the shortest answer on a serial line, an exception
_MOST_STRAY = 1  # bytes behind an answer: a driver that lets go of an RS-485 line may leave one
_MOST_UNMATCHED = 512  # bytes of noise that are searched for an answer; a frame has at most 256


@dataclass(frozen=True, slots=True)
class Request:
    """One question, and what the answer to it must look like."""

    pdu: bytes
    """Function code and data, as sent."""
    head: bytes
    """What a good answer begins with: function and byte count of a read, function and echo of a write."""
    answer_size: int
    """Bytes of a good answer from its function code on."""

    def __str__(self) -> str:
        return self.pdu[:16].hex(" ")


def read(table: Table, address: int, count: int) -> Request:
    """Ask for `count` coils, discrete inputs (1 to 2000) or registers (1 to 125)."""
    bits = table in ("coil", "discrete")
    _within("count", count, 1, MOST_READ_BITS if bits else MOST_READ_REGISTERS)
    _within("address", address, 0, 65536 - count)
    size = (count + 7) // 8 if bits else 2 * count
    function = READ_FUNCTIONS[table]
    return Request(struct.pack(">BHH", function, address, count), bytes((function, size)), 2 + size)


def reread(request: Request, heads: Container[bytes]) -> Request | None:
    """A read of the first cells of what `request` reads, whose answer begins otherwise than it and all `heads`.

    Its answer, whatever it holds, proves that no older one is still to come. None for a write, and if there is none.
    """
    function, address, count = struct.unpack_from(">BHH", request.pdu)
    table = next((name for name, number in READ_FUNCTIONS.items() if number == function), None)
    if table is None:
        return None
    step = 8 if table in ("coil", "discrete") else 1
    for fewer in range(count - step, 0, -step):
        other = read(table, address, fewer)
        if other.head not in heads and other.head != request.head:
            return other
    return None


def write_coil(address: int, on: bool) -> Request:
    """Set or clear one coil (function 5)."""
    _within("address", address, 0, 65535)
    return _echoed(struct.pack(">BHH", 5, address, 0xFF00 if on else 0))


def write_register(address: int, register: int) -> Request:
    """Write one holding register (function 6)."""
    _within("address", address, 0, 65535)
    _within("register", register, 0, 65535)
    return _echoed(struct.pack(">BHH", 6, address, register))


def write_coils(address: int, states: Sequence[bool]) -> Request:
    """Write 1 to 1968 coils (function 15)."""
    _within("count", len(states), 1, MOST_WRITE_BITS)
    _within("address", address, 0, 65536 - len(states))
    packed = sum(1 << index for index, on in enumerate(states) if on).to_bytes((len(states) + 7) // 8, "little")
    return _echoed(struct.pack(">BHHB", 15, address, len(states), len(packed)) + packed)


def write_registers(address: int, registers: Sequence[int]) -> Request:
    """Write 1 to 123 holding registers (function 16)."""
    count = len(registers)
    _within("count", count, 1, MOST_WRITE_REGISTERS)
    _within("address", address, 0, 65536 - count)
    for register in registers:
        _within("register", register, 0, 65535)
    return _echoed(struct.pack(f">BHHB{count}H", 16, address, count, 2 * count, *registers))


def payload(request: Request, answer: bytes) -> bytes:
    """The data of an answer to a read, or b"" for a write that was taken. Raises Declined or BadReply."""
    head = request.head
    if len(answer) == request.answer_size and answer.startswith(head):
        return answer[len(head) :]
    if len(answer) == 2 and answer[0] == request.pdu[0] | _FAILED:
        name = EXCEPTIONS.get(answer[1], "of no known meaning")
        reason = f"answers with exception {answer[1]}, {name}"
        raise Declined(reason, code=answer[1], asked=str(request), answered=answer.hex(" "))
    raise BadReply("the answer fits another question", asked=str(request), answered=answer[:16].hex(" "))


def _echoed(pdu: bytes) -> Request:
    # Functions 5 and 6 are answered with a copy, 15 and 16 with function, address and count: five bytes in each case.
    return Request(pdu, pdu[:5], 5)


def _within(what: str, number: int, low: int, high: int) -> None:
    if not low <= number <= high:
        raise ValueError(f"{what} {number} is outside {low} to {high}")


# TCP


def frame_tcp(transaction: int, unit: int, pdu: bytes) -> bytes:
    """A request with its MBAP header; `transaction` comes back with the answer."""
    return _MBAP.pack(transaction, 0, len(pdu) + 1, unit) + pdu


class TcpDecoder:
    """Cuts a TCP stream into (transaction, unit, answer) as its MBAP headers say."""

    def __init__(self) -> None:
        self._unread = bytearray()

    @property
    def broken_off(self) -> bool:
        """Whether an answer has begun and is not complete."""
        return bool(self._unread)

    def feed(self, data: bytes) -> list[tuple[int, int, bytes]]:
        """The answers that `data` completes. Raises BadReply where no MBAP header stands: the stream is lost then."""
        unread = self._unread
        if not unread and len(data) >= _MBAP.size:
            # One answer, the whole of it and nothing else: what nearly always comes.
            transaction, protocol, length, unit = _MBAP.unpack_from(data)
            if protocol == 0 and length >= 3 and length + 6 == len(data):
                return [(transaction, unit, data[7:])]
        unread += data
        answers: list[tuple[int, int, bytes]] = []
        while len(unread) >= _MBAP.size:
            transaction, protocol, length, unit = _MBAP.unpack_from(unread)
            if protocol != 0 or not 3 <= length <= 254:
                raise BadReply("no Modbus TCP header where one must stand", answered=bytes(unread[:16]).hex(" "))
            end = 6 + length
            if len(unread) < end:
                break
            answers.append((transaction, unit, bytes(unread[7:end])))
            del unread[:end]
        return answers


# Serial lines


def frame_rtu(unit: int, pdu: bytes) -> bytes:
    """A request with its unit and CRC."""
    body = bytes((unit,)) + pdu
    return body + crc16(body).to_bytes(2, "little")


class RtuDecoder:
    """Looks for the answer to one request in what a serial line brings, whatever stands before it.

    An answer is told by its length and CRC, never by silence, and counts only if it is this unit's to this question.
    If there are several, the last one counts: those before it were late.
    """

    def __init__(self, unit: int, request: Request) -> None:
        self.heard = bytearray()
        self.doubtful = (
            False  # whether more came than one frame: the answer may be another question's, or made of pieces
        )
        # Each shape that an answer may have: the bytes it begins with, and its length on the line.
        self._good = bytes((unit,)) + request.head, request.answer_size + 3
        self._failed = bytes((unit, request.pdu[0] | _FAILED)), 5

    def feed(self, data: bytes) -> bytes | None:
        """The answer, from its function code on, once `data` completes it."""
        self.heard += data
        found = sorted((*self._frames(*self._good), *self._frames(*self._failed)))
        if not found:
            del self.heard[:-_MOST_UNMATCHED]
            return None
        start, end = found[-1]
        self.doubtful = len(found) > 1 or len(self.heard) - end > _MOST_STRAY
        return bytes(self.heard[start + 1 : end - 2])

    def _frames(self, head: bytes, size: int) -> Iterator[tuple[int, int]]:
        """Where whole frames stand that begin so and are so long."""
        heard = self.heard
        at = heard.find(head)
        while 0 <= at <= len(heard) - size:
            whole = crc16(heard[at : at + size]) == 0  # so it is when the CRC stands behind what it was computed over
            if whole:
                yield at, at + size
            at = heard.find(head, at + (size if whole else 1))
