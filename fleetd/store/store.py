"""`Store`: one folder, one daemon, one database; its outbox, ledger, audit chain, elements, alarms and key counters.

Everything in it is on disk (WAL, synchronous FULL) before the call that put it there returns. A failing disk raises
StoreError from that call and nothing else: the process goes on, and so does the store once the disk does.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fleetd.clock import Clock
from fleetd.errors import StoreError
from fleetd.marks import fresh_mark
from fleetd.records import Event, Severity
from fleetd.store.alarms import AlarmBook
from fleetd.store.audit import Audit
from fleetd.store.counters import Counters
from fleetd.store.elements import ElementShelf
from fleetd.store.ledger import Ledger
from fleetd.store.lock import locked
from fleetd.store.maintenance import MaintenanceShelf
from fleetd.store.outbox import Outbox
from fleetd.store.reserve import Reserve
from fleetd.store.salvage import Salvaged, finish, save
from fleetd.store.schema import open_database
from fleetd.store.settings import StoreSettings
from fleetd.store.table import Bounds, Tally, first_tally
from fleetd.store.telecommands import Telecommands
from fleetd.store.writer import Writer


@dataclass(frozen=True, slots=True)
class Store:
    """An open store. `node` names this fleetd among others, `boot` this run of it."""

    folder: Path
    node: str
    boot: str
    outbox: Outbox
    ledger: Ledger
    audit: Audit
    elements: ElementShelf
    alarms: AlarmBook
    maintenance: MaintenanceShelf
    counters: Counters
    telecommands: Telecommands

    @classmethod
    @asynccontextmanager
    async def open(
        cls, folder: str | Path, *, node: str, clock: Clock, settings: StoreSettings | None = None
    ) -> AsyncIterator[Store]:
        """The store in `folder`, made if it is missing; leaving waits until all that was handed in is on disk.

        Raises StoreError when another daemon holds it (with its pid), when it is newer than this fleetd, or when the
        disk does not take it.
        """
        folder = Path(folder)
        limits = settings or StoreSettings(path=str(folder))
        with locked(folder):
            reserve = Reserve(folder)
            reserve.give()  # a start finds room for itself, too
            connection, salvaged = await asyncio.to_thread(_opened, folder)
            boot, tally = _begin(connection, folder)
            bounds = Bounds(limits.max_mib << 20, int(limits.max_age_days * 86_400e6))
            news = _News(folder, clock)
            async with Writer.over(connection, str(folder), news.heal, reserve) as writer:
                outbox = news.outbox = Outbox(writer, boot, clock, bounds, tally)
                ledger = Ledger(writer, clock, outbox)
                store = cls(
                    folder=folder,
                    node=node,
                    boot=boot,
                    outbox=outbox,
                    ledger=ledger,
                    audit=Audit(writer, clock),
                    elements=ElementShelf(writer),
                    alarms=AlarmBook(writer, outbox),
                    maintenance=MaintenanceShelf(writer),
                    counters=Counters(writer),
                    telecommands=Telecommands(writer, clock, ledger),
                )
                if salvaged is not None:
                    await store.outbox.append([news.of(salvaged)])
                await store.ledger.forget_old()
                yield store


class _News:
    """Sees to a store that turns out to be damaged while it is open, and words what is to be said of it."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.outbox: Outbox | None = None
        self._folder = folder
        self._clock = clock

    def heal(self, connection: sqlite3.Connection, error: sqlite3.Error) -> sqlite3.Connection:
        """Replace the database. Called in the writer's thread; raises sqlite3.Error, OSError and StoreError."""
        saved = save(self._folder, str(error))
        connection.close()
        salvaged = Salvaged(aside=str(finish(self._folder)), why=str(error), saved=saved)
        healed = open_database(self._folder)
        if self.outbox is not None:
            self.outbox.renew(healed, [self.of(salvaged)])
        return healed

    def of(self, salvaged: Salvaged) -> Event:
        """What is published of it."""
        saved = ", ".join(f"{count} of {table}" for table, count in sorted(salvaged.saved.items())) or "nothing"
        return Event(
            at=self._clock.now(),
            clock_synced=self._clock.synced,
            source="store",
            name="store-set-aside",
            text=f"the store was damaged and set aside as {salvaged.aside}; saved were {saved}; the rest is lost",
            severity=Severity.CRITICAL,
            detail={"path": salvaged.aside, "why": salvaged.why, "saved": salvaged.saved},
        )


def _opened(folder: Path) -> tuple[sqlite3.Connection, Salvaged | None]:
    """The database, after what is whole of a damaged one was carried over. Raises StoreError."""
    finish(folder)
    try:
        return open_database(folder), None
    except sqlite3.Error as error:
        why = str(error)
    try:
        saved = save(folder, why)
        salvaged = Salvaged(aside=str(finish(folder)), why=why, saved=saved)
        return open_database(folder), salvaged
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"the store {folder} is damaged ({why}) and cannot be renewed: {error}") from error


def _begin(connection: sqlite3.Connection, folder: Path) -> tuple[str, Tally]:
    """Count this boot, and see what the last one left."""
    try:
        connection.execute("INSERT INTO about VALUES ('boots', 1) ON CONFLICT DO UPDATE SET value = value + 1")
        (boots,) = connection.execute("SELECT value FROM about WHERE key = 'boots'").fetchone()
        return f"{boots:06d}-{fresh_mark(3)}", first_tally(connection)
    except sqlite3.Error as error:
        connection.close()
        raise StoreError(f"the store {folder} does not take writes or reads: {error}; look at its disk") from error
