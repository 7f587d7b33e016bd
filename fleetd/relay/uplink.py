"""`Uplink`: one MQTT session, from CONNECT to its end. Nothing is queued here beyond the window in flight: what must
survive stands in the outbox.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from fleetd.errors import ConfigError, FleetError
from fleetd.relay.mqtt import encode
from fleetd.relay.mqtt.line import Line
from fleetd.relay.mqtt.packets import (
    MAXIMUM_PACKET_SIZE,
    MAXIMUM_QOS,
    PACKET_TOO_LARGE,
    RECEIVE_MAXIMUM,
    RETAIN_AVAILABLE,
    SERVER_KEEP_ALIVE,
    V3,
    V5,
    Connack,
    Disconnect,
    Packet,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Will,
    reason,
)
from fleetd.relay.settings import Broker, RelaySettings
from fleetd.relay.tls import tls_context
from fleetd.relay.topics import Message

_ANSWER_WITHIN_S = 5.0  # for CONNECT (with TLS), SUBSCRIBE and the end of the line each
_MOST_UNREAD, _MOST_UNREAD_BYTES = 1000, 4 << 20  # incoming messages that wait for us to take them
_MOST_HEAD = 8  # bytes of a PUBLISH at QoS 0 beside topic and payload
_BAD_PASSWORD = (0x86, 0x87)
_HIGHEST_ID = 0xFFFF


class UplinkLost(FleetError):
    """There is no connection, or no longer. `will_taken`: the broker may have taken our last will."""

    def __init__(self, reason: str, *, will_taken: bool = True) -> None:
        super().__init__(reason)
        self.will_taken = will_taken


class Rejected(FleetError):
    """The broker answered that it will not take a message; `code` is its MQTT 5 reason code (0x80 and above)."""

    def __init__(self, reason: str, code: int) -> None:
        super().__init__(reason)
        self.code = code


Answer = Callable[[Rejected | None], None]
"""Called with a message's own PUBACK: None, or why the broker will not have it. Never, if the line ends before."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message from the broker; `retained` if it was kept there, not sent just now.

    A payload of more than some 100 KiB is cut; `size` is how long it was.
    """

    topic: str
    payload: bytes
    retained: bool
    size: int


class Uplink:
    """One session with one broker. Made by `connect`."""

    def __init__(self, broker: Broker, settings: RelaySettings) -> None:
        self.broker = broker
        self.window = settings.in_flight
        """How many messages may be unacknowledged at a time: ours, or the broker's wish if that is less."""
        self.refused = 0
        """Incoming messages refused because too many waited."""
        self._level = V5 if settings.protocol == "5" else V3
        self._keepalive_s = settings.keepalive_s
        self._most_bytes = 0
        self._retains = True
        self._line = Line(self._level, self._take, self._ended)
        self._last_id = 0
        self._answers: dict[int, Answer] = {}
        self._awaited: set[asyncio.Future[Any]] = set()
        self._connack: asyncio.Future[Connack] = self._promise()
        self._subacks: dict[int, asyncio.Future[Suback]] = {}
        self._pings: deque[asyncio.Future[Any]] = deque()
        self._unread: deque[Incoming] = deque()
        self._unread_bytes = 0
        self._some_unread = asyncio.Event()
        self._connect_sent = False

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, broker: Broker, settings: RelaySettings, client_id: str, will: Message | None = None
    ) -> AsyncIterator[Uplink]:
        """A session while the context lasts; `keep` and `messages` must be run in it. Raises UplinkLost.

        Leaving it without `leave` drops the line, so that the broker publishes `will`, if it was given one.
        """
        uplink = cls(broker, settings)
        try:
            await uplink._enter(settings, client_id, will and Will(will.topic, will.payload, will.retain))
            yield uplink
        finally:
            await uplink._drop()

    @property
    def writable(self) -> asyncio.Event:
        """Clear while the line takes nothing more."""
        return self._line.writable

    def publish(self, message: Message, answer: Answer) -> None:
        """Hand over a message; `answer` is called with its PUBACK. Raises UplinkLost, and Rejected if it is too large
        for the broker.
        """
        if not self._line.open:
            raise self._lost()
        packet_id = self._free_id()
        packet = encode.publish(
            message.topic, message.payload, packet_id, retain=message.retain and self._retains, level=self._level
        )
        if 0 < self._most_bytes < len(packet):
            raise Rejected(f"{self.broker} takes no packet of {len(packet)} bytes", PACKET_TOO_LARGE)
        self._answers[packet_id] = answer
        self._line.send(packet)

    def tell(self, message: Message) -> None:
        """Send a message at QoS 0: nobody acknowledges it, but see `echo`. Raises UplinkLost."""
        if not self._line.open:
            raise self._lost()
        packet = encode.tell(message.topic, message.payload, retain=message.retain and self._retains, level=self._level)
        self._line.send(packet)

    def fits(self, message: Message) -> bool:
        """Whether a message at QoS 0 is small enough for the broker."""
        return not 0 < self._most_bytes < len(message.topic.encode()) + len(message.payload) + _MOST_HEAD

    async def echo(self) -> None:
        """Return once the broker has taken all that was said before: a ping has its turn. Raises UplinkLost."""
        await self._ping()

    async def deliver(self, message: Message) -> None:
        """Publish a message and wait for its PUBACK. Raises UplinkLost and Rejected."""
        answered: asyncio.Future[Rejected | None] = self._promise()
        self.publish(message, lambda refusal: None if answered.done() else answered.set_result(refusal))
        refusal = await answered
        if refusal is not None:
            raise refusal

    async def subscribe(self, topic_filter: str) -> None:
        """Have messages of a filter sent to us, QoS 1. Raises Rejected, and UplinkLost when no answer comes."""
        packet_id = self._free_id()
        answered = self._subacks[packet_id] = self._promise()
        self._line.send(encode.subscribe(topic_filter, packet_id, level=self._level))
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                suback: Suback = await answered
        except TimeoutError:
            raise self._lost("no answer to SUBSCRIBE") from None
        finally:
            self._subacks.pop(packet_id, None)
        for code in suback.codes:
            if code >= 0x80:
                raise Rejected(f"{self.broker} refuses the subscription to {topic_filter}: {reason(code)}", code)

    async def messages(self) -> AsyncIterator[Incoming]:
        """What comes in, until the line ends: raises UplinkLost then."""
        while True:
            while self._unread:
                incoming = self._unread.popleft()
                self._unread_bytes -= len(incoming.payload)
                yield incoming
            if not self._line.open:
                raise self._lost()
            self._some_unread.clear()
            await self._some_unread.wait()

    async def keep(self) -> None:
        """Ping the broker now and then; raises UplinkLost when it stays silent for 1.5 times `keepalive_s`."""
        while self._line.open:
            await asyncio.sleep(self._keepalive_s / 2)
            self._line.heard.clear()
            self._ping()
            try:
                async with asyncio.timeout(self._keepalive_s):
                    await self._line.heard.wait()
            except TimeoutError:
                raise self._lost("no answer to a ping") from None
        raise self._lost()

    async def leave(self) -> None:
        """Say goodbye: the broker forgets the last will. Raises UplinkLost."""
        self._line.send(encode.DISCONNECT)
        self._line.close()
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                await self._line.ended.wait()
        except TimeoutError:
            raise self._lost("no goodbye") from None

    # Beginning and end

    async def _enter(self, settings: RelaySettings, client_id: str, will: Will | None) -> None:
        try:
            password = settings.password.read() if settings.password else None
            tls = await asyncio.to_thread(tls_context, settings) if self.broker.tls else None
        except ConfigError as error:
            raise UplinkLost(f"{self.broker} cannot be tried: {error}", will_taken=False) from None
        packet = encode.connect(
            client_id,
            will,
            level=self._level,
            keepalive_s=settings.keepalive_s,
            username=settings.username,
            password=password,
        )
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                await self._open(tls)
                self._connect_sent = True
                self._line.send(packet)
                connack = await self._connack
        except TimeoutError:
            said = "no answer to CONNECT" if self._connect_sent else "no answer"
            raise self._unreachable(said) from None
        except OSError as error:
            raise self._unreachable(_why(error)) from None
        self._let_in(connack)

    async def _open(self, tls: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(
            lambda: self._line,
            self.broker.host,
            self.broker.port,
            ssl=tls,
            server_hostname=self.broker.host if tls else None,
        )

    def _let_in(self, connack: Connack) -> None:
        code, wishes = connack
        if code:
            cure = "; look at the relay's username and password" if code in _BAD_PASSWORD else ""
            refusal = f"{self.broker} refuses the connection: {reason(code, wishes)}{cure}"
            raise UplinkLost(refusal, will_taken=False)
        if wishes.get(MAXIMUM_QOS) == 0:
            raise UplinkLost(f"{self.broker} acknowledges no messages (QoS 0 only); choose another broker")
        self.window = min(self.window, int(wishes.get(RECEIVE_MAXIMUM, self.window)))
        self._keepalive_s = int(wishes.get(SERVER_KEEP_ALIVE, self._keepalive_s)) or self._keepalive_s
        self._most_bytes = int(wishes.get(MAXIMUM_PACKET_SIZE, 0))
        self._retains = wishes.get(RETAIN_AVAILABLE, 1) != 0

    async def _drop(self) -> None:
        self._answers.clear()
        if self._line.open:
            self._line.abort()
            with suppress(TimeoutError):
                async with asyncio.timeout(_ANSWER_WITHIN_S):
                    await self._line.ended.wait()

    def _ping(self) -> asyncio.Future[Any]:
        answered = self._promise()
        self._pings.append(answered)
        self._line.send(encode.PINGREQ)
        return answered

    def _promise(self) -> asyncio.Future[Any]:
        """A future that fails with UplinkLost when the line ends before it is done."""
        promise: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._awaited.add(promise)
        promise.add_done_callback(self._awaited.discard)
        return promise

    def _lost(self, why: str = "") -> UplinkLost:
        return UplinkLost(f"{self.broker} was lost: {why or self._line.reason}")

    def _unreachable(self, why: str) -> UplinkLost:
        return UplinkLost(f"{self.broker} cannot be reached: {why}", will_taken=self._connect_sent)

    # What the line brings

    def _take(self, packet: Packet) -> None:
        match packet:
            case Puback():
                self._acknowledged(packet)
            case Publish():
                self._arrived(packet)
            case Suback() if packet.packet_id in self._subacks:
                _settle(self._subacks[packet.packet_id], packet)
            case Connack():
                _settle(self._connack, packet)
            case Pingresp() if self._pings:
                _settle(self._pings.popleft(), packet)
            case Disconnect():
                self._line.abort(f"the broker ended it: {reason(packet.code, packet.properties)}")

    def _acknowledged(self, puback: Puback) -> None:
        answer = self._answers.pop(puback.packet_id, None)
        if answer is None:
            return
        if puback.code < 0x80:
            answer(None)
        else:
            answer(Rejected(f"{self.broker} refuses a message: {reason(puback.code)}", puback.code))

    def _arrived(self, message: Publish) -> None:
        if message.packet_id is not None:
            self._line.send(encode.puback(message.packet_id))
        size = len(message.payload)
        if len(self._unread) >= _MOST_UNREAD or self._unread_bytes + size > _MOST_UNREAD_BYTES:
            self.refused += 1
            return
        self._unread.append(Incoming(message.topic, message.payload, message.retain, message.size))
        self._unread_bytes += size
        self._some_unread.set()

    def _ended(self) -> None:
        self._some_unread.set()
        for promise in list(self._awaited):
            promise.set_exception(self._lost())
            promise.exception()  # seen, should nobody wait for it any more

    def _free_id(self) -> int:
        while True:
            self._last_id = self._last_id % _HIGHEST_ID + 1
            if self._last_id not in self._answers and self._last_id not in self._subacks:
                return self._last_id


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError):  # its errno is none of the system's
        return f"TLS: {(error.reason or str(error)).replace('_', ' ').lower()}"
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)  # asyncio's own words name the address once more, and not what is wrong
    return error.strerror or str(error) or "it hung up at once; does it speak the same version of TLS, or any?"


def _settle(promise: asyncio.Future[Any], value: Packet) -> None:
    if not promise.done():
        promise.set_result(value)
