"""Messages one after another, each behind its length: the plain form for payloads that know no packets.

    <length, big endian, 1, 2 or 4 bytes> <that many bytes> ...

The form is our own; many small satellites have one like it. An empty message is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from fleetd.errors import FrameError

PrefixSize = Literal[1, 2, 4]


def encode(message: bytes, prefix_size: PrefixSize = 2) -> bytes:
    """A message behind its length. Raises ValueError if it is empty or too long for that."""
    if not 0 < len(message) < 1 << 8 * prefix_size:
        raise ValueError(f"a message of {len(message)} bytes has no length in {prefix_size} bytes")
    return len(message).to_bytes(prefix_size, "big") + message


def split(data: bytes, prefix_size: PrefixSize = 2) -> Iterator[bytes]:
    """Each message of a frame. Raises FrameError where the frame is no row of whole messages."""
    at = 0
    while at < len(data):
        begin = at + prefix_size
        length = int.from_bytes(data[at:begin], "big")
        if begin > len(data) or length == 0 or begin + length > len(data):
            raise FrameError("length-prefix", f"a message of {length} bytes at {at} does not fit {len(data)} bytes")
        yield data[begin : begin + length]
        at = begin + length
