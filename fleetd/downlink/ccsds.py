"""CCSDS space packets: bytes and values, and how many are missing.

Source: CCSDS 133.0-B-2, "Space Packet Protocol" (2020), section 4.1: `version(3) type(1) secondary header(1) APID(11)
sequence flags(2) sequence count(14) length - 1 (16)`, then 1 to 65536 bytes. What those bytes mean is not here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from fleetd.errors import FrameError

HEADER_SIZE = 6
IDLE_APID = 0x7FF
UNSEGMENTED = 3
_COUNTS = 1 << 14
_RESTARTED_BELOW, _LONGEST_GAP = 16, 1024  # a satellite that starts anew counts from zero


@dataclass(frozen=True, slots=True)
class SpacePacket:
    """One packet; `data` is everything behind the primary header."""

    apid: int
    sequence_count: int
    data: bytes
    telecommand: bool = False
    secondary_header: bool = False
    sequence_flags: int = UNSEGMENTED

    @property
    def size(self) -> int:
        """Bytes with the header."""
        return HEADER_SIZE + len(self.data)


def encode(packet: SpacePacket) -> bytes:
    """The packet's bytes. Raises ValueError for what has no room in the header."""
    fits = 0 <= packet.apid <= IDLE_APID and 0 <= packet.sequence_count < _COUNTS and 0 <= packet.sequence_flags <= 3
    if not fits or not 1 <= len(packet.data) <= 65_536:
        raise ValueError(
            f"apid {packet.apid}, count {packet.sequence_count} or {len(packet.data)} bytes are out of range"
        )
    first = packet.telecommand << 12 | packet.secondary_header << 11 | packet.apid
    second = packet.sequence_flags << 14 | packet.sequence_count
    head = first.to_bytes(2, "big") + second.to_bytes(2, "big") + (len(packet.data) - 1).to_bytes(2, "big")
    return head + packet.data


def split(data: bytes) -> Iterator[tuple[SpacePacket, bytes]]:
    """Each packet of a frame, parsed and as it stands. Raises FrameError where the frame is no row of whole packets."""
    at = 0
    while at < len(data):
        packet = _decode(data, at)
        yield packet, data[at : at + packet.size]
        at += packet.size


def _decode(data: bytes, at: int) -> SpacePacket:
    left = len(data) - at
    if left < HEADER_SIZE + 1:
        raise FrameError("ccsds-short", f"{left} bytes are no packet")
    first, second, length = (int.from_bytes(data[at + i : at + i + 2], "big") for i in (0, 2, 4))
    if first >> 13:
        raise FrameError("ccsds-version", f"packet version {first >> 13} is none that is known")
    if left < HEADER_SIZE + length + 1:
        raise FrameError(
            "ccsds-length", f"the packet is longer than its frame: {left} of {HEADER_SIZE + length + 1} bytes"
        )
    return SpacePacket(
        apid=first & IDLE_APID,
        sequence_count=second & (_COUNTS - 1),
        data=data[at + HEADER_SIZE : at + HEADER_SIZE + length + 1],
        telecommand=bool(first & 1 << 12),
        secondary_header=bool(first & 1 << 11),
        sequence_flags=second >> 14,
    )


@dataclass(slots=True)
class Sequence:
    """The sequence counts of one satellite, application by application."""

    missing: int = 0
    """Packets that must have been sent between those that arrived."""
    repeated: int = 0
    """Packets that came again, or later than their successors."""
    _last: dict[int, int] = field(default_factory=dict)

    def take(self, apid: int, count: int) -> int:
        """Note one packet; returns how many are missing before it.

        A count far behind is one that came late, unless it is near zero: then the satellite has started anew.
        """
        last = self._last.get(apid)
        ahead = 1 if last is None else (count - last) % _COUNTS
        if ahead > _LONGEST_GAP and count < _RESTARTED_BELOW:
            ahead = 1
        elif ahead == 0 or ahead > _COUNTS // 2:
            self.repeated += 1
            return 0
        self._last[apid] = count
        self.missing += ahead - 1
        return ahead - 1
