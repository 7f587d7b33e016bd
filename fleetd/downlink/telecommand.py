"""The reference telecommand protocol: bytes and values of orders and of their answers. docs/reference/telecommands.md.

It is our own. An order is a CCSDS telecommand packet: `counter(4) code(1) arguments HMAC(16) CRC-32(4)`. The HMAC, of
SHA-256 and cut to 16 bytes, covers all before it: nobody without the key gives an order, and none is taken twice, since
a satellite takes rising counters alone. An answer is telemetry that bears counter, code and status, signed likewise.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import dataclass
from enum import IntEnum

from fleetd.downlink import ccsds, checksum
from fleetd.downlink.ccsds import SpacePacket
from fleetd.errors import FrameError

ORDERS_APID = 32
ANSWERS_APID = 19
HIGHEST_COUNTER = 0xFFFF_FFFF
_MAC_SIZE = 16
_TIME_SIZE = 6


class Status(IntEnum):
    """What the satellite says of an order."""

    DONE = 0
    REFUSED = 1
    REPLAYED = 2
    NOT_AUTHENTIC = 3
    UNKNOWN_CODE = 4


@dataclass(frozen=True, slots=True)
class Answer:
    """A satellite's authentic word on one order."""

    counter: int
    code: int
    status: Status


def order(counter: int, code: int, body: bytes, key: bytes) -> bytes:
    """The packet of one order, sealed. Raises ValueError for a counter or code that has no room."""
    if not 1 <= counter <= HIGHEST_COUNTER or not 0 <= code <= 0xFF:
        raise ValueError(f"counter {counter} or code {code} is out of range")
    unsigned = struct.pack(">IB", counter, code) + body
    packet = ccsds.encode(SpacePacket(ORDERS_APID, counter & 0x3FFF, unsigned + bytes(_MAC_SIZE + 4), telecommand=True))
    signed = packet[: -_MAC_SIZE - 4]
    return checksum.sealed(signed + _mac(signed, key), "crc32")


def read_answer(packet: bytes, key: bytes) -> Answer:
    """An answer, its checksum taken off already. Raises FrameError if it is none, or not authentic."""
    if len(packet) != ccsds.HEADER_SIZE + _TIME_SIZE + 6 + _MAC_SIZE:
        raise FrameError("answer-length", f"an answer of {len(packet)} bytes is none")
    signed, mac = packet[:-_MAC_SIZE], packet[-_MAC_SIZE:]
    if not hmac.compare_digest(_mac(signed, key), mac):
        raise FrameError(
            "answer-forged", "an answer is not authentic: it was damaged, or the key is not the satellite's"
        )
    counter, code, status = struct.unpack_from(">IBB", signed, ccsds.HEADER_SIZE + _TIME_SIZE)
    try:
        return Answer(counter, code, Status(status))
    except ValueError:
        raise FrameError("answer-status", f"an answer with status {status} means nothing") from None


def _mac(data: bytes, key: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()[:_MAC_SIZE]
