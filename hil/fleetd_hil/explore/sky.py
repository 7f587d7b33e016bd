"""A station and one or two satellites that pass over it soon, on orbits that nobody flies."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from fleetd.contact.booking import pass_id
from fleetd.orbit.elements import parse_elements
from fleetd.orbit.passes import Pass, find_passes
from fleetd.orbit.station import Station

EPOCH = datetime(2026, 11, 11, tzinfo=UTC)
MIN_ELEVATION_DEG = 10.0
SATELLITES = ("candy-tin", "tmall-international")
_NUMBERS = {"candy-tin": 999_100_101, "tmall-international": 999_100_102}
_INCLINATIONS_DEG = (49.0, 51.6, 97.5)
_DAY_S = 86_400.0
_SHORTEST_S, _NEAR_S = 150.0, 1_500.0


@dataclass(frozen=True, slots=True)
class Sky:
    """What is up when. `passes` are those near the one that the story is about, which comes first."""

    latitude_deg: float
    longitude_deg: float
    elements: dict[str, Any]
    passes: tuple[Pass, ...]

    @property
    def aos(self) -> datetime:
        """When the pass begins that the story is about."""
        return _known(self.passes[0].aos)

    @property
    def los(self) -> datetime:
        """When it ends."""
        return _known(self.passes[0].los)

    @property
    def pass_ids(self) -> list[str]:
        """As bookings name them."""
        return [pass_id(each.satellite, _known(each.aos)) for each in self.passes]


def compose_sky(draw: Random) -> Sky:
    """A place between the polar circles with a pass of at least a few minutes."""
    while True:
        latitude_deg, longitude_deg = round(draw.uniform(-52, 52), 2), round(draw.uniform(-180, 180), 2)
        first = _orbit(draw, SATELLITES[0])
        second = _behind(draw, first) if draw.random() < 0.5 else _orbit(draw, SATELLITES[1])
        station = Station("explored", latitude_deg, longitude_deg, 20.0)
        passes = [
            each
            for row in (first, second)
            for each in find_passes(
                parse_elements(json.dumps([row]).encode(), "composed"),
                [station],
                EPOCH,
                EPOCH + timedelta(days=1),
                MIN_ELEVATION_DEG,
            )
            if each.aos is not None and each.los is not None and (each.aos - EPOCH).total_seconds() > 1_800
        ]
        chosen = [each for each in passes if each.satellite == SATELLITES[0] and _length_s(each) >= _SHORTEST_S]
        if not chosen:
            continue
        main = draw.choice(chosen)
        near = [each for each in passes if each is not main and abs(_apart_s(each, main)) < _NEAR_S]
        files = {f"{row['OBJECT_NAME']}.json": [row] for row in (first, second)}
        return Sky(latitude_deg, longitude_deg, files, (main, *near))


def moved(rows: list[dict[str, Any]], by_s: float) -> list[dict[str, Any]]:
    """The same orbit, with the satellite so far ahead on it; seconds."""
    return [row | {"MEAN_ANOMALY": _anomaly(row, by_s)} for row in rows]


def _orbit(draw: Random, name: str) -> dict[str, Any]:
    return {
        "OBJECT_NAME": name,
        "OBJECT_ID": "2026-999A" if name == SATELLITES[0] else "2026-999B",
        "CENTER_NAME": "EARTH",
        "REF_FRAME": "TEME",
        "TIME_SYSTEM": "UTC",
        "MEAN_ELEMENT_THEORY": "SGP4",
        "NORAD_CAT_ID": _NUMBERS[name],
        "EPOCH": EPOCH.strftime("%Y-%m-%dT%H:%M:%S.%f"),
        "MEAN_MOTION": round(draw.uniform(14.6, 15.4), 4),
        "ECCENTRICITY": round(draw.uniform(0.0001, 0.002), 5),
        "INCLINATION": draw.choice(_INCLINATIONS_DEG),
        "RA_OF_ASC_NODE": round(draw.uniform(0, 360), 2),
        "ARG_OF_PERICENTER": 90.0,
        "MEAN_ANOMALY": round(draw.uniform(0, 360), 2),
        "BSTAR": 2e-05,
        "MEAN_MOTION_DOT": 0.0,
        "MEAN_MOTION_DDOT": 0.0,
        "EPHEMERIS_TYPE": 0,
        "CLASSIFICATION_TYPE": "U",
        "ELEMENT_SET_NO": 1,
        "REV_AT_EPOCH": 0,
    }


def _behind(draw: Random, row: dict[str, Any]) -> dict[str, Any]:
    """Another satellite on the same orbit, some minutes later: both want the antenna."""
    name = SATELLITES[1]
    identity = {"OBJECT_NAME": name, "OBJECT_ID": "2026-999B", "NORAD_CAT_ID": _NUMBERS[name]}
    return row | identity | {"MEAN_ANOMALY": _anomaly(row, -draw.uniform(30, 500))}


def _anomaly(row: dict[str, Any], ahead_s: float) -> float:
    degrees: float = row["MEAN_ANOMALY"] + 360.0 * row["MEAN_MOTION"] * ahead_s / _DAY_S
    return round(math.fmod(degrees, 360.0) % 360.0, 3)


def _length_s(each: Pass) -> float:
    return (_known(each.los) - _known(each.aos)).total_seconds()


def _apart_s(each: Pass, other: Pass) -> float:
    return (_known(each.aos) - _known(other.aos)).total_seconds()


def _known(when: datetime | None) -> datetime:
    if when is None:
        raise ValueError("this pass is cut off by the day")
    return when
