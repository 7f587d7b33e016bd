"""The store's tables and its version, and opening the file.

A file from a newer fleetd is refused, never guessed at. A file that is no database is set aside, so that the daemon
starts and the evidence stays.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import structlog

from fleetd.errors import StoreError
from fleetd.store import elements

log = structlog.get_logger(__name__)

FILE = "fleetd.db"
VERSION = 1
_APPLICATION_ID = 0x666C6431  # "fld1"
_WAL_LIMIT = 16 << 20  # bytes that a checkpointed log may keep on disk

_TABLES = """
CREATE TABLE about (key TEXT PRIMARY KEY, value ANY) STRICT;
CREATE TABLE outbox (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,  -- rising across boots, without holes when given
    boot   TEXT    NOT NULL,
    at_us  INTEGER NOT NULL,
    kind   TEXT    NOT NULL,
    device TEXT    NOT NULL,
    name   TEXT    NOT NULL,
    body   BLOB    NOT NULL,
    crc    INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_node ON outbox (seq) WHERE kind = 'node';
CREATE TABLE damaged (
    found_at TEXT, seq ANY, boot ANY, at_us ANY, kind ANY, device ANY, name ANY, body ANY, crc ANY
) STRICT;
CREATE TABLE ledger (
    number   INTEGER PRIMARY KEY AUTOINCREMENT CHECK (number BETWEEN 1 AND 4294967295),
    id       TEXT NOT NULL UNIQUE,
    command  BLOB NOT NULL,
    stage    TEXT NOT NULL,
    reason   TEXT NOT NULL,
    final    INTEGER NOT NULL,
    changed  REAL NOT NULL
) STRICT;
CREATE INDEX ledger_unfinished ON ledger (number) WHERE final = 0;
CREATE TABLE audit (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    at      TEXT NOT NULL,
    who     TEXT NOT NULL,
    act     TEXT NOT NULL,
    outcome TEXT NOT NULL,
    detail  TEXT NOT NULL,
    hash    TEXT NOT NULL
) STRICT;
"""


def open_database(folder: Path) -> tuple[sqlite3.Connection, Path | None]:
    """The store's connection, tables there, version checked, each commit on disk before it returns.

    The path is where a file that was no database was set aside, if there was one. Raises StoreError. The caller holds
    the folder's lock.
    """
    path = folder / FILE
    try:
        return _opened(path), None
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise StoreError(f"{path} cannot be opened: {error}; look at its owner, its mode and its disk") from error
        aside = _set_aside(path)
        log.warning("the store is damaged; it was set aside and a new one begun", store=str(path), aside=str(aside))
    try:
        return _opened(path), aside
    except sqlite3.Error as error:
        raise StoreError(f"{path} cannot be made: {error}; look at its owner, its mode and its disk") from error


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=3.0)
    try:
        # A flipped bit in a text must reach the checksum, not stop the reading of its neighbours.
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        new = _is_new(connection, path)
        _set_pragmas(connection)
        if new:
            _create(connection, path.parent)
        # Added since version 1; they stand beside its tables, so an older fleetd still reads the file.
        connection.executescript(elements.TABLES)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_new(connection: sqlite3.Connection, path: Path) -> bool:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables and application != _APPLICATION_ID:
        raise StoreError(f"{path} is a database of something else; choose another folder")
    if version > VERSION:
        raise StoreError(
            f"{path} was written by a newer fleetd (store version {version}, this one knows {VERSION}); "
            "upgrade fleetd or choose another folder"
        )
    return not tables


def _set_pragmas(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # in WAL mode only FULL survives a power cut
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT}")


def _create(connection: sqlite3.Connection, folder: Path) -> None:
    connection.executescript(
        f"BEGIN; {_TABLES} PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
    )
    # The file's name is as durable as its content only once its folder is on disk, too.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _set_aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    path.rename(aside)
    for tail in ("-wal", "-shm"):
        companion = path.with_name(path.name + tail)
        if companion.exists():
            companion.rename(aside.with_name(aside.name + tail))
    return aside
