"""A place on the ground: its position on the rotating Earth and its three local directions.

Geodetic coordinates on the WGS84 ellipsoid become Earth-fixed kilometres; deflection of the vertical, polar motion and
refraction are left out, as Skyfield's `wgs84.latlon` leaves them out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

_RADIUS_KM = 6378.137  # WGS84 semi-major axis
_FLATTENING = 1 / 298.257223563

Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Station:
    """A named place: geodetic latitude and longitude in degrees (north and east positive), height in metres."""

    name: str
    latitude_deg: float
    longitude_deg: float
    altitude_m: float = 0.0
    position_km: Vector = field(init=False, repr=False, compare=False)
    east: Vector = field(init=False, repr=False, compare=False)
    north: Vector = field(init=False, repr=False, compare=False)
    up: Vector = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not (abs(self.latitude_deg) <= 90 and abs(self.longitude_deg) <= 360 and math.isfinite(self.altitude_m)):
            raise ValueError(f"station {self.name!r}: latitude is within ±90, longitude within ±360 degrees")
        latitude, longitude = math.radians(self.latitude_deg), math.radians(self.longitude_deg)
        sin_lat, cos_lat = math.sin(latitude), math.cos(latitude)
        sin_lon, cos_lon = math.sin(longitude), math.cos(longitude)
        polar = (1 - _FLATTENING) ** 2
        curvature_km = _RADIUS_KM / math.sqrt(cos_lat**2 + polar * sin_lat**2)
        equatorial_km = (curvature_km + self.altitude_m / 1000) * cos_lat
        axial_km = (curvature_km * polar + self.altitude_m / 1000) * sin_lat
        place = {
            "position_km": (equatorial_km * cos_lon, equatorial_km * sin_lon, axial_km),
            "east": (-sin_lon, cos_lon, 0.0),
            "north": (-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat),
            "up": (cos_lat * cos_lon, cos_lat * sin_lon, sin_lat),
        }
        for name, vector in place.items():
            object.__setattr__(self, name, vector)


class Places:
    """Stations as arrays, one a row; Earth-fixed kilometres."""

    def __init__(self, stations: Sequence[Station]) -> None:
        self.position_km = np.array([station.position_km for station in stations])
        self.up = np.array([station.up for station in stations])
        self.east = np.array([station.east for station in stations])
        self.north = np.array([station.north for station in stations])

    def __len__(self) -> int:
        return len(self.up)
