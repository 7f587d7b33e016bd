"""Files of orbital elements, whatever their format: the one door through which sets come in.

The content decides the format, never the file's name. Any fault is an `ElementsError` of one line beginning with
`file:line:`; a file with one bad set gives none, so that nobody works with half a file unknowingly.
"""

from __future__ import annotations

import os
from pathlib import Path

from fleetd.errors import ElementsError
from fleetd.orbit import ommjson, ommlines, ommxml, tle
from fleetd.orbit.elementset import ElementSet
from fleetd.orbit.omm import Parse

__all__ = ["MAX_BYTES", "ElementSet", "parse_elements", "read_elements"]

MAX_BYTES = 16 * 1024 * 1024
"""Larger files are refused unread: the whole public catalogue in OMM JSON is about half of this."""


def read_elements(path: Path | str) -> list[ElementSet]:
    """All sets of a file in OMM (JSON, CSV, XML, KVN), TLE or 3LE. Raises ElementsError naming file and line."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            # A file that tells its size is refused unread; a pipe or a device is read no further than that.
            too_large = os.fstat(file.fileno()).st_size > MAX_BYTES
            content = b"" if too_large else file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ElementsError(f"{path}: cannot be read: {error.strerror or error}") from None
    if too_large:
        raise _too_large(str(path))
    return parse_elements(content, str(path))


def parse_elements(content: bytes, name: str) -> list[ElementSet]:
    """The same from bytes that came from the source `name`. Raises ElementsError."""
    if len(content) > MAX_BYTES:
        raise _too_large(name)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ElementsError(f"{name}:{line}: is no text in UTF-8, so no file of elements") from None
    parse = _format(text, name)
    sets: dict[int, tuple[int, ElementSet]] = {}
    for line, elements in parse(text, name):
        before = sets.setdefault(elements.norad_id, (line, elements))
        if before[1] is not elements:
            raise ElementsError(
                f"{name}:{line}: catalogue number {elements.norad_id} is given a second time, "
                f"first on line {before[0]}: keep one set a satellite"
            )
    if not sets:
        raise ElementsError(f"{name}: holds no element set")
    return [elements for _, elements in sets.values()]


def _too_large(name: str) -> ElementsError:
    return ElementsError(f"{name}: is larger than {MAX_BYTES // 1024**2} MB; is this a file of elements?")


def _format(text: str, name: str) -> Parse:
    """The parser for this content, judged by its first characters. Raises ElementsError."""
    start = text.lstrip()[:2000]
    head = start.lower()
    if not head:
        raise ElementsError(f"{name}: is empty")
    if head[0] in "[{":
        return ommjson.parse_json
    if head.startswith("<"):
        if "<html" in head or "<!doctype html" in head:
            raise ElementsError(
                f"{name}:1: is a web page (HTML), not elements: the address may be wrong or the server refused"
            )
        return ommxml.parse_xml
    first_line = start.splitlines()[0]
    if first_line.replace(" ", "").upper().startswith("CCSDS_OMM_VERS="):
        return ommlines.parse_kvn
    if "," in first_line and "NORAD_CAT_ID" in first_line.upper():
        return ommlines.parse_csv
    if any(line[:2] in ("1 ", "2 ") for line in start.splitlines()[:3]):
        return tle.parse
    raise ElementsError(f"{name}:1: is neither OMM (JSON, CSV, XML, KVN) nor TLE: it begins with {first_line[:32]!r}")
