"""Quantities with their units, as people write them in a scenario: '6 min', '-1 h', '< 1.5 deg', '>= 20 %'."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

_SECONDS: Mapping[str, float] = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0}
_DURATION = re.compile(r"^(?P<number>-?\d+(\.\d+)?)\s*(?P<unit>[a-z]+)$")
_COMPARED = re.compile(r"^(?P<sign><=|>=|<|>)\s*(?P<number>-?\d+(\.\d+)?)\s*(?P<unit>\S*)$")
_SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
# By the end of a field's name: the unit that a limit on it must bear.
_UNITS = {
    "_deg": "deg", "_s": "s", "_ms": "ms", "_percent": "%", "_m_s": "m/s", "_km": "km", "_m": "m", "_hz": "Hz",
    "_days": "d", "_c": "C", "_v": "V", "_a": "A", "_dbm": "dBm",
}  # fmt: skip


def seconds(text: Any) -> float:
    """A duration in seconds. Raises ValueError naming the units."""
    match = _DURATION.match(text) if isinstance(text, str) else None
    if match is None or match["unit"] not in _SECONDS:
        raise ValueError(f"write a number and its unit, one of {', '.join(_SECONDS)}, as in '6 min'")
    return float(match["number"]) * _SECONDS[match["unit"]]


Duration = Annotated[float, BeforeValidator(seconds)]
PositiveDuration = Annotated[Duration, Field(gt=0)]


@dataclass(frozen=True, slots=True)
class Condition:
    """What one field of a message must be."""

    field: str
    words: str
    holds: Callable[[Any], bool]


def condition(field: str, wanted: Any) -> Condition:
    """'< 1.5 deg' compares, '~ text' must be within the text, anything else must be the same.

    Raises ValueError where a comparison lacks the unit of its field, or has another.
    """
    if not isinstance(wanted, str):
        return Condition(field, f"{field} is {wanted}", lambda found: found == wanted)
    if wanted.startswith("~"):
        part = wanted[1:].strip()
        return Condition(field, f"{field} speaks of {part!r}", lambda found: part in str(found))
    match = _COMPARED.match(wanted)
    if match is None:
        return Condition(field, f"{field} is {wanted}", lambda found: str(found) == wanted)
    limit, compare, unit = float(match["number"]), _SIGNS[match["sign"]], unit_of(field)
    if match["unit"] != unit:
        wants = f"the unit {unit}" if unit else "no unit"
        raise ValueError(
            f"{field}: {wanted!r} must bear {wants}, as in '{match['sign']} {match['number']} {unit}'".rstrip()
        )
    return Condition(field, f"{field} {wanted}", lambda found: _number(found) and compare(found, limit))


def unit_of(field: str) -> str:
    """The unit that a field's name ends in; '' for a plain count."""
    endings = [ending for ending in _UNITS if field.endswith(ending)]
    return _UNITS[max(endings, key=len)] if endings else ""


def _number(found: Any) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool)
