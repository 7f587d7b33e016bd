"""Records that were made while the clock could not be trusted, and the time that they get once it can.

Beside each such record stands how far running time and civil time were apart when it was made; running time is right
from the start. What still waits for a broker is given its time in place (`"retimed": true`); for what may have gone out
before, the numbers and the shift are returned, to be published.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from fleetd.store.rows import Draft, Kind, Row, checksum

TABLES = """
CREATE TABLE IF NOT EXISTS untimed (
    seq     INTEGER PRIMARY KEY,
    machine TEXT    NOT NULL,  -- boot of the machine
    skew_us INTEGER NOT NULL   -- running time less civil time when it was made
) STRICT;
"""
MARK = b'"clock_synced":false'
_MOST = 1_000_000  # of which it is remembered; the oldest are forgotten first
_STEP_US = 1_000  # shifts that are as near to each other are one


class Shift(NamedTuple):
    """Records of these numbers that say `clock_synced: false` were really made so much later, seconds."""

    first: int
    last: int
    shift_s: float


def note(connection: sqlite3.Connection, rows: Sequence[Row], machine: str, skew_us: int) -> None:
    """Remember some new rows whose time is in doubt; there is at least one."""
    new = [(row.seq, machine, skew_us) for row in rows]
    connection.executemany("INSERT OR REPLACE INTO untimed VALUES (?, ?, ?)", new)
    connection.execute("DELETE FROM untimed WHERE seq <= ?", (new[-1][0] - _MOST,))


def settle(connection: sqlite3.Connection, machine: str, ahead_us: int, *, in_place: bool) -> tuple[int, list[Shift]]:
    """Give records their time, civil time being `ahead_us` ahead of running time; returns how many, and all shifts.

    `in_place` says that nobody has copies of rows. What another boot of the machine left keeps its doubt.
    """
    query = "SELECT seq, skew_us + ? FROM untimed WHERE machine = ? ORDER BY seq"
    found: list[tuple[int, int]] = connection.execute(query, (ahead_us, machine)).fetchall()
    changed = sum(_retime(connection, seq, shift_us) for seq, shift_us in found) if in_place else 0
    connection.execute("DELETE FROM untimed")
    return changed, _ranges(found)


def retimed(body: bytes, shift_us: int) -> bytes:
    """A record's JSON under its right time."""
    record = msgspec.json.decode(body)
    at = msgspec.convert(record["at"], type=datetime) + timedelta(microseconds=shift_us)
    return msgspec.json.encode({**record, "at": at, "clock_synced": True, "retimed": True})


def _retime(connection: sqlite3.Connection, seq: int, shift_us: int) -> int:
    query = "SELECT boot, at_us, kind, device, name, body FROM outbox WHERE seq = ?"
    row = connection.execute(query, (seq,)).fetchone()
    if row is None or row[2] == Kind.NODE or MARK not in row[5]:  # a broker has the node's own as last will
        return 0
    boot, at_us, kind, device, name, body = row
    content = Draft(Kind(kind), device, name, at_us + shift_us, retimed(body, shift_us))
    connection.execute(
        "UPDATE outbox SET at_us = ?, body = ?, crc = ? WHERE seq = ?",
        (content.at_us, content.body, checksum(seq, boot, content), seq),
    )
    return 1


def _ranges(found: Sequence[tuple[int, int]]) -> list[Shift]:
    ranges: list[Shift] = []
    for seq, shift_us in found:
        last = ranges[-1] if ranges else None
        if last is not None and abs(last.shift_s * 1e6 - shift_us) <= _STEP_US:
            ranges[-1] = last._replace(last=seq)
        else:
            ranges.append(Shift(seq, seq, shift_us / 1e6))
    return ranges
