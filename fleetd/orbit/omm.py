"""Orbit Mean-Elements Messages (CCSDS 502.0): from the named texts of one message to a checked `ElementSet`.

Publishers differ (numbers or strings, epochs with or without fraction, 'Z', a space, day of year): all these spellings
mean the same here. Units and theories other than those of published elements are refused, not guessed. How the texts
are found is each format's own: `ommjson`, `ommxml`, and `ommlines` for CSV and KVN.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NoReturn

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


class Row:
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


def element_set(row: Row) -> ElementSet:
    """The set that a message holds, every field checked. Raises ElementsError."""
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


def _number(row: Row, field: str, unit: str) -> float:
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


def _catalogue_number(row: Row) -> int:
    text = row.text("NORAD_CAT_ID")
    if not text:
        row.fault("NORAD_CAT_ID", "is missing; without it nobody knows whose orbit this is")
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        row.fault("NORAD_CAT_ID", f"is {text[:32]!r}, a whole number of up to nine digits is needed")
    return int(text)


def _designator(row: Row) -> str:
    """The international designator; publishers write 'UNKNOWN', 'N/A' or nothing where there is none."""
    text = row.text("OBJECT_ID").upper()
    return text if _DESIGNATOR.fullmatch(text) else ""


def _epoch(row: Row) -> datetime:
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
