"""`Uplink`: one MQTT connection, from CONNECT to its end. The only file that knows the MQTT library.

Its publish hands over one message and returns a future for that message's own PUBACK; the library's own would take a
refusal for success and grows slower with the number of messages in flight. Nothing is queued here beyond the window:
what must survive stands in the outbox.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY
from paho.mqtt.client import Client as Paho
from paho.mqtt.reasoncodes import ReasonCode

from fleetd.errors import ConfigError, FleetError
from fleetd.relay.settings import Broker, RelaySettings
from fleetd.relay.topics import Message

_ANSWER_WITHIN_S = 5.0  # for CONNECT, SUBSCRIBE and DISCONNECT each
_MOST_UNREAD = 1000  # incoming messages that wait for us to take them
_BAD_PASSWORD = (134, 135)  # MQTT 5, 3.2.2.2: bad user name or password; not authorized


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


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message from the broker; `retained` if it was kept there, not sent just now."""

    topic: str
    payload: bytes
    retained: bool


class Uplink:
    """One connection to one broker. Made by `connect`."""

    def __init__(self, broker: Broker, client: aiomqtt.Client, window: int) -> None:
        self.broker = broker
        self.window = window
        """How many messages may be unacknowledged at a time: ours, or the broker's wish if that is less."""
        self.refused = 0
        """Incoming messages refused because too many waited."""
        self._client = client
        self._paho: Paho = client._client  # noqa: SLF001  # its callbacks alone carry reason codes
        self._unacknowledged: dict[int, asyncio.Future[None]] = {}
        self._closed = asyncio.Event()
        self._reason = "the connection ended"
        self._hook()

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, broker: Broker, settings: RelaySettings, client_id: str, will: Message
    ) -> AsyncIterator[Uplink]:
        """A connection while the context lasts. Raises UplinkLost.

        Leaving it without `leave` drops the line, so that the broker publishes `will`.
        """
        client = await _client(broker, settings, client_id, will)
        uplink = cls(broker, client, settings.in_flight)
        try:
            await uplink._enter()
            yield uplink
        finally:
            await uplink._drop()

    def publish(self, message: Message) -> asyncio.Future[None]:
        """Hand over a message; the future is done with its PUBACK, or fails with Rejected or UplinkLost.

        Raises UplinkLost at once when the connection is known to be gone.
        """
        info = self._paho.publish(message.topic, message.payload, qos=1, retain=message.retain)
        if info.rc != 0:
            raise self._lost()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._unacknowledged[info.mid] = future
        return future

    async def subscribe(self, topic_filter: str) -> None:
        """Have messages of a filter sent to us, QoS 1. Raises Rejected, and UplinkLost when no answer comes."""
        try:
            codes = await self._client.subscribe(topic_filter, qos=1)
        except aiomqtt.MqttError as error:
            raise self._lost(str(error)) from None
        for code in codes:
            number = _number(code)
            if number >= 0x80:
                raise Rejected(f"{self.broker} refuses the subscription to {topic_filter}: {code}", number)

    async def messages(self) -> AsyncIterator[Incoming]:
        """What comes in, until the connection ends: raises UplinkLost then."""
        try:
            async for message in self._client.messages:
                yield Incoming(str(message.topic), message.payload, message.retain)
        except aiomqtt.MqttError as error:
            raise self._lost() from error

    async def leave(self) -> None:
        """Say goodbye: the broker forgets the last will. Raises UplinkLost."""
        self._reason = "we left"
        self._paho.disconnect()
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                await self._closed.wait()
        except TimeoutError:
            raise self._lost("no goodbye") from None

    # Lifecycle

    async def _enter(self) -> None:
        # The library connects in a thread, which cancelling would leave behind with an open socket: let it finish.
        entering = asyncio.get_running_loop().create_task(self._client.__aenter__(), name="mqtt connect")
        try:
            await asyncio.shield(entering)
        except asyncio.CancelledError:
            await asyncio.wait((entering,))
            with contextlib.suppress(aiomqtt.MqttError):
                entering.result()
            raise
        except MqttConnectError as error:
            raise UplinkLost(self._refusal(error), will_taken=False) from None
        except aiomqtt.MqttError as error:
            sent = self._paho.socket() is not None
            reason = "no answer to CONNECT" if sent else str(error)
            raise UplinkLost(f"{self.broker} cannot be reached: {reason}", will_taken=sent) from None

    async def _drop(self) -> None:
        line = self._paho.socket()
        if line is not None:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)  # type: ignore[attr-defined]  # a real socket, never a websocket
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_ANSWER_WITHIN_S):
                    await self._closed.wait()
        for future in self._unacknowledged.values():
            if not future.done():
                future.set_exception(self._lost())
                future.exception()  # whoever sent it may be gone; the outbox still has it
        self._unacknowledged.clear()
        await asyncio.sleep(0)  # lets the library's own keep-alive task end

    def _lost(self, reason: str = "") -> UplinkLost:
        return UplinkLost(f"{self.broker} was lost: {reason or self._reason}")

    def _refusal(self, error: MqttConnectError) -> str:
        cure = "; look at the relay's username and password" if _number(error.rc) in _BAD_PASSWORD else ""
        return f"{self.broker} refuses the connection: {error.rc}{cure}"

    # The library's callbacks, all in the event loop but the two of the socket

    def _hook(self) -> None:
        paho: Any = self._paho
        on_connect, on_message = paho.on_connect, paho.on_message
        on_disconnect, on_socket_close = paho.on_disconnect, paho.on_socket_close
        loop = asyncio.get_running_loop()

        def connected(client: Paho, data: Any, flags: Any, code: Any, properties: Any) -> None:
            self.window = min(self.window, getattr(properties, "ReceiveMaximum", self.window))
            on_connect(client, data, flags, code, properties)

        def arrived(client: Paho, data: Any, message: Any) -> None:
            if len(self._client.messages) >= _MOST_UNREAD:
                self.refused += 1
            else:
                on_message(client, data, message)

        def disconnected(client: Paho, data: Any, flags: Any, code: Any, properties: Any) -> None:
            self._reason = str(code)
            # Told as a success, for the library would keep it as an exception that nobody fetches.
            on_disconnect(client, data, flags, 0, properties)

        def closed(client: Paho, data: Any, line: Any) -> None:
            on_socket_close(client, data, line)
            loop.call_soon_threadsafe(self._closed.set)

        paho.on_connect = connected
        paho.on_message = arrived
        paho.on_disconnect = disconnected
        paho.on_socket_close = closed
        paho.on_publish = self._acknowledged

    def _acknowledged(self, client: Paho, data: Any, mid: int, code: ReasonCode, properties: Any) -> None:  # noqa: ARG002
        future = self._unacknowledged.pop(mid, None)
        if future is None or future.done():
            return
        if code.is_failure:
            future.set_exception(Rejected(f"{self.broker} refuses a message: {code}", code.value))
        else:
            future.set_result(None)


def _number(code: ReasonCode | int | None) -> int:
    """A reason code as its number; the library may give an object or the number itself."""
    return code.value if isinstance(code, ReasonCode) else code or 0


async def _client(broker: Broker, settings: RelaySettings, client_id: str, will: Message) -> aiomqtt.Client:
    v5 = settings.protocol == "5"
    try:
        password = settings.password.read() if settings.password else None
        tls = await asyncio.to_thread(_tls, settings) if broker.tls else None
    except ConfigError as error:
        raise UplinkLost(f"{broker} cannot be tried: {error}", will_taken=False) from None
    return aiomqtt.Client(
        broker.host,
        broker.port,
        identifier=client_id,
        username=settings.username,
        password=password,
        protocol=aiomqtt.ProtocolVersion.V5 if v5 else aiomqtt.ProtocolVersion.V311,
        # A clean session: commands that came while we were away are late, and must not come later still.
        clean_session=None if v5 else True,
        clean_start=True if v5 else MQTT_CLEAN_START_FIRST_ONLY,
        will=aiomqtt.Will(will.topic, will.payload, qos=1, retain=will.retain),
        keepalive=settings.keepalive_s,
        timeout=_ANSWER_WITHIN_S,
        max_inflight_messages=settings.in_flight,
        tls_context=tls,
    )


class _TlsSocket(ssl.SSLSocket):
    """Closes itself when the handshake fails; the library would leave it open to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def _tls(settings: RelaySettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise ConfigError(f"ca_file {settings.ca_file}: {error.strerror or error}") from None
    context.sslsocket_class = _TlsSocket
    if settings.cert_file is None:
        return context
    try:
        # The empty pass phrase keeps a protected key from asking for one on a terminal that nobody watches.
        context.load_cert_chain(settings.cert_file, settings.key_file, password="")
    except OSError as error:
        pair = f"cert_file {settings.cert_file} with key_file {settings.key_file}"
        raise ConfigError(f"{pair}: {error.strerror or error}") from None
    return context
