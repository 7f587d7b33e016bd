"""Every decoder of bytes from outside, as a target of fuzzing: a function that takes bytes and must come back.

A target lets the errors pass that its decoder documents, and fails on any other. Stream decoders must, besides, make
the same of bytes that come one by one as of the same bytes at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import framesof

from fleetd.downlink import ax25, ccsds, lengthprefixed, telecommand
from fleetd.downlink.dissect import dissect
from fleetd.downlink.xtce import XtceDecoder, XtceSettings
from fleetd.errors import BadReply, ConfigError, ElementsError, FleetError, FrameError
from fleetd.orbit.elements import parse_elements
from fleetd.registers.crc import crc16
from fleetd.relay.commands import UnreadableCommand, read_command
from fleetd.relay.mqtt.decode import Decoder as MqttDecoder
from fleetd.relay.mqtt.decode import Malformed
from fleetd.strictyaml import parse_strict
from fleetd_drivers.easycomm import wire as easycomm
from fleetd_drivers.gs232b import wire as gs232b
from fleetd_drivers.hamlib import net as hamlib
from fleetd_drivers.kiss import wire as kiss
from fleetd_drivers.modbus import wire as modbus
from fleetd_drivers.spid import wire as spid

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 11, tzinfo=UTC)


@dataclass(frozen=True)
class Target:
    """What to feed, and good bytes to begin from."""

    feed: Callable[[bytes], None]
    seeds: Sequence[bytes]


def _allowing(decode: Callable[[bytes], Any], *errors: type[Exception]) -> Callable[[bytes], None]:
    def feed(data: bytes) -> None:
        said = "nothing wrong"
        try:
            decode(data)
        except errors as error:
            said = str(error)
        assert said, "an error says something"

    return feed


def _stream(make: Callable[[], Any], *errors: type[Exception]) -> Callable[[bytes], None]:
    def pieces(parts: Iterable[bytes]) -> tuple[list[Any], str]:
        decoder, found = make(), []
        for part in parts:
            try:
                for each in decoder.feed(part):
                    found.append(each)
            except errors as error:
                return found, type(error).__name__
        return found, ""

    def feed(data: bytes) -> None:
        slowly, ended_slowly = pieces(data[at : at + 1] for at in range(len(data)))
        at_once, ended_at_once = pieces([data])
        assert ended_slowly == ended_at_once, f"{ended_slowly!r} byte by byte, {ended_at_once!r} at once"
        if not ended_at_once:  # what a call found before it failed is the caller's only if it came byte by byte
            assert slowly == at_once

    return feed


def _elements(data: bytes) -> None:
    for each in parse_elements(data, "set"):
        assert each.satrec()


def _rtu(data: bytes) -> None:
    request = modbus.read("holding", 5, 2)
    answer = modbus.RtuDecoder(7, request).feed(data)
    if answer is not None:
        framed = bytes((7,)) + answer
        assert framed + crc16(framed).to_bytes(2, "little") in data
        modbus.payload(request, answer)


def _command(data: bytes) -> None:
    command = read_command("fleetd/site/robot-01/command", data, retained=False, now=NOW)
    assert command.expires_at.tzinfo is UTC


def _frame(data: bytes) -> None:
    assert b"".join(each.data for each in dissect(data)) == data
    assert ax25.decode(data).source.callsign


_FRAME = bytes.fromhex(
    "86a240404040e0a89a829898407703f0081000c00500196a2a2a2a00fa"  # header, primary header and time of a beacon
)


def _telemetry(decoder: list[XtceDecoder]) -> Callable[[bytes], None]:
    def feed(data: bytes) -> None:
        if not decoder:  # made when it is first needed: its library is heavy
            decoder.append(XtceDecoder(XtceSettings(reference="tmall-international")))
        try:
            decoder[0].decode(data).send(None)
        except StopIteration as done:
            for packet in done.value.packets:
                assert packet.data in data

    return feed


def _yaml(data: bytes) -> None:
    parse_strict(data.decode("utf-8", "replace"), "site.yaml")


_RTU_BODY = bytes((7, 3, 4, 0, 1, 0, 2))
_GOOD_COMMAND = b'{"id": "1", "action": "go_to", "args": {"place": "library"}, "issuer": "me", "expires_in_s": 5}'
_ELEMENT_FILES = [*(ROOT / "tests/data/elements").glob("reference.*"), *(ROOT / "configs/elements").glob("*.tle")]

TARGETS: dict[str, Target] = {
    "elements": Target(_allowing(_elements, ElementsError), [path.read_bytes() for path in sorted(_ELEMENT_FILES)]),
    "gs232": Target(_stream(gs232b.Decoder), [b"AZ=123  EL=045\r\n", b"+0123+0045\r\n", b"?>\r\n"]),
    "easycomm": Target(_stream(easycomm.Decoder), [b"AZ123.4 EL45.0\n", b"AZ0 EL0 UP0\n"]),
    "spid": Target(_stream(spid.Decoder), [bytes.fromhex("5703070105020305030001020220"), bytes(12)]),
    "hamlib": Target(
        _stream(lambda: hamlib.Decoder(("get_pos",)), ValueError), [b"get_pos:\nAzimuth: 1.0\nElevation: 2.0\nRPRT 0\n"]
    ),
    "kiss": Target(_stream(lambda: kiss.Decoder(1024)), [b"\xc0\x00abc\xdb\xdc\xdb\xdd\xc0", b"\xc0\x10x\xc0\xc0"]),
    "ax25": Target(_allowing(_frame, FrameError), [_FRAME, _FRAME[:16]]),
    "space-packets": Target(
        _allowing(lambda data: list(ccsds.split(data)), FrameError), [bytes.fromhex("08a5c0070001dead") * 3]
    ),
    "length-prefixed": Target(
        _allowing(lambda data: list(lengthprefixed.split(data)), FrameError), [bytes.fromhex("000361626300017a")]
    ),
    "telemetry": Target(_telemetry([]), [_FRAME, framesof.frame(framesof.beacon(), framesof.housekeeping())]),
    "answer": Target(
        _allowing(lambda data: telecommand.read_answer(data, b"key"), FrameError), [bytes(34), bytes.fromhex("08") * 34]
    ),
    "modbus-tcp": Target(_stream(modbus.TcpDecoder, BadReply), [modbus.frame_tcp(1, 7, _RTU_BODY[1:])]),
    "modbus-rtu": Target(
        _allowing(_rtu, BadReply, FleetError), [_RTU_BODY + crc16(_RTU_BODY).to_bytes(2, "little"), b"\x07\x83\x02"]
    ),
    "mqtt-5": Target(
        _stream(lambda: MqttDecoder(5), Malformed),
        [b"\x20\x03\x00\x00\x00", b"\x40\x02\x00\x01", b"\x30\x06\x00\x01a\x00hi", b"\x90\x04\x00\x01\x00\x01"],
    ),
    "mqtt-3": Target(
        _stream(lambda: MqttDecoder(4), Malformed), [b"\x20\x02\x00\x00", b"\x40\x02\x00\x01", b"\x30\x05\x00\x01ahi"]
    ),
    "command": Target(_allowing(_command, UnreadableCommand), [_GOOD_COMMAND]),
    "yaml": Target(_allowing(_yaml, ConfigError), [(ROOT / "configs/demo.yaml").read_bytes()[:2000], b"a: {b: [1]}"]),
}
