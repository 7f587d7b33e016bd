"""The highest counter seen of each signing key, on disk before the command that bore it is looked at any further."""

from __future__ import annotations

import sqlite3

from fleetd.store.writer import Writer

TABLES = "CREATE TABLE IF NOT EXISTS counter (key TEXT PRIMARY KEY, highest INTEGER NOT NULL) STRICT;"
HIGHEST = 2**63 - 1
MARK = "key:"
"""What every row's key begins with, by which a row of a damaged file is known to be of this table."""

_RAISE = (
    "INSERT INTO counter VALUES (?, ?) "
    "ON CONFLICT (key) DO UPDATE SET highest = excluded.highest WHERE excluded.highest > highest"
)


class Counters:
    """Rising counters by key id."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def raise_to(self, key: str, counter: int) -> bool:
        """Note a counter; False, and nothing is noted, unless it is above all that were seen. Raises StoreError."""
        return await self._writer.run(lambda connection: _raise(connection, key, counter))

    async def highest(self) -> dict[str, int]:
        """The highest counter of each key. Raises StoreError."""
        rows = await self._writer.run(lambda connection: connection.execute("SELECT * FROM counter").fetchall())
        return {key.removeprefix(MARK): highest for key, highest in rows}


def _raise(connection: sqlite3.Connection, key: str, counter: int) -> bool:
    return connection.execute(_RAISE, (MARK + key, counter)).rowcount > 0
