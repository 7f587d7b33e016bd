"""Two-line elements, bare or under a title line (3LE), from text to `ElementSet`.

Column layout: NORAD's, as set out in Spacetrack Report 3 and at space-track.org/documentation#/tle; catalogue numbers
above 99999 in Alpha-5 (a letter for the first two digits, I and O left out). Strict on purpose: a line that is not
exactly as laid out, or whose checksum does not fit, is refused by name.
"""

from __future__ import annotations

import re
from calendar import isleap
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from fleetd.errors import ElementsError
from fleetd.orbit.elementset import ElementSet

_LENGTH = 69
_ALPHA5 = {letter: number for number, letter in enumerate("ABCDEFGHJKLMNPQRSTUVWXYZ", start=10)}
_ID_COLUMNS = slice(2, 7)

# (field, first column, last column, pattern, an example), columns counted from 1 as the layout does.
_Layout = tuple[tuple[str, int, int, str, str], ...]
_DECIMAL_ASSUMED = r"[ +-]\d{5}[+-]\d"
_LINE_1: _Layout = (
    ("designator", 10, 17, r" {8}|\d{5}[A-Z]{1,3} *", "18081A"),
    ("epoch", 19, 32, r"\d\d *\d+\.\d{8}", "26315.50000000"),
    ("first derivative of mean motion", 34, 43, r"[ +-]\.\d{8}", " .00000210"),
    ("second derivative of mean motion", 45, 52, _DECIMAL_ASSUMED, " 00000-0"),
    ("BSTAR", 54, 61, _DECIMAL_ASSUMED, " 31000-4"),
    ("ephemeris type", 63, 63, r"[ 0]", "0"),
)
_LINE_2: _Layout = (
    ("inclination", 9, 16, r" *\d+\.\d{4}", " 97.4000"),
    ("right ascension of the node", 18, 25, r" *\d+\.\d{4}", " 17.2500"),
    ("eccentricity", 27, 33, r" *\d+", "0010000"),
    ("argument of perigee", 35, 42, r" *\d+\.\d{4}", "180.0000"),
    ("mean anomaly", 44, 51, r" *\d+\.\d{4}", "  5.5000"),
    ("mean motion", 53, 63, r" *\d+\.\d{8}", "15.20000000"),
)


def parse(text: str, name: str) -> Iterator[tuple[int, ElementSet]]:
    """Each set of a file `name` with the number of the line that it begins on. Raises ElementsError."""
    title, first = "", None
    for number, line in enumerate(map(str.rstrip, text.splitlines()), start=1):
        source = f"{name}:{number}"
        if not line:
            continue
        kind = line[:2]
        if first is None and kind == "1 ":
            first = (number, _checked(line, source))
        elif first is not None and kind == "2 ":
            yield first[0], _element_set(title, first, _checked(line, source), name, number)
            title, first = "", None
        elif first is not None:
            raise ElementsError(f"{source}: line 2 of the set must follow line {first[0]}, found {line[:24]!r}")
        elif kind == "2 " and len(line) == _LENGTH:
            raise ElementsError(
                f"{source}: line 2 stands before line 1: the two lines are swapped, or line 1 is missing"
            )
        elif title:
            raise ElementsError(f"{source}: line 1 of {title!r} is missing, found {line[:24]!r}")
        else:
            title = line.removeprefix("0 ").strip()
    if first is not None:
        raise ElementsError(
            f"{name}:{first[0]}: the file ends after line 1 of this set: line 2 is missing, is it truncated?"
        )
    if title:
        raise ElementsError(
            f"{name}: the file ends after the title {title[:24]!r}: its two lines are missing, is it truncated?"
        )


def checksum(line: str) -> int:
    """The sum of all digits of the first 68 columns, a minus counting as 1, modulo 10."""
    return sum(int(char) if char.isdigit() else char == "-" for char in line[: _LENGTH - 1]) % 10


def catalogue_number(text: str) -> int:
    """The number in five columns, Alpha-5 or plain. Raises ValueError."""
    if not re.fullmatch(r"[A-HJ-NP-Z \d][ \d]{3}\d", text, re.ASCII):
        raise ValueError(text)
    if text[0] in _ALPHA5:
        return _ALPHA5[text[0]] * 10_000 + int(text[1:])
    return int(text)


def _checked(line: str, source: str) -> str:
    if not line.isascii():
        raise ElementsError(f"{source}: only plain ASCII characters belong into element lines")
    if len(line) != _LENGTH:
        raise ElementsError(
            f"{source}: the line has {len(line)} characters, an element line has {_LENGTH}: is it truncated?"
        )
    due = checksum(line)
    if line[-1] != str(due):
        raise ElementsError(
            f"{source}: checksum is {line[-1]!r}, the digits give {due}: a character was changed or lost"
        )
    return line


def _element_set(title: str, first: tuple[int, str], line_2: str, name: str, number: int) -> ElementSet:
    source_1, source_2 = f"{name}:{first[0]}", f"{name}:{number}"
    line_1 = first[1]
    if line_1[_ID_COLUMNS] != line_2[_ID_COLUMNS]:
        raise ElementsError(
            f"{source_2}: catalogue number is {line_2[_ID_COLUMNS]!r}, line 1 says {line_1[_ID_COLUMNS]!r}: "
            "the lines belong to two satellites"
        )
    try:
        norad_id = catalogue_number(line_1[_ID_COLUMNS])
    except ValueError:
        raise ElementsError(
            f"{source_1}: catalogue number {line_1[_ID_COLUMNS]!r} is neither five digits nor Alpha-5, "
            "such as '43655' or 'A0001'"
        ) from None
    one, two = _fields(line_1, _LINE_1, source_1), _fields(line_2, _LINE_2, source_2)
    return ElementSet(
        norad_id=norad_id,
        name=title or f"NORAD {norad_id}",
        designator=_designator(one["designator"].strip()),
        epoch=_epoch(one["epoch"], source_1),
        inclination_deg=float(two["inclination"]),
        raan_deg=float(two["right ascension of the node"]),
        eccentricity=int(two["eccentricity"]) / 1e7,
        argument_of_perigee_deg=float(two["argument of perigee"]),
        mean_anomaly_deg=float(two["mean anomaly"]),
        mean_motion_rev_day=float(two["mean motion"]),
        bstar=_assumed_decimal(one["BSTAR"]),
        mean_motion_dot=float(one["first derivative of mean motion"].replace(" ", "")),
        mean_motion_ddot=_assumed_decimal(one["second derivative of mean motion"]),
        source=source_1,
    )


def _fields(line: str, layout: _Layout, source: str) -> dict[str, str]:
    found = {}
    for field, start, end, pattern, example in layout:
        text = line[start - 1 : end]
        if not re.fullmatch(pattern, text, re.ASCII):
            raise ElementsError(
                f"{source}: {field}: columns {start}-{end} hold {text!r}, expected the form of {example!r}"
            )
        found[field] = text
    return found


def _assumed_decimal(text: str) -> float:
    """Five digits after a point that is not written, then a power of ten: ' 31000-4' is 0.31e-4."""
    return float(f"{text[0].strip()}0.{text[1:6]}e{text[6:]}")


def _designator(text: str) -> str:
    """'18081A' as 2018-081A; years from 57 on are of the twentieth century."""
    if not text:
        return ""
    century = 1900 if int(text[:2]) >= 57 else 2000
    return f"{century + int(text[:2])}-{text[2:5]}{text[5:]}"


def _epoch(text: str, source: str) -> datetime:
    year = int(text[:2]) + (1900 if int(text[:2]) >= 57 else 2000)
    days = float(text[2:])
    last = 366 if isleap(year) else 365
    if not 1 <= days < last + 1:
        raise ElementsError(f"{source}: epoch: day {days:g} of {year}, which has days 1 to {last}")
    return datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=days - 1)
