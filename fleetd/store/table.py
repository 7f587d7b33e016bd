"""The outbox's table: what happens to its rows inside a transaction, in the writer's thread.

`draft` is how the outbox stands if the transaction under way is committed; `settle` makes it the truth or takes it
back.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from fleetd.clock import Clock
from fleetd.kerneltime import machine_boot
from fleetd.records import Event, Severity
from fleetd.store import untimed
from fleetd.store.claims import Claims
from fleetd.store.rows import DROPPED_FIRST, Draft, Kind, Lane, Row, checksum, draft, microseconds, runs
from fleetd.store.untimed import Shift

_ROW_OVERHEAD = 100  # bytes that a row takes beside its body, roughly
_DROP_STEP = 1000  # rows given up at a time
_ROWS_A_STATEMENT = 256  # a power of two
_RANGES_NAMED = 100  # ranges of numbers that a gap event lists
HIGHEST = (1 << 63) - 1
INDEX = "CREATE INDEX IF NOT EXISTS outbox_urgent ON outbox (seq) WHERE kind <> 'reading'"
_FROM = {
    None: "outbox WHERE seq > ? AND seq <= ?",
    Lane.URGENT: "outbox INDEXED BY outbox_urgent WHERE seq > ? AND seq <= ? AND kind <> 'reading'",
    Lane.READINGS: "outbox WHERE seq > ? AND seq <= ? AND kind = 'reading'",
}
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


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may wait: bytes, and microseconds since a record was made."""

    most_bytes: int
    most_age_us: int


class Wanted(NamedTuple):
    """Which rows to read: after one number, up to another, of one lane or kind or all, at most so many."""

    after: int = 0
    upto: int = HIGHEST
    most: int = 500
    lane: Lane | None = None
    kind: Kind | None = None


class Table:
    """The rows of the outbox, under one boot."""

    def __init__(self, boot: str, clock: Clock, bounds: Bounds, tally: Tally) -> None:
        self.tally = tally
        self.draft = tally
        self.claims = Claims()
        self._boot = boot
        self._clock = clock
        self._bounds = bounds
        self._trusted_since: tuple[int, float] | None = None
        self._new: list[Row] = []
        self._victims: set[int] = set()
        self._committed: deque[Row] = deque()

    def settle(self, committed: bool) -> None:
        """The transaction has ended: keep the counts, or go back to those before it."""
        if committed:
            self.tally = self.draft
            self._committed.extend(row for row in self._new if row.seq not in self._victims)
        else:
            self.draft = self.tally
        self._new, self._victims = [], set()

    def take_committed(self) -> list[Row]:
        """What was committed since this was asked last, oldest first. Called in the event loop."""
        rows: list[Row] = []
        while self._committed:
            rows.append(self._committed.popleft())
        return rows

    def renew(self, connection: sqlite3.Connection) -> None:
        """The rows were moved into another database: count them afresh."""
        found, before = first_tally(connection), self.tally
        last_seq = max(found.last_seq, before.last_seq)
        self.draft = msgspec.structs.replace(
            before, last_seq=last_seq, backlog=found.backlog, size=found.size, oldest_us=found.oldest_us
        )
        self.settle(committed=True)

    def insert(self, connection: sqlite3.Connection, drafts: Sequence[Draft]) -> int:
        """Number and keep records; returns the last number. Makes room if the limit is passed."""
        last = self._put(connection, drafts)
        if self._outdated(self.draft.oldest_us):
            self._drop_outdated(connection)
        if self.draft.size > self._bounds.most_bytes:
            self._make_room(connection)
        return last

    def _put(self, connection: sqlite3.Connection, drafts: Sequence[Draft]) -> int:
        before = self.draft
        new = [
            Row(seq, self._boot, one.at_us, one.kind, one.device, one.name, one.body)
            for seq, one in enumerate(drafts, before.last_seq + 1)
        ]
        sums = [checksum(row.seq, row.boot, one) for row, one in zip(new, drafts, strict=True)]
        _insert(connection, new, sums)
        self._new += new
        if doubtful := [row for row in new if untimed.MARK in row.body]:
            untimed.note(connection, doubtful, machine_boot(), self._skew_us())
        self._change(
            last_seq=before.last_seq + len(new),
            produced=before.produced + len(new),
            backlog=before.backlog + len(new),
            size=before.size + sum(len(one.body) + _ROW_OVERHEAD for one in drafts),
        )
        if before.oldest_us is None:
            self._change(oldest_us=next((one.at_us for one in drafts if one.kind is not Kind.NODE), None))
        return self.draft.last_seq

    def retime(self, connection: sqlite3.Connection, ahead_us: int) -> tuple[int, list[Shift]]:
        """Civil time is certain: see `untimed.settle`. While the publisher has copies nothing is changed in place."""
        changed, shifts = untimed.settle(connection, machine_boot(), ahead_us, in_place=not self.claims.active)
        self._find_oldest(connection)
        return changed, shifts

    def _skew_us(self) -> int:
        return round((self._clock.boottime() - self._clock.now().timestamp()) * 1e6)

    def select(self, connection: sqlite3.Connection, wanted: Wanted) -> list[Row]:
        """The next whole rows after a number; damaged ones are set aside on the way."""
        which = "" if wanted.kind is None else f"AND kind = '{wanted.kind}'"
        query = f"SELECT {_COLUMNS} FROM {_FROM[wanted.lane]} {which} ORDER BY seq LIMIT ?"  # noqa: S608
        after = wanted.after
        while True:
            found = connection.execute(query, (after, wanted.upto, wanted.most)).fetchall()
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
        target = self._bounds.most_bytes * 19 // 20
        victims: list[int] = []
        for kind in DROPPED_FIRST:
            after = 0
            while self.draft.size > target and (found := _oldest(connection, kind, after)):
                after = found[-1][0]
                victims += self._drop(connection, _enough(found, self.draft.size - target))
        self._find_oldest(connection)
        self._announce_dropped(connection, victims, "the store is full")

    def _outdated(self, at_us: int | None) -> bool:
        return (
            at_us is not None
            and (now_us := self._certain_us()) is not None
            and at_us < now_us - self._bounds.most_age_us
        )

    def _certain_us(self) -> int | None:
        """How late it is at least: what waits grows older by running time alone, not by a clock that is set ahead."""
        if not self._clock.synced:
            return None
        now_us, running_s = microseconds(self._clock.now()), self._clock.boottime()
        if self._trusted_since is None:
            self._trusted_since = now_us, running_s
        since_us, since_s = self._trusted_since
        return min(now_us, since_us + round((running_s - since_s) * 1e6))

    def _drop_outdated(self, connection: sqlite3.Connection) -> None:
        """Drop what is too old, unless its age is not known; a clock that was just set is no reason to drop either."""
        query = "SELECT seq, at_us, instr(body, ?) FROM outbox WHERE kind <> 'node' ORDER BY seq LIMIT ?"
        found = connection.execute(query, (untimed.MARK, _DROP_STEP)).fetchall()
        victims = self._drop(connection, [seq for seq, at_us, unsure in found if not unsure and self._outdated(at_us)])
        self._find_oldest(connection)
        days = self._bounds.most_age_us / 86_400e6
        self._announce_dropped(connection, victims, f"older than {days:g} days")

    def _drop(self, connection: sqlite3.Connection, seqs: Sequence[int]) -> list[int]:
        victims = self.claims.give_up(seqs)
        self._victims.update(victims)
        gone, freed = self._remove(connection, victims)
        before = self.draft
        self._change(dropped=before.dropped + gone, backlog=before.backlog - gone, size=before.size - freed)
        return victims

    def _announce_dropped(self, connection: sqlite3.Connection, victims: list[int], why: str) -> None:
        if victims:
            self._announce_gap(connection, f"{len(victims)} records were dropped: {why}", sorted(victims))

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
        """Delete rows; returns how many were here and the room that they took."""
        gone, freed = 0, 0
        for first, last in runs(seqs):
            query = "SELECT count(*), coalesce(sum(length(body)), 0) FROM outbox WHERE seq BETWEEN ? AND ?"
            count, length = connection.execute(query, (first, last)).fetchone()
            connection.execute("DELETE FROM outbox WHERE seq BETWEEN ? AND ?", (first, last))
            gone += count
            freed += length + _ROW_OVERHEAD * count
        return gone, freed

    def _find_oldest(self, connection: sqlite3.Connection) -> None:
        self._change(oldest_us=oldest_us(connection))

    def _change(self, **facts: int | None) -> None:
        self.draft = msgspec.structs.replace(self.draft, **facts)


def _insert(connection: sqlite3.Connection, rows: Sequence[Row], sums: Sequence[int]) -> None:
    """Many rows in one statement: each statement gives the interpreter away and has to get it back."""
    at, size = 0, _ROWS_A_STATEMENT
    while at < len(rows):
        while size > len(rows) - at:
            size //= 2
        values = ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?)"] * size)
        columns = [
            column
            for row, crc in zip(rows[at : at + size], sums[at : at + size], strict=True)
            for column in (*row, crc)
        ]
        connection.execute(f"INSERT INTO outbox ({_COLUMNS}) VALUES {values}", columns)  # noqa: S608
        at += size


def _oldest(connection: sqlite3.Connection, kind: Kind, after: int) -> list[tuple[int, int]]:
    """Number and size of the next rows of a kind."""
    source = _FROM[Lane.READINGS if kind is Kind.READING else Lane.URGENT]
    query = f"SELECT seq, length(body) FROM {source} AND kind = ? ORDER BY seq LIMIT ?"  # noqa: S608
    return connection.execute(query, (after, HIGHEST, kind, _DROP_STEP)).fetchall()


def _enough(found: Sequence[tuple[int, int]], spare: int) -> list[int]:
    """The first rows that together take `spare` bytes."""
    chosen: list[int] = []
    for seq, length in found:
        if spare <= 0:
            break
        spare -= length + _ROW_OVERHEAD
        chosen.append(seq)
    return chosen


def first_tally(connection: sqlite3.Connection) -> Tally:
    """How an outbox stands when its store is opened."""
    last = connection.execute(
        "SELECT max(seq) FROM (SELECT seq FROM sqlite_sequence WHERE name = 'outbox' UNION SELECT max(seq) FROM outbox)"
    ).fetchone()
    backlog, size = connection.execute("SELECT count(*), coalesce(sum(length(body)), 0) FROM outbox").fetchone()
    return Tally(
        last_seq=last[0] or 0,
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
