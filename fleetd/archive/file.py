"""The archive's file: its tables, and opening it to write or only to look.

Readings come in as `fresh` rows, one a second for all devices, and are folded into one `block` a device now and then: a
row a reading would touch a page for each device at each poll. All other records are rows of their own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from fleetd.errors import StoreError
from fleetd.store.damage import is_damage

FILE = "archive.db"
VERSION = 1
_APPLICATION_ID = 0x666C6432  # "fld2"
_WAL_LIMIT = 16 << 20
_CACHE_KIB = 256

_TABLES = """
PRAGMA auto_vacuum = INCREMENTAL;
CREATE TABLE device (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE shape (id INTEGER PRIMARY KEY, names TEXT NOT NULL UNIQUE) STRICT;  -- names of values, as JSON
CREATE TABLE fresh (
    id      INTEGER PRIMARY KEY,
    machine TEXT,     -- boot of the machine, for what was made while the clock could not be trusted
    skew_us INTEGER,  -- running time less wall time then
    body    BLOB NOT NULL
) STRICT;
CREATE TABLE block (
    id       INTEGER PRIMARY KEY,
    device   INTEGER NOT NULL,
    shape    INTEGER NOT NULL,
    first_us INTEGER NOT NULL,
    last_us  INTEGER NOT NULL,
    count    INTEGER NOT NULL,
    body     BLOB NOT NULL
) STRICT;
CREATE INDEX block_of ON block (device, last_us, first_us, shape, count);
CREATE TABLE record (
    id      INTEGER PRIMARY KEY,
    at_us   INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    device  TEXT NOT NULL,
    name    TEXT NOT NULL,
    machine TEXT,
    skew_us INTEGER,
    body    BLOB NOT NULL  -- the record's own JSON
) STRICT;
CREATE INDEX record_at ON record (at_us);
CREATE INDEX record_of ON record (device, at_us);
"""


def open_to_write(path: Path) -> sqlite3.Connection:
    """The one connection that writes, the file made if it is missing.

    A damaged file is set aside, and a new one begun. Raises StoreError, for a file that is none of ours or newer, too.
    """
    try:
        return _opened(path)
    except sqlite3.Error as error:
        if not is_damage(error):
            raise StoreError(f"the archive {path} cannot be opened: {error}; look at its disk") from error
    try:
        set_aside(path)
        return _opened(path)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"the archive {path} is damaged and cannot be renewed: {error}") from error


def set_aside(path: Path) -> Path:
    """Move a damaged file out of the way; returns where it is now. Raises OSError."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    for tail in ("", "-wal", "-shm"):
        old = path.with_name(path.name + tail)
        if old.exists():
            old.rename(aside.with_name(aside.name + tail))
    return aside


@contextmanager
def open_to_read(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write, beside a running writer or without one. Raises StoreError."""
    if not path.exists():
        raise StoreError(f"there is no archive {path}")
    try:
        connection = _reading(path)
    except sqlite3.Error as error:
        raise StoreError(f"the archive {path} cannot be read: {error}") from error
    with closing(connection):
        yield connection


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=3.0)
    try:
        if not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            connection.executescript(
                f"{_TABLES} PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {VERSION};"
            )
        _check(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")  # a power cut may take the last moments, the outbox has them
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT}")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")  # it seldom looks back at what it wrote
    except BaseException:
        connection.close()
        raise
    return connection


def _reading(path: Path) -> sqlite3.Connection:
    """Read-only; as a file that nobody changes where the folder may not be written and no writer has it open."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=3.0)
    try:
        _check(connection, path)
    except sqlite3.OperationalError:
        connection.close()
        if path.with_name(f"{path.name}-wal").exists():
            raise
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True, isolation_level=None)
    try:
        _check(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != _APPLICATION_ID:
        raise StoreError(f"{path} is no archive of fleetd")
    if version > VERSION:
        raise StoreError(f"{path} was written by a newer fleetd (archive version {version}); upgrade this one")
