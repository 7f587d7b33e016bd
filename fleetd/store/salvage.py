"""A damaged store: set aside as evidence, and whatever of it is whole carried over into a new one.

Rows are read from the pages themselves (`pages`), so that one bad page costs its own rows alone. A record of the outbox
proves itself by its checksum. The new file is complete before the old one gives way, and a crash in between is made
good at the next start.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

import msgspec
import structlog

from fleetd.records import Command, Stage
from fleetd.store import schema
from fleetd.store.counters import HIGHEST, MARK
from fleetd.store.pages import Column, rows_of
from fleetd.store.rows import Draft, Kind, checksum

log = structlog.get_logger(__name__)

_MOST_AT_ONCE = 10_000
_INSERT = {
    "outbox": "INSERT OR IGNORE INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    "audit": "INSERT OR IGNORE INTO audit VALUES (?, ?, ?, ?, ?, ?, ?)",
    "ledger": "INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (number) DO UPDATE SET "
    "stage = excluded.stage, reason = excluded.reason, final = excluded.final, changed = excluded.changed "
    "WHERE excluded.changed > changed",
    "element_set": "INSERT INTO element_set VALUES (?, ?, ?, ?, ?) ON CONFLICT (norad_id, hash) DO UPDATE SET "
    "state = excluded.state, changed = excluded.changed WHERE excluded.changed > changed",
    "element_source": "INSERT OR IGNORE INTO element_source VALUES (?, ?)",
    "alarm": "INSERT OR IGNORE INTO alarm VALUES (?, ?, ?)",
    "maintenance": "INSERT OR IGNORE INTO maintenance VALUES (?, ?)",
    "counter": "INSERT INTO counter VALUES (?, ?) ON CONFLICT (key) DO UPDATE "
    "SET highest = max(highest, excluded.highest)",
    "about": "INSERT INTO about VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = max(value, excluded.value)",
}
_SEQUENCES = ("outbox", "ledger", "audit")


class Salvaged(msgspec.Struct, frozen=True, kw_only=True):
    """Where the damaged file is now, why, and how many rows of each table were carried over."""

    aside: str
    why: str
    saved: dict[str, int]


def save(folder: Path, why: str) -> dict[str, int]:
    """Carry what is whole of the store's file over into a new one, ready for `finish`; returns how much of what.

    What was deleted not long ago may come back; consumers know such a record by its number. Raises sqlite3.Error and
    OSError, and then nothing has changed.
    """
    path = folder / schema.FILE
    log.error("the store is damaged; what is whole of it is carried over", store=str(path), reason=why)
    fresh = path.with_name(f"{path.name}.new")
    _remove(fresh)
    saved = _carry_over(path, fresh)
    fresh.rename(_ready(path))
    log.warning("the store is renewed", store=str(path), saved=saved)
    return saved


def finish(folder: Path) -> Path | None:
    """Put a saved file in its place, if one is ready; returns where the damaged one went.

    Nobody may have the store open.
    """
    path = folder / schema.FILE
    if not _ready(path).exists():
        return None
    aside = _free_name(path)
    for tail in ("", "-wal", "-shm"):
        old = path.with_name(path.name + tail)
        if old.exists():
            old.rename(aside.with_name(aside.name + tail))
    _ready(path).rename(path)
    schema.sync_folder(folder)
    return aside


def _ready(path: Path) -> Path:
    return path.with_name(f"{path.name}.salvaged")


def _free_name(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    return aside


def _remove(path: Path) -> None:
    for tail in ("", "-wal", "-shm"):
        path.with_name(path.name + tail).unlink(missing_ok=True)


def _carry_over(path: Path, fresh: Path) -> dict[str, int]:
    saved: Counter[str] = Counter()
    highest: Counter[str] = Counter()
    with closing(schema.connect(fresh)) as connection:
        connection.execute("BEGIN")
        for rowid, columns in rows_of(path):
            found = _recognised(rowid, columns)
            if found is None:
                continue
            table, row = found
            if table == "sqlite_sequence":
                highest[str(row[0])] = max(highest[str(row[0])], int(str(row[1])))
                continue
            with suppress(sqlite3.IntegrityError):
                saved[table] += connection.execute(_INSERT[table], row).rowcount
            if sum(saved.values()) % _MOST_AT_ONCE == 0:
                connection.execute("COMMIT")
                connection.execute("BEGIN")
        for table, seq in highest.items():
            connection.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (seq, table))
            if connection.execute("SELECT changes()").fetchone()[0] == 0:
                connection.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (table, seq))
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return dict(saved)


def _recognised(rowid: int, columns: tuple[Column, ...]) -> tuple[str, tuple[Column, ...]] | None:
    """Which table a row is of, told by its shape; None for what is not whole, or none of ours."""
    match columns:
        case (None, str(boot), int(at_us), str(kind), str(device), str(name), bytes(body), int(crc)):
            whole = kind in _KINDS and crc == checksum(rowid, boot, Draft(_KINDS[kind], device, name, at_us, body))
            return ("outbox", (rowid, *columns[1:])) if whole else None
        case (None, str(), bytes(command), str(stage), str(), 0 | 1, int() | float()):
            return ("ledger", (rowid, *columns[1:])) if stage in _STAGES and _is_command(command) else None
        case (None, str(), str(), str(), str(), str(), str(link)) if len(link) == 64:
            return "audit", (rowid, *columns[1:])
        case (int(), str(link), str(), int() | float(), bytes()) if len(link) >= 8:
            return "element_set", columns
        case (str(url), bytes()) if ":" in url:
            return "element_source", columns
        case (str(device), str(name), bytes(body)) if device and name and body.startswith(b"{"):
            return "alarm", columns
        case (str(), bytes(body)) if _is_entry(body):
            return "maintenance", columns
        case (str(key), int(number)):
            table = _numbered(key, number)
            return None if table is None else (table, columns)
    return None


def _numbered(key: str, number: int) -> str | None:
    """Which table a row of a word and a number is of."""
    if key in ("boots", "version"):
        return "about"
    if key in _SEQUENCES and 0 <= number < 1 << 48:
        return "sqlite_sequence"
    return "counter" if key.startswith(MARK) and 0 <= number <= HIGHEST else None


def _is_command(body: bytes) -> bool:
    try:
        msgspec.json.decode(body, type=Command)
    except msgspec.MsgspecError:
        return False
    return True


def _is_entry(body: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(body), dict)
    except msgspec.MsgspecError:
        return False


_KINDS = {str(kind): kind for kind in Kind}
_STAGES = frozenset(str(stage) for stage in Stage)
