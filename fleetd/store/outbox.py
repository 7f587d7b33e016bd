"""Records on their way to the broker: numbered, checksummed and on disk before anybody publishes them.

Numbers (`seq`) rise by one from record to record, across restarts too, so that a consumer finds gaps by itself. What is
given up, for want of room or because it was damaged, is counted and announced by a `gap` event among the records.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import msgspec

from fleetd.clock import Clock
from fleetd.records import Event, Severity
from fleetd.store.rows import DROPPED_FIRST, Draft, Kept, Kind, Row, checksum, draft, runs
from fleetd.store.writer import Writer

_ROW_OVERHEAD = 100  # bytes that a row takes beside its body, roughly
_DROP_STEP = 1000  # rows given up at a time
_RANGES_NAMED = 100  # ranges of numbers that a gap event lists
_COLUMNS = "seq, boot, at_us, kind, device, name, body, crc"


class Tally(msgspec.Struct, frozen=True):
    """How the outbox stands. `produced`, `acked`, `dropped` and `damaged` count since this boot."""

    last_seq: int = 0
    produced: int = 0
    acked: int = 0
    dropped: int = 0
    damaged: int = 0
    backlog: int = 0
    size: int = 0
    """Bytes that the waiting records take, roughly."""
    oldest_us: int | None = None
    """Time of the longest waiting record (a node's own status aside), microseconds since 1970."""


class Outbox:
    """The queue between the hub and the broker, in SQLite."""

    def __init__(self, writer: Writer, boot: str, clock: Clock, most_bytes: int, tally: Tally) -> None:
        self.boot = boot
        self.tally = tally
        self._writer = writer
        self._clock = clock
        self._most_bytes = most_bytes
        self._draft = tally  # belongs to the writer's thread; becomes `tally` with the commit
        self._announced = tally.last_seq
        self._watchers: list[Callable[[], None]] = []
        writer.follow(self)

    async def append(self, records: Sequence[Kept]) -> int:
        """Commit records in their order; returns the number of the last one, once it is on disk.

        Records of one call have consecutive numbers. Whoever is cancelled while waiting has still produced them.
        Raises StoreError, and then none of them is kept.
        """
        drafts = [draft(record) for record in records]
        if not drafts:
            return self.tally.last_seq
        return await self._writer.run(lambda connection: self._insert(connection, drafts), weight=len(drafts))

    async def read(self, *, after: int = 0, most: int = 500, kind: Kind | None = None) -> list[Row]:
        """The next committed rows in order, at most `most`; those that fail their checksum are set aside, not served.

        An empty list means that none is left. Raises StoreError.
        """
        return await self._writer.run(lambda connection: self._select(connection, after, most, kind))

    async def delete(self, seqs: Sequence[int]) -> int:
        """Forget acknowledged rows; returns how many were still here. Raises StoreError."""
        ascending = sorted(seqs)
        return await self._writer.run(lambda connection: self._delete(connection, ascending), weight=len(ascending))

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
        if committed:
            self.tally = self._draft
        else:
            self._draft = self.tally

    def announce(self) -> None:
        """Wake those who watch for new records."""
        if self.tally.last_seq != self._announced:
            self._announced = self.tally.last_seq
            for grown in self._watchers:
                grown()

    # In the writer's thread, inside a transaction

    def _insert(self, connection: sqlite3.Connection, drafts: Sequence[Draft]) -> int:
        last = self._put(connection, drafts)
        if self._draft.size > self._most_bytes:
            self._make_room(connection)
        return last

    def _put(self, connection: sqlite3.Connection, drafts: Sequence[Draft]) -> int:
        before = self._draft
        rows = [
            (seq, self.boot, one.at_us, one.kind, one.device, one.name, one.body, checksum(seq, self.boot, one))
            for seq, one in enumerate(drafts, before.last_seq + 1)
        ]
        connection.executemany(f"INSERT INTO outbox ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)  # noqa: S608
        self._change(
            last_seq=before.last_seq + len(rows),
            produced=before.produced + len(rows),
            backlog=before.backlog + len(rows),
            size=before.size + sum(len(one.body) + _ROW_OVERHEAD for one in drafts),
        )
        if before.oldest_us is None:
            self._change(oldest_us=next((one.at_us for one in drafts if one.kind is not Kind.NODE), None))
        return self._draft.last_seq

    def _select(self, connection: sqlite3.Connection, after: int, most: int, kind: Kind | None) -> list[Row]:
        which = "" if kind is None else f"AND kind = '{kind}'"
        query = f"SELECT {_COLUMNS} FROM outbox WHERE seq > ? {which} ORDER BY seq LIMIT ?"  # noqa: S608
        while True:
            found = connection.execute(query, (after, most)).fetchall()
            rows, damaged = _sorted_out(found)
            if damaged:
                self._set_aside(connection, damaged)
            if rows or not found:
                return rows
            after = found[-1][0]

    def _delete(self, connection: sqlite3.Connection, seqs: Sequence[int]) -> int:
        gone, freed = self._remove(connection, seqs)
        self._change(acked=self._draft.acked + gone, backlog=self._draft.backlog - gone, size=self._draft.size - freed)
        self._find_oldest(connection)
        return gone

    def _make_room(self, connection: sqlite3.Connection) -> None:
        """Drop the least important, oldest first, down to 19/20 of the limit, so that gap events stay rare."""
        target = self._most_bytes * 19 // 20
        for kind in DROPPED_FIRST:
            while self._draft.size > target and (dropped := self._drop_oldest(connection, kind, target)):
                self._announce_gap(connection, f"dropped {len(dropped)} {kind} records: the store is full", dropped)
        self._find_oldest(connection)

    def _drop_oldest(self, connection: sqlite3.Connection, kind: Kind, target: int) -> list[int]:
        found = connection.execute(
            "SELECT seq, length(body) FROM outbox WHERE kind = ? ORDER BY seq LIMIT ?", (kind, _DROP_STEP)
        ).fetchall()
        spare, victims = self._draft.size - target, []
        for seq, length in found:
            if spare <= 0:
                break
            spare -= length + _ROW_OVERHEAD
            victims.append(seq)
        gone, freed = self._remove(connection, victims)
        before = self._draft
        self._change(dropped=before.dropped + gone, backlog=before.backlog - gone, size=before.size - freed)
        return victims

    def _set_aside(self, connection: sqlite3.Connection, damaged: Sequence[tuple[object, ...]]) -> None:
        found_at = self._clock.now().isoformat()
        connection.executemany(
            f"INSERT INTO damaged (found_at, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            [(found_at, *row) for row in damaged],
        )
        seqs = [int(str(row[0])) for row in damaged]
        gone, freed = self._remove(connection, seqs)
        before = self._draft
        self._change(damaged=before.damaged + gone, backlog=before.backlog - gone, size=before.size - freed)
        self._announce_gap(connection, f"{len(seqs)} records were damaged on disk and set aside", seqs)

    def _announce_gap(self, connection: sqlite3.Connection, text: str, seqs: Sequence[int]) -> None:
        ranges = runs(seqs)
        detail = {"count": len(seqs), "first": seqs[0], "last": seqs[-1], "ranges": ranges[:_RANGES_NAMED]}
        gap = Event(
            at=self._clock.now(),
            clock_synced=self._clock.synced,
            source="outbox",
            name="gap",
            text=f"{text}; numbers {seqs[0]} to {seqs[-1]}",
            severity=Severity.WARNING,
            detail=detail,
        )
        self._put(connection, [draft(gap)])

    def _remove(self, connection: sqlite3.Connection, seqs: Sequence[int]) -> tuple[int, int]:
        gone, freed = 0, 0
        for first, last in runs(seqs):
            lengths = connection.execute(
                "DELETE FROM outbox WHERE seq BETWEEN ? AND ? RETURNING length(body)", (first, last)
            ).fetchall()
            gone += len(lengths)
            freed += sum(length for (length,) in lengths) + _ROW_OVERHEAD * len(lengths)
        return gone, freed

    def _find_oldest(self, connection: sqlite3.Connection) -> None:
        self._change(oldest_us=oldest_us(connection))

    def _change(self, **facts: int | None) -> None:
        self._draft = msgspec.structs.replace(self._draft, **facts)


def first_tally(connection: sqlite3.Connection) -> Tally:
    """How an outbox stands when its store is opened."""
    last = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
    backlog, size = connection.execute("SELECT count(*), coalesce(sum(length(body)), 0) FROM outbox").fetchone()
    return Tally(
        last_seq=last[0] if last else 0,
        backlog=backlog,
        size=size + backlog * _ROW_OVERHEAD,
        oldest_us=oldest_us(connection),
    )


def oldest_us(connection: sqlite3.Connection) -> int | None:
    """Time of the longest waiting record, the node's own status aside: its last will waits by design."""
    found = connection.execute("SELECT at_us FROM outbox WHERE kind <> 'node' ORDER BY seq LIMIT 1").fetchone()
    return None if found is None else int(found[0])


def age_s(tally: Tally, now: datetime) -> float:
    """How long the oldest record has waited, seconds; 0 when none waits."""
    return 0.0 if tally.oldest_us is None else max(0.0, now.timestamp() - tally.oldest_us / 1e6)


def _sorted_out(
    found: Sequence[tuple[int, str, int, str, str, str, bytes, int]],
) -> tuple[list[Row], list[tuple[object, ...]]]:
    rows: list[Row] = []
    damaged: list[tuple[object, ...]] = []
    for seq, boot, at_us, kind, device, name, body, crc in found:
        if kind in _KINDS and crc == checksum(seq, boot, Draft(_KINDS[kind], device, name, at_us, body)):
            rows.append(Row(seq, boot, at_us, _KINDS[kind], device, name, body))
        else:
            damaged.append((seq, boot, at_us, kind, device, name, body, crc))
    return rows, damaged


_KINDS = {str(kind): kind for kind in Kind}
