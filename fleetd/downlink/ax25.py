"""AX.25 UI frames: bytes and values, nothing else.

Source: "AX.25 Link Access Protocol for Amateur Packet Radio", version 2.2 (1998), sections 2.2 and 3.12. What the TNC
takes off (flags, stuffed bits, the checksum) is not here.

- Addresses are destination, source and up to eight digipeaters, seven bytes each: six of the callsign, shifted left by
  one and padded with blanks, then `C R R SSID E`. E ends the list; C tells commands from responses, and says of a
  digipeater that it has repeated the frame.
- Old stations set the C bits of destination and source alike: all four combinations are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from fleetd.errors import FrameError

NO_LAYER_3 = 0xF0
MOST_DIGIPEATERS = 8
_UI, _POLL = 0x03, 0x10
_ADDRESS_SIZE = 7
_TOP_BIT, _RESERVED, _LAST = 0x80, 0x60, 0x01
_TEXT = re.compile(r"(?P<callsign>[A-Z0-9]{1,6})(-(?P<ssid>\d{1,2}))?")
_CALLSIGN = re.compile(rb"[A-Z0-9]{1,6} *")
_UNSHIFTED = bytes(byte >> 1 for byte in range(256))
_SHIFTED = bytes((byte << 1) & 0xFF for byte in range(256))


@dataclass(frozen=True, slots=True)
class Address:
    """One station: a callsign of one to six capital letters and digits, and a number from 0 to 15."""

    callsign: str
    ssid: int = 0

    def __str__(self) -> str:
        return f"{self.callsign}-{self.ssid}" if self.ssid else self.callsign

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read CALL or CALL-SSID. Raises ValueError that says how it is written."""
        match = _TEXT.fullmatch(text)
        if match is None or int(match["ssid"] or 0) > 15:
            raise ValueError(f"{text!r}: write a callsign as AB1CDE or AB1CDE-7, capital letters and digits, 0 to 15")
        return cls(match["callsign"], int(match["ssid"] or 0))


@dataclass(frozen=True, slots=True)
class Digipeater:
    """A station that is to repeat the frame, or has."""

    address: Address
    repeated: bool = False


class Use(StrEnum):
    """What the C bits of destination and source say together."""

    COMMAND = "command"
    RESPONSE = "response"
    OLD = "old"  # of a station that knows no difference: both bits are alike


@dataclass(frozen=True, slots=True)
class UiFrame:
    """One frame of unnumbered information. The C bits stand as they were sent."""

    destination: Address
    source: Address
    info: bytes
    digipeaters: tuple[Digipeater, ...] = ()
    pid: int = NO_LAYER_3
    destination_bit: bool = True
    source_bit: bool = False
    poll: bool = False

    @property
    def use(self) -> Use:
        """Command, response, or neither."""
        if self.destination_bit == self.source_bit:
            return Use.OLD
        return Use.COMMAND if self.destination_bit else Use.RESPONSE


def encode(frame: UiFrame) -> bytes:
    """The frame as a TNC takes it. Raises ValueError for what no frame can hold."""
    if len(frame.digipeaters) > MOST_DIGIPEATERS:
        raise ValueError(f"{len(frame.digipeaters)} digipeaters; a frame has room for {MOST_DIGIPEATERS}")
    stations = [
        (frame.destination, frame.destination_bit),
        (frame.source, frame.source_bit),
        *((each.address, each.repeated) for each in frame.digipeaters),
    ]
    last = len(stations) - 1
    addresses = b"".join(_address(*station, last=number == last) for number, station in enumerate(stations))
    return addresses + bytes((_UI | (_POLL if frame.poll else 0), frame.pid)) + frame.info


def decode(data: bytes) -> UiFrame:
    """The frame that a TNC gave. Raises FrameError for all that is no well-formed UI frame."""
    stations = list(_stations(data))
    if len(stations) < 2:
        raise FrameError("ax25-addresses", "the address list ends before a source")
    at = _ADDRESS_SIZE * len(stations)
    if len(data) < at + 2:
        raise FrameError("ax25-short", f"the frame of {len(data)} bytes ends before its control and protocol bytes")
    control, pid = data[at], data[at + 1]
    if control & ~_POLL != _UI:
        raise FrameError("ax25-control", f"control byte {control:02x} is no UI frame's")
    (destination, destination_bit), (source, source_bit), *repeaters = stations
    return UiFrame(
        destination=destination,
        source=source,
        info=data[at + 2 :],
        digipeaters=tuple(Digipeater(address, bit) for address, bit in repeaters),
        pid=pid,
        destination_bit=destination_bit,
        source_bit=source_bit,
        poll=bool(control & _POLL),
    )


def _address(address: Address, bit: bool, *, last: bool) -> bytes:
    callsign = address.callsign.encode("ascii")
    if _CALLSIGN.fullmatch(callsign) is None or not 0 <= address.ssid <= 15:
        raise ValueError(f"{address} is no callsign; see Address.parse")
    flags = (_TOP_BIT if bit else 0) | _RESERVED | address.ssid << 1 | (_LAST if last else 0)
    return callsign.ljust(6).translate(_SHIFTED) + bytes((flags,))


def _stations(data: bytes) -> Iterator[tuple[Address, bool]]:
    for number in range(2 + MOST_DIGIPEATERS):
        field = data[number * _ADDRESS_SIZE : (number + 1) * _ADDRESS_SIZE]
        if len(field) < _ADDRESS_SIZE:
            raise FrameError("ax25-short", f"the frame of {len(data)} bytes ends within its addresses")
        yield _station(field)
        if field[6] & _LAST:
            return
    raise FrameError("ax25-addresses", f"the address list has no end after {2 + MOST_DIGIPEATERS}")


def _station(field: bytes) -> tuple[Address, bool]:
    callsign = field[:6].translate(_UNSHIFTED)
    if any(byte & _LAST for byte in field[:6]) or _CALLSIGN.fullmatch(callsign) is None:
        raise FrameError("ax25-callsign", f"{callsign!r} is no callsign of capital letters and digits")
    return Address(callsign.rstrip(b" ").decode("ascii"), field[6] >> 1 & 0x0F), bool(field[6] & _TOP_BIT)
