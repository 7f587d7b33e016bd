"""What we hear, from bytes. Pure; sections as in `packets`."""

from __future__ import annotations

from collections.abc import Callable

from fleetd.relay.mqtt.packets import (
    V5,
    Connack,
    Disconnect,
    Malformed,
    Packet,
    Pingresp,
    Puback,
    Publish,
    Suback,
)

KEPT_BYTES = 160 * 1024
"""Of an incoming message that is longer no more than this is kept; `Publish.size` tells how long it was."""

_CONNACK, _PUBLISH, _PUBACK, _SUBACK, _PINGRESP, _DISCONNECT = 2, 3, 4, 9, 13, 14
_CONNECT_CODES_3 = {1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}  # 3:3.2.2.3 in the words of version 5
_SIZES = {  # of the properties that are a number (5:2.2.2.2)
    **dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), 1),
    **dict.fromkeys((0x13, 0x21, 0x22, 0x23), 2),
    **dict.fromkeys((0x02, 0x11, 0x18, 0x27), 4),
}
_TEXTS = frozenset({0x03, 0x08, 0x12, 0x15, 0x1A, 0x1C, 0x1F})
_BLOBS = frozenset({0x09, 0x16})
_SUBSCRIPTION_ID, _USER_PROPERTY = 0x0B, 0x26


class Decoder:
    """Turns what comes in, however it is cut, into packets. After Malformed nothing more can be read."""

    def __init__(self, level: int) -> None:
        self._level = level
        self._buffer = bytearray()
        self._skip = 0
        self._cut: Packet | None = None

    def feed(self, data: bytes) -> list[Packet]:
        """The packets that these bytes complete, in order. Raises Malformed."""
        found: list[Packet] = []
        if self._skip:
            data = self._skipped(data, found)
        self._buffer += data
        self._whole_ones(found)
        while self._too_long():
            rest = self._cut_short()
            self._buffer += self._skipped(rest, found)
            self._whole_ones(found)
        return found

    def _whole_ones(self, found: list[Packet]) -> None:
        buffer, start = self._buffer, 0
        most = 3 if self._level == V5 else 2
        while (head := _header(buffer, start)) is not None:
            begin, size = head
            end = begin + size
            if end > len(buffer) or size > KEPT_BYTES:
                break
            first = buffer[start]
            if first == 0x40 and 2 <= size <= most:  # by far the most frequent
                code = buffer[begin + 2] if size == 3 else 0
                found.append(Puback(buffer[begin] << 8 | buffer[begin + 1], code))
            else:
                found.append(_decoded(first, bytes(buffer[begin:end]), size, self._level))
            start = end
        del buffer[:start]

    def _too_long(self) -> bool:
        """Whether a message begins here that is too long to be kept, and as much of it is here as will be."""
        head = _header(self._buffer, 0)
        if head is None or head[1] <= KEPT_BYTES:
            return False
        if self._buffer[0] >> 4 != _PUBLISH:
            raise Malformed(f"a packet of {head[1]} bytes that is no message")
        return len(self._buffer) >= head[0] + KEPT_BYTES

    def _cut_short(self) -> bytes:
        """Read the beginning of such a message; returns what follows that beginning."""
        begin, size = _header(self._buffer, 0) or (0, 0)
        kept = begin + KEPT_BYTES
        self._cut = _decoded(self._buffer[0], bytes(self._buffer[begin:kept]), size, self._level)
        self._skip = size - KEPT_BYTES
        rest = bytes(self._buffer[kept:])
        self._buffer.clear()
        return rest

    def _skipped(self, data: bytes, found: list[Packet]) -> bytes:
        """Pass over the rest of such a message, and give it out once it has ended; returns what follows."""
        gone = min(self._skip, len(data))
        self._skip -= gone
        if not self._skip and self._cut is not None:
            found.append(self._cut)
            self._cut = None
        return data[gone:]


def _header(buffer: bytearray, start: int) -> tuple[int, int] | None:
    """Where the body of the packet at `start` begins and how long it is; None while that cannot be told yet."""
    size, shift = 0, 0
    for at in range(start + 1, min(start + 5, len(buffer))):
        byte = buffer[at]
        size |= (byte & 0x7F) << shift
        if byte < 0x80:
            return at + 1, size
        shift += 7
    if len(buffer) >= start + 5:
        raise Malformed("a remaining length of more than four bytes")
    return None


class _Reader:
    """Walks over the body of one packet."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._body) - self._at

    def take(self, count: int) -> bytes:
        if self.left < count:
            raise Malformed("a packet ends too early")
        self._at += count
        return self._body[self._at - count : self._at]

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "big")

    def blob(self) -> bytes:
        return self.take(self.number(2))

    def text(self) -> str:
        try:
            return self.blob().decode()
        except UnicodeDecodeError:
            raise Malformed("a text that is not UTF-8") from None

    def variable(self) -> int:
        value = 0
        for shift in (0, 7, 14, 21):
            byte = self.number(1)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise Malformed("a variable byte integer of more than four bytes")

    def rest(self) -> bytes:
        return self.take(self.left)

    def properties(self) -> dict[int, int | str | bytes]:
        """5:2.2.2; user properties are passed over."""
        inner = _Reader(self.take(self.variable()))
        found: dict[int, int | str | bytes] = {}
        while inner.left:
            kind = inner.variable()
            value = inner.property(kind)
            if kind in found:
                raise Malformed(f"property {kind:#04x} comes twice")
            if kind not in (_USER_PROPERTY, _SUBSCRIPTION_ID):
                found[kind] = value
        return found

    def property(self, kind: int) -> int | str | bytes:
        if kind in _SIZES:
            return self.number(_SIZES[kind])
        if kind in _TEXTS:
            return self.text()
        if kind in _BLOBS:
            return self.blob()
        if kind == _SUBSCRIPTION_ID:
            return self.variable()
        if kind == _USER_PROPERTY:
            return f"{self.text()}={self.text()}"
        raise Malformed(f"there is no property {kind:#04x}")


def _decoded(first: int, body: bytes, size: int, level: int) -> Packet:
    kind, flags, reader = first >> 4, first & 0x0F, _Reader(body)
    if kind == _PUBLISH:
        return _publish(flags, reader, size, level)
    if flags:
        raise Malformed(f"packet type {kind} with flags {flags:#x}")
    if kind not in _READ:
        raise Malformed(f"packet type {kind}, which no broker may send us")
    packet = _READ[kind](reader, level)
    if reader.left:
        raise Malformed(f"{reader.left} bytes too many in a packet of type {kind}")
    return packet


def _publish(flags: int, reader: _Reader, size: int, level: int) -> Publish:
    qos = flags >> 1 & 0x03
    if qos > 1:
        raise Malformed(f"a message at QoS {qos}, which we have not asked for")
    began = reader.left
    topic = reader.text()
    packet_id = reader.number(2) if qos else None
    if level == V5:
        reader.properties()
    head = began - reader.left
    return Publish(topic, reader.rest(), bool(flags & 0x01), packet_id, size - head)


def _connack(reader: _Reader, level: int) -> Connack:
    reader.take(1)  # whether a session was present: ours begin clean
    code = reader.number(1)
    if level == V5:
        return Connack(code, reader.properties())
    return Connack(_CONNECT_CODES_3.get(code, 0x80) if code else 0, {})


def _puback(reader: _Reader, level: int) -> Puback:
    packet_id = reader.number(2)
    code = reader.number(1) if level == V5 and reader.left else 0
    if reader.left and level == V5:
        reader.properties()
    return Puback(packet_id, code)


def _suback(reader: _Reader, level: int) -> Suback:
    packet_id = reader.number(2)
    if level == V5:
        reader.properties()
    return Suback(packet_id, tuple(reader.rest()))


def _pingresp(reader: _Reader, level: int) -> Pingresp:  # noqa: ARG001
    return Pingresp()


def _disconnect(reader: _Reader, level: int) -> Disconnect:
    if level != V5:
        raise Malformed("a DISCONNECT, which a broker of version 3.1.1 may not send")
    code = reader.number(1) if reader.left else 0
    return Disconnect(code, reader.properties() if reader.left else {})


_READ: dict[int, Callable[[_Reader, int], Packet]] = {
    _CONNACK: _connack,
    _PUBACK: _puback,
    _SUBACK: _suback,
    _PINGRESP: _pingresp,
    _DISCONNECT: _disconnect,
}
