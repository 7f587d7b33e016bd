"""The ledger of commands: what was accepted, under which number, and how far it came. On disk before anything acts.

An id is taken once, for ever as far as its command could still be carried out: whoever brings it again, also after a
restart, gets the entry that stands there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import timedelta

import msgspec

from fleetd.clock import Clock
from fleetd.errors import StoreError
from fleetd.records import Command, Result, Stage
from fleetd.store.outbox import Outbox
from fleetd.store.rows import Draft, draft
from fleetd.store.writer import Writer

KEEP = timedelta(days=30)  # how long finished, expired commands can still be looked up
_HIGHEST = 0xFFFF_FFFF
_COLUMNS = "number, command, stage, reason"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One command in the ledger. `number` (1 to 4294967295) stands for its id on wires that have no room for text."""

    command: Command
    number: int
    stage: Stage
    reason: str = ""
    fresh: bool = False
    """Whether this very call of `accept` took the command in; False when its id was known."""


More = Callable[[sqlite3.Connection, Entry], None]
"""What else belongs into one transaction with an entry."""


def _nothing_more(_connection: sqlite3.Connection, _entry: Entry) -> None:
    pass


class Ledger:
    """The durable list of commands."""

    def __init__(self, writer: Writer, clock: Clock, outbox: Outbox) -> None:
        self._writer = writer
        self._clock = clock
        self._outbox = outbox

    async def accept(self, command: Command, result: Result | None = None, more: More = _nothing_more) -> Entry:
        """Take a command in, or give the entry of the one that has its id. Raises StoreError.

        The result that says so goes to the outbox in the same transaction, unless the id was known; `more` is done in
        it, too.
        """
        body, drafts = msgspec.json.encode(command), _drafts(result)

        def act(connection: sqlite3.Connection) -> Entry:
            entry = self._accept(connection, command, body)
            more(connection, entry)
            if entry.fresh:
                self._outbox.enclose(connection, drafts)
            return entry

        return await self._writer.run(act)

    async def advance(
        self,
        id: str,  # noqa: A002
        stage: Stage,
        reason: str = "",
        result: Result | None = None,
        more: More = _nothing_more,
    ) -> Entry:
        """Record how far a command has come; a final stage stays. Raises StoreError, for an unknown id too.

        The result that says so goes to the outbox in the same transaction; `more` is done in it, too.
        """
        drafts = _drafts(result)

        def act(connection: sqlite3.Connection) -> Entry:
            entry = self._advance(connection, id, stage, reason)
            more(connection, entry)
            self._outbox.enclose(connection, drafts)
            return entry

        return await self._writer.run(act)

    async def entry(self, id: str) -> Entry | None:  # noqa: A002
        """The entry of a command id, or None. Raises StoreError."""
        return await self._writer.run(lambda connection: _find(connection, id))

    async def unfinished(self) -> list[Entry]:
        """The robots' commands without a final stage, oldest first; telecommands have a list of their own.

        Raises StoreError.
        """
        others = "id NOT IN (SELECT id FROM telecommand)"
        query = f"SELECT {_COLUMNS} FROM ledger WHERE final = 0 AND {others} ORDER BY number"  # noqa: S608
        return await self._writer.run(lambda connection: [_entry(row) for row in connection.execute(query)])

    async def recent(self, limit: int = 100) -> list[Entry]:
        """The newest commands, newest first. Raises StoreError."""
        query = f"SELECT {_COLUMNS} FROM ledger ORDER BY number DESC LIMIT ?"  # noqa: S608
        return await self._writer.run(lambda connection: [_entry(row) for row in connection.execute(query, (limit,))])

    async def forget_old(self) -> int:
        """Drop what has been finished and expired for longer than `KEEP`; returns how many. Raises StoreError."""
        return await self._writer.run(self._forget_old)

    def _accept(self, connection: sqlite3.Connection, command: Command, body: bytes) -> Entry:
        known = _find(connection, command.id)
        if known is not None:
            return known
        number = self._next_number(connection)
        if number > _HIGHEST:
            raise StoreError("the ledger has given out all its numbers; begin a new store")
        connection.execute(
            "INSERT INTO ledger (number, id, command, stage, reason, final, changed) VALUES (?, ?, ?, ?, '', 0, ?)",
            (number, command.id, body, Stage.ACCEPTED, self._clock.now().timestamp()),
        )
        return Entry(command=command, number=number, stage=Stage.ACCEPTED, fresh=True)

    def _next_number(self, connection: sqlite3.Connection) -> int:
        last = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'ledger'").fetchone()
        if last is not None:
            return int(last[0]) + 1
        # A new ledger goes on above one that was lost: robots ignore numbers that they have seen.
        return max(1, min(int(self._clock.now().timestamp()), _HIGHEST >> 1))

    def _advance(self, connection: sqlite3.Connection, id: str, stage: Stage, reason: str) -> Entry:  # noqa: A002
        connection.execute(
            "UPDATE ledger SET stage = ?, reason = ?, final = ?, changed = ? WHERE id = ? AND final = 0",
            (stage, reason, stage.final, self._clock.now().timestamp(), id),
        )
        entry = _find(connection, id)
        if entry is None:
            raise StoreError(f"command {id!r} is not in the ledger")
        return entry

    def _forget_old(self, connection: sqlite3.Connection) -> int:
        cutoff = self._clock.now() - KEEP
        old = connection.execute(
            f"SELECT {_COLUMNS} FROM ledger WHERE final = 1 AND changed < ?",  # noqa: S608
            (cutoff.timestamp(),),
        ).fetchall()
        numbers = [(entry.number,) for entry in map(_entry, old) if entry.command.expires_at < cutoff]
        connection.executemany("DELETE FROM ledger WHERE number = ?", numbers)
        return len(numbers)


def _drafts(result: Result | None) -> list[Draft]:
    return [] if result is None else [draft(result)]


def _find(connection: sqlite3.Connection, id: str) -> Entry | None:  # noqa: A002
    row = connection.execute(f"SELECT {_COLUMNS} FROM ledger WHERE id = ?", (id,)).fetchone()  # noqa: S608
    return None if row is None else _entry(row)


def _entry(row: tuple[int, bytes, str, str]) -> Entry:
    number, body, stage, reason = row
    command = msgspec.json.decode(body, type=Command)
    return Entry(command=command, number=number, stage=Stage(stage), reason=reason)
