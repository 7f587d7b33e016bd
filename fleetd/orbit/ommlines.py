"""Orbit Mean-Elements Messages in lines: CSV, a message a line, and KVN, a field a line."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator

from fleetd.errors import ElementsError
from fleetd.orbit.elementset import ElementSet
from fleetd.orbit.omm import Row, element_set

_KVN_LINE = re.compile(r"\s*(?P<key>[A-Za-z0-9_]+)\s*=\s*(?P<value>.*?)\s*(?:\[(?P<unit>[^\]]*)\])?\s*")


def parse_csv(text: str, name: str) -> Iterator[tuple[int, ElementSet]]:
    """A header line of field names, then a line for each set. Raises ElementsError."""
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    try:
        header = [field.strip().upper() for field in next(reader)]
        for cells in reader:
            line = reader.line_num
            if not cells:
                continue
            if len(cells) != len(header):
                raise ElementsError(
                    f"{name}:{line}: has {len(cells)} fields, the header has {len(header)}: is it truncated?"
                )
            row = Row(name, line)
            for field, cell in zip(header, cells, strict=True):
                row.put(field, cell, line)
            yield line, element_set(row)
    except csv.Error as error:
        raise ElementsError(f"{name}:{reader.line_num}: is no valid CSV: {error}") from None


def parse_kvn(text: str, name: str) -> Iterator[tuple[int, ElementSet]]:
    """`KEY = value [unit]` lines; each CCSDS_OMM_VERS begins a message. Raises ElementsError."""
    row: Row | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        comment = re.match(r"\s*COMMENT(?:\s+(.*))?$", line)
        match = _KVN_LINE.fullmatch(line)
        if not line.strip():
            continue
        if match and match["key"].upper() == "CCSDS_OMM_VERS":
            if row:
                yield row.line, element_set(row)
            row = Row(name, number)
        if row is None:
            raise ElementsError(f"{name}:{number}: a message begins with CCSDS_OMM_VERS, found {line[:32]!r}")
        if comment:
            row.put("COMMENT", comment[1] or "", number)
        elif match:
            row.put(match["key"].upper(), match["value"], number, match["unit"] or "")
        else:
            raise ElementsError(f"{name}:{number}: is no 'KEY = value' line: {line[:32]!r}")
    if row:
        yield row.line, element_set(row)
