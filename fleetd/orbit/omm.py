"""Orbit Mean-Elements Messages (CCSDS 502.0) in JSON, CSV, XML and KVN, from text to `ElementSet`.

One function a format turns text into rows of named texts with their lines; one common function turns a row into a
checked set. Publishers differ (numbers or strings, epochs with or without fraction, 'Z', a space, day of year): all
these spellings mean the same here. Units and theories other than those of published elements are refused, not guessed.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn
from xml.parsers import expat

from fleetd.errors import ElementsError
from fleetd.orbit.elementset import ElementSet

Parse = Callable[[str, str], Iterator[tuple[int, ElementSet]]]

# Name in the message, name in the record, the one unit that it may have.
_NUMBERS = {
    "INCLINATION": ("inclination_deg", "deg"),
    "RA_OF_ASC_NODE": ("raan_deg", "deg"),
    "ECCENTRICITY": ("eccentricity", ""),
    "ARG_OF_PERICENTER": ("argument_of_perigee_deg", "deg"),
    "MEAN_ANOMALY": ("mean_anomaly_deg", "deg"),
    "MEAN_MOTION": ("mean_motion_rev_day", "rev/day"),
    "BSTAR": ("bstar", "1/er"),
    "MEAN_MOTION_DOT": ("mean_motion_dot", "rev/day**2"),
    "MEAN_MOTION_DDOT": ("mean_motion_ddot", "rev/day**3"),
}
_OPTIONAL = ("MEAN_MOTION_DOT", "MEAN_MOTION_DDOT")
_FIXED = {
    "CENTER_NAME": ("EARTH",),
    "REF_FRAME": ("TEME",),
    "TIME_SYSTEM": ("UTC",),
    "MEAN_ELEMENT_THEORY": ("SGP4", "SGP/SGP4", "SGP"),
    "EPHEMERIS_TYPE": ("0", "2"),
}
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_EPOCH = re.compile(
    r"(?P<year>\d{4})-(?:(?P<month>\d\d)-(?P<day>\d\d)|(?P<yday>\d{3}))"
    r"[T ](?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?P<fraction>\.\d{1,12})?(?: ?Z| ?UTC|\+00:00)?",
    re.ASCII,
)
_DESIGNATOR = re.compile(r"\d{4}-\d{3}[A-Z]{1,3}", re.ASCII)
_KVN_LINE = re.compile(r"\s*(?P<key>[A-Za-z0-9_]+)\s*=\s*(?P<value>.*?)\s*(?:\[(?P<unit>[^\]]*)\])?\s*")


class _Row:
    """The texts of one message by upper-case name, with the line and the unit of each where they are known."""

    def __init__(self, name: str, line: int) -> None:
        self.name = name
        self.line = line
        self._texts: dict[str, str] = {}
        self._lines: dict[str, int] = {}
        self._units: dict[str, str] = {}

    def put(self, field: str, text: str, line: int, unit: str = "") -> None:
        """Raises ElementsError where the field is there already; comments add up."""
        if field == "COMMENT":
            text = f"{self._texts.get(field, '')} {text}".strip()
        elif field in self._texts:
            raise ElementsError(
                f"{self.name}:{line}: {field}: is given a second time, first on line {self._lines[field]}"
            )
        self._texts[field], self._lines[field], self._units[field] = text.strip(), line, unit.strip().lower()

    def text(self, field: str) -> str:
        """What stands there, '' where nothing does."""
        return self._texts.get(field, "")

    def unit(self, field: str) -> str:
        """The unit given beside the value, in lower case, '' where none is."""
        return self._units.get(field, "")

    def fault(self, field: str, what: str) -> NoReturn:
        """Raises ElementsError with file, line and field."""
        raise ElementsError(f"{self.name}:{self._lines.get(field, self.line)}: {field}: {what}")


def _element_set(row: _Row) -> ElementSet:
    for field, allowed in _FIXED.items():
        if row.text(field) and row.text(field).upper() not in allowed:
            row.fault(field, f"is {row.text(field)[:32]!r}, only {' or '.join(allowed)} can be used")
    numbers = {name: _number(row, field, unit) for field, (name, unit) in _NUMBERS.items()}
    norad_id = _catalogue_number(row)
    return ElementSet(
        norad_id=norad_id,
        name=row.text("OBJECT_NAME") or f"NORAD {norad_id}",
        designator=_designator(row),
        epoch=_epoch(row),
        comment=row.text("COMMENT"),
        source=f"{row.name}:{row.line}",
        **numbers,
    )


def _number(row: _Row, field: str, unit: str) -> float:
    text = row.text(field)
    if not text:
        if field in _OPTIONAL:
            return 0.0
        row.fault(field, "is missing; SGP4 needs it")
    if row.unit(field) not in ("", unit):
        row.fault(field, f"is in {row.unit(field)!r}, only {unit!r} can be used")
    if not _NUMBER.fullmatch(text):
        row.fault(field, f"is {text[:32]!r}, a number is needed")
    return float(text)


def _catalogue_number(row: _Row) -> int:
    text = row.text("NORAD_CAT_ID")
    if not text:
        row.fault("NORAD_CAT_ID", "is missing; without it nobody knows whose orbit this is")
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        row.fault("NORAD_CAT_ID", f"is {text[:32]!r}, a whole number of up to nine digits is needed")
    return int(text)


def _designator(row: _Row) -> str:
    """The international designator; publishers write 'UNKNOWN', 'N/A' or nothing where there is none."""
    text = row.text("OBJECT_ID").upper()
    return text if _DESIGNATOR.fullmatch(text) else ""


def _epoch(row: _Row) -> datetime:
    text = row.text("EPOCH")
    match = _EPOCH.fullmatch(text)
    if match is None:
        row.fault(
            "EPOCH",
            f"is {text[:40]!r}, a UTC time like '2026-11-11T12:00:00.000000' is needed" if text else "is missing",
        )
    parts = {key: int(value) for key, value in match.groupdict().items() if value and key != "fraction"}
    try:
        day = datetime(parts["year"], parts.get("month", 1), parts.get("day", 1), tzinfo=UTC)
        when = day.replace(hour=parts["hour"], minute=parts["minute"], second=parts["second"])
    except ValueError as error:
        row.fault("EPOCH", f"is {text[:40]!r}, which no calendar has: {error}")
    when += timedelta(days=parts.get("yday", 1) - 1)
    if when.year != parts["year"]:
        row.fault("EPOCH", f"is {text[:40]!r}, which no calendar has: the year has no such day")
    return when + timedelta(microseconds=round(float(match["fraction"] or 0) * 1e6))


def parse_json(text: str, name: str) -> Iterator[tuple[int, ElementSet]]:
    """One object, or an array of them, as CelesTrak and Space-Track serve. Raises ElementsError."""
    # The texts of numbers are kept: what a digit string means is decided in one place for all formats.
    decoder = json.JSONDecoder(object_pairs_hook=_Pairs, parse_float=str, parse_int=str, parse_constant=str)
    lines = _LineCounter(text)
    for start, value in _json_values(text, name, decoder):
        line = lines.at(start)
        if not isinstance(value, _Pairs):
            raise ElementsError(f"{name}:{line}: an object with the fields of an element set is needed here")
        row = _Row(name, line)
        for key, field in value:
            where = lines.of_key(start, key)
            if isinstance(field, list):
                raise ElementsError(f"{name}:{where}: {key[:40]}: is a list or an object, a number or text is needed")
            row.put(key.upper(), "" if field is None else str(field), where)
        yield line, _element_set(row)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as its pairs, so that a key given twice is seen."""


class _LineCounter:
    """Line numbers of rising offsets in a text, each stretch counted once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._offset = 0
        self._line = 1

    def at(self, offset: int) -> int:
        self._line += self._text.count("\n", self._offset, offset)
        self._offset = offset
        return self._line

    def of_key(self, start: int, key: str) -> int:
        """The line of a key of the object that begins at `start`, or of that object where it cannot be found."""
        at = self._text.find(json.dumps(key), start)
        return self._line + (self._text.count("\n", start, at) if at >= 0 else 0)


def _json_values(text: str, name: str, decoder: json.JSONDecoder) -> Iterator[tuple[int, Any]]:
    """Each value of the outermost array, or the one value that there is, with its offset."""
    space = re.compile(r"[ \t\r\n]*")
    at = _skip(space, text, 0)
    array = text.startswith("[", at)
    at = _skip(space, text, at + array)
    if array and text.startswith("]", at):
        return
    while True:
        start = at
        try:
            value, at = decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            raise ElementsError(f"{name}:{error.lineno}: is no whole JSON: {error.msg}; is it truncated?") from None
        except RecursionError:
            line = text.count("\n", 0, start) + 1
            raise ElementsError(f"{name}:{line}: is nested too deeply; an array of flat objects is needed") from None
        yield start, value
        at = _skip(space, text, at)
        if not array or not text.startswith(",", at):
            break
        at = _skip(space, text, at + 1)
    end = _skip(space, text, at + 1) if array and text.startswith("]", at) else at
    if (array and end == at) or end != len(text):
        line = text.count("\n", 0, at) + 1
        raise ElementsError(f"{name}:{line}: is no whole JSON: {text[at : at + 12]!r} after a set; is it truncated?")


def _skip(space: re.Pattern[str], text: str, at: int) -> int:
    match = space.match(text, at)
    return match.end() if match else at


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
            row = _Row(name, line)
            for field, cell in zip(header, cells, strict=True):
                row.put(field, cell, line)
            yield line, _element_set(row)
    except csv.Error as error:
        raise ElementsError(f"{name}:{reader.line_num}: is no valid CSV: {error}") from None


def parse_kvn(text: str, name: str) -> Iterator[tuple[int, ElementSet]]:
    """`KEY = value [unit]` lines; each CCSDS_OMM_VERS begins a message. Raises ElementsError."""
    row: _Row | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        comment = re.match(r"\s*COMMENT(?:\s+(.*))?$", line)
        match = _KVN_LINE.fullmatch(line)
        if not line.strip():
            continue
        if match and match["key"].upper() == "CCSDS_OMM_VERS":
            if row:
                yield row.line, _element_set(row)
            row = _Row(name, number)
        if row is None:
            raise ElementsError(f"{name}:{number}: a message begins with CCSDS_OMM_VERS, found {line[:32]!r}")
        if comment:
            row.put("COMMENT", comment[1] or "", number)
        elif match:
            row.put(match["key"].upper(), match["value"], number, match["unit"] or "")
        else:
            raise ElementsError(f"{name}:{number}: is no 'KEY = value' line: {line[:32]!r}")
    if row:
        yield row.line, _element_set(row)


def parse_xml(text: str, name: str) -> Iterator[tuple[int, ElementSet]]:
    """An <omm>, or an <ndm> of several; each <segment> is a set. Raises ElementsError."""
    rows = _XmlRows(name)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = rows.start
    parser.CharacterDataHandler = rows.text
    parser.EndElementHandler = rows.end
    # Entities, the one known way to attack a parser that builds no tree, need a document type.
    parser.StartDoctypeDeclHandler = rows.refuse_doctype
    rows.line = lambda: parser.CurrentLineNumber
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise ElementsError(f"{name}:{error.lineno}: is no whole XML: {error}; is it truncated?") from None
    for row in rows.whole:
        yield row.line, _element_set(row)


class _XmlRows:
    """Gathers the leaves of each <segment>, as expat meets them."""

    def __init__(self, name: str) -> None:
        self.whole: list[_Row] = []
        self.line: Callable[[], int] = lambda: 0
        self._name = name
        self._row: _Row | None = None
        self._leaf: tuple[str, int, str] | None = None
        self._text = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "segment":
            self._row = _Row(self._name, self.line())
        self._leaf, self._text = (tag, self.line(), attributes.get("units", "")), ""

    def text(self, text: str) -> None:
        self._text += text

    def end(self, tag: str) -> None:
        tag = tag.rpartition(":")[2]
        if self._leaf and self._leaf[0] == tag and self._row:
            self._row.put(tag.upper(), self._text, self._leaf[1], self._leaf[2])
        self._leaf = None
        if tag == "segment" and self._row:
            self.whole.append(self._row)
            self._row = None

    def refuse_doctype(self, *_: object) -> None:
        raise ElementsError(f"{self._name}:{self.line()}: declares a document type; element messages have none")
