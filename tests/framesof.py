"""Frames as the reference satellites send them, built field by field from what their databases say."""

from __future__ import annotations

import struct
import zlib
from typing import Any

from fleetd.downlink import ax25
from fleetd.downlink.ax25 import Address, UiFrame

ONBOARD_S = 1_795_932_000  # 2026-11-29T06:00:00Z; what the satellite's clock shows unless a test says otherwise


def packet(apid: int, count: int, body: bytes, *, at_s: float = ONBOARD_S) -> bytes:
    """A telemetry packet with its time and its CRC-32."""
    seconds, ms = int(at_s), round(at_s % 1 * 1000)
    data = struct.pack(">IH", seconds, ms) + body
    head = struct.pack(">HHH", 0x0800 | apid, 0xC000 | count, len(data) + 4 - 1)
    return head + data + struct.pack(">I", zlib.crc32(head + data))


def frame(*packets: bytes, source: str = "TMALL-11", **changes: Any) -> bytes:
    """Packets in an AX.25 UI frame."""
    return ax25.encode(UiFrame(Address("CQ"), Address.parse(source), b"".join(packets), **changes))


def beacon(count: int = 0, *, battery_mv: int = 7890, mode: int = 1, temperature: int = -35, **more: Any) -> bytes:
    """APID 16."""
    return packet(16, count, struct.pack(">BHBhIIH", mode, battery_mv, 190, temperature, 1234, 17, 30), **more)


def housekeeping(count: int = 0, *, eclipse: int = 0) -> bytes:
    """APID 17."""
    return packet(17, count, struct.pack(">BHHhHHIB", eclipse, 812, 455, 124, 3, 1, 70_000, 120))
