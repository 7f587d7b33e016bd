"""What we say, as bytes. Pure functions; sections as in `packets`."""

from __future__ import annotations

from fleetd.relay.mqtt.packets import V5, Will

PINGREQ = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"
_HIGHEST_LENGTH = 268_435_455


def connect(
    client_id: str,
    will: Will | None,
    *,
    level: int,
    keepalive_s: int,
    username: str | None = None,
    password: str | None = None,
) -> bytes:
    """CONNECT with a clean session and, if there is one, a will at QoS 1 (3:3.1, 5:3.1)."""
    flags = 0x02 if will is None else 0x02 | 0x04 | 0x08 | (0x20 if will.retain else 0)
    flags |= (0x80 if username is not None else 0) | (0x40 if password is not None else 0)
    no_properties = b"\x00" if level == V5 else b""
    parts = [_text("MQTT"), bytes((level, flags)), keepalive_s.to_bytes(2, "big"), no_properties, _text(client_id)]
    if will is not None:
        parts += [no_properties, _text(will.topic), _blob(will.payload)]
    parts += [_text(word) for word in (username, password) if word is not None]
    return _packet(0x10, b"".join(parts))


def publish(topic: str, payload: bytes, packet_id: int, *, retain: bool, level: int) -> bytes:
    """PUBLISH at QoS 1 (3:3.3, 5:3.3)."""
    name = topic.encode()
    properties = b"\x00" if level == V5 else b""
    size = 4 + len(name) + len(properties) + len(payload)
    first = b"\x33" if retain else b"\x32"
    return b"".join(
        (
            first,
            length(size),
            len(name).to_bytes(2, "big"),
            name,
            packet_id.to_bytes(2, "big"),
            properties,
            payload,
        )
    )


def tell(topic: str, payload: bytes, *, retain: bool, level: int) -> bytes:
    """PUBLISH at QoS 0 (3:3.3, 5:3.3)."""
    return _packet(0x31 if retain else 0x30, _text(topic) + (b"\x00" if level == V5 else b"") + payload)


def puback(packet_id: int) -> bytes:
    """PUBACK that says yes; without a code in both versions (3:3.4, 5:3.4.2.1)."""
    return b"\x40\x02" + packet_id.to_bytes(2, "big")


def subscribe(topic_filter: str, packet_id: int, *, level: int) -> bytes:
    """SUBSCRIBE to one filter at QoS 1 (3:3.8, 5:3.8)."""
    properties = b"\x00" if level == V5 else b""
    return _packet(0x82, packet_id.to_bytes(2, "big") + properties + _text(topic_filter) + b"\x01")


def length(size: int) -> bytes:
    """A variable byte integer (3:2.2.3, 5:1.5.5). Raises ValueError above 268435455."""
    if size < 0x80:
        return bytes((size,))
    if size > _HIGHEST_LENGTH:
        raise ValueError(f"an MQTT packet holds at most {_HIGHEST_LENGTH} bytes, not {size}")
    encoded = bytearray()
    while size >= 0x80:
        encoded.append(size & 0x7F | 0x80)
        size >>= 7
    encoded.append(size)
    return bytes(encoded)


def _packet(first: int, body: bytes) -> bytes:
    return bytes((first,)) + length(len(body)) + body


def _text(text: str) -> bytes:
    return _blob(text.encode())


def _blob(data: bytes) -> bytes:
    if len(data) > 0xFFFF:
        raise ValueError(f"a field of an MQTT packet holds at most 65535 bytes, not {len(data)}")
    return len(data).to_bytes(2, "big") + data
