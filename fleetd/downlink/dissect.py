"""A frame's bytes with their fields named, for people who look at one. Never raises: what makes no sense is told so."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from fleetd.downlink import ax25, ccsds
from fleetd.errors import FrameError

_ADDRESS_SIZE = 7


class Field(msgspec.Struct, frozen=True):
    """Some bytes of a frame, what they are and what they say."""

    at: int
    data: bytes
    name: str
    value: str


def dissect(frame: bytes) -> list[Field]:
    """The fields of a frame in their order; together they are the whole frame."""
    try:
        ui = ax25.decode(frame)
    except FrameError as flaw:
        return [Field(0, frame, "frame", str(flaw))] if frame else []
    info_at = len(frame) - len(ui.info)
    return [*_header(frame, ui, info_at), *_packets(ui.info, info_at)]


def _header(frame: bytes, ui: ax25.UiFrame, info_at: int) -> Iterator[Field]:
    stations = [
        ("destination", f"{ui.destination}, {ui.use}"),
        ("source", str(ui.source)),
        *((f"digipeater {n}", f"{d.address}{' has repeated' * d.repeated}") for n, d in enumerate(ui.digipeaters, 1)),
    ]
    for number, (name, value) in enumerate(stations):
        at = number * _ADDRESS_SIZE
        yield Field(at, frame[at : at + _ADDRESS_SIZE], name, value)
    yield Field(info_at - 2, frame[info_at - 2 : info_at - 1], "control", "UI, poll" if ui.poll else "UI")
    pid = "no layer 3" if ui.pid == ax25.NO_LAYER_3 else f"protocol {ui.pid:02x}"
    yield Field(info_at - 1, frame[info_at - 1 : info_at], "protocol", pid)


def _packets(info: bytes, at: int) -> Iterator[Field]:
    done = 0
    try:
        for packet, data in ccsds.split(info):
            kind = "telecommand" if packet.telecommand else "telemetry"
            text = f"{kind}, APID {packet.apid}, count {packet.sequence_count}, {len(packet.data)} bytes"
            yield Field(at + done, data[: ccsds.HEADER_SIZE], "packet header", text)
            yield Field(at + done + ccsds.HEADER_SIZE, packet.data, "packet data", "")
            done += len(data)
    except FrameError as flaw:
        yield Field(at + done, info[done:], "information", str(flaw))
