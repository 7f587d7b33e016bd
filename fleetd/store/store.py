"""`Store`: one folder, one daemon, one database; its outbox, ledger, audit chain and orbital elements.

Everything in it is on disk (WAL, synchronous FULL) before the call that put it there returns. A failing disk raises
StoreError from that call and nothing else: the process goes on, and so does the store once the disk does.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fleetd.clock import Clock
from fleetd.errors import StoreError
from fleetd.records import Event, Severity
from fleetd.store.audit import Audit
from fleetd.store.elements import ElementShelf
from fleetd.store.ledger import Ledger
from fleetd.store.lock import locked
from fleetd.store.outbox import Outbox
from fleetd.store.schema import open_database
from fleetd.store.settings import StoreSettings
from fleetd.store.table import Tally, first_tally
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
            connection, aside = await asyncio.to_thread(open_database, folder)
            boot, tally = _begin(connection, folder)
            async with Writer.over(connection, str(folder)) as writer:
                store = cls(
                    folder=folder,
                    node=node,
                    boot=boot,
                    outbox=Outbox(writer, boot, clock, limits.max_mib << 20, tally),
                    ledger=Ledger(writer, clock),
                    audit=Audit(writer, clock),
                    elements=ElementShelf(writer),
                )
                if aside is not None:
                    await store.outbox.append([_set_aside(clock, aside)])
                await store.ledger.forget_old()
                yield store


def _set_aside(clock: Clock, aside: Path) -> Event:
    return Event(
        at=clock.now(),
        clock_synced=clock.synced,
        source="store",
        name="store-set-aside",
        text=f"the store was damaged and set aside as {aside}; commands that were known before are forgotten",
        severity=Severity.CRITICAL,
        detail={"path": str(aside)},
    )


def _begin(connection: sqlite3.Connection, folder: Path) -> tuple[str, Tally]:
    """Count this boot, and see what the last one left."""
    try:
        connection.execute("INSERT INTO about VALUES ('boots', 1) ON CONFLICT DO UPDATE SET value = value + 1")
        (boots,) = connection.execute("SELECT value FROM about WHERE key = 'boots'").fetchone()
        return f"{boots:06d}-{secrets.token_hex(3)}", first_tally(connection)
    except sqlite3.Error as error:
        connection.close()
        raise StoreError(f"the store {folder} does not take writes or reads: {error}; look at its disk") from error
