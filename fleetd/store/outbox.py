"""Records on their way to the broker: numbered, checksummed and on disk before anybody publishes them.

Numbers (`seq`) rise by one from record to record, across restarts too, so that a consumer finds gaps by itself. What is
given up, for want of room or because it was damaged, is counted and announced by a `gap` event among the records.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from fleetd.clock import Clock
from fleetd.errors import StoreError
from fleetd.store.claims import Claims
from fleetd.store.rows import YIELDING, Draft, Kept, Kind, Lane, Row, draft
from fleetd.store.table import HIGHEST, Bounds, Table, Tally, Wanted
from fleetd.store.untimed import Shift
from fleetd.store.writer import Writer

_MOST_OWED = 1000


class Outbox:
    """The queue between the hub and the broker, in SQLite."""

    def __init__(self, writer: Writer, boot: str, clock: Clock, bounds: Bounds, tally: Tally) -> None:
        self.boot = boot
        self.announced = tally.last_seq
        """Number of the newest record that those who watch have been told of."""
        self._writer = writer
        self._table = Table(boot, clock, bounds, tally)
        self._watchers: list[Callable[[Sequence[Row]], None]] = []
        self._owed: list[Draft] = []
        writer.follow(self)

    @property
    def tally(self) -> Tally:
        """How the outbox stands on disk."""
        return self._table.tally

    @property
    def claims(self) -> Claims:
        """Where publisher and store agree on what is sent and what is dropped."""
        return self._table.claims

    async def append(self, records: Sequence[Kept]) -> int:
        """Commit records in their order; returns the number of the last one, once it is on disk.

        Records of one call have consecutive numbers. Whoever is cancelled while waiting has still produced them.
        Raises StoreError, and then none of them is kept.
        """
        if not records and not self._owed:
            return self.tally.last_seq
        return await self._commit([draft(record) for record in records])

    def post(self, record: Kept) -> None:
        """Hand a record in without waiting; if the store refuses it, it is committed with the next that it takes."""
        drafts = [draft(record)]
        try:
            self._commit(drafts).add_done_callback(lambda done: self._owe(drafts) if done.exception() else None)
        except StoreError:
            self._owe(drafts)

    def owe(self, record: Kept) -> None:
        """Commit a record, which the store has just refused, with the next ones that it takes; at most 1000 wait."""
        self._owe([draft(record)])

    def _commit(self, drafts: list[Draft]) -> asyncio.Future[int]:
        owed, self._owed = self._owed, []
        all_of_them = [*owed, *drafts]
        weight = len(all_of_them)
        try:
            done = self._writer.run(
                lambda connection: self._table.insert(connection, all_of_them),
                weight=weight,
                yields=all(each.kind in YIELDING for each in all_of_them),
            )
        except StoreError:
            self._owe(owed)
            raise
        if owed:
            done.add_done_callback(lambda done: self._owe(owed) if not done.cancelled() and done.exception() else None)
        return done

    def _owe(self, drafts: list[Draft]) -> None:
        self._owed = (drafts + self._owed)[:_MOST_OWED]

    def enclose(self, connection: sqlite3.Connection, drafts: Sequence[Draft]) -> None:
        """Commit records within somebody else's act: both are on disk, or neither."""
        if drafts:
            self._table.insert(connection, drafts)

    async def read(
        self,
        *,
        after: int = 0,
        upto: int = HIGHEST,
        most: int = 500,
        lane: Lane | None = None,
        kind: Kind | None = None,
    ) -> list[Row]:
        """The next committed rows in order, at most `most`; those that fail their checksum are set aside, not served.

        An empty list means that none is left. Raises StoreError.
        """
        wanted = Wanted(after, upto, most, lane, kind)
        return await self._writer.run(lambda connection: self._table.select(connection, wanted))

    async def delete(self, seqs: Sequence[int]) -> int:
        """Forget acknowledged rows; returns how many were still here. Raises StoreError."""
        ascending = sorted(seqs)
        return await self._writer.run(
            lambda connection: self._table.delete(connection, ascending), weight=len(ascending)
        )

    async def retime(self, ahead_us: int) -> tuple[int, list[Shift]]:
        """Civil time is certain and `ahead_us` ahead of running time: put records right that were made before.

        Returns how many were put right here, and by how much all such records are off. Raises StoreError.
        """
        return await self._writer.run(lambda connection: self._table.retime(connection, ahead_us))

    @contextmanager
    def watched(self, grown: Callable[[Sequence[Row]], None]) -> Iterator[None]:
        """Have `grown` called in the event loop with what each commit added, while the context lasts.

        What was committed up to `announced` is not told any more.
        """
        self._watchers.append(grown)
        try:
            yield
        finally:
            self._watchers.remove(grown)

    # What the writer calls

    def settle(self, committed: bool) -> None:
        """Keep the counts of a committed transaction, or go back to those before it."""
        self._table.settle(committed)

    def renew(self, connection: sqlite3.Connection, news: Sequence[Kept]) -> None:
        """The database was replaced by what could be saved of it: count afresh and add what is to be said of it."""
        self._table.renew(connection)
        self._table.insert(connection, [draft(record) for record in news])
        self._table.settle(committed=True)

    def announce(self) -> None:
        """Tell those who watch of new records."""
        rows = self._table.take_committed()
        if rows:
            self.announced = rows[-1].seq
            for grown in self._watchers:
                grown(rows)


def age_s(tally: Tally, now: datetime) -> float:
    """How long the oldest record has waited, seconds; 0 when none waits."""
    return 0.0 if tally.oldest_us is None else max(0.0, now.timestamp() - tally.oldest_us / 1e6)
