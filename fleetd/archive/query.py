"""Questions to an archive's file, beside a running daemon or without one. Blocking: the daemon asks in a thread.

Each question has a connection of its own that only reads, and an end: one that takes too long is broken off.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import msgspec

from fleetd.archive.blocks import Sample, decode_block, is_synced, quality_of
from fleetd.archive.file import open_to_read
from fleetd.clock import iso_ms
from fleetd.errors import Refusal, StoreError
from fleetd.records import Quality, Value
from fleetd.store.rows import microseconds

WITHIN_S = 8.0
_STEPS = 10_000  # of SQLite's machine between two looks at the time
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Span(NamedTuple):
    """A stretch of time, its beginning included, its end not."""

    since: datetime
    until: datetime

    @property
    def us(self) -> tuple[int, int]:
        return microseconds(self.since), microseconds(self.until)


class Point(NamedTuple):
    """What was read at one instant: the values that were asked for, in their order."""

    at: datetime
    quality: Quality
    clock_synced: bool
    values: Sequence[Value]


class History(msgspec.Struct, frozen=True, kw_only=True):
    """The course of some values of one device, oldest first."""

    device: str
    values: Sequence[str]
    points: Sequence[Point]
    truncated: bool
    """Whether there was more: then these are the newest."""


class Holdings(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive has of one device."""

    device: str
    values: Sequence[str]
    readings: int
    first: datetime
    last: datetime


def history(path: Path, device: str, values: Sequence[str], span: Span, most: int) -> History:
    """The newest `most` readings of a device in a span that have one of the values.

    Raises Refusal for what the archive does not know, and when it takes too long; StoreError.
    """
    with _asking(path) as connection:
        shapes = _shapes(connection)
        known = _holdings(connection, device, shapes).values
        if unknown := [name for name in values if name not in known]:
            there = ", ".join(known)
            raise Refusal("unknown-value", f"the archive has no value {unknown[0]!r} of {device}; it has: {there}")
        places = _places(shapes, values)
        points = list(_samples(connection, device, places, span, most))
    points.sort(key=attrgetter("at"))
    return History(device=device, values=values, points=points[-most:], truncated=len(points) > most)


def holdings(path: Path, device: str) -> Holdings:
    """What there is of a device. Raises Refusal for one of which there is nothing; StoreError."""
    with _asking(path) as connection:
        return _holdings(connection, device, _shapes(connection))


def records(path: Path, kinds: Sequence[str], device: str, span: Span, most: int) -> list[bytes]:
    """The newest `most` other records of a span, as JSON objects with a `type`, oldest first.

    No kinds, or no device, means all. Raises Refusal when it takes too long, and StoreError.
    """
    conditions, since_us, until_us = ["at_us >= ?", "at_us < ?"], *span.us
    given: list[object] = [since_us, until_us]
    if kinds:
        conditions.append(f"kind IN ({', '.join('?' * len(kinds))})")
        given += kinds
    if device:
        conditions.append("device = ?")
        given.append(device)
    which = " AND ".join(conditions)
    query = f"SELECT kind, body FROM record WHERE {which} ORDER BY at_us DESC, id DESC LIMIT ?"  # noqa: S608
    with _asking(path) as connection:
        rows = connection.execute(query, (*given, most)).fetchall()
    return [b'{"type":"' + kind.encode() + b'",' + body[1:] for kind, body in reversed(rows)]


def history_json(found: History) -> bytes:
    """A history as JSON: `points` are rows of time, quality, whether the clock could be trusted, and the values."""
    points = [[iso_ms(at), quality, synced, *values] for at, quality, synced, values in found.points]
    return msgspec.json.encode(
        {"device": found.device, "values": found.values, "truncated": found.truncated, "points": points}
    )


@contextmanager
def _asking(path: Path) -> Iterator[sqlite3.Connection]:
    end_s = time.monotonic() + WITHIN_S
    with open_to_read(path) as connection:
        connection.set_progress_handler(lambda: time.monotonic() > end_s, _STEPS)
        try:
            connection.execute("BEGIN")  # one look: what is folded meanwhile is not seen twice, nor missed
            yield connection
        except sqlite3.OperationalError as error:
            if time.monotonic() > end_s:
                raise Refusal("too-much", f"that takes longer than {WITHIN_S:g} s; ask for less at a time") from None
            raise StoreError(f"the archive {path} cannot be read: {error}") from error
        except (sqlite3.Error, ValueError) as error:
            raise StoreError(f"the archive {path} is damaged: {error}") from error


def _shapes(connection: sqlite3.Connection) -> dict[int, list[str]]:
    rows = connection.execute("SELECT id, names FROM shape").fetchall()
    return {number: msgspec.json.decode(names, type=list[str]) for number, names in rows}


def _places(shapes: dict[int, list[str]], values: Sequence[str]) -> dict[int, list[int | None]]:
    """Where in readings of each shape the values stand, for the shapes that have any of them."""
    found = {number: [names.index(v) if v in names else None for v in values] for number, names in shapes.items()}
    return {number: places for number, places in found.items() if any(place is not None for place in places)}


def _samples(
    connection: sqlite3.Connection, device: str, places: dict[int, list[int | None]], span: Span, most: int
) -> Iterator[Point]:
    """Those of the span, from the newest block back until there are enough; in no exact order."""
    since_us, until_us = span.us
    left = most + 1
    for shape, sample in _fresh(connection, device):
        if shape in places and since_us <= sample.at_us < until_us:
            left -= 1
            yield _point(sample, [None if place is None else sample.values[place] for place in places[shape]])
    query = (
        "SELECT shape, body FROM block JOIN device ON device.id = block.device "
        "WHERE device.name = ? AND last_us >= ? AND first_us < ? ORDER BY last_us DESC"
    )
    for shape, body in connection.execute(query, (device, since_us, until_us)):
        if left <= 0:
            return
        if shape not in places:
            continue
        wanted = places[shape]
        there = [place for place in wanted if place is not None]
        for sample in decode_block(body, there):
            if since_us <= sample.at_us < until_us:
                left -= 1
                values = iter(sample.values)
                yield _point(sample, [None if place is None else next(values) for place in wanted])


def _fresh(connection: sqlite3.Connection, device: str) -> Iterator[tuple[int, Sample]]:
    for (body,) in connection.execute("SELECT body FROM fresh"):
        part = _parts.decode(body).get(device)
        for shape, at_us, flags, values in _of_device.decode(part) if part is not None else ():
            yield shape, Sample(at_us, flags, values)


def _point(sample: Sample, values: Sequence[Value]) -> Point:
    at = _EPOCH + timedelta(microseconds=sample.at_us)
    return Point(at, quality_of(sample.flags), is_synced(sample.flags), values)


def _holdings(connection: sqlite3.Connection, device: str, shapes: dict[int, list[str]]) -> Holdings:
    query = (
        "SELECT shape, sum(count), min(first_us), max(last_us) FROM block JOIN device ON device.id = block.device "
        "WHERE device.name = ? GROUP BY shape"
    )
    found = connection.execute(query, (device,)).fetchall()
    found += [(shape, 1, sample.at_us, sample.at_us) for shape, sample in _fresh(connection, device)]
    if not found:
        names = [row[0] for row in connection.execute("SELECT name FROM device ORDER BY name LIMIT 20")]
        there = ", ".join(names) or "nothing yet"
        raise Refusal("unknown-device", f"the archive has nothing of {device!r}; it has: {there}")
    return Holdings(
        device=device,
        values=list(dict.fromkeys(name for shape, *_ in found for name in shapes.get(shape, []))),
        readings=sum(row[1] for row in found),
        first=_EPOCH + timedelta(microseconds=min(row[2] for row in found)),
        last=_EPOCH + timedelta(microseconds=max(row[3] for row in found)),
    )


_parts = msgspec.msgpack.Decoder(dict[str, msgspec.Raw])
_of_device = msgspec.msgpack.Decoder(list[tuple[int, int, int, list[Value]]])
