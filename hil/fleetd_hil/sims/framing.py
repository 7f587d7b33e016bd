"""Modbus frames as a server meets them: requests found in a stream of bytes, answers wrapped for the way back.

Written from "MODBUS over Serial Line V1.02" (RTU frame, CRC) and "MODBUS Messaging on TCP/IP V1.0b" (MBAP header). Not
here: what a request asks for.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from fleetd_hil.sim import Answer

_LONGEST_RTU = 256
_MBAP = struct.Struct(">HHHB")  # transaction, protocol, length of what follows it, unit
_BYTE_COUNTED = (15, 16)  # requests that say their own length
_REQUEST_LENGTHS = {
    **dict.fromkeys((1, 2, 3, 4, 5, 6), 8),
    7: 4,
    8: 8,
    11: 4,
    12: 4,
    17: 4,
    22: 10,
    24: 6,
    43: 7,  # not served, but to be declined
}
"""Whole RTU frames by function."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came; on TCP with its transaction number and that of the one before."""

    unit: int
    pdu: bytes
    transaction: int = 0
    last_transaction: int = 0


Answerer = Callable[[Request, float], list[Answer]]
"""Takes a request and the running scene time; no answer is silence."""


def crc16(data: bytes | bytearray) -> int:
    """CRC-16/MODBUS, bit by bit as the serial line guide draws it; on the wire the low byte goes first."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def rtu_frame(unit: int, pdu: bytes, *, damaged: bool = False) -> bytes:
    """A frame for a serial line, with a wrong CRC if `damaged`."""
    data = bytes([unit]) + pdu
    return data + struct.pack("<H", crc16(data) ^ (0x5A5A if damaged else 0))


def tcp_frame(transaction: int, unit: int, pdu: bytes, *, damaged: bool = False) -> bytes:
    """A frame for a socket, with a wrong length if `damaged`."""
    return _MBAP.pack(transaction, 0, len(pdu) + 1 + 2 * damaged, unit) + pdu


class RtuEar:
    """Finds requests on a serial line by their length and CRC; what comes before one is noise."""

    def __init__(self, answer: Answerer) -> None:
        self._answer = answer
        self._unread = bytearray()

    def feed(self, data: bytes, at_s: float) -> list[Answer]:
        """Answer each whole request."""
        self._unread += data
        answers: list[Answer] = []
        while (found := self._find()) is not None:
            start, end = found
            frame = bytes(self._unread[start:end])
            del self._unread[:end]
            answers += self._answer(Request(frame[0], frame[1:-2]), at_s)
        del self._unread[:-_LONGEST_RTU]
        return answers

    def _find(self) -> tuple[int, int] | None:
        for start in range(len(self._unread) - 3):
            end = start + _rtu_length(self._unread, start)
            frame = self._unread[start:end]
            if end <= len(self._unread) and crc16(frame[:-2]) == int.from_bytes(frame[-2:], "little"):
                return start, end
        return None


def _rtu_length(data: bytearray, start: int) -> int:
    """How long the request that begins at `start` is; longer than any while that cannot be told."""
    function = data[start + 1]
    if function in _BYTE_COUNTED and len(data) > start + 6:
        return 9 + data[start + 6]
    return _REQUEST_LENGTHS.get(function, _LONGEST_RTU + 1)


class TcpEar:
    """Finds requests on a socket by the length in their header."""

    def __init__(self, answer: Answerer) -> None:
        self._answer = answer
        self._unread = bytearray()
        self._last = 0

    def feed(self, data: bytes, at_s: float) -> list[Answer]:
        """Answer each whole request; a header that cannot be right empties the buffer."""
        self._unread += data
        answers: list[Answer] = []
        while len(self._unread) >= _MBAP.size + 1:
            transaction, protocol, length, unit = _MBAP.unpack_from(self._unread)
            if protocol != 0 or not 2 <= length <= 254:
                self._unread.clear()
                break
            if len(self._unread) < 6 + length:
                break
            pdu = bytes(self._unread[_MBAP.size : 6 + length])
            del self._unread[: 6 + length]
            answers += self._answer(Request(unit, pdu, transaction, self._last), at_s)
            self._last = transaction
        return answers
