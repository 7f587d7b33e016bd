"""Outbox to broker over one uplink at a time: in order, a window in flight, deleted on the matching PUBACK alone.

A message whose PUBACK did not come may have arrived or not: it is sent again on the next connection, the same in every
byte. One that the broker refuses is kept: its topic is held, so that it stays in order, and tried again now and then.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import structlog

from fleetd.clock import Clock
from fleetd.errors import StoreError
from fleetd.relay.pace import Rate
from fleetd.relay.topics import Addressing, Message
from fleetd.relay.uplink import Rejected, Uplink, UplinkLost
from fleetd.store.outbox import Outbox
from fleetd.store.rows import Kind, Row

log = structlog.get_logger(__name__)

_READ_ROWS = 500
_GATHER_S = 0.02  # real time in which acknowledgements gather before they are deleted in one commit
_LOOK_S = 1.0  # real time between looks at the oldest unacknowledged message
_RETRY_MOST_S = 60.0
_STORE_RETRY_S = 1.0


@dataclass(slots=True)
class _Sent:
    """A row on its way, one message of it at a time."""

    row: Row
    topic: str
    since: float
    rest: deque[Message]


@dataclass(slots=True)
class _Held:
    """A topic that the broker refuses, and its first refused row."""

    row: Row
    due: float
    refusals: int = 1


class Publisher:
    """Sends what the outbox holds; lives as long as the relay, and `run` as long as one connection."""

    def __init__(
        self,
        outbox: Outbox,
        addressing: Addressing,
        clock: Clock,
        ack_within_s: float,
        rejected: Callable[[str, str], None],
    ) -> None:
        self.readings_acked = 0
        self.acks = 0
        self.resent = 0
        self.rejections = 0
        self._outbox = outbox
        self._addressing = addressing
        self._clock = clock
        self._ack_within_s = ack_within_s
        self._rejected = rejected
        self._ready: deque[Row] = deque()
        self._cursor = 0
        self._back_to: int | None = None
        self._will_seq = 0
        self._window = 1
        self._in_flight: dict[int, _Sent] = {}
        self._unknown: set[int] = set()
        self._done: set[int] = set()
        self._held: dict[str, _Held] = {}
        self._retained: dict[str, Row] = {}
        self._rate = Rate()
        self._more = asyncio.Event()
        self._answered_one = asyncio.Event()
        self._some_done = asyncio.Event()

    @property
    def held_topics(self) -> list[str]:
        """The topics that the broker refuses, sorted."""
        return sorted(self._held)

    async def run(self, uplink: Uplink, will: Row) -> None:
        """Publish over `uplink` until it is lost; `will` is kept back, for the broker has it. Raises UplinkLost."""
        await self._begin(uplink, will)
        with self._outbox.watched(self._more.set):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send_all(uplink), name="relay publish")
                tasks.create_task(self._delete_done(), name="relay delete")
                tasks.create_task(self._watch_oldest(uplink), name="relay acknowledgements")
                tasks.create_task(self._try_held(uplink), name="relay held topics")

    async def drained(self) -> None:
        """Return once nothing but the last will is left to publish, and what was acknowledged is deleted."""
        while self._in_flight or self._done or self._outbox.tally.backlog > 1:  # noqa: ASYNC110  # once, at the end
            await asyncio.sleep(_GATHER_S)

    def rate_per_s(self) -> float:
        """Acknowledgements a second, lately."""
        return self._rate.per_s(asyncio.get_running_loop().time())

    async def settle(self) -> None:
        """Delete what was acknowledged. Raises StoreError, and then nothing is forgotten."""
        done = sorted(self._done)
        if done:
            await self._outbox.delete(done)
            self._done.difference_update(done)

    async def _begin(self, uplink: Uplink, will: Row) -> None:
        """Our own status goes first, then what the broker must retain if it lost its disk, then all that waits."""
        self._unknown.update(self._in_flight)
        self._in_flight.clear()
        self._held.clear()
        await self.settle()
        own = await self._outbox.read(kind=Kind.NODE)
        self._ready = deque([*own, *self._retained.values()])
        self._cursor, self._back_to = 0, None
        self._will_seq, self._window = will.seq, uplink.window

    # Sending

    async def _send_all(self, uplink: Uplink) -> None:
        while True:
            await self._room()
            row = await self._next()
            messages = self._addressing(row)
            if not self._to_skip(row, messages[0].topic):
                self._send(uplink, row, messages)

    async def _room(self) -> None:
        while len(self._in_flight) >= self._window:
            self._answered_one.clear()
            await self._answered_one.wait()

    async def _next(self) -> Row:
        while True:
            if self._back_to is not None:
                self._cursor, self._back_to = min(self._cursor, self._back_to), None
                self._ready.clear()
            if self._ready:
                return self._ready.popleft()
            self._more.clear()
            rows = await self._outbox.read(after=self._cursor, most=_READ_ROWS)
            if self._back_to is not None:
                continue
            if rows:
                self._cursor = rows[-1].seq
                self._ready.extend(rows)
            else:
                await self._more.wait()

    def _to_skip(self, row: Row, topic: str) -> bool:
        return row.seq == self._will_seq or row.seq in self._in_flight or row.seq in self._done or topic in self._held

    def _send(self, uplink: Uplink, row: Row, messages: Sequence[Message]) -> None:
        if row.seq in self._unknown:
            self._unknown.discard(row.seq)
            self.resent += 1
        sent = _Sent(row, messages[0].topic, asyncio.get_running_loop().time(), deque(messages))
        self._in_flight[row.seq] = sent
        self._send_next(uplink, sent)

    def _send_next(self, uplink: Uplink, sent: _Sent) -> None:
        uplink.publish(sent.rest.popleft()).add_done_callback(partial(self._answered, uplink, sent))

    # Answers

    def _answered(self, uplink: Uplink, sent: _Sent, answer: asyncio.Future[None]) -> None:
        if answer.cancelled() or self._in_flight.get(sent.row.seq) is not sent:
            return
        failure = answer.exception()
        if isinstance(failure, UplinkLost):
            return  # unknown: stays in flight until the next connection sends it again
        if failure is None and sent.rest:
            with suppress(UplinkLost):
                self._send_next(uplink, sent)
            return
        del self._in_flight[sent.row.seq]
        self._answered_one.set()
        if isinstance(failure, Rejected):
            self._hold(sent.row, sent.topic, failure)
        else:
            self._acknowledged(sent.row, sent.topic)

    def _acknowledged(self, row: Row, topic: str) -> None:
        self.acks += 1
        self.readings_acked += row.kind is Kind.READING
        self._done.add(row.seq)
        self._some_done.set()
        if row.kind in (Kind.STATUS, Kind.ALARM):
            self._retained[topic] = row
        elif row.kind is Kind.ALARM_CLEARED:
            self._retained.pop(topic, None)
        held = self._held.get(topic)
        if held is not None and held.row.seq == row.seq:
            del self._held[topic]
            log.info("the broker takes the topic again", topic=topic)
            self._back_to = row.seq
            self._more.set()

    def _hold(self, row: Row, topic: str, refusal: Rejected) -> None:
        self.rejections += 1
        now = self._clock.monotonic()
        held = self._held.get(topic)
        if held is None:
            self._held[topic] = _Held(row, due=now + 1.0)
            log.warning("the broker refuses a topic; its records are kept", topic=topic, reason=str(refusal))
            self._rejected(topic, str(refusal))
        elif row.seq == held.row.seq:
            held.refusals += 1
            held.due = now + min(_RETRY_MOST_S, 2.0 ** min(held.refusals, 10))

    async def _delete_done(self) -> None:
        while True:
            await self._some_done.wait()
            await asyncio.sleep(_GATHER_S)
            self._some_done.clear()
            try:
                await self.settle()
            except StoreError as error:
                log.debug("acknowledged records cannot be deleted yet", reason=str(error))
                await self._clock.sleep(_STORE_RETRY_S)
                self._some_done.set()

    # Watching

    async def _watch_oldest(self, uplink: Uplink) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            now = asyncio.get_running_loop().time()
            self._rate.note(now, self.acks)
            oldest = next(iter(self._in_flight.values()), None)
            if oldest is not None and now - oldest.since > self._ack_within_s:
                raise UplinkLost(f"{uplink.broker} has acknowledged nothing for {self._ack_within_s:g} s")

    async def _try_held(self, uplink: Uplink) -> None:
        while True:
            await self._clock.sleep(1.0)
            for held in list(self._held.values()):
                if held.due <= self._clock.monotonic() and held.row.seq not in self._in_flight:
                    await self._room()
                    self._send(uplink, held.row, self._addressing(held.row))
