"""Rows straight from the pages of an SQLite file and its write-ahead log, past every index and pointer. Pure reading.

For a file that SQLite itself refuses. Layouts are those of "Database File Format" (sqlite.org/fileformat2.html,
sections 1.3 to 1.6, 2 and 4). What does not look like a row is passed over; whether a row is one of ours, and whole, is
for the caller to see. A row may come up twice, or be one that was deleted not long ago.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

Column = int | float | str | bytes | None

_MAGIC = b"SQLite format 3\0"
_LEAF = 13  # a page of rows of a table
_INT_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_WAL_MAGIC, _WAL_HEAD, _FRAME_HEAD = 0x377F0682, 32, 24
_MOST_COLUMNS = 64


class NoRow(ValueError):
    """These bytes are no row."""


def rows_of(path: Path) -> Iterator[tuple[int, tuple[Column, ...]]]:
    """(rowid, columns) of all rows that can be found, in no order. Raises OSError."""
    data = path.read_bytes()
    size = _page_size(data)
    pages: dict[int, bytes] = {at // size + 1: data[at : at + size] for at in range(0, len(data) - size + 1, size)}
    wal = path.with_name(f"{path.name}-wal")
    if wal.exists():
        pages |= _logged(wal.read_bytes())
    for page in pages.values():
        yield from _rows(pages, page, 100 if page.startswith(_MAGIC) else 0)


def _page_size(data: bytes) -> int:
    size = int.from_bytes(data[16:18], "big")
    size = 65536 if size == 1 else size
    return size if size >= 512 and size & (size - 1) == 0 else 4096


def _logged(wal: bytes) -> dict[int, bytes]:
    """The pages of a write-ahead log up to its last whole commit (section 4)."""
    if len(wal) < _WAL_HEAD:
        return {}
    magic, _, size = struct.unpack_from(">III", wal)
    if magic | 1 != _WAL_MAGIC | 1 or size < 512:
        return {}
    order = ">" if magic & 1 else "<"
    sums = _checksum(order, wal[:24], (0, 0))
    committed: dict[int, bytes] = {}
    pending: dict[int, bytes] = {}
    for at in range(_WAL_HEAD, len(wal) - _FRAME_HEAD - size + 1, _FRAME_HEAD + size):
        number, pages_after, *_ = struct.unpack_from(">II", wal, at)
        page = wal[at + _FRAME_HEAD : at + _FRAME_HEAD + size]
        sums = _checksum(order, wal[at : at + 8] + page, sums)
        if wal[at + 8 : at + 16] != wal[16:24] or struct.unpack_from(">II", wal, at + 16) != sums:
            break
        pending[number] = page
        if pages_after:
            committed |= pending
            pending.clear()
    return committed


def _checksum(order: str, data: bytes, sums: tuple[int, int]) -> tuple[int, int]:
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for at in range(0, len(words), 2):
        first = (first + words[at] + second) & 0xFFFF_FFFF
        second = (second + words[at + 1] + first) & 0xFFFF_FFFF
    return first, second


def _rows(pages: Mapping[int, bytes], page: bytes, head: int) -> Iterator[tuple[int, tuple[Column, ...]]]:
    if len(page) < head + 8 or page[head] != _LEAF:
        return
    cells = min(int.from_bytes(page[head + 3 : head + 5], "big"), (len(page) - head - 8) // 2)
    for at in range(head + 8, head + 8 + 2 * cells, 2):
        try:
            yield _cell(pages, page, int.from_bytes(page[at : at + 2], "big"))
        except (NoRow, IndexError, struct.error, UnicodeDecodeError):
            continue


def _cell(pages: Mapping[int, bytes], page: bytes, at: int) -> tuple[int, tuple[Column, ...]]:
    size, at = _varint(page, at)
    rowid, at = _varint(page, at)
    local, usable = size, len(page)
    if size > usable - 35:  # section 1.6: the rest stands on overflow pages
        least = (usable - 12) * 32 // 255 - 23
        local = least + (size - least) % (usable - 4)
        local = local if local <= usable - 35 else least
    payload = page[at : at + local]
    if local < size:
        payload += _overflow(pages, page[at + local : at + local + 4], size - local)
    return rowid - (1 << 64) if rowid >> 63 else rowid, _record(payload, size)


def _overflow(pages: Mapping[int, bytes], pointer: bytes, left: int) -> bytes:
    parts: list[bytes] = []
    while left > 0:
        page = pages.get(int.from_bytes(pointer, "big"))
        if page is None:
            raise NoRow("an overflow page is missing")
        pointer, part = page[:4], page[4 : 4 + left]
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _record(payload: bytes, size: int) -> tuple[Column, ...]:
    if len(payload) != size:
        raise NoRow("cut short")
    head, at = _varint(payload, 0)
    body = head
    columns: list[Column] = []
    while at < head:
        kind, at = _varint(payload, at)
        value, body = _value(payload, kind, body)
        columns.append(value)
        if len(columns) > _MOST_COLUMNS:
            raise NoRow("too many columns")
    if at != head or body != size:
        raise NoRow("the columns do not fill the record")
    return tuple(columns)


def _value(payload: bytes, kind: int, at: int) -> tuple[Column, int]:
    """Section 2.1: a column's serial type and where it stands."""
    if kind == 0:
        return None, at
    if kind in (8, 9):
        return kind - 8, at
    if kind == 7:
        return float(struct.unpack_from(">d", payload, at)[0]), at + 8
    if kind in (10, 11):
        raise NoRow("a reserved type")
    length = _INT_BYTES.get(kind) or (kind - 12) // 2
    raw, end = payload[at : at + length], at + length
    if len(raw) != length:
        raise NoRow("cut short")
    if kind < 10:
        return int.from_bytes(raw, "big", signed=True), end
    return (raw.decode() if kind % 2 else raw), end


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for end in range(at, at + 8):
        byte = data[end]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, end + 1
    return value << 8 | data[at + 8], at + 9
