"""Areas on the ground: whether a robot is in one, when it crosses a border, and what it is not told while it is there.

Pure functions and one memory of where each robot was. Corners are joined by lines that are straight on the map, which
within a few kilometres nobody can tell from the ground; an area that crosses itself is inside by the even-odd rule.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from fleetd.clock import iso_ms
from fleetd.errors import Refusal
from fleetd.records import Event, Quality, Reading, Severity, Value
from fleetd.robots.settings import Zone

Corner = tuple[float, float]
"""Latitude and longitude, degrees."""

_METRES_A_DEGREE = 111_195.0  # of a great circle on the mean sphere


def inside(corners: Sequence[Corner], latitude_deg: float, longitude_deg: float) -> bool:
    """Whether a point lies in the polygon of these corners; a point on the border may be said to be either."""
    crossings = False
    for (y1, x1), (y2, x2) in _edges(corners, latitude_deg, longitude_deg):
        if (y1 > 0) is not (y2 > 0):
            crossings ^= x1 - y1 * (x2 - x1) / (y2 - y1) > 0
    return crossings


def border_m(corners: Sequence[Corner], latitude_deg: float, longitude_deg: float) -> float:
    """How far a point is from the polygon's border, metres, whichever side it is on."""
    shortest = math.inf
    for (y1, x1), (y2, x2) in _edges(corners, latitude_deg, longitude_deg):
        dy, dx = y2 - y1, x2 - x1
        square = dy * dy + dx * dx
        along = min(1.0, max(0.0, -(y1 * dy + x1 * dx) / square)) if square else 0.0
        shortest = min(shortest, math.hypot(y1 + along * dy, x1 + along * dx))
    return shortest


class Crossing(NamedTuple):
    """A robot is in a zone that it was not in, or the other way; `first` if it was not known where it was."""

    zone: str
    entered: bool
    first: bool


@dataclass(slots=True)
class Zones:
    """The zones of a site, and which robot was in which."""

    zones: Mapping[str, Zone]
    _within: dict[tuple[str, str], bool] = field(default_factory=dict)

    def crossed(self, reading: Reading) -> Iterator[Event]:
        """What there is to say of where a robot is now. A reading that is not beyond doubt, or knows no position, is
        nothing; and so is a position so near a border that the next one may be on its other side."""
        position = _position(reading.values)
        if position is None or reading.quality is not Quality.GOOD:
            return
        for name, zone in self.zones.items():
            within, key = inside(zone.corners, *position), (reading.device, name)
            before = self._within.get(key)
            if before is within or (before is not None and border_m(zone.corners, *position) < zone.margin_m):
                continue
            self._within[key] = within
            crossing = Crossing(name, within, before is None)
            if not crossing.first or _wrong(zone, within=within):
                yield _event(reading, zone, crossing)

    def rule(self, action: str) -> bool:
        """Whether there is a zone in which this action is refused."""
        return any(action in zone.refuses for zone in self.zones.values())

    def judge(self, action: str, reading: Reading) -> None:
        """Raises Refusal where a robot is, or may be, in a zone in which it is not told this."""
        for name, zone in self.zones.items():
            if action not in zone.refuses:
                continue
            position, where = _position(reading.values), "within" if zone.kind != "keep-in" else "outside"
            if position is None:
                raise Refusal("zone", f"{action} is refused {where} {name}, and the robot's position is not known")
            if inside(zone.corners, *position) is (zone.kind != "keep-in"):
                raise Refusal("zone", f"{action} is refused {where} {name}, where it was at {iso_ms(reading.at)}")


def _edges(corners: Sequence[Corner], latitude_deg: float, longitude_deg: float) -> Iterator[tuple[Corner, Corner]]:
    """The polygon's edges in metres north and east of a point; the last corner is joined with the first."""
    east = math.cos(math.radians(latitude_deg)) * _METRES_A_DEGREE
    flat = [
        ((lat - latitude_deg) * _METRES_A_DEGREE, ((lon - longitude_deg + 180) % 360 - 180) * east)
        for lat, lon in corners
    ]
    return pairwise([*flat, flat[0]])


def _position(values: Mapping[str, Value]) -> Corner | None:
    latitude_deg, longitude_deg = values.get("latitude_deg"), values.get("longitude_deg")
    if isinstance(latitude_deg, int | float) and isinstance(longitude_deg, int | float):
        return float(latitude_deg), float(longitude_deg)
    return None


def _wrong(zone: Zone, *, within: bool) -> bool:
    return (zone.kind == "keep-out" and within) or (zone.kind == "keep-in" and not within)


def _event(reading: Reading, zone: Zone, crossing: Crossing) -> Event:
    verb = "is in" if crossing.first and crossing.entered else "has entered" if crossing.entered else "is outside"
    if not crossing.first and not crossing.entered:
        verb = "has left"
    wrong = _wrong(zone, within=crossing.entered)
    return Event(
        at=reading.at,
        clock_synced=reading.clock_synced,
        source=reading.device,
        name="zone-entered" if crossing.entered else "zone-left",
        text=f"{reading.device} {verb} {crossing.zone}{f', which is to {_RULE[zone.kind]}' if wrong else ''}",
        severity=Severity.WARNING if wrong else Severity.INFO,
        detail={
            "zone": crossing.zone,
            "kind": zone.kind,
            "latitude_deg": reading.values["latitude_deg"],
            "longitude_deg": reading.values["longitude_deg"],
        },
    )


_RULE = {"keep-out": "be kept clear of", "keep-in": "be kept within", "note": "be noted"}
