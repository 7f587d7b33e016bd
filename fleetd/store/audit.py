"""The audit chain: who did what, and what came of it. Each entry's hash covers the one before it.

An edited, removed or reordered entry breaks the chain from there on. A cut tail is seen from the count that SQLite
keeps beside it; whoever could edit that too is seen by comparing with a head that was noted elsewhere.
"""

from __future__ import annotations

import hashlib
import sqlite3

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


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What checking the chain found. `head` is the newest hash; note it elsewhere to catch a rewritten chain."""

    entries: int
    head: str
    broken_at: int | None = None
    """Number of the first entry that does not fit, or None when all do."""

    @property
    def whole(self) -> bool:
        """Whether nothing was edited, removed or reordered."""
        return self.broken_at is None


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

    async def verify(self) -> Verdict:
        """Check the whole chain. Raises StoreError."""
        return await self._writer.run(_verify)


def link_hash(before: str, number: int, at: str, who: str, act: str, outcome: str, detail: str) -> str:
    """SHA-256, in hexadecimal, over the JSON array of the previous hash and the entry's own fields."""
    return hashlib.sha256(msgspec.json.encode([before, number, at, who, act, outcome, detail])).hexdigest()


def _append(connection: sqlite3.Connection, at: str, who: str, act: str, outcome: str, detail: str) -> AuditEntry:
    last = connection.execute("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1").fetchone()
    number, before = (1, _GENESIS) if last is None else (last[0] + 1, last[1])
    entry = AuditEntry(
        number=number,
        at=at,
        who=who,
        act=act,
        outcome=outcome,
        detail=detail,
        hash=link_hash(before, number, at, who, act, outcome, detail),
    )
    connection.execute(
        f"INSERT INTO audit ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        msgspec.structs.astuple(entry),
    )
    return entry


def _verify(connection: sqlite3.Connection) -> Verdict:
    before, count = _GENESIS, 0
    for row in connection.execute(f"SELECT {_COLUMNS} FROM audit ORDER BY number"):  # noqa: S608
        entry = _entry(row)
        expected = link_hash(before, count + 1, entry.at, entry.who, entry.act, entry.outcome, entry.detail)
        if entry.number != count + 1 or entry.hash != expected:
            return Verdict(entries=count, head=before, broken_at=count + 1)
        before, count = entry.hash, count + 1
    given_out = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'audit'").fetchone()
    if given_out is not None and given_out[0] != count:
        return Verdict(entries=count, head=before, broken_at=count + 1)
    return Verdict(entries=count, head=before)


def _entry(row: tuple[int, str, str, str, str, str, str]) -> AuditEntry:
    number, at, who, act, outcome, detail, link = row
    return AuditEntry(number=number, at=at, who=who, act=act, outcome=outcome, detail=detail, hash=link)
