"""What happens to the archive's tables, in the thread of its own writer: taking in, folding, and making room.

Folding works device by device and lets go of the interpreter in between, so that the event loop is not kept waiting.
"""

from __future__ import annotations

import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
import structlog

from fleetd.archive.blocks import Sample, encode_block, flags, trusted
from fleetd.clock import Clock
from fleetd.kerneltime import machine_boot
from fleetd.records import AnyRecord, Reading
from fleetd.store.rows import Draft, Kind, draft, microseconds
from fleetd.store.untimed import retimed

log = structlog.get_logger(__name__)

_DROP_BLOCKS = 2_000
_FULL, _ROOMY = 95, 90  # per cent: when room is made, and how much, so that it is not made for every row
_SURE = (None, None)  # its time is not in doubt
_Fresh = tuple[int, int, int, list[object]]
"""Shape, time, flags and values of a reading."""


class Bounds(NamedTuple):
    """How much may be kept: bytes of the file, microseconds of age."""

    most_bytes: int
    most_age_us: int


class Tables:
    """The rows of an archive. `fresh` counts the readings that are not folded yet, `removed` what was let go again."""

    def __init__(self, bounds: Bounds, clock: Clock) -> None:
        self._clock = clock
        self.fresh = 0
        self.removed = 0
        self._bounds = bounds
        self._shapes: dict[tuple[str, ...], int] = {}
        self._devices: dict[str, int] = {}

    def take(self, connection: sqlite3.Connection, records: Sequence[AnyRecord]) -> None:
        """Keep records."""
        doubt = (machine_boot(), self._skew_us())
        readings = [record for record in records if isinstance(record, Reading)]
        try:
            for synced in (True, False):
                if some := [reading for reading in readings if reading.clock_synced is synced]:
                    self._take_readings(connection, some, _SURE if synced else doubt)
            others = [
                (*_row(draft(record)), *(_SURE if record.clock_synced else doubt))
                for record in records
                if not isinstance(record, Reading)
            ]
            connection.executemany(
                "INSERT INTO record (at_us, kind, device, name, body, machine, skew_us) VALUES (?, ?, ?, ?, ?, ?, ?)",
                others,
            )
        except BaseException:
            self._forget()
            raise
        self.fresh += len(readings)
        if size_of(connection) > self._bounds.most_bytes * _FULL // 100:
            self._shrink(connection)

    def fold(self, connection: sqlite3.Connection) -> None:
        """Make blocks of the fresh readings, but for those whose time may still be put right."""
        query = "SELECT id, body FROM fresh WHERE machine IS NULL OR machine <> ? ORDER BY id"
        rows = connection.execute(query, (machine_boot(),)).fetchall()
        found: dict[str, list[msgspec.Raw]] = defaultdict(list)
        for number, body in rows:
            try:
                by_device = _parts.decode(body)
            except msgspec.MsgspecError:
                log.warning("readings in the archive are damaged; they are left out", row=number)
                continue
            for device, part in by_device.items():
                found[device].append(part)
        try:
            for device, parts in found.items():
                self._fold_device(connection, device, parts)
                time.sleep(0)  # the event loop may want the interpreter
        except BaseException:
            self._forget()
            raise
        connection.executemany("DELETE FROM fresh WHERE id = ?", [(number,) for number, _ in rows])
        self.fresh = 0

    def retime(self, connection: sqlite3.Connection, ahead_us: int) -> None:
        """Civil time is certain and `ahead_us` ahead of running time: put right what was made before."""
        here = machine_boot()
        for number, skew_us, body in connection.execute(
            "SELECT id, skew_us, body FROM fresh WHERE machine = ?", (here,)
        ).fetchall():
            by_device = {
                device: [
                    (shape, at_us + skew_us + ahead_us, trusted(trust), values)
                    for shape, at_us, trust, values in _fresh.decode(part)
                ]
                for device, part in _parts.decode(body).items()
            }
            connection.execute(
                "UPDATE fresh SET machine = NULL, body = ? WHERE id = ?", (msgspec.msgpack.encode(by_device), number)
            )
        for number, at_us, skew_us, body in connection.execute(
            "SELECT id, at_us, skew_us, body FROM record WHERE machine = ?", (here,)
        ).fetchall():
            shift_us = skew_us + ahead_us
            connection.execute(
                "UPDATE record SET machine = NULL, at_us = ?, body = ? WHERE id = ?",
                (at_us + shift_us, retimed(body, shift_us), number),
            )

    def make_room(self, connection: sqlite3.Connection, now_us: int) -> None:
        """Drop what is too old, then the oldest while the file is too large."""
        cutoff_us = now_us - self._bounds.most_age_us
        connection.execute("DELETE FROM record WHERE at_us < ?", (cutoff_us,))
        # Blocks stand in the order in which they came; a late one may live as long as its neighbours.
        old = "SELECT id FROM block WHERE last_us < ? AND id <= (SELECT min(id) + ? FROM block)"
        gone = connection.execute(f"DELETE FROM block WHERE id IN ({old})", (cutoff_us, _DROP_BLOCKS)).rowcount  # noqa: S608
        self.removed += gone
        if size_of(connection) > self._bounds.most_bytes * _FULL // 100:
            self._shrink(connection)

    def _shrink(self, connection: sqlite3.Connection) -> None:
        target = self._bounds.most_bytes * _ROOMY // 100
        for table in ("block", "record"):
            while size_of(connection) > target:
                step = f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} ORDER BY id LIMIT ?)"  # noqa: S608
                dropped = connection.execute(step, (_DROP_BLOCKS // 10,)).rowcount
                if not dropped:
                    break
                self.removed += dropped
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        if pages * size > self._bounds.most_bytes:  # the limit has been lowered
            connection.execute("PRAGMA incremental_vacuum").fetchall()

    def _take_readings(
        self, connection: sqlite3.Connection, readings: Iterable[Reading], doubt: tuple[str | None, int | None]
    ) -> None:
        parts: dict[str, list[_Fresh]] = defaultdict(list)
        for reading in readings:
            shape = self._shape(connection, tuple(reading.values))
            trust = flags(reading.quality, synced=reading.clock_synced)
            parts[reading.device].append((shape, microseconds(reading.at), trust, list(reading.values.values())))
        try:
            body = msgspec.msgpack.encode(parts)
        except OverflowError:  # a whole number of more than 64 bits, which no wire of ours has
            for taken in parts.values():
                taken[:] = [(*head, [_fitting(value) for value in values]) for *head, values in taken]  # type: ignore[misc]
            body = msgspec.msgpack.encode(parts)
        connection.execute("INSERT INTO fresh (machine, skew_us, body) VALUES (?, ?, ?)", (*doubt, body))

    def _fold_device(self, connection: sqlite3.Connection, device: str, parts: Iterable[msgspec.Raw]) -> None:
        by_shape: dict[int, list[Sample]] = defaultdict(list)
        for part in parts:
            for shape, at_us, trust, values in _fresh.decode(part):
                by_shape[shape].append(Sample(at_us, trust, values))  # type: ignore[arg-type]
        for shape, samples in by_shape.items():
            samples.sort(key=lambda sample: sample.at_us)
            connection.execute(
                "INSERT INTO block (device, shape, first_us, last_us, count, body) VALUES (?, ?, ?, ?, ?, ?)",
                (
                    self._device(connection, device),
                    shape,
                    samples[0].at_us,
                    samples[-1].at_us,
                    len(samples),
                    encode_block(samples),
                ),
            )

    def _skew_us(self) -> int:
        return round((self._clock.boottime() - self._clock.now().timestamp()) * 1e6)

    def _shape(self, connection: sqlite3.Connection, names: tuple[str, ...]) -> int:
        if (known := self._shapes.get(names)) is None:
            text = msgspec.json.encode(names).decode()
            known = self._shapes[names] = _number(connection, "shape", "names", text)
        return known

    def _device(self, connection: sqlite3.Connection, name: str) -> int:
        if (known := self._devices.get(name)) is None:
            known = self._devices[name] = _number(connection, "device", "name", name)
        return known

    def _forget(self) -> None:
        """The transaction may be rolled back, and with it numbers that were given in it."""
        self._shapes.clear()
        self._devices.clear()


def size_of(connection: sqlite3.Connection) -> int:
    """Bytes in use in the file."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    return int((pages - free) * size)


def _number(connection: sqlite3.Connection, table: str, column: str, text: str) -> int:
    connection.execute(f"INSERT OR IGNORE INTO {table} ({column}) VALUES (?)", (text,))  # noqa: S608
    found = connection.execute(f"SELECT id FROM {table} WHERE {column} = ?", (text,)).fetchone()  # noqa: S608
    return int(found[0])


def _row(one: Draft) -> tuple[int, str, str, str, bytes]:
    kind = Kind.ALARM if one.kind is Kind.ALARM_CLEARED else one.kind  # whether it came or went stands in its body
    return one.at_us, str(kind), one.device, one.name, one.body


def _fitting(value: object) -> object:
    return str(value) if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64 else value


_parts = msgspec.msgpack.Decoder(dict[str, msgspec.Raw])
_fresh = msgspec.msgpack.Decoder(list[tuple[int, int, int, list[object]]])
