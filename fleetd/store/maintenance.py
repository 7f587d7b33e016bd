"""What the store keeps of work on antennas, so that a lock outlives the daemon; what it means, `contact` knows."""

from __future__ import annotations

from fleetd.store.writer import Writer

TABLES = "CREATE TABLE IF NOT EXISTS maintenance (id TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT;"


class MaintenanceShelf:
    """The durable entries, as bytes under their ids."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def all(self) -> list[bytes]:
        """Every entry. Raises StoreError."""
        query = "SELECT body FROM maintenance ORDER BY id"
        return [row[0] for row in await self._writer.run(lambda connection: connection.execute(query).fetchall())]

    async def put(self, entry_id: str, body: bytes) -> None:
        """Keep an entry, in place of one of the same id. Raises StoreError."""
        query = "INSERT INTO maintenance VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body"
        await self._writer.run(lambda connection: connection.execute(query, (entry_id, body)).rowcount)

    async def drop(self, entry_id: str) -> None:
        """Forget an entry. Raises StoreError."""
        query = "DELETE FROM maintenance WHERE id = ?"
        await self._writer.run(lambda connection: connection.execute(query, (entry_id,)).rowcount)
