"""Passes as people, spreadsheets and calendars read them; each pass comes as its JSON values."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from fleetd.clock import parse_utc

HEADINGS = ("satellite", "rises (UTC)", "local", "", "highest", "", "sets", "", "for", "light")

_WINDS = ("N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW")
_CSV_FIELDS = (
    "satellite", "norad_id", "station", "aos", "culmination", "los", "max_elevation_deg", "aos_azimuth_deg",
    "culmination_azimuth_deg", "los_azimuth_deg", "sunlit", "sun_elevation_deg", "aos_range_km", "culmination_range_km",
    "los_range_km", "closest", "closest_range_km", "elements_hash", "elements_age_days",
)  # fmt: skip
_DARK_DEG = -6.0  # with the Sun lower than this a lit satellite can be seen
_ICS_LINE = 75  # octets, RFC 5545 section 3.1

Found = Mapping[str, Any]


def wind(azimuth_deg: float) -> str:
    """The nearest of sixteen points of the compass."""
    return _WINDS[round(azimuth_deg / 22.5) % 16]


def span(length: timedelta) -> str:
    """A length of time in its two largest units: '2 d 3 h', '1 h 05 min', '7 min 27 s'."""
    seconds = round(length.total_seconds())
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60:02d} min"
    return f"{minutes} min {seconds % 60:02d} s"


def rows(found: Sequence[Found]) -> Iterator[tuple[object, ...]]:
    """One row a pass, under `HEADINGS`."""
    for each in found:
        aos, los = _time(each["aos"]), _time(each["los"])
        yield (
            each["satellite"],
            f"{aos:%Y-%m-%d %H:%M:%S}" if aos else "up already",
            f"{aos.astimezone():%a %H:%M %Z}" if aos else "",
            f"rises {wind(each['aos_azimuth_deg'])}" if aos else "",
            f"{each['max_elevation_deg']:.0f}° at {_known_time(each['culmination']):%H:%M:%S}",
            wind(each["culmination_azimuth_deg"]),
            f"{los:%H:%M:%S}" if los else "still up",
            f"sets {wind(each['los_azimuth_deg'])}" if los else each.get("elements_failure", ""),
            span(los - aos) if aos and los else "",
            light(each),
        )


def light(each: Found) -> str:
    """Whether it can be seen: 'visible', 'sunlit' in a bright sky, 'shadow', or nothing where that is not known."""
    if each["sunlit"] is None:
        return ""
    if not each["sunlit"]:
        return "shadow"
    sun_deg = each.get("sun_elevation_deg")
    return "visible" if sun_deg is not None and sun_deg < _DARK_DEG else "sunlit"


def countdown(found: Sequence[Found], now: datetime) -> Iterator[str]:
    """A line on the pass under way and one on the next to come, where there are such."""
    for each in found:
        aos, los = _time(each["aos"]), _time(each["los"])
        if los and los > now and (aos is None or aos <= now):
            yield f"now: {each['satellite']} is up, sets {wind(each['los_azimuth_deg'])} in {span(los - now)}"
        if aos and aos > now:
            yield f"next: {each['satellite']} rises {wind(each['aos_azimuth_deg'])} in {span(aos - now)}"
            return


def csv_text(found: Sequence[Found]) -> str:
    """A header line and a line a pass; what is not known is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _CSV_FIELDS, extrasaction="ignore")
    writer.writeheader()
    for each in found:
        writer.writerow(
            {name: str(value).lower() if isinstance(value, bool) else value for name, value in each.items()}
        )
    return text.getvalue()


def ics_text(found: Sequence[Found], now: datetime) -> str:
    """A calendar (RFC 5545) with an event a pass; a pass cut by the window is shown from or to its culmination."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//fleetd//passes//EN"]
    for each in found:
        begin, end = each["aos"] or each["culmination"], each["los"] or each["culmination"]
        directions = " ".join(
            f"{verb} {wind(each[key])}."
            for verb, key in (("Rises", "aos_azimuth_deg"), ("Sets", "los_azimuth_deg"))
            if each[key] is not None
        )
        lines += [
            "BEGIN:VEVENT",
            f"UID:{each['norad_id']}-{_stamp(each['culmination'])}-{_escaped(each['station'])}@fleetd",
            f"DTSTAMP:{now:%Y%m%dT%H%M%SZ}",
            f"DTSTART:{_stamp(begin)}",
            f"DTEND:{_stamp(end)}",
            f"SUMMARY:{_escaped(each['satellite'])} passes\\, up to {each['max_elevation_deg']:.0f}°",
            f"DESCRIPTION:{_escaped(directions)} Elements {each.get('elements_hash', '')}.",
            "END:VEVENT",
        ]
    return "".join(f"{part}\r\n" for line in [*lines, "END:VCALENDAR"] for part in _folded(line))


def _folded(line: str) -> Iterator[str]:
    """A line in pieces of at most 75 octets; each further piece begins with a space."""
    piece = ""
    for character in line:
        if len((piece + character).encode()) > _ICS_LINE:
            yield piece
            piece = " "
        piece += character
    yield piece


def _escaped(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return "".join(character for character in escaped if character.isprintable())


def _stamp(text: str) -> str:
    return f"{_known_time(text):%Y%m%dT%H%M%SZ}"


def _time(text: str | None) -> datetime | None:
    return None if text is None else _known_time(text)


def _known_time(text: str) -> datetime:
    return parse_utc(text)
