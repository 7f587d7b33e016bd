"""A pass: when a station sees a satellite, and what is known of that beforehand.

`find_passes` is the door; the search itself works on arrays and stands in `search`. Times are UTC, angles degrees,
azimuths from north over east from 0 to 360; refraction is not applied.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
import numpy as np

from fleetd.orbit.earth import Floats
from fleetd.orbit.elementset import ElementSet
from fleetd.orbit.motion import Ints, Window
from fleetd.orbit.refine import Instants, Places
from fleetd.orbit.search import Columns, search
from fleetd.orbit.station import Station

__all__ = ["Pass", "Station", "find_passes"]


class Pass(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch above the minimum elevation, within the window that was searched."""

    satellite: str
    norad_id: int
    station: str
    aos: datetime | None
    """Rise; None if up already when the window opens."""
    culmination: datetime
    """When it stands highest within the window."""
    los: datetime | None
    """Set; None if still up when the window closes, or when the elements cease to be valid."""
    max_elevation_deg: float
    aos_azimuth_deg: float | None
    culmination_azimuth_deg: float
    los_azimuth_deg: float | None
    sunlit: bool | None = None
    """Whether sunlight falls on the satellite at culmination; None where the Sun's table does not reach."""
    aos_range_km: float | None = None
    culmination_range_km: float = 0.0
    los_range_km: float | None = None
    elements_hash: str = ""
    elements_epoch: datetime
    elements_age_days: float = 0.0


def find_passes(
    elements: Sequence[ElementSet],
    stations: Sequence[Station],
    start: datetime,
    end: datetime,
    min_elevation_deg: float = 0.0,
) -> list[Pass]:
    """All passes in the window, in order of time. Start and end are aware; a reversed window holds no pass."""
    length_s = (end - start).total_seconds()
    if length_s <= 0 or not elements or not stations:
        return []
    window = Window(start, length_s)
    tracks = [window.track(each) for each in elements]
    columns = search(tracks, stations, length_s, min_elevation_deg)
    passes = _records(columns, elements, stations, start)
    return sorted(passes, key=lambda each: each.aos or start)


def _records(
    columns: Columns, elements: Sequence[ElementSet], stations: Sequence[Station], start: datetime
) -> list[Pass]:
    places = Places(stations)
    top_elevation, top_azimuth, top_range = _sky(places, columns.station, columns.top)
    _, aos_azimuth, aos_range = _sky(places, columns.station, columns.aos)
    _, los_azimuth, los_range = _sky(places, columns.station, columns.los)
    found = []
    for row in range(len(columns)):
        satellite, cut_in, cut_out = elements[columns.satellite[row]], columns.aos_cut[row], columns.los_cut[row]
        culmination = start + timedelta(seconds=float(columns.top.after_s[row]))
        found.append(
            Pass(
                satellite=satellite.name,
                norad_id=satellite.norad_id,
                station=stations[columns.station[row]].name,
                aos=None if cut_in else start + timedelta(seconds=float(columns.aos.after_s[row])),
                culmination=culmination,
                los=None if cut_out else start + timedelta(seconds=float(columns.los.after_s[row])),
                max_elevation_deg=float(top_elevation[row]),
                aos_azimuth_deg=None if cut_in else float(aos_azimuth[row]),
                culmination_azimuth_deg=float(top_azimuth[row]),
                los_azimuth_deg=None if cut_out else float(los_azimuth[row]),
                aos_range_km=None if cut_in else float(aos_range[row]),
                culmination_range_km=float(top_range[row]),
                los_range_km=None if cut_out else float(los_range[row]),
                elements_hash=satellite.hash,
                elements_epoch=satellite.epoch,
                elements_age_days=satellite.age_days(culmination),
            )
        )
    return found


def _sky(places: Places, station: Ints, moments: Instants) -> tuple[Floats, Floats, Floats]:
    """Elevation and azimuth in degrees and range in km."""
    ray = moments.ray_km
    range_km = np.sqrt((ray * ray).sum(axis=1))
    up, east, north = ((axis[station] * ray).sum(axis=1) for axis in (places.up, places.east, places.north))
    azimuth = np.degrees(np.arctan2(east, north)) % 360
    return np.degrees(np.arcsin(up / range_km)), azimuth, range_km
