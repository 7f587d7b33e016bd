"""The satellite's side of the reference protocol: beacons, housekeeping, answers to authenticated orders.

Written from `fleetd/downlink/databases/*.xml` and docs/reference/telecommands.md, without a look at the ground's
codecs: AX.25 UI frames with CCSDS space packets in them, a CRC-32 behind each packet, an HMAC-SHA-256 cut to 16 bytes
on orders and their answers.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
import zlib
from collections import Counter
from typing import Literal

from fleetd_hil.models.satellite import SatelliteModel, Status

Kind = Literal["tmall-international", "candy-tin"]

_BEACON, _HOUSEKEEPING, _PAYLOAD, _ANSWER, _ORDERS = 16, 17, 18, 19, 32
_MAC_SIZE = 16


def ax25_address(callsign: str, ssid: int, *, command: bool, last: bool) -> bytes:
    """Seven bytes of an AX.25 header."""
    letters = bytes(ord(letter) << 1 for letter in callsign.ljust(6))
    return letters + bytes((command << 7 | 0x60 | ssid << 1 | last,))


class SatelliteSim:
    """One satellite on the air: what it sends by itself, and what it sends in answer."""

    def __init__(self, kind: Kind, model: SatelliteModel, unix_s: float, key: bytes) -> None:
        self.kind = kind
        self.model = model
        self.heard_orders: list[tuple[int, int, Status]] = []
        self._key = key
        self._started_s = unix_s
        self._unix_s = unix_s
        self._due_s = unix_s + 1.0
        self._beacons = 0
        self._counts: Counter[int] = Counter()
        self._sent = 0
        callsign, ssid = ("TMALL", 11) if kind == "tmall-international" else ("CANDY", 11)
        self._callsign = (callsign, ssid)

    @property
    def due_s(self) -> float:
        """When it sends next by itself, seconds since 1970."""
        return self._due_s

    def advance(self, unix_s: float, *, sunlit: bool) -> list[bytes]:
        """Bring it up to an instant no later than its next beacon; returns the frames that it sends then."""
        self.model.step(unix_s - self._unix_s, sunlit=sunlit)
        self._unix_s = unix_s
        if unix_s < self._due_s:
            return []
        self._due_s += self.model.beacon_period_s
        self._beacons += 1
        packets = [self._beacon()]
        if self._beacons % self.model.build.housekeeping_every == 0:
            packets += [self._housekeeping(), self._payload()]
        return [self._frame(packets)] if self.model.transmitter_on else []

    def hear(self, frame: bytes) -> list[bytes]:
        """A frame from the ground; returns the frames that answer it."""
        packet = frame[16:]
        if frame[14:16] != b"\x03\xf0" or len(packet) < 6 + 5 + _MAC_SIZE + 4:
            return []
        body, crc = packet[:-4], packet[-4:]
        if zlib.crc32(body).to_bytes(4, "big") != crc or int.from_bytes(body[:2], "big") & 0x17FF != 0x1000 | _ORDERS:
            return []
        signed, mac = body[:-_MAC_SIZE], body[-_MAC_SIZE:]
        counter, code = struct.unpack_from(">IB", signed, 6)
        if hmac.compare_digest(self._mac(signed), mac):
            status = self.model.obey(counter, code, signed[11:])
        else:
            status = Status.NOT_AUTHENTIC
        self.heard_orders.append((counter, code, status))
        return [self._frame([self._answer(counter, code, status)])]

    # What it says

    def _beacon(self) -> bytes:
        model = self.model
        return self._packet(
            _BEACON,
            struct.pack(
                ">BHBhIIH",
                2 if model.payload_on else 1,
                round(model.battery_v * 1000),
                round(model.charge * 200),
                round(model.temperature_c * 10),
                round(self._unix_s - self._started_s),
                model.last_command,
                round(model.beacon_period_s),
            ),
        )

    def _housekeeping(self) -> bytes:
        model, build = self.model, self.model.build
        solar_ma = round(1000 * build.solar_w / model.battery_v) if model.sunlit else 0
        load_ma = round(1000 * build.load_w / model.battery_v)
        panel = round((model.temperature_c + (20 if model.sunlit else -25)) * 10)
        figures = (not model.sunlit, solar_ma, load_ma, panel, model.taken, model.refused, self._sent, 120)
        return self._packet(_HOUSEKEEPING, struct.pack(">BHHhHHIB", *figures))

    def _payload(self) -> bytes:
        model = self.model
        if self.kind == "candy-tin":
            return self._packet(_PAYLOAD, struct.pack(">HIB", model.pictures, 0, model.payload_on))
        figures = (model.orders_relayed, len(model.messages), model.messages_delivered, model.payload_on)
        return self._packet(_PAYLOAD, struct.pack(">IHIB", *figures))

    def _answer(self, counter: int, code: int, status: Status) -> bytes:
        return self._packet(_ANSWER, struct.pack(">IBB", counter, code, status), signed=True)

    def _packet(self, apid: int, body: bytes, *, signed: bool = False) -> bytes:
        data = struct.pack(">IH", int(self._unix_s), int(self._unix_s % 1 * 1000)) + body
        length = len(data) + 4 + (_MAC_SIZE if signed else 0)
        packet = struct.pack(">HHH", 0x0800 | apid, 0xC000 | self._counts[apid] % 0x4000, length - 1) + data
        self._counts[apid] += 1
        if signed:
            packet += self._mac(packet)
        return packet + zlib.crc32(packet).to_bytes(4, "big")

    def _frame(self, packets: list[bytes]) -> bytes:
        self._sent += 1
        to = ax25_address("CQ", 0, command=True, last=False)
        return to + ax25_address(*self._callsign, command=False, last=True) + b"\x03\xf0" + b"".join(packets)

    def _mac(self, data: bytes) -> bytes:
        return hmac.new(self._key, data, hashlib.sha256).digest()[:_MAC_SIZE]
