"""Telecommands on disk, beside their ledger entries: the counter each was given, how often it was sent, how far it is.

Whatever is noted before a frame leaves is committed before that: a counter is never given twice, and what may have been
sent is never taken for what has not.
"""

from __future__ import annotations

import sqlite3
from enum import StrEnum

import msgspec

from fleetd.clock import Clock
from fleetd.errors import StoreError
from fleetd.records import Command, Result, Stage
from fleetd.store.ledger import Entry, Ledger
from fleetd.store.writer import Writer

TABLES = """
CREATE TABLE IF NOT EXISTS telecommand (
    id        TEXT PRIMARY KEY,
    satellite TEXT    NOT NULL,
    counter   INTEGER NOT NULL,  -- 0 before it is released
    sends     INTEGER NOT NULL,
    step      TEXT    NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS telecommand_counter (satellite TEXT PRIMARY KEY, highest INTEGER NOT NULL) STRICT;
"""


class Step(StrEnum):
    """How far a telecommand is; each step is on disk before the next begins."""

    QUEUED = "queued"
    RELEASED = "released"  # it has a counter, and may have been sent
    HANDED = "handed"  # the TNC has taken it
    ACKNOWLEDGED = "acknowledged"  # by the satellite
    SEEN = "seen"  # its effect, in telemetry


class Telecommand(msgspec.Struct, frozen=True, kw_only=True):
    """One telecommand as it stands."""

    command: Command
    stage: Stage
    reason: str
    counter: int
    sends: int
    step: Step


class Telecommands:
    """The durable list."""

    def __init__(self, writer: Writer, clock: Clock, ledger: Ledger) -> None:
        self._writer = writer
        self._clock = clock
        self._ledger = ledger

    async def accept(self, command: Command, result: Result) -> Entry:
        """Take one in, or give the entry of the one that has its id. Raises StoreError."""

        def more(connection: sqlite3.Connection, entry: Entry) -> None:
            if entry.fresh:
                row = (command.id, command.device, Step.QUEUED)
                connection.execute("INSERT OR REPLACE INTO telecommand VALUES (?, ?, 0, 0, ?)", row)

        return await self._ledger.accept(command, result, more)

    async def release(self, command: Command, result: Result) -> int:
        """Give it the next counter, note that it is about to be sent, and return the counter. Raises StoreError."""
        given: list[int] = []

        def more(connection: sqlite3.Connection, _entry: Entry) -> None:
            given[:] = [self._next(connection, command.device)]
            step = (Step.RELEASED, given[0], command.id)
            connection.execute("UPDATE telecommand SET step = ?, counter = ?, sends = sends + 1 WHERE id = ?", step)

        await self._ledger.advance(command.id, Stage.STARTED, "released", result, more)
        return given[0]

    async def withdraw(self, command: Command, result: Result) -> None:
        """It was not sent after all, beyond doubt: it waits again, and its counter is not used. Raises StoreError."""

        def more(connection: sqlite3.Connection, _entry: Entry) -> None:
            step = (Step.QUEUED, command.id)
            connection.execute("UPDATE telecommand SET step = ?, counter = 0, sends = sends - 1 WHERE id = ?", step)

        await self._ledger.advance(command.id, Stage.ACCEPTED, result.reason, result, more)

    async def again(self, command: Command) -> None:
        """It is about to be sent once more under its counter. Raises StoreError."""
        query = "UPDATE telecommand SET sends = sends + 1 WHERE id = ?"
        await self._writer.run(lambda connection: connection.execute(query, (command.id,)).rowcount)

    async def reach(self, command: Command, step: Step, result: Result) -> None:
        """Note a step; the result that tells of it is committed with it. Raises StoreError."""

        def more(connection: sqlite3.Connection, _entry: Entry) -> None:
            connection.execute("UPDATE telecommand SET step = ? WHERE id = ?", (step, command.id))

        await self._ledger.advance(command.id, Stage.STARTED, step, result, more)

    async def finish(self, command: Command, result: Result, step: Step | None = None) -> None:
        """Note a final stage. Raises StoreError."""

        def more(connection: sqlite3.Connection, _entry: Entry) -> None:
            if step is not None:
                connection.execute("UPDATE telecommand SET step = ? WHERE id = ?", (step, command.id))

        await self._ledger.advance(command.id, result.stage, result.reason, result, more)

    async def listed(self, *, unfinished: bool, most: int = 1000) -> list[Telecommand]:
        """Telecommands in the order in which they came; only those without a final stage, or all. Raises StoreError."""
        query = (
            "SELECT ledger.command, ledger.stage, ledger.reason, counter, sends, step FROM telecommand "
            "JOIN ledger ON ledger.id = telecommand.id WHERE final <= ? ORDER BY number DESC LIMIT ?"
        )
        rows = await self._writer.run(
            lambda connection: connection.execute(query, (0 if unfinished else 1, most)).fetchall()
        )
        return [_telecommand(row) for row in reversed(rows)]

    def _next(self, connection: sqlite3.Connection, satellite: str) -> int:
        row = connection.execute("SELECT highest FROM telecommand_counter WHERE satellite = ?", (satellite,)).fetchone()
        # A list that was lost goes on above itself: a satellite takes rising counters alone.
        counter = row[0] + 1 if row else max(1, int(self._clock.now().timestamp()) & 0xFFFF_FFFF)
        if counter > 0xFFFF_FFFF:
            raise StoreError(f"{satellite} has been given all counters; it needs a new key and a new count")
        connection.execute("INSERT OR REPLACE INTO telecommand_counter VALUES (?, ?)", (satellite, counter))
        return counter


def _telecommand(row: tuple[bytes, str, str, int, int, str]) -> Telecommand:
    body, stage, reason, counter, sends, step = row
    return Telecommand(
        command=msgspec.json.decode(body, type=Command),
        stage=Stage(stage),
        reason=reason,
        counter=counter,
        sends=sends,
        step=Step(step),
    )
