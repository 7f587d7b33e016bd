"""The outbox's table: what happens to its rows inside a transaction, in the writer's thread.

`draft` is how the outbox stands if the transaction under way is committed; `settle` makes it the truth or takes it
back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from fleetd.clock import Clock
from fleetd.records import Event, Severity
from fleetd.store.rows import DROPPED_FIRST, Draft, Kind, Row, checksum, draft, runs

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


class Table:
    """The rows of the outbox, under one boot."""

    def __init__(self, boot: str, clock: Clock, most_bytes: int, tally: Tally) -> None:
        self.tally = tally
        self.draft = tally
        self._boot = boot
        self._clock = clock
        self._most_bytes = most_bytes

    def settle(self, committed: bool) -> None:
        """The transaction has ended: keep the counts, or go back to those before it."""
        if committed:
            self.tally = self.draft
        else:
            self.draft = self.tally

    def insert(self, connection: sqlite3.Connection, drafts: Sequence[Draft]) -> int:
        """Number and keep records; returns the last number. Makes room if the limit is passed."""
        last = self._put(connection, drafts)
        if self.draft.size > self._most_bytes:
            self._make_room(connection)
        return last

    def _put(self, connection: sqlite3.Connection, drafts: Sequence[Draft]) -> int:
        before = self.draft
        rows = [
            (seq, self._boot, one.at_us, one.kind, one.device, one.name, one.body, checksum(seq, self._boot, one))
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
        return self.draft.last_seq

    def select(self, connection: sqlite3.Connection, after: int, most: int, kind: Kind | None) -> list[Row]:
        """The next whole rows after a number; damaged ones are set aside on the way."""
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

    def delete(self, connection: sqlite3.Connection, seqs: Sequence[int]) -> int:
        """Forget acknowledged rows, given in ascending order; returns how many were here."""
        gone, freed = self._remove(connection, seqs)
        self._change(acked=self.draft.acked + gone, backlog=self.draft.backlog - gone, size=self.draft.size - freed)
        self._find_oldest(connection)
        return gone

    def _make_room(self, connection: sqlite3.Connection) -> None:
        """Drop the least important, oldest first, down to 19/20 of the limit, so that gap events stay rare."""
        target = self._most_bytes * 19 // 20
        victims: list[int] = []
        for kind in DROPPED_FIRST:
            while self.draft.size > target and (dropped := self._drop_oldest(connection, kind, target)):
                victims += dropped
        self._find_oldest(connection)
        if victims:
            self._announce_gap(connection, f"{len(victims)} records were dropped: the store is full", sorted(victims))

    def _drop_oldest(self, connection: sqlite3.Connection, kind: Kind, target: int) -> list[int]:
        found = connection.execute(
            "SELECT seq, length(body) FROM outbox WHERE kind = ? ORDER BY seq LIMIT ?", (kind, _DROP_STEP)
        ).fetchall()
        spare, victims = self.draft.size - target, []
        for seq, length in found:
            if spare <= 0:
                break
            spare -= length + _ROW_OVERHEAD
            victims.append(seq)
        gone, freed = self._remove(connection, victims)
        before = self.draft
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
        before = self.draft
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
                "DELETE FROM outbox WHERE seq BETWEEN ? AND ? RETURNING coalesce(length(body), 0)", (first, last)
            ).fetchall()
            gone += len(lengths)
            freed += sum(length for (length,) in lengths) + _ROW_OVERHEAD * len(lengths)
        return gone, freed

    def _find_oldest(self, connection: sqlite3.Connection) -> None:
        self._change(oldest_us=oldest_us(connection))

    def _change(self, **facts: int | None) -> None:
        self.draft = msgspec.structs.replace(self.draft, **facts)


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


def _sorted_out(
    found: Sequence[tuple[int, str, int, str, str, str, bytes, int]],
) -> tuple[list[Row], list[tuple[object, ...]]]:
    rows: list[Row] = []
    damaged: list[tuple[object, ...]] = []
    for row in found:
        seq, boot, at_us, kind, device, name, body, crc = row
        # A flipped bit may change even the type that SQLite reads.
        known = kind in _KINDS and isinstance(body, bytes)
        if known and crc == checksum(seq, boot, Draft(_KINDS[kind], device, name, at_us, body)):
            rows.append(Row(seq, boot, at_us, _KINDS[kind], device, name, body))
        else:
            damaged.append(row)
    return rows, damaged


_KINDS = {str(kind): kind for kind in Kind}
