"""CRC-16/MODBUS: reflected polynomial 0xA001, start 0xFFFF, no final xor.

Source: "MODBUS over Serial Line, Specification and Implementation Guide V1.02", section 6.2.2 and appendix B. The check
value of b"123456789" is 0x4B37. On the wire the low byte goes first, which is the caller's business.
"""

from __future__ import annotations


def _row(index: int) -> int:
    for _ in range(8):
        index = (index >> 1) ^ (0xA001 if index & 1 else 0)
    return index


_TABLE = tuple(_row(index) for index in range(256))


def crc16(data: bytes | bytearray) -> int:
    """The checksum of `data`, 0 to 65535."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc
