"""The alarms as they stand, so that one which was active when the process died is taken back after the restart.

A change and the record that tells of it are one transaction: what is retained at a broker always has its row here.
What a row means is the business of whoever keeps it; here it is bytes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import NamedTuple

from fleetd.errors import StoreError
from fleetd.records import Alarm
from fleetd.store.outbox import Outbox
from fleetd.store.rows import Draft, draft
from fleetd.store.writer import Writer

TABLES = """
CREATE TABLE IF NOT EXISTS alarm (
    device TEXT NOT NULL,
    name   TEXT NOT NULL,
    body   BLOB NOT NULL,
    PRIMARY KEY (device, name)
) STRICT;
"""
_PUT = "INSERT INTO alarm VALUES (?, ?, ?) ON CONFLICT (device, name) DO UPDATE SET body = excluded.body"


class KeptAlarm(NamedTuple):
    """One row."""

    device: str
    name: str
    body: bytes


class AlarmBook:
    """The durable register of alarms."""

    def __init__(self, writer: Writer, outbox: Outbox) -> None:
        self._writer = writer
        self._outbox = outbox
        self._owed: dict[tuple[str, str], bytes] = {}

    async def all(self) -> list[KeptAlarm]:
        """All rows, by device and name. Raises StoreError."""
        query = "SELECT device, name, body FROM alarm ORDER BY device, name"
        rows = await self._writer.run(lambda connection: connection.execute(query).fetchall())
        return [KeptAlarm(*row) for row in rows]

    def note(self, device: str, name: str, body: bytes, told: Alarm | None = None) -> None:
        """Keep a row (an empty `body` takes it away) and hand `told` to the outbox, both or neither; returns at once.

        What the store does not take is kept with the next change that it takes.
        """
        rows = {**self._owed, (device, name): body}
        self._owed = {}
        drafts = [] if told is None else [draft(told)]

        def refused() -> None:
            self._owed = rows | self._owed
            if told is not None:
                self._outbox.owe(told)

        try:
            done = self._writer.run(lambda connection: self._put(connection, rows, drafts))
        except StoreError:
            refused()
        else:
            done.add_done_callback(lambda done: refused() if not done.cancelled() and done.exception() else None)

    def _put(self, connection: sqlite3.Connection, rows: Mapping[tuple[str, str], bytes], drafts: list[Draft]) -> None:
        for (device, name), body in rows.items():
            if body:
                connection.execute(_PUT, (device, name, body))
            else:
                connection.execute("DELETE FROM alarm WHERE device = ? AND name = ?", (device, name))
        self._outbox.enclose(connection, drafts)
