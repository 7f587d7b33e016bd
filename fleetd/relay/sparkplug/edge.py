"""`Edge`: the readings of the outbox leave as Sparkplug B, over a connection of their own.

Sparkplug publishes at QoS 0, so nothing is acknowledged. A broker that answers a ping has taken all that was said
before it: readings are deleted then, and not before. What a lost line leaves in doubt is sent again, as historical; a
host knows values by their time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

import msgspec
import structlog

from fleetd.clock import Clock
from fleetd.errors import FleetError, StoreError
from fleetd.hub import Hub, Subscription
from fleetd.records import DeviceState, DeviceStatus, Reading
from fleetd.relay.failures import Rejected, UplinkLost
from fleetd.relay.mqtt.packets import PACKET_TOO_LARGE
from fleetd.relay.pace import BacklogPace, never
from fleetd.relay.queue import Queue, reading_queues
from fleetd.relay.settings import RelaySettings
from fleetd.relay.sparkplug.host import Host
from fleetd.relay.sparkplug.node import REBIRTH, EdgeNode, Kind, Told
from fleetd.relay.sparkplug.payload import Malformed, decode_orders
from fleetd.relay.sparkplug.settings import SparkplugSettings
from fleetd.relay.status import Stuck, Troubles
from fleetd.relay.topics import Message
from fleetd.relay.turns import Turns
from fleetd.relay.uplink import Uplink
from fleetd.store.counters import Counters
from fleetd.store.outbox import Outbox
from fleetd.store.rows import Row
from fleetd.store.store import Store
from fleetd.supervise import attempt

log = structlog.get_logger(__name__)

_BATCH = 200  # readings between two pings
_PACE_S = 0.02
_LEAVE_WITHIN_S = 3.0
_BIRTHS = "sparkplug births"  # the name under which the store counts CONNECTs
_CONNECTION, _HOST = "sparkplug connection", "sparkplug primary host"
_LOST = (DeviceState.OFFLINE, DeviceState.QUARANTINED)
_reading = msgspec.json.Decoder(Reading)


class HostAway(FleetError):
    """The primary host says that it has left."""


class Edge:
    """fleetd as a Sparkplug edge node; lives as long as the relay."""

    def __init__(
        self,
        settings: RelaySettings,
        sparkplug: SparkplugSettings,
        store: Store,
        hub: Hub,
        clock: Clock,
        site: str,
        known: Mapping[str, Mapping[str, Kind]],
        in_contact: Callable[[], bool] = never,
    ) -> None:
        self.confirmed = 0
        """Readings that a broker has, since this daemon started."""
        self._settings = settings
        self._sparkplug = sparkplug
        self._outbox: Outbox = store.outbox
        self._counters: Counters = store.counters
        self._hub = hub
        self._clock = clock
        self._node_id = sparkplug.node or site
        self._client_id = f"{settings.client_id or f'fleetd-{site}'}-sparkplug"
        self._known = known
        self._turns = Turns(settings.brokers, clock)
        self._troubles = Troubles(clock)
        self._lost: set[str] = set()
        self._too_large: set[int] = set()
        self._rebirth = False
        self._more = asyncio.Event()
        self._queues: list[Queue] = []
        self._boundary = 0
        self._pace = BacklogPace(clock, settings, in_contact)

    @property
    def stuck(self) -> list[Stuck]:
        """What does not get on."""
        return self._troubles.all()

    async def run(self) -> None:
        """Publish for ever; when cancelled, say NDEATH and leave."""
        with self._hub.subscribe("sparkplug", DeviceStatus) as statuses:
            while True:
                try:
                    await attempt(self._session(statuses), "sparkplug session")
                except* (UplinkLost, StoreError, HostAway, Rejected) as group:
                    self._failed(group)
                await self._clock.sleep(self._turns.backoff_s())

    def _failed(self, group: BaseExceptionGroup[FleetError]) -> None:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        self._turns.failed()
        say = log.warning if self._turns.failures == 1 else log.debug
        say("sparkplug readings wait in the store", reason=str(error), failures=self._turns.failures)
        self._troubles.note(_CONNECTION, str(error))

    async def _session(self, statuses: Subscription) -> None:
        node = EdgeNode(self._sparkplug.group, self._node_id, await self._next_birth(), self._known)
        host = Host(self._sparkplug.primary_host) if self._sparkplug.primary_host else None
        before = self.confirmed
        async with Uplink.connect(
            self._turns.broker, self._settings, self._client_id, node.death(self._now_ms())
        ) as uplink:
            self._turns.arrived()
            self._troubles.over(_CONNECTION)
            try:
                await self._publish(uplink, node, host, statuses)
            except* HostAway:
                await self._leave(uplink, node)
                raise
            finally:
                self._troubles.over(_HOST)
                self._turns.departed(worked=self.confirmed > before)

    async def _publish(self, uplink: Uplink, node: EdgeNode, host: Host | None, statuses: Subscription) -> None:
        try:
            async with asyncio.TaskGroup() as work:
                work.create_task(uplink.keep(), name="sparkplug keep-alive")
                work.create_task(self._listen(uplink, node, host), name="sparkplug orders")
                work.create_task(self._watch(statuses), name="sparkplug devices")
                work.create_task(self._work(uplink, node, host), name="sparkplug publisher")
        except asyncio.CancelledError:
            await self._leave(uplink, node)
            raise

    async def _next_birth(self) -> int:
        """bdSeq rises with each CONNECT, over restarts too (6.4.8); on disk before it is used."""
        births = (await self._counters.highest()).get(_BIRTHS, -1) + 1
        await self._counters.raise_to(_BIRTHS, births)
        return births

    async def _leave(self, uplink: Uplink, node: EdgeNode) -> None:
        with suppress(UplinkLost, Rejected, TimeoutError):
            async with asyncio.timeout(_LEAVE_WITHIN_S):
                await uplink.deliver(node.death(self._now_ms()))
                await uplink.leave()

    # What comes in

    async def _watch(self, statuses: Subscription) -> None:
        async for status in statuses:
            if isinstance(status, DeviceStatus):
                (self._lost.add if status.state in _LOST else self._lost.discard)(status.device)
                self._more.set()

    async def _listen(self, uplink: Uplink, node: EdgeNode, host: Host | None) -> None:
        async for incoming in uplink.messages():
            if host is not None and incoming.topic == host.topic:
                self._heard_of(host, incoming.payload)
            elif incoming.topic == node.command_filter and not incoming.retained:
                self._ordered(incoming.payload)
            self._more.set()

    def _heard_of(self, host: Host, payload: bytes) -> None:
        was_online = host.online
        if host.take(payload) and was_online and not host.online:
            raise HostAway(f"the primary host {self._sparkplug.primary_host} has left; its readings wait in the store")

    def _ordered(self, payload: bytes) -> None:
        try:
            orders = decode_orders(payload)
        except Malformed as error:
            log.debug("a sparkplug command cannot be read", reason=str(error))
            return
        self._rebirth = self._rebirth or orders.get(REBIRTH) is True

    # What goes out

    async def _work(self, uplink: Uplink, node: EdgeNode, host: Host | None) -> None:
        await uplink.subscribe(node.command_filter)
        if host is not None:
            await uplink.subscribe(host.topic)
            await self._until_online(host)
        with self._outbox.watched(self._offer):
            self._boundary = self._outbox.announced
            self._queues = reading_queues(self._outbox, self._boundary, live_first=self._settings.live_first)
            self._rebirth = False
            self._say(uplink, node.birth(self._now_ms()))
            while True:
                await self._go_on(uplink, node)

    async def _until_online(self, host: Host) -> None:
        while not host.online:
            self._troubles.note(_HOST, f"{self._sparkplug.primary_host} has not said that it is online")
            self._more.clear()
            await self._more.wait()
        self._troubles.over(_HOST)

    async def _go_on(self, uplink: Uplink, node: EdgeNode) -> None:
        """One round: orders, deaths, then some readings and the ping that says that they have arrived."""
        self._more.clear()
        if self._rebirth:
            self._rebirth = False
            self._say(uplink, node.birth(self._now_ms()))
        rows = await self._next_rows()
        for row in rows:
            self._send(uplink, node, row)
        for device in sorted(self._lost):
            self._say(uplink, node.device_death(device, self._now_ms()))
        if rows:
            await self._confirm(uplink, rows)
        elif any(queue.rows for queue in self._queues):
            await self._clock.sleep(_PACE_S)
        else:
            await self._more.wait()

    def _send(self, uplink: Uplink, node: EdgeNode, row: Row) -> None:
        try:
            self._say(uplink, self._messages(node, row))
        except Rejected as refusal:  # its numbers are given: this session cannot go on without it
            self._too_large.add(row.seq)
            self._troubles.note(f"sparkplug reading {row.seq} of {row.device}", str(refusal))
            raise

    async def _next_rows(self) -> list[Row]:
        rows: list[Row] = []
        for queue in self._queues:
            if queue.behind and not queue.rows:
                await queue.fill()
            while queue.rows and len(rows) < _BATCH and (queue.rows[0].seq > self._boundary or self._pace.take()):
                rows.append(queue.rows.popleft())
        return [row for row in rows if row.seq not in self._too_large]

    def _messages(self, node: EdgeNode, row: Row) -> list[Message]:
        reading = _reading.decode(row.body)
        told = Told(row.at_us // 1000, reading.values, reading.quality)
        historical = row.seq <= self._boundary or row.device in self._lost
        return node.data(row.device, told, self._now_ms(), historical=historical)

    def _say(self, uplink: Uplink, messages: Sequence[Message]) -> None:
        for message in messages:
            if not uplink.fits(message):
                raise Rejected(f"{uplink.broker} takes no packet of this size", PACKET_TOO_LARGE)
            uplink.tell(message)

    async def _confirm(self, uplink: Uplink, rows: Sequence[Row]) -> None:
        try:
            async with asyncio.timeout(self._settings.ack_within_s):
                await uplink.echo()
        except TimeoutError:
            raise UplinkLost(f"{uplink.broker} has answered no ping for {self._settings.ack_within_s:g} s") from None
        await self._outbox.delete([row.seq for row in rows])
        self.confirmed += len(rows)

    def _offer(self, rows: Sequence[Row]) -> None:
        for queue in self._queues:
            queue.offer(rows)
        self._more.set()

    def _now_ms(self) -> int:
        now: datetime = self._clock.now()
        return int(now.timestamp() * 1000)
