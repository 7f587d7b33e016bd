"""In-process fan-out: who publishes a record does not know who listens, and never waits for them.

Each subscription is a bounded queue. A slow listener loses its own oldest records, counted in `dropped`; nobody else
notices.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager

from fleetd.records import AnyRecord


class Subscription:
    """One listener's queue of records, newest last."""

    def __init__(self, name: str, kinds: tuple[type, ...], capacity: int, device: str = "") -> None:
        self.name = name
        self.dropped = 0
        self._kinds = kinds
        self._device = device
        self._queue: deque[AnyRecord] = deque(maxlen=capacity)
        self._filled = asyncio.Event()

    def offer(self, record: AnyRecord) -> None:
        """Take a record if its kind and its device were asked for; the oldest gives way when the queue is full."""
        if self._kinds and not isinstance(record, self._kinds):
            return
        if self._device and getattr(record, "device", "") != self._device:
            return
        if len(self._queue) == self._queue.maxlen:
            self.dropped += 1
        self._queue.append(record)
        self._filled.set()

    async def get(self) -> AnyRecord:
        """The oldest record still here, waiting for one if need be."""
        while not self._queue:
            self._filled.clear()
            await self._filled.wait()
        return self._queue.popleft()

    async def get_batch(self, most: int) -> list[AnyRecord]:
        """All that is here, at most `most` and at least one, oldest first."""
        batch = [await self.get()]
        while self._queue and len(batch) < most:
            batch.append(self._queue.popleft())
        return batch

    def __len__(self) -> int:
        return len(self._queue)

    async def __aiter__(self) -> AsyncIterator[AnyRecord]:
        while True:
            yield await self.get()


class Hub:
    """The one place where records fan out. Single-threaded: call it from the event loop only."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []

    def publish(self, record: AnyRecord) -> None:
        """Offer a record to every subscription; returns at once."""
        for subscription in self._subscriptions:
            subscription.offer(record)

    @property
    def subscriptions(self) -> Sequence[Subscription]:
        """Who listens now."""
        return tuple(self._subscriptions)

    @contextmanager
    def subscribe(self, name: str, *kinds: type, capacity: int = 10_000, device: str = "") -> Iterator[Subscription]:
        """Listen while the context lasts, to the record types in `kinds` or, when none is named, to all.

        Where a `device` is named, only to records of that device.
        """
        subscription = Subscription(name, kinds, capacity, device)
        self._subscriptions.append(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.remove(subscription)
