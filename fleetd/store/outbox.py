"""Records on their way to the broker: numbered, checksummed and on disk before anybody publishes them.

Numbers (`seq`) rise by one from record to record, across restarts too, so that a consumer finds gaps by itself. What is
given up, for want of room or because it was damaged, is counted and announced by a `gap` event among the records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from fleetd.clock import Clock
from fleetd.store.rows import Kept, Kind, Row, draft
from fleetd.store.table import Table, Tally
from fleetd.store.writer import Writer


class Outbox:
    """The queue between the hub and the broker, in SQLite."""

    def __init__(self, writer: Writer, boot: str, clock: Clock, most_bytes: int, tally: Tally) -> None:
        self.boot = boot
        self._writer = writer
        self._table = Table(boot, clock, most_bytes, tally)
        self._announced = tally.last_seq
        self._watchers: list[Callable[[], None]] = []
        writer.follow(self)

    @property
    def tally(self) -> Tally:
        """How the outbox stands on disk."""
        return self._table.tally

    async def append(self, records: Sequence[Kept]) -> int:
        """Commit records in their order; returns the number of the last one, once it is on disk.

        Records of one call have consecutive numbers. Whoever is cancelled while waiting has still produced them.
        Raises StoreError, and then none of them is kept.
        """
        drafts = [draft(record) for record in records]
        if not drafts:
            return self.tally.last_seq
        return await self._writer.run(lambda connection: self._table.insert(connection, drafts), weight=len(drafts))

    async def read(self, *, after: int = 0, most: int = 500, kind: Kind | None = None) -> list[Row]:
        """The next committed rows in order, at most `most`; those that fail their checksum are set aside, not served.

        An empty list means that none is left. Raises StoreError.
        """
        return await self._writer.run(lambda connection: self._table.select(connection, after, most, kind))

    async def delete(self, seqs: Sequence[int]) -> int:
        """Forget acknowledged rows; returns how many were still here. Raises StoreError."""
        ascending = sorted(seqs)
        return await self._writer.run(
            lambda connection: self._table.delete(connection, ascending), weight=len(ascending)
        )

    @contextmanager
    def watched(self, grown: Callable[[], None]) -> Iterator[None]:
        """Have `grown` called in the event loop after each commit that added records, while the context lasts."""
        self._watchers.append(grown)
        try:
            yield
        finally:
            self._watchers.remove(grown)

    # What the writer calls

    def settle(self, committed: bool) -> None:
        """Keep the counts of a committed transaction, or go back to those before it."""
        self._table.settle(committed)

    def announce(self) -> None:
        """Wake those who watch for new records."""
        if self.tally.last_seq != self._announced:
            self._announced = self.tally.last_seq
            for grown in self._watchers:
                grown()


def age_s(tally: Tally, now: datetime) -> float:
    """How long the oldest record has waited, seconds; 0 when none waits."""
    return 0.0 if tally.oldest_us is None else max(0.0, now.timestamp() - tally.oldest_us / 1e6)
