"""The store's tables and its version, and opening the file.

A file from a newer fleetd is refused, never guessed at. What becomes of a damaged one stands in `salvage`.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from fleetd.errors import StoreError
from fleetd.store import alarms, counters, elements, maintenance, table, telecommands, untimed
from fleetd.store.damage import damage, is_damage

FILE = "fleetd.db"
VERSION = 1
_APPLICATION_ID = 0x666C6431  # "fld1"
_WAL_LIMIT = 16 << 20  # bytes that a checkpointed log may keep on disk

# Added since version 1; they stand beside its tables, so an older fleetd still reads the file.
_ADDED = elements.TABLES + alarms.TABLES + maintenance.TABLES + counters.TABLES + untimed.TABLES + telecommands.TABLES
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


def open_database(folder: Path) -> sqlite3.Connection:
    """The store's connection, tables there, version checked, pages looked over, commits on disk before they return.

    Raises StoreError, and sqlite3.DatabaseError (see `is_damage`) for a file that is not whole. The caller holds the
    folder's lock.
    """
    path = folder / FILE
    try:
        connection = connect(path)
    except sqlite3.Error as error:
        if is_damage(error):
            raise
        raise StoreError(f"{path} cannot be opened: {error}; look at its owner, its mode and its disk") from error
    return connection


def connect(path: Path) -> sqlite3.Connection:
    """A connection to one file, made if it is missing. Raises sqlite3.Error and StoreError."""
    orphaned = path.with_name(f"{path.name}-wal")
    if orphaned.exists() and (not path.exists() or not path.stat().st_size):
        raise damage(f"{path} is empty beside a log that is not")  # SQLite would delete the log
    try:
        return _opened(path)
    except UnicodeDecodeError as error:  # SQLite complains of a name that is no text any more
        raise damage(f"the head of {path} is damaged: {error}") from None


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=3.0)
    try:
        # A flipped bit in a text must reach the checksum, not stop the reading of its neighbours.
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        new = _is_new(connection, path)
        _set_pragmas(connection)
        if new:
            _create(connection, path.parent)
        else:
            _check(connection)
        connection.execute(table.INDEX)
        connection.execute("INSERT OR IGNORE INTO about VALUES ('version', ?)", (VERSION,))
        connection.executescript(_ADDED)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_new(connection: sqlite3.Connection, path: Path) -> bool:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    found = set(connection.execute("SELECT name, sql FROM sqlite_schema").fetchall())
    if not found:
        return True
    if not {name for name, _ in found} & {"outbox", "ledger", "audit"}:
        raise StoreError(f"{path} is a database of something else; choose another folder")
    if version > VERSION and application == _APPLICATION_ID and not _flipped(connection, version):
        raise StoreError(
            f"{path} was written by a newer fleetd (store version {version}, this one knows {VERSION}); "
            "upgrade fleetd or choose another folder"
        )
    if (application, version) != (_APPLICATION_ID, VERSION) or not _expected() <= found:
        raise damage(f"the head of {path} is damaged")
    return False


def _flipped(connection: sqlite3.Connection, version: int) -> bool:
    """Whether it is but one bit that makes the file look newer, and a row of it says so."""
    row = connection.execute("SELECT value FROM about WHERE key = 'version'").fetchone()
    return row == (VERSION,) and (version ^ VERSION).bit_count() == 1


def _expected() -> set[tuple[str, str | None]]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(_TABLES)
        return set(connection.execute("SELECT name, sql FROM sqlite_schema").fetchall())


def _check(connection: sqlite3.Connection) -> None:
    """Look over every page, for damage there can hide records without a word."""
    complaints = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
    if complaints != ["ok"]:
        raise damage("; ".join(complaints))


def _set_pragmas(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # in WAL mode only FULL survives a power cut
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT}")


def _create(connection: sqlite3.Connection, folder: Path) -> None:
    connection.executescript(
        f"BEGIN; {_TABLES} PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
    )
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """A file's name is as durable as its content only once its folder is on disk, too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
