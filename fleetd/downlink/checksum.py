"""What proves that a packet arrived as it was sent: a checksum behind it.

    crc16   CRC-16/CCITT-FALSE, the packet error control of CCSDS 203.0-B: "123456789" gives 29B1
    crc32   CRC-32 of IEEE 802.3: "123456789" gives CBF43926

Of random damage one packet in 65536 passes crc16, and one in four thousand million crc32.
"""

from __future__ import annotations

import binascii
import zlib
from collections.abc import Callable, Mapping
from typing import Literal

from fleetd.errors import FrameError

Checksum = Literal["none", "crc16", "crc32"]

_SUMS: Mapping[str, tuple[int, Callable[[bytes], int]]] = {
    "crc16": (2, lambda data: binascii.crc_hqx(data, 0xFFFF)),
    "crc32": (4, zlib.crc32),
}


def size(kind: Checksum) -> int:
    """How many bytes it takes."""
    return 0 if kind == "none" else _SUMS[kind][0]


def sealed(data: bytes, kind: Checksum) -> bytes:
    """`data` with its checksum behind it."""
    if kind == "none":
        return data
    width, sum_of = _SUMS[kind]
    return data + sum_of(data).to_bytes(width, "big")


def opened(data: bytes, kind: Checksum) -> bytes:
    """`data` without its checksum. Raises FrameError where that does not fit."""
    if kind == "none":
        return data
    width, sum_of = _SUMS[kind]
    body, said = data[:-width], data[-width:]
    if len(said) < width or sum_of(body) != int.from_bytes(said, "big"):
        raise FrameError("checksum", f"{kind} says {said.hex()}, which is not that of the {len(body)} bytes before it")
    return body
