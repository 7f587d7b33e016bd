"""Outbox to broker over one uplink at a time: in order, a window in flight, deleted on the matching PUBACK alone.

A message whose PUBACK did not come may have arrived or not: it is sent again on the next connection, the same in every
byte. One that the broker refuses is kept, and does not stand in the way of others (`Refused`).

Order holds within a topic, and over all of them while nothing waits on disk. Beyond that, what is not a reading
overtakes readings, whose backlog is paced.
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
from fleetd.relay.acked import GATHER_S, Acked
from fleetd.relay.failures import Rejected, UplinkLost
from fleetd.relay.pace import BacklogPace, Rate, never
from fleetd.relay.queue import Queue, queues
from fleetd.relay.refused import Refused
from fleetd.relay.settings import RelaySettings
from fleetd.relay.status import Stuck, Troubles
from fleetd.relay.topics import Addressing, Message
from fleetd.relay.uplink import Uplink
from fleetd.store.outbox import Outbox
from fleetd.store.rows import Kind, Row

log = structlog.get_logger(__name__)

_PACE_S = 0.02  # how often a paced backlog goes on, in the clock's seconds
_LOOK_S = 1.0  # real time between looks at the oldest unacknowledged message
_SILENT_S = 5.0  # real time without an acknowledgement after which one says so
_ANSWERS = "acknowledgements"
_SHOWN = (Kind.STATUS, Kind.ALARM, Kind.ALARM_CLEARED)  # what a broker keeps the newest of, by topic


@dataclass(slots=True)
class _Sent:
    """A row on its way, one message of it at a time."""

    row: Row
    topic: str
    since: float
    rest: deque[Message]


class Publisher:
    """Sends what the outbox holds; lives as long as the relay, and `run` as long as one connection."""

    def __init__(
        self,
        outbox: Outbox,
        addressing: Addressing,
        clock: Clock,
        settings: RelaySettings,
        rejected: Callable[[str, str], None],
        in_contact: Callable[[], bool] = never,
    ) -> None:
        self.readings_acked = 0
        self.acks = 0
        self.resent = 0
        self._outbox = outbox
        self._addressing = addressing
        self._clock = clock
        self._settings = settings
        self._pace = BacklogPace(clock, settings, in_contact)
        self._first: deque[Row] = deque()
        self._queues: list[Queue] = []
        self._boundary = 0
        self._will_seq = 0
        self._window = 1
        self._in_flight: dict[int, _Sent] = {}
        self._unknown: set[int] = set()
        self.acked = Acked(outbox, clock)
        self._passed_over: set[int] = set()
        self.refused = Refused(clock, rejected)
        """What this broker will not take."""
        self._silence = Troubles(clock)
        self._shown: dict[str, Row] = {}
        self._rate = Rate()
        self._more = asyncio.Event()
        self._room_again = asyncio.Event()

    @property
    def stuck(self) -> list[Stuck]:
        """What does not get on with this broker."""
        return [*self._silence.all(), *self.refused.stuck]

    @property
    def in_flight(self) -> int:
        """Rows that were sent and are not answered yet."""
        return len(self._in_flight)

    async def run(self, uplink: Uplink, will: Row, window: int) -> None:
        """Publish over `uplink` until it is lost, at most `window` messages unanswered at a time; `will` is kept back,
        for the broker has it. Raises UplinkLost.
        """
        self._outbox.claims.begin()
        try:
            with self._outbox.watched(self._offer):
                await self._begin(will, window)
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._send_all(uplink), name="relay publish")
                    tasks.create_task(self.acked.keep_settling(), name="relay delete")
                    tasks.create_task(self._watch_oldest(uplink), name="relay acknowledgements")
                    tasks.create_task(self._try_held(uplink), name="relay held topics")
        finally:
            self._silence.over(_ANSWERS)
            self._queues = []
            self._outbox.claims.end(self.acked.seqs)

    async def drained(self) -> None:
        """Return once nothing but the last will is left to publish, and what was acknowledged is deleted."""
        while self._busy:  # noqa: ASYNC110  # once, at the end
            await asyncio.sleep(GATHER_S)

    @property
    def _busy(self) -> bool:
        return bool(self._first or self._in_flight or self.acked) or self._outbox.tally.backlog > 1

    def rate_per_s(self) -> float:
        """Acknowledgements a second, lately."""
        return self._rate.per_s(asyncio.get_running_loop().time())

    async def _begin(self, will: Row, window: int) -> None:
        """Our own status goes first, then what the broker must retain if it lost its disk, then all that waits."""
        self._unknown.update(self._in_flight)
        self._in_flight.clear()
        self._passed_over.clear()
        self.refused.forget()
        await self.acked.settle()
        self._will_seq, self._window = will.seq, window
        self._boundary = self._outbox.announced
        self._queues = queues(
            self._outbox,
            self._boundary,
            live_first=self._settings.live_first,
            readings=self._settings.sparkplug is None,  # which sends them itself
        )
        own = await self._outbox.read(upto=self._boundary, kind=Kind.NODE)
        self._first = deque([*own, *(row for row in self._shown.values() if row.kind is not Kind.ALARM_CLEARED)])

    def _offer(self, rows: Sequence[Row]) -> None:
        for queue in self._queues:
            queue.offer(rows)
        self._more.set()

    # Sending

    async def _send_all(self, uplink: Uplink) -> None:
        while True:
            while len(self._in_flight) < self._window and uplink.writable.is_set():
                if self._first:
                    self._send(uplink, self._first.popleft())
                elif (row := self._at_hand()) is not None:
                    self._send_unless_waiting(uplink, row)
                else:
                    await self._fetch()
            await self._room(uplink)

    async def _room(self, uplink: Uplink) -> None:
        while len(self._in_flight) >= self._window:
            self._room_again.clear()
            await self._room_again.wait()
        await uplink.writable.wait()

    def _at_hand(self) -> Row | None:
        """The next row, unless something has to be read first, or waits for its pace."""
        waiting = [queue for queue in self._queues if queue.rows]
        if len(waiting) < len(self._queues) and any(queue.behind for queue in self._queues if not queue.rows):
            return None
        if len(waiting) > 1 and not any(queue.behind for queue in waiting):
            waiting.sort(key=_next_seq)  # nothing waits on disk: no need for anything to overtake
        for queue in waiting:
            if self._in_pace(queue.rows[0]):
                return queue.rows.popleft()
        return None

    def _in_pace(self, row: Row) -> bool:
        return row.kind is not Kind.READING or row.seq > self._boundary or self._pace.take()

    async def _fetch(self) -> None:
        self._more.clear()
        self._forget_given_up()
        for queue in self._queues:
            if queue.behind and not queue.rows:
                await queue.fill()
                return
        if any(queue.rows for queue in self._queues):
            await self._clock.sleep(_PACE_S)
        else:
            await self._more.wait()

    def _forget_given_up(self) -> None:
        given_up = self._outbox.claims.given_up()
        if given_up and not any(queue.rows for queue in self._queues):
            self._outbox.announce()  # the last copies of older rows are on their way to us there
            if not any(queue.rows for queue in self._queues):
                self._outbox.claims.forget(given_up)

    def _send_unless_waiting(self, uplink: Uplink, row: Row) -> None:
        seq = row.seq
        if row.kind is Kind.NODE and (seq <= self._boundary or seq == self._will_seq):
            return  # went first
        if seq in self._in_flight or seq in self.acked.seqs:
            return
        if self.refused and self.refused.keeps(row, self._addressing(row)[0].topic):
            return
        self._send(uplink, row)

    def _send(self, uplink: Uplink, row: Row) -> None:
        if row.seq == self._will_seq:
            return
        if not self._outbox.claims.take(row.seq):
            self._passed_over.add(row.seq)
            return
        if row.seq in self._unknown:
            self._unknown.discard(row.seq)
            self.resent += 1
        messages = self._addressing(row)
        sent = _Sent(row, messages[0].topic, asyncio.get_running_loop().time(), deque(messages))
        self._in_flight[row.seq] = sent
        self._send_next(uplink, sent)

    def _send_next(self, uplink: Uplink, sent: _Sent) -> None:
        try:
            uplink.publish(sent.rest.popleft(), partial(self._answered, uplink, sent))
        except Rejected as refusal:
            self._answered(uplink, sent, refusal)

    # Answers

    def _answered(self, uplink: Uplink, sent: _Sent, refusal: Rejected | None) -> None:
        if refusal is None and sent.rest:
            with suppress(UplinkLost):
                self._send_next(uplink, sent)
            return
        self._in_flight.pop(sent.row.seq, None)
        if len(self._in_flight) <= self._window // 2:  # not for every one: each time costs a turn and a write
            self._room_again.set()
        if refusal is None:
            self._acknowledged(sent.row, sent.topic)
            return
        self._outbox.claims.release((sent.row.seq,))
        self.refused.note(sent.row, sent.topic, refusal)

    def _acknowledged(self, row: Row, topic: str) -> None:
        self.acks += 1
        self.readings_acked += row.kind is Kind.READING
        self.acked.add(row.seq)
        if row.kind in _SHOWN:
            self._shows(row, topic)
        if self.refused and self.refused.taken(row, topic):
            self._go_back(row.seq)

    def _shows(self, row: Row, topic: str) -> None:
        """The broker goes on showing this; where it took something newer before, that is sent once more."""
        newest = self._shown.get(topic, row)
        if newest.seq > row.seq:
            self._first.append(newest)
            self._more.set()
        else:
            self._shown[topic] = row

    def _go_back(self, seq: int) -> None:
        for queue in self._queues:
            queue.go_back(seq, self._outbox.announced)
        self._more.set()

    # Watching

    async def _watch_oldest(self, uplink: Uplink) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            now = asyncio.get_running_loop().time()
            self._rate.note(now, self.acks)
            if self._passed_over:  # a drop that the disk did not take leaves them where they were
                self._go_back(min(self._passed_over))
                self._passed_over.clear()
            oldest = next(iter(self._in_flight.values()), None)
            silent_s = now - oldest.since if oldest is not None else 0.0
            if silent_s > self._settings.ack_within_s:
                raise UplinkLost(f"{uplink.broker} has acknowledged nothing for {self._settings.ack_within_s:g} s")
            if silent_s > _SILENT_S:
                self._silence.note(_ANSWERS, f"{uplink.broker} has acknowledged nothing for {silent_s:.0f} s")
            else:
                self._silence.over(_ANSWERS)

    async def _try_held(self, uplink: Uplink) -> None:
        while True:
            await self._clock.sleep(1.0)
            for row in self.refused.due():
                if row.seq not in self._in_flight:
                    await self._room(uplink)
                    self._send(uplink, row)


def _next_seq(queue: Queue) -> int:
    return queue.rows[0].seq
