"""The packets of MQTT 3.1.1 and 5 that concern a client that publishes, and the reason codes in words.

Sections are those of the OASIS standards "MQTT Version 3.1.1" (29 October 2014, here 3:) and "MQTT Version 5.0"
(7 March 2019, here 5:). Only QoS 0 and 1 are spoken, a clean session, and no topic aliases: we ask for none of the
rest, so a broker that sends it breaks the protocol.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

V3, V5 = 4, 5
"""Protocol levels as they stand in CONNECT (3:3.1.2.2, 5:3.1.2.2)."""

# Identifiers of properties (5:2.2.2.2)
RECEIVE_MAXIMUM, SERVER_KEEP_ALIVE, MAXIMUM_QOS, RETAIN_AVAILABLE, MAXIMUM_PACKET_SIZE = 0x21, 0x13, 0x24, 0x25, 0x27
REASON_STRING = 0x1F
_REASONS_5 = {  # 5:2.4
    0x80: "unspecified error",
    0x81: "malformed packet",
    0x82: "protocol error",
    0x83: "implementation specific error",
    0x84: "unsupported protocol version",
    0x85: "client identifier not valid",
    0x86: "bad user name or password",
    0x87: "not authorized",
    0x88: "server unavailable",
    0x89: "server busy",
    0x8A: "banned",
    0x8B: "server shutting down",
    0x8C: "bad authentication method",
    0x8D: "keep alive timeout",
    0x8E: "session taken over",
    0x8F: "topic filter invalid",
    0x90: "topic name invalid",
    0x91: "packet identifier in use",
    0x93: "receive maximum exceeded",
    0x95: "packet too large",
    0x96: "message rate too high",
    0x97: "quota exceeded",
    0x98: "administrative action",
    0x99: "payload format invalid",
    0x9A: "retain not supported",
    0x9B: "QoS not supported",
    0x9C: "use another server",
    0x9D: "server moved",
    0x9F: "connection rate exceeded",
}
PACKET_TOO_LARGE = 0x95

Properties = Mapping[int, int | str | bytes]


class Malformed(ValueError):
    """What came in is not MQTT as it may come to us."""


class Will(NamedTuple):
    """What the broker publishes for us (QoS 1) when the connection ends without a goodbye."""

    topic: str
    payload: bytes
    retain: bool


class Connack(NamedTuple):
    """The answer to CONNECT. `code` is that of version 5, translated for 3.1.1; 0 lets us in."""

    code: int
    properties: Properties


class Publish(NamedTuple):
    """A message that came in. `size` is the length of the whole payload; `packet_id` None at QoS 0."""

    topic: str
    payload: bytes
    retain: bool
    packet_id: int | None
    size: int


class Puback(NamedTuple):
    """The broker has a message (below 0x80), or will not take it."""

    packet_id: int
    code: int


class Suback(NamedTuple):
    """The answer to SUBSCRIBE, a code for each filter; 0x80 and above are refusals."""

    packet_id: int
    codes: tuple[int, ...]


class Pingresp(NamedTuple):
    """The broker is alive."""


class Disconnect(NamedTuple):
    """The broker ends the connection (version 5 only)."""

    code: int
    properties: Properties


Packet = Connack | Publish | Puback | Suback | Pingresp | Disconnect


def reason(code: int, properties: Properties | None = None) -> str:
    """A reason code in words, with the broker's own beside them where it gave some."""
    words = _REASONS_5.get(code, f"reason code {code:#04x}")
    own = (properties or {}).get(REASON_STRING)
    return f"{words} ({own})" if isinstance(own, str) else words
