"""`Uplink`: one MQTT session, from CONNECT to its end. Nothing is queued here beyond the window in flight: what must
survive stands in the outbox.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from fleetd.errors import ConfigError
from fleetd.relay.failures import Rejected, UplinkLost, why_unreachable
from fleetd.relay.incoming import Incoming, Unread
from fleetd.relay.mqtt import encode
from fleetd.relay.mqtt.line import Line
from fleetd.relay.mqtt.packets import (
    PACKET_TOO_LARGE,
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
from fleetd.relay.pulse import Pulse, Verdict
from fleetd.relay.settings import Broker, RelaySettings
from fleetd.relay.terms import Terms
from fleetd.relay.tls import tls_context
from fleetd.relay.topics import Message

_OPEN_WITHIN_S = 10.0  # for TCP with TLS
_ANSWER_WITHIN_S = 5.0  # for CONNECT, SUBSCRIBE and the end of the line each
_PING_WITHIN_S = 3.0  # for a ping when the line is silent
_TURNS = 5  # there and back, on a long line: a packet that was lost takes three of them to come after all
_LOOK_S = 0.5  # how often the line's pulse is felt
_MOST_HEAD = 8  # bytes of a PUBLISH at QoS 0 beside topic and payload
_HIGHEST_ID = 0xFFFF

Answer = Callable[[Rejected | None], None]
"""Called with a message's own PUBACK: None, or why the broker will not have it. Never, if the line ends before."""


class Uplink:
    """One session with one broker. Made by `connect`."""

    def __init__(self, broker: Broker, settings: RelaySettings) -> None:
        self.broker = broker
        self.terms = Terms.wished(settings)
        self._level = V5 if settings.protocol == "5" else V3
        self._line = Line(self._level, self._take, self._ended)
        self._last_id = 0
        self._answers: dict[int, Answer] = {}
        self._awaited: set[asyncio.Future[Any]] = set()
        self._connack: asyncio.Future[Connack] = self._promise()
        self._subacks: dict[int, asyncio.Future[Suback]] = {}
        self._pings: deque[asyncio.Future[Any]] = deque()
        self._unread = Unread()
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
    def refused(self) -> int:
        """Incoming messages refused because too many waited."""
        return self._unread.refused

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
            message.topic, message.payload, packet_id, retain=message.retain and self.terms.retains, level=self._level
        )
        if 0 < self.terms.most_bytes < len(packet):
            raise Rejected(f"{self.broker} takes no packet of {len(packet)} bytes", PACKET_TOO_LARGE)
        self._answers[packet_id] = answer
        self._line.send(packet)

    def tell(self, message: Message) -> None:
        """Send a message at QoS 0: nobody acknowledges it, but see `echo`. Raises UplinkLost."""
        if not self._line.open:
            raise self._lost()
        packet = encode.tell(
            message.topic, message.payload, retain=message.retain and self.terms.retains, level=self._level
        )
        self._line.send(packet)

    def fits(self, message: Message) -> bool:
        """Whether a message at QoS 0 is small enough for the broker."""
        return not 0 < self.terms.most_bytes < len(message.topic.encode()) + len(message.payload) + _MOST_HEAD

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
            async with asyncio.timeout(self._patience_s(_ANSWER_WITHIN_S)):
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
            while (incoming := self._unread.take()) is not None:
                yield incoming
            if not self._line.open:
                raise self._lost()
            await self._unread.news()

    async def keep(self) -> None:
        """Ping a broker that is silent, sooner while it owes answers; raises UplinkLost if it stays so (`Pulse`)."""
        loop = asyncio.get_running_loop()
        pulse = Pulse(self.terms.keepalive_s, loop.time())
        while self._line.open:
            await asyncio.sleep(_LOOK_S)
            heard, self._line.heard = self._line.heard, False
            owed = bool(self._answers or self._pings)
            verdict = pulse.look(loop.time(), self._patience_s(_PING_WITHIN_S), heard=heard, owed=owed)
            if verdict is Verdict.PING:
                self._ping()
            elif verdict is Verdict.GONE:
                raise self._lost("no answer to a ping")
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
            async with asyncio.timeout(_OPEN_WITHIN_S):
                await self._open(tls)
            self._connect_sent = True
            self._line.send(packet)
            async with asyncio.timeout(self._patience_s(_ANSWER_WITHIN_S)):
                connack = await self._connack
        except TimeoutError:
            said = "no answer to CONNECT" if self._connect_sent else "no answer"
            raise self._unreachable(said) from None
        except OSError as error:
            raise self._unreachable(why_unreachable(error)) from None
        self.terms = self.terms.agreed(self.broker, connack)

    def _patience_s(self, least_s: float) -> float:
        return max(least_s, _TURNS * self._line.round_trip_s)

    async def _open(self, tls: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(
            lambda: self._line,
            self.broker.host,
            self.broker.port,
            ssl=tls,
            server_hostname=self.broker.host if tls else None,
        )

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
        self._unread.put(message)

    def _ended(self) -> None:
        self._unread.wake()
        for promise in list(self._awaited):
            promise.set_exception(self._lost())
            promise.exception()  # seen, should nobody wait for it any more

    def _free_id(self) -> int:
        while True:
            self._last_id = self._last_id % _HIGHEST_ID + 1
            if self._last_id not in self._answers and self._last_id not in self._subacks:
                return self._last_id


def _settle(promise: asyncio.Future[Any], value: Packet) -> None:
    if not promise.done():
        promise.set_result(value)
