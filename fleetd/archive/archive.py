"""`Archive`: takes whatever the hub publishes, and answers questions about it.

Taking in never waits for anybody and nobody waits for it: what a failing disk does not take is counted and told once.
Questions are answered in threads, on connections that only read, and so never keep the writer waiting.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog

from fleetd.archive import query
from fleetd.archive.file import FILE, open_to_write, set_aside
from fleetd.archive.query import Holdings, Span
from fleetd.archive.settings import ArchiveSettings
from fleetd.archive.writer import Bounds, Tables
from fleetd.clock import Clock
from fleetd.errors import StoreError
from fleetd.hub import Hub
from fleetd.records import Alarm, AnyRecord, ContactReport, DeviceStatus, Event, Reading, Result
from fleetd.store.rows import microseconds
from fleetd.store.writer import Writer

log = structlog.get_logger(__name__)

CAPACITY = 100_000
_TAKEN = (Reading, DeviceStatus, Event, Alarm, Result, ContactReport)  # frames have a file of their own
_GATHER_S = 1.0  # of the clock: how long records gather before they are taken in together
_BATCH = 5_000
_FOLD_AFTER_S = 600.0
_FOLD_AT = 50_000  # readings
_QUESTIONS = 2  # at a time
T = TypeVar("T")


class ArchiveStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How an archive stands; counts are since the daemon started."""

    path: str
    bytes: int
    """Size of its file and its log."""
    kept: int
    dropped: int
    """Records that it did not get, because its disk failed or they came too fast."""
    removed: int
    """Blocks of readings, and other records, let go again for age or want of room."""


class Archive:
    """An open archive; run `run` beside it."""

    def __init__(self, path: Path, writer: Writer, clock: Clock, tables: Tables) -> None:
        self.path = path
        self._writer = writer
        self._clock = clock
        self._tables = tables
        self._questions = asyncio.Semaphore(_QUESTIONS)
        self._kept = 0
        self._failed = 0
        self._missed = 0
        self._folded_s = clock.monotonic()

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, clock: Clock, settings: ArchiveSettings) -> AsyncIterator[Archive]:
        """The archive in a folder, made if it is missing. Raises StoreError."""
        path = folder / FILE
        connection = await asyncio.to_thread(open_to_write, path)
        tables = Tables(Bounds(settings.max_mib << 20, int(settings.max_days * 86_400e6)), clock)
        async with Writer.over(connection, str(path), lambda old, why: _renewed(path, old, why)) as writer:
            archive = cls(path, writer, clock, tables)
            await archive.fold()
            yield archive

    async def run(self, hub: Hub) -> None:
        """Take in what the hub publishes, for ever; when cancelled, take in what has been published by then."""
        with hub.subscribe("archive", *_TAKEN, capacity=CAPACITY) as records:
            try:
                while True:
                    await self.take(await records.get_batch(_BATCH))
                    self._missed = records.dropped
                    if len(records) < _BATCH:
                        await self._clock.sleep(_GATHER_S)
                    await self._fold_if_due()
            finally:
                while len(records):
                    await self.take(await records.get_batch(_BATCH))

    async def take(self, records: Sequence[AnyRecord]) -> None:
        """Keep records; what the disk refuses is counted, and the first refusal of a row logged."""
        try:
            await self._writer.run(lambda connection: self._tables.take(connection, records), weight=len(records))
        except StoreError as error:
            say = log.debug if self._failed else log.warning
            say("records are not archived", reason=str(error), records=len(records))
            self._failed += len(records)
        else:
            self._kept += len(records)

    async def fold(self) -> None:
        """Make blocks of what came lately, and make room. Raises StoreError."""
        now_us = microseconds(self._clock.now())
        await self._writer.run(self._tables.fold, weight=500)
        await self._writer.run(lambda connection: self._tables.make_room(connection, now_us))
        self._folded_s = self._clock.monotonic()

    async def retime(self, ahead_us: int) -> None:
        """Civil time is certain and `ahead_us` ahead of the boot's running time: put right what was made before.

        Raises StoreError.
        """
        await self._writer.run(lambda connection: self._tables.retime(connection, ahead_us), weight=500)

    async def history(self, device: str, values: Sequence[str], span: Span, most: int) -> bytes:
        """The course of values as JSON; see `query.history`. Raises Refusal and StoreError."""
        path = self.path
        return await self._ask(lambda: query.history_json(query.history(path, device, values, span, most)))

    async def holdings(self, device: str) -> Holdings:
        """What there is of a device. Raises Refusal and StoreError."""
        return await self._ask(lambda: query.holdings(self.path, device))

    async def records(self, kinds: Sequence[str], device: str, span: Span, most: int) -> list[bytes]:
        """Records that are no readings, each as JSON; see `query.records`. Raises Refusal and StoreError."""
        return await self._ask(lambda: query.records(self.path, kinds, device, span, most))

    def status(self) -> ArchiveStatus:
        """How it stands."""
        size = 0
        for tail in ("", "-wal"):
            try:
                size += self.path.with_name(self.path.name + tail).stat().st_size
            except OSError:
                continue
        return ArchiveStatus(
            path=str(self.path),
            bytes=size,
            kept=self._kept,
            dropped=self._failed + self._missed,
            removed=self._tables.removed,
        )

    async def _fold_if_due(self) -> None:
        due = self._clock.monotonic() - self._folded_s >= _FOLD_AFTER_S
        if not due and self._tables.fresh < _FOLD_AT:
            return
        try:
            await self.fold()
        except StoreError as error:
            log.warning("the archive cannot be folded", reason=str(error))
            self._folded_s = self._clock.monotonic()

    async def _ask(self, question: Callable[[], T]) -> T:
        async with self._questions:
            return await asyncio.to_thread(question)


def _renewed(path: Path, damaged: sqlite3.Connection, why: sqlite3.Error) -> sqlite3.Connection:
    """A new archive in the place of one that turned out to be damaged. Called in the writer's thread."""
    damaged.close()
    log.error(
        "the archive is damaged; it is set aside and a new one begun", aside=str(set_aside(path)), reason=str(why)
    )
    return open_to_write(path)
