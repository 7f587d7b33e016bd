"""The archive of frames: every frame as it came off the air, on disk before anything looks inside it.

A file of its own beside the store, so that years of frames make no restart slow. Each frame bears a checksum; one that
fails it is passed over and counted. A file that cannot be read is set aside and a new one begun.
"""

from __future__ import annotations

import asyncio
import sqlite3
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from fleetd.clock import Clock
from fleetd.errors import StoreError
from fleetd.records import Frame
from fleetd.store.damage import is_damage
from fleetd.store.rows import microseconds
from fleetd.store.schema import sync_folder
from fleetd.store.writer import Writer

FILE = "frames.db"
_TABLES = """
CREATE TABLE IF NOT EXISTS frame (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,
    at_us     INTEGER NOT NULL,
    satellite TEXT NOT NULL,
    contact   TEXT NOT NULL,
    body      BLOB NOT NULL,
    crc       INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS frame_time ON frame (at_us);
"""
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Frame)


class FrameWish(msgspec.Struct, frozen=True, kw_only=True):
    """Which frames are wanted; what is not given does not matter."""

    since: datetime | None = None
    until: datetime | None = None
    satellite: str = ""
    contact: str = ""
    after: int = 0
    """Only frames with higher numbers."""


class FrameArchive:
    """The durable frames, by number and by time."""

    def __init__(self, writer: Writer) -> None:
        self.damaged = 0
        """Frames that failed their checksum when they were read."""
        self._writer = writer

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, clock: Clock, keep_days: float) -> AsyncIterator[FrameArchive]:
        """The archive in a store's folder, frames older than `keep_days` dropped. Raises StoreError."""
        connection = await asyncio.to_thread(_opened, folder / FILE, clock.now())
        async with Writer.over(connection, str(folder / FILE)) as writer:
            archive = cls(writer)
            if clock.synced:
                await archive.forget_before(clock.now() - timedelta(days=keep_days))
            yield archive

    async def append(self, frames: Sequence[Frame]) -> list[Frame]:
        """Commit frames in their order; returns them with their numbers once they are on disk. Raises StoreError."""
        rows = []
        for frame in frames:
            body = _encoder.encode(frame)
            rows.append((microseconds(frame.at), frame.satellite, frame.contact, body, zlib.crc32(body)))
        last = await self._writer.run(lambda connection: _insert(connection, rows), weight=len(rows))
        first = last - len(frames) + 1
        return [msgspec.structs.replace(frame, number=first + place) for place, frame in enumerate(frames)]

    async def read(self, wish: FrameWish, most: int = 500) -> list[Frame]:
        """The frames that are wanted, lowest number first, at most `most`. Raises StoreError."""
        query, values = _query(wish, most)
        rows = await self._writer.run(lambda connection: connection.execute(query, values).fetchall())
        frames = []
        for number, body, crc in rows:
            try:
                whole = zlib.crc32(body) == crc
                if whole:
                    frames.append(msgspec.structs.replace(_decoder.decode(body), number=number))
            except (msgspec.MsgspecError, TypeError):
                whole = False
            self.damaged += not whole
        return frames

    async def newest(self, most: int = 20) -> list[Frame]:
        """The last frames, oldest first. Raises StoreError."""
        query = "SELECT min(number) FROM (SELECT number FROM frame ORDER BY number DESC LIMIT ?)"
        row = await self._writer.run(lambda connection: connection.execute(query, (most,)).fetchone())
        return await self.read(FrameWish(after=(row[0] or 1) - 1), most)

    async def forget_before(self, when: datetime) -> int:
        """Drop what is older; returns how many. Raises StoreError."""
        before = microseconds(when)
        return await self._writer.run(
            lambda connection: connection.execute("DELETE FROM frame WHERE at_us < ?", (before,)).rowcount
        )


def _query(wish: FrameWish, most: int) -> tuple[str, list[object]]:
    terms: list[str] = ["number > ?"]
    values: list[object] = [wish.after]
    for term, value in (
        ("at_us >= ?", microseconds(wish.since) if wish.since else None),
        ("at_us < ?", microseconds(wish.until) if wish.until else None),
        ("satellite = ?", wish.satellite or None),
        ("contact = ?", wish.contact or None),
    ):
        if value is not None:
            terms.append(term)
            values.append(value)
    query = f"SELECT number, body, crc FROM frame WHERE {' AND '.join(terms)} ORDER BY number LIMIT ?"  # noqa: S608
    return query, [*values, most]


def _insert(connection: sqlite3.Connection, rows: Sequence[tuple[object, ...]]) -> int:
    connection.executemany("INSERT INTO frame (at_us, satellite, contact, body, crc) VALUES (?, ?, ?, ?, ?)", rows)
    (last,) = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'frame'").fetchone() or (0,)
    return int(last)


def _opened(path: Path, now: datetime) -> sqlite3.Connection:
    try:
        return _connected(path)
    except sqlite3.Error as error:
        if not is_damage(error):
            raise StoreError(f"{path} cannot be opened: {error}; look at its owner, its mode and its disk") from error
    for suffix in ("", "-wal", "-shm"):
        old = path.with_name(path.name + suffix)
        if old.exists():
            old.rename(path.with_name(f"frames-damaged-{now:%Y%m%dT%H%M%S}.db{suffix}"))
    sync_folder(path.parent)
    try:
        return _connected(path)
    except sqlite3.Error as error:
        raise StoreError(f"{path} cannot be begun anew: {error}; look at its disk") from error


def _connected(path: Path) -> sqlite3.Connection:
    new = not path.exists()
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=3.0)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(_TABLES)
    except BaseException:
        connection.close()
        raise
    if new:
        sync_folder(path.parent)
    return connection
