"""Times as people type them: how long, and since when."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from fleetd.clock import parse_utc
from fleetd.errors import ConfigError, Refusal

_UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


def parse_length(text: str) -> timedelta:
    """A length of time such as 90s, 30m, 2h, 1.5d, 1w or 1h30m. Raises Refusal."""
    found = _LENGTH.findall(text)
    if not found or "".join(number + unit for number, unit in found) != text:
        raise Refusal("usage", f"{text!r} is no length of time; write it like 90s, 30m, 2h or 7d")
    try:
        return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in found))
    except OverflowError:
        raise Refusal("usage", f"{text!r} is too long") from None


def parse_when(text: str, now: datetime) -> datetime:
    """An instant: ISO 8601 with a zone, or a length of time before `now`. Raises Refusal."""
    if _LENGTH.match(text) and "-" not in text:
        length = parse_length(text)
        try:
            return now - length
        except OverflowError:
            raise Refusal("usage", f"{text!r} before now is no time") from None
    try:
        return parse_utc(text)
    except ConfigError as error:
        raise Refusal("usage", f"{error}, or how long ago, like 2h") from None
