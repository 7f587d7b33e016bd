"""What the store keeps of orbital elements: every set that was ever used or held, and when which URL was asked.

The sets themselves are bytes here; what they mean is the business of whoever keeps them. Times of requests are on disk
before a request is sent, so that no restart asks a publisher more often than he allows.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime
from enum import StrEnum

import msgspec

from fleetd.store.writer import Writer

TABLES = """
CREATE TABLE IF NOT EXISTS element_set (
    norad_id INTEGER NOT NULL,
    hash     TEXT    NOT NULL,
    state    TEXT    NOT NULL,
    changed  REAL    NOT NULL,  -- when it came into this state, seconds since 1970
    body     BLOB    NOT NULL,
    PRIMARY KEY (norad_id, hash)
) STRICT;
CREATE TABLE IF NOT EXISTS element_source (url TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT;
"""


class SetState(StrEnum):
    """Where a set stands. Of each satellite at most one is in use and one held."""

    IN_USE = "in-use"
    HELD = "held"
    REPLACED = "replaced"  # was in use
    SUPERSEDED = "superseded"  # was held, and a newer one came
    REJECTED = "rejected"  # by a person; never looked at again


_COLUMNS = "norad_id, hash, state, changed, body"
_MADE_WAY = {SetState.IN_USE: SetState.REPLACED, SetState.HELD: SetState.SUPERSEDED}


class StoredSet(msgspec.Struct, frozen=True, kw_only=True):
    """One set as it stands in the store."""

    norad_id: int
    hash: str
    state: SetState
    changed: datetime
    body: bytes


class UrlRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one URL; None and '' where nothing is."""

    url: str
    requested_at: datetime | None = None
    succeeded_at: datetime | None = None
    not_before: datetime | None = None
    """When it may be asked again."""
    etag: str = ""
    last_modified: str = ""
    failures: int = 0
    """In a row."""
    reason: str = ""


class ElementShelf:
    """The durable sets and URLs."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def put(self, stored: StoredSet) -> None:
        """Keep a set in its state; one of the same satellite that was in use or held makes way. Raises StoreError."""
        await self._writer.run(lambda connection: _put(connection, stored))

    async def settle(self, norad_id: int, state: SetState, changed: datetime) -> None:
        """Nothing is in this state (in use or held) any more. Raises StoreError."""
        await self._writer.run(lambda connection: _make_way(connection, norad_id, state, changed))

    async def sets(self, norad_id: int) -> list[StoredSet]:
        """All sets of a satellite, oldest change first; damaged ones are passed over. Raises StoreError."""
        query = f"SELECT {_COLUMNS} FROM element_set WHERE norad_id = ? ORDER BY changed, hash"  # noqa: S608
        rows = await self._writer.run(lambda connection: connection.execute(query, (norad_id,)).fetchall())
        return [stored for row in rows if (stored := _stored(row)) is not None]

    async def url(self, url: str) -> UrlRecord:
        """What is known of a URL. Raises StoreError."""
        query = "SELECT body FROM element_source WHERE url = ?"
        row = await self._writer.run(lambda connection: connection.execute(query, (url,)).fetchone())
        try:
            return msgspec.json.decode(row[0], type=UrlRecord) if row else UrlRecord(url=url)
        except msgspec.MsgspecError:
            return UrlRecord(url=url)  # damaged on disk

    async def note(self, record: UrlRecord) -> None:
        """Keep what is known of a URL. Raises StoreError."""
        query = "INSERT INTO element_source VALUES (?, ?) ON CONFLICT (url) DO UPDATE SET body = excluded.body"
        row = (record.url, msgspec.json.encode(record))
        await self._writer.run(lambda connection: connection.execute(query, row).rowcount)


def _stored(row: tuple[object, ...]) -> StoredSet | None:
    try:
        return msgspec.convert(dict(zip(StoredSet.__struct_fields__, row, strict=True)), StoredSet, strict=False)
    except msgspec.ValidationError:
        return None


def _put(connection: sqlite3.Connection, stored: StoredSet) -> None:
    if stored.state in _MADE_WAY:
        _make_way(connection, stored.norad_id, stored.state, stored.changed, but=stored.hash)
    connection.execute(
        f"INSERT INTO element_set ({_COLUMNS}) VALUES (?, ?, ?, ?, ?) "  # noqa: S608
        "ON CONFLICT (norad_id, hash) DO UPDATE SET state = excluded.state, changed = excluded.changed, "
        "body = excluded.body",
        (stored.norad_id, stored.hash, stored.state, stored.changed.timestamp(), stored.body),
    )


def _make_way(connection: sqlite3.Connection, norad_id: int, state: SetState, changed: datetime, but: str = "") -> None:
    connection.execute(
        "UPDATE element_set SET state = ?, changed = ? WHERE norad_id = ? AND state = ? AND hash <> ?",
        (_MADE_WAY[state], changed.timestamp(), norad_id, state, but),
    )
