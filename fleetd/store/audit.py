"""The audit chain: who did what, and what came of it. Each entry's hash covers the one before it.

An edited, removed or reordered entry breaks the chain from there on. A cut tail is seen from the count that SQLite
keeps beside it; whoever could edit that too is seen by comparing with a head that was noted elsewhere.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable

import msgspec

from fleetd.clock import Clock, iso_ms
from fleetd.store.writer import Writer

_GENESIS = "0" * 64
_COLUMNS = "number, at, who, act, outcome, detail, hash"


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One link of the chain; `at` is ISO 8601 in UTC."""

    number: int
    at: str
    who: str
    act: str
    outcome: str
    detail: str
    hash: str


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The newest link: how many entries there are, and the last one's hash. Of an empty chain, 0 and zeros."""

    number: int = 0
    hash: str = _GENESIS

    def then(self, entry: AuditEntry) -> Head | None:
        """The head with one more entry; None if that does not fit, for its number, its hash or anything in it."""
        expected = link_hash(self.hash, self.number + 1, entry.at, entry.who, entry.act, entry.outcome, entry.detail)
        if entry.number != self.number + 1 or entry.hash != expected:
            return None
        return Head(number=entry.number, hash=entry.hash)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What checking the chain found. `head` is the newest hash; note it elsewhere to catch a rewritten chain."""

    entries: int
    head: str
    broken_at: int | None = None
    """Number of the first entry that does not fit, or None when all do."""
    rewritten: bool = False
    """Whether the chain fits, but does not hold the hash that was noted elsewhere."""

    @property
    def whole(self) -> bool:
        """Whether nothing was edited, removed or reordered."""
        return self.broken_at is None and not self.rewritten


def check(entries: Iterable[AuditEntry], given_out: int | None, noted: Head | None = None) -> Verdict:
    """Follow a chain from its beginning. `given_out` is the highest number ever, `noted` a head kept elsewhere.

    Pure, so that a copy of the chain can be checked anywhere.
    """
    head, found = Head(), noted is None or noted == Head()
    for entry in entries:
        longer = head.then(entry)
        if longer is None:
            return Verdict(entries=head.number, head=head.hash, broken_at=head.number + 1)
        head, found = longer, found or longer == noted
    if given_out is not None and given_out != head.number:
        return Verdict(entries=head.number, head=head.hash, broken_at=head.number + 1)
    return Verdict(entries=head.number, head=head.hash, rewritten=not found)


class Audit:
    """The append-only list of acts."""

    def __init__(self, writer: Writer, clock: Clock) -> None:
        self._writer = writer
        self._clock = clock

    async def append(self, who: str, act: str, outcome: str, detail: str = "") -> AuditEntry:
        """Add an entry; it is on disk when this returns. Raises StoreError."""
        at = iso_ms(self._clock.now())
        return await self._writer.run(lambda connection: _append(connection, at, who, act, outcome, detail))

    async def tail(self, limit: int = 100) -> list[AuditEntry]:
        """The newest entries, newest last. Raises StoreError."""
        query = f"SELECT {_COLUMNS} FROM audit ORDER BY number DESC LIMIT ?"  # noqa: S608
        rows = await self._writer.run(lambda connection: connection.execute(query, (limit,)).fetchall())
        return [_entry(row) for row in reversed(rows)]

    async def head(self) -> Head:
        """The newest link. Raises StoreError."""
        return await self._writer.run(_head)

    async def verify(self, noted: Head | None = None) -> Verdict:
        """Check the whole chain, and that it holds a head that was noted elsewhere. Raises StoreError."""
        return await self._writer.run(lambda connection: _verify(connection, noted))


def link_hash(before: str, number: int, at: str, who: str, act: str, outcome: str, detail: str) -> str:
    """SHA-256, in hexadecimal, over the JSON array of the previous hash and the entry's own fields."""
    return hashlib.sha256(msgspec.json.encode([before, number, at, who, act, outcome, detail])).hexdigest()


def _append(connection: sqlite3.Connection, at: str, who: str, act: str, outcome: str, detail: str) -> AuditEntry:
    head = _head(connection)
    number = head.number + 1
    entry = AuditEntry(
        number=number,
        at=at,
        who=who,
        act=act,
        outcome=outcome,
        detail=detail,
        hash=link_hash(head.hash, number, at, who, act, outcome, detail),
    )
    connection.execute(
        f"INSERT INTO audit ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        msgspec.structs.astuple(entry),
    )
    return entry


def _head(connection: sqlite3.Connection) -> Head:
    last = connection.execute("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1").fetchone()
    return Head() if last is None else Head(number=last[0], hash=last[1])


def _verify(connection: sqlite3.Connection, noted: Head | None) -> Verdict:
    given_out = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'audit'").fetchone()
    rows = connection.execute(f"SELECT {_COLUMNS} FROM audit ORDER BY number")  # noqa: S608
    return check(map(_entry, rows), None if given_out is None else given_out[0], noted)


def _entry(row: tuple[int, str, str, str, str, str, str]) -> AuditEntry:
    number, at, who, act, outcome, detail, link = row
    return AuditEntry(number=number, at=at, who=who, act=act, outcome=outcome, detail=detail, hash=link)
