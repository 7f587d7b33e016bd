"""What stands around packets in a frame: the AX.25 header, packet after packet, a checksum behind each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from fleetd.downlink import ax25, ccsds, lengthprefixed
from fleetd.downlink.ax25 import Address
from fleetd.downlink.checksum import Checksum, opened
from fleetd.errors import FrameError
from fleetd.settings import Settings


def _callsign(text: str) -> str:
    Address.parse(text)
    return text


Callsign = Annotated[str, AfterValidator(_callsign), Field(examples=["TMALL-11"])]


class FramingSettings(Settings):
    """How a satellite wraps its packets."""

    link_layer: Literal["ax25", "none"] = "ax25"
    """Whether packets stand in AX.25 UI frames, or the TNC gives them bare."""
    source: Callsign | None = None
    """The satellite's callsign: with AX.25, frames of other stations are passed over."""
    packets: Literal["ccsds", "length-prefixed"] = "ccsds"
    """Whether a frame holds CCSDS space packets, or messages behind their length."""
    prefix_bytes: Literal[1, 2, 4] = 2
    """How many bytes a length has, for length-prefixed messages."""
    checksum: Checksum = "crc32"
    """What stands behind each packet: crc16, crc32 or none. Without one, damage passes for data."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One packet with its checksum taken off; `header` only for CCSDS."""

    data: bytes
    header: ccsds.SpacePacket | None = None


class OtherStation(FrameError):
    """A whole frame that is somebody else's."""


def unwrap(frame: bytes, settings: FramingSettings) -> Iterator[Piece | FrameError]:
    """Each packet of a frame, or what is wrong with it. Raises FrameError where the rest cannot be told apart."""
    info = _info(frame, settings)
    if settings.packets == "ccsds":
        for header, data in ccsds.split(info):
            yield _opened(data, settings, header)
    else:
        for message in lengthprefixed.split(info, settings.prefix_bytes):
            yield _opened(message, settings, None)


def _info(frame: bytes, settings: FramingSettings) -> bytes:
    if settings.link_layer == "none":
        return frame
    ui = ax25.decode(frame)
    if settings.source is not None and str(ui.source) != settings.source:
        raise OtherStation("other-station", f"the frame is of {ui.source}, not of {settings.source}")
    if ui.pid != ax25.NO_LAYER_3:
        raise FrameError("ax25-protocol", f"protocol {ui.pid:02x} is not one that holds packets")
    return ui.info


def _opened(data: bytes, settings: FramingSettings, header: ccsds.SpacePacket | None) -> Piece | FrameError:
    try:
        return Piece(opened(data, settings.checksum), header)
    except FrameError as flaw:
        return flaw
