"""`Relay`: what the hub publishes gets to a broker, whatever happens to broker, line and process; commands come back.

hub -> outbox (committed) -> MQTT (deleted on its PUBACK). Results and alarms come to the outbox from the ledger and the
book of alarms, in the transaction that notes what they tell. The node's own status is such a record, too: `offline` is
given a number when we connect and goes to the broker as last will, `online` follows; on a graceful stop we publish the
`offline` ourselves, after a crash it is sent again before the next `online`. A broker that is away costs nothing but
time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Literal

import structlog

import fleetd
from fleetd.clock import Clock
from fleetd.errors import FleetError, StoreError
from fleetd.hub import Hub, Subscription
from fleetd.records import (
    AnyRecord,
    Command,
    ContactReport,
    DeviceStatus,
    Event,
    Frame,
    NodeStatus,
    Reading,
    Severity,
)
from fleetd.relay.failures import Rejected, UplinkLost
from fleetd.relay.guest import Guest
from fleetd.relay.intake import Intake
from fleetd.relay.pace import never
from fleetd.relay.publisher import Publisher
from fleetd.relay.settings import RelaySettings
from fleetd.relay.signed import Signatures
from fleetd.relay.sparkplug.edge import Edge
from fleetd.relay.status import RelayStatus, Troubles
from fleetd.relay.topics import addressing, command_filter, event_topic
from fleetd.relay.turns import Turns
from fleetd.relay.uplink import Uplink
from fleetd.store.outbox import age_s
from fleetd.store.rows import Row
from fleetd.store.store import Store
from fleetd.supervise import attempt

log = structlog.get_logger(__name__)

# Results and alarms are committed with what they tell of.
_FROM_HUB = (Reading, Frame, DeviceStatus, Event, ContactReport)
_CONNECTION, _STORE, _COMMANDS = "connection to a broker", "storing records", "commands from the broker"
_GROUP = 500  # records that go to the outbox together
_STORE_RETRY_S = 1.0
_SUBSCRIBE_RETRY_S = 5.0
_DRAIN_WITHIN_S = 2.0  # real time in which a stopping relay still tries to get rid of what waits
_LEAVE_WITHIN_S = 3.0
_TAKEN_IN_A_ROW = 20


class Relay:
    """The northbound side of one site."""

    def __init__(
        self,
        settings: RelaySettings,
        store: Store,
        hub: Hub,
        clock: Clock,
        site: str,
        on_command: Callable[[Command], Awaitable[None]],
        signatures: Signatures | None = None,
        guests: Sequence[Guest] = (),
        edge: Edge | None = None,
        in_contact: Callable[[], bool] = never,
    ) -> None:
        self._guests = guests
        self._settings = settings
        self._store = store
        self._hub = hub
        self._clock = clock
        self._site = site
        self._addressing = addressing(site, store.node)
        self._publisher = Publisher(store.outbox, self._addressing, clock, settings, self._refused_topic, in_contact)
        self._intake = Intake(hub, store, clock, signatures, on_command)
        self._edge = edge
        self._turns = Turns(settings.brokers, clock)
        self._uplink: Uplink | None = None
        self._will: Row | None = None
        self._feed: Subscription | None = None
        self._since: datetime | None = None
        self._error: tuple[str, datetime] | None = None
        self._troubles = Troubles(clock)
        self._readings_produced = 0
        self._refused_incoming = 0
        self._acks_before = 0

    async def run(self) -> None:
        """Relay for ever. Records that the hub publishes before this is running are not seen: run it first.

        When cancelled it commits what the hub has given it, gets rid of what it can within two seconds, publishes
        `offline` and says goodbye to the broker.
        """
        with self._hub.subscribe("relay", *_FROM_HUB) as self._feed:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._intake.count(), name="relay refusals")
                tasks.create_task(self._stay_connected(tasks), name="relay connection")
                if self._edge is not None:
                    tasks.create_task(self._edge.run(), name="relay sparkplug")
                try:
                    while True:
                        await self._keep(await self._feed.get_batch(_GROUP))
                finally:
                    await self._last_orders(self._feed)

    def status(self) -> RelayStatus:
        """How things stand now."""
        tally, publisher, uplink = self._store.outbox.tally, self._publisher, self._uplink
        error, error_at = self._error or ("", None)
        backlog = tally.backlog - (self._will is not None)
        rate_per_s = publisher.rate_per_s() if uplink else 0.0
        return RelayStatus(
            connected=uplink is not None,
            broker=str(uplink.broker if uplink else self._turns.broker),
            since=self._since,
            stuck=[*self._troubles.all(), *publisher.stuck, *(self._edge.stuck if self._edge else ())],
            backlog=backlog,
            backlog_lasts_s=backlog / rate_per_s if rate_per_s else None,
            in_flight=publisher.in_flight,
            oldest_age_s=age_s(tally, self._clock.now()),
            produced=tally.produced,
            acked=tally.acked,
            readings_produced=self._readings_produced,
            readings_acked=publisher.readings_acked + (self._edge.confirmed if self._edge else 0),
            resent=publisher.resent,
            rejected=publisher.refused.times,
            held_topics=publisher.refused.topics,
            dropped=tally.dropped + (self._feed.dropped if self._feed else 0),
            damaged=tally.damaged,
            commands=self._intake.commands,
            commands_unreadable=self._intake.unreadable,
            commands_dropped=self._refused_incoming + (uplink.refused if uplink else 0),
            rate_per_s=rate_per_s,
            last_error=error,
            last_error_at=error_at,
        )

    # Hub to outbox

    async def _keep(self, records: Sequence[AnyRecord]) -> None:
        """Commit records, however long the disk takes; what comes meanwhile waits in the subscription."""
        failures = 0
        while True:
            try:
                await self._store.outbox.append(records)
            except StoreError as error:
                failures += 1
                say = log.warning if failures == 1 else log.debug
                say("records cannot be stored", reason=str(error), waiting=len(records))
                self._note(_STORE, error)
                await self._clock.sleep(_STORE_RETRY_S)
            else:
                self._troubles.over(_STORE)
                self._readings_produced += sum(isinstance(record, Reading) for record in records)
                return

    async def _last_orders(self, feed: Subscription) -> None:
        while len(feed):
            records = await feed.get_batch(_GROUP)
            try:
                await self._store.outbox.append(records)
            except StoreError as error:
                log.warning("the last records cannot be stored", reason=str(error), lost=len(records) + len(feed))
                return
            self._readings_produced += sum(isinstance(record, Reading) for record in records)
        if self._uplink is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_DRAIN_WITHIN_S):
                    await self._publisher.drained()

    # Connection

    async def _stay_connected(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            try:
                await attempt(self._session(tasks), "relay session")
            except* (UplinkLost, StoreError) as group:
                self._failed(_first(group))
            await self._clock.sleep(self._turns.backoff_s())

    async def _session(self, tasks: asyncio.TaskGroup) -> None:
        will = await self._will_row()
        broker, client_id = self._turns.broker, self._settings.client_id or f"fleetd-{self._site}"
        try:
            async with Uplink.connect(broker, self._settings, client_id, self._addressing(will)[0]) as uplink:
                self._arrived(uplink)
                try:
                    await self._work(uplink, will, tasks)
                except asyncio.CancelledError:
                    await self._leave(uplink, will)
                    raise
                finally:
                    self._departed(uplink)
        except UplinkLost as lost:
            if lost.will_taken:
                self._will = None
            raise

    async def _work(self, uplink: Uplink, will: Row, tasks: asyncio.TaskGroup) -> None:
        await self._store.outbox.append([self._node_status("online", will.seq)])
        window = max(1, uplink.terms.window - len(self._guests))  # a guest has one message on its way at a time
        async with asyncio.TaskGroup() as work:
            for guest in self._guests:
                work.create_task(guest.attend(uplink), name=f"relay guest {type(guest).__name__}")
            work.create_task(uplink.keep(), name="relay keep-alive")
            work.create_task(self._publisher.run(uplink, will, window), name="relay publisher")
            work.create_task(self._take_commands(uplink, tasks), name="relay commands")
            work.create_task(self._subscribe(uplink), name="relay subscription")

    async def _will_row(self) -> Row:
        """The `offline` of the next connection. One that no broker can have taken serves again."""
        if self._will is None:
            seq = await self._store.outbox.append([self._node_status("offline")])
            (self._will,) = await self._store.outbox.read(after=seq - 1, most=1)
        return self._will

    async def _leave(self, uplink: Uplink, will: Row) -> None:
        """Publish `offline` in its own words, then go; what fails here is sent or found out after the next start."""
        with suppress(UplinkLost, Rejected, StoreError, TimeoutError):
            async with asyncio.timeout(_LEAVE_WITHIN_S):
                for guest in self._guests:
                    await guest.farewell(uplink)
                await uplink.deliver(self._addressing(will)[0])
                await self._store.outbox.delete([will.seq])
                await self._publisher.acked.settle()
                await uplink.leave()

    def _arrived(self, uplink: Uplink) -> None:
        log.info("broker is connected", broker=str(uplink.broker), after_failures=self._turns.failures)
        self._troubles.over(_CONNECTION)
        self._uplink = uplink
        self._since = self._clock.now()
        self._acks_before = self._publisher.acks
        self._turns.arrived()

    def _departed(self, uplink: Uplink) -> None:
        self._uplink, self._will = None, None
        self._troubles.over(_COMMANDS)
        self._since = self._clock.now()
        self._refused_incoming += uplink.refused
        self._turns.departed(worked=self._publisher.acks > self._acks_before)

    def _failed(self, error: FleetError) -> None:
        self._turns.failed()
        say = log.warning if self._turns.failures == 1 else log.debug
        say("broker is away; records wait in the store", reason=str(error), failures=self._turns.failures)
        self._note(_CONNECTION, error)

    # Commands

    async def _subscribe(self, uplink: Uplink) -> None:
        failures = 0
        while True:
            try:
                await uplink.subscribe(command_filter(self._site))
                for topic_filter in [each for guest in self._guests for each in guest.filters]:
                    await uplink.subscribe(topic_filter)
            except Rejected as refusal:  # a cluster that elects its leader refuses for a while
                failures += 1
                say = log.warning if failures == 1 else log.debug
                say("no commands can come in", reason=str(refusal))
                self._note(_COMMANDS, refusal)
                await self._clock.sleep(_SUBSCRIBE_RETRY_S)
            else:
                self._troubles.over(_COMMANDS)
                return

    async def _take_commands(self, uplink: Uplink, tasks: asyncio.TaskGroup) -> None:
        taken = 0
        async for incoming in uplink.messages():
            if not any(guest.take(incoming) for guest in self._guests):
                self._intake.take(incoming, tasks)
            taken += 1
            if taken % _TAKEN_IN_A_ROW == 0:
                await asyncio.sleep(0)  # a flood of commands leaves the others their turns

    # Words

    def _node_status(self, state: Literal["online", "offline"], will_seq: int | None = None) -> NodeStatus:
        return NodeStatus(
            at=self._clock.now(),
            clock_synced=self._clock.synced,
            state=state,
            site=self._site,
            version=fleetd.__version__,
            will_seq=will_seq,
        )

    def _refused_topic(self, topic: str, reason: str) -> None:
        if topic == event_topic(self._site):
            return  # the event about it would be refused as well
        event = Event(
            at=self._clock.now(),
            clock_synced=self._clock.synced,
            source="relay",
            name="publish-refused",
            text=f"{reason}; records for {topic} are kept and tried again",
            severity=Severity.WARNING,
            detail={"topic": topic},
        )
        self._hub.publish(event)

    def _note(self, what: str, error: FleetError) -> None:
        self._troubles.note(what, str(error))
        self._error = (str(error), self._clock.now())


def _first(group: BaseExceptionGroup[FleetError]) -> FleetError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if not isinstance(error, FleetError):
        raise TypeError(f"{error!r} among expected failures")
    return error
