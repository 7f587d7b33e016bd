"""An MQTT broker in a few lines, for a world of ours: it carries QoS 0 and 1, keeps retained messages and wills.

Written from the OASIS standards of MQTT 3.1.1 and 5.0: it shares no line with the daemon's own client, so that neither
excuses the other. It can be told to be away, or to hear and never acknowledge. Not for service.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PING, PONG, DISCONNECT = (
    1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14,
)  # fmt: skip
V5 = 5
_WILL, _USER, _PASSWORD, _WILL_RETAIN = 0x04, 0x80, 0x40, 0x20

Tap = Callable[[str, bytes, bool], None]
"""Hears of every message that comes in: topic, payload, whether it is to be retained."""


@dataclass(frozen=True, slots=True)
class _Message:
    topic: str
    payload: bytes
    retain: bool = False


@dataclass(eq=False)
class MemoryBroker:
    """Let it `come`; then it may `go` again, and `mute` and `hung` may be set at any time."""

    port: int
    """Where it listens; 0 finds a free one and keeps it."""
    host: str = "broker"
    taps: list[Tap] = field(default_factory=list)
    retained: dict[str, bytes] = field(default_factory=dict)
    mute: bool = False
    """Hears, and acknowledges nothing."""
    hung: bool = False
    """Connections stand and are let in, and all that comes over them is lost."""
    _clients: dict[_Client, None] = field(default_factory=dict)  # in the order in which they came
    _server: asyncio.Server | None = None

    async def come(self) -> None:
        """Listen."""
        if self._server is None:
            self._server = await asyncio.get_running_loop().create_server(lambda: _Client(self), self.host, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def go(self) -> None:
        """Be away: every connection ends at once, and nobody is let in."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for client in list(self._clients):
            client.abort()

    def wake(self) -> None:
        """Heed everybody again; who spoke to it while it hung has to begin anew."""
        self.mute = False
        if self.hung:
            self.hung = False
            for client in list(self._clients):
                client.abort()

    def publish(self, topic: str, payload: bytes) -> None:
        """As some client would; nobody keeps it for those who are not connected."""
        self._spread(_Message(topic, payload))

    def reaches(self, topic: str) -> bool:
        """Whether somebody who is connected has asked for what is published there."""
        return any(client.wants(topic) for client in self._clients)

    def take(self, message: _Message) -> None:
        """A client has published."""
        for tap in self.taps:
            tap(message.topic, message.payload, message.retain)
        if message.retain:
            if message.payload:
                self.retained[message.topic] = message.payload
            else:
                self.retained.pop(message.topic, None)
        self._spread(message)

    def _spread(self, message: _Message) -> None:
        for client in list(self._clients):
            client.offer(message)


class _Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._transport: asyncio.Transport | None = None
        self._unread = bytearray()
        self._level = 4
        self._filters: dict[str, int] = {}
        self._will: _Message | None = None
        self._next_id = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a server's transports read and write
        self._broker._clients[self] = None  # noqa: SLF001  # the two are one

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._broker._clients.pop(self, None)  # noqa: SLF001
        if self._will is not None:
            will, self._will = self._will, None
            self._broker.take(will)

    def abort(self) -> None:
        """End it as a broker that dies would."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._broker.hung:
            return
        self._unread += data
        for first, body in self._packets():
            self._answer(first, _Body(body))

    def offer(self, message: _Message) -> None:
        """Send it if it was asked for."""
        if asked := self.wants(message.topic):
            self._send_message(message, max(asked), retained=False)

    def wants(self, topic: str) -> list[int]:
        """The qualities of service with which it has asked for a topic; none where it has not."""
        return [qos for pattern, qos in self._filters.items() if matches(pattern, topic)]

    def _packets(self) -> Iterator[tuple[int, bytes]]:
        while len(self._unread) >= 2:
            size, shift, at = 0, 0, 1
            while True:
                if at >= len(self._unread):
                    return
                size |= (self._unread[at] & 0x7F) << shift
                shift, at = shift + 7, at + 1
                if self._unread[at - 1] < 0x80:
                    break
            if len(self._unread) < at + size:
                return
            first, body = self._unread[0], bytes(self._unread[at : at + size])
            del self._unread[: at + size]
            yield first, body

    def _answer(self, first: int, body: _Body) -> None:
        match first >> 4:
            case 1:
                self._connect(body)
            case 3:
                self._published(first, body)
            case 8:
                self._subscribe(body)
            case 10:
                self._unsubscribe(body)
            case 12:
                self._send(PONG << 4, b"")
            case 14:
                self._will = None
                if self._transport is not None:
                    self._transport.close()
            case _:
                pass  # PUBACK of what we sent: nothing is kept

    def _connect(self, body: _Body) -> None:
        body.text()
        self._level, flags = body.byte(), body.byte()
        body.take(2)  # keep-alive
        if self._level == V5:
            body.properties()
        body.text()
        if flags & _WILL:
            if self._level == V5:
                body.properties()
            self._will = _Message(body.text(), body.blob(), retain=bool(flags & _WILL_RETAIN))
        self._send(CONNACK << 4, b"\x00\x00\x00" if self._level == V5 else b"\x00\x00")

    def _published(self, first: int, body: _Body) -> None:
        qos = first >> 1 & 3
        topic = body.text()
        packet_id = body.take(2) if qos else b""
        if self._level == V5:
            body.properties()
        self._broker.take(_Message(topic, body.rest(), retain=bool(first & 1)))
        if qos and not self._broker.mute:
            self._send(PUBACK << 4, packet_id)

    def _subscribe(self, body: _Body) -> None:
        packet_id = body.take(2)
        if self._level == V5:
            body.properties()
        granted = bytearray()
        while body.left:
            pattern, qos = body.text(), body.byte() & 1
            self._filters[pattern] = qos
            granted.append(qos)
        self._send(SUBACK << 4, packet_id + (b"\x00" if self._level == V5 else b"") + bytes(granted))
        for topic, payload in sorted(self._broker.retained.items()):
            if any(matches(pattern, topic) for pattern in self._filters):
                self._send_message(_Message(topic, payload), 0, retained=True)

    def _unsubscribe(self, body: _Body) -> None:
        packet_id = body.take(2)
        if self._level == V5:
            body.properties()
        codes = b""
        while body.left:
            self._filters.pop(body.text(), None)
            codes += b"\x00"
        self._send(UNSUBACK << 4, packet_id + (b"\x00" + codes if self._level == V5 else b""))

    def _send_message(self, message: _Message, qos: int, *, retained: bool) -> None:
        topic = message.topic.encode()
        body = len(topic).to_bytes(2, "big") + topic
        if qos:
            self._next_id = self._next_id % 65_535 + 1
            body += self._next_id.to_bytes(2, "big")
        if self._level == V5:
            body += b"\x00"
        self._send(PUBLISH << 4 | qos << 1 | retained, body + message.payload)

    def _send(self, first: int, body: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        size, head = len(body), bytearray([first])
        while True:
            size, low = size >> 7, size & 0x7F
            head.append(low | 0x80 if size else low)
            if not size:
                break
        self._transport.write(bytes(head) + body)


class _Body:
    """What a packet holds, read from its beginning."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken

    def byte(self) -> int:
        return self.take(1)[0]

    def blob(self) -> bytes:
        return self.take(int.from_bytes(self.take(2), "big"))

    def text(self) -> str:
        return self.blob().decode()

    def properties(self) -> None:
        """Passed over: none changes what is done here."""
        size, shift = 0, 0
        while True:
            byte = self.byte()
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        self.take(size)

    def rest(self) -> bytes:
        return self._data[self._at :]


def matches(pattern: str, topic: str) -> bool:
    """Whether a topic filter covers a topic."""
    wanted, given = pattern.split("/"), topic.split("/")
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(given) or level not in ("+", given[index]):
            return False
    return len(wanted) == len(given)
