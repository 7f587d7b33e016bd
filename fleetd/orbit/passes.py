"""A pass: when a station sees a satellite, and what is known of that beforehand.

`find_passes` is the door for those who want records; the search itself works on arrays and stands in `search`. Times
are UTC, angles degrees, azimuths run from north over east from 0 to 360; refraction is not applied.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import numpy as np

from fleetd.clock import iso_ms
from fleetd.orbit import sun
from fleetd.orbit.detail import Detail, describe
from fleetd.orbit.earth import Floats
from fleetd.orbit.elementset import ElementSet
from fleetd.orbit.horizon import HorizonMask, cut
from fleetd.orbit.motion import Flags, Motions, Track, Window
from fleetd.orbit.search import Columns, search
from fleetd.orbit.station import Places, Station

__all__ = ["HorizonMask", "Pass", "Station", "failures", "find_passes", "pass_json"]


class Pass(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch above the minimum elevation, within the window that was searched."""

    satellite: str
    norad_id: int
    station: str
    aos: datetime | None
    """Rise; None if up already when the window opens."""
    culmination: datetime
    """When it stands highest within the window; the highest of `culminations`, unless the window cuts that off."""
    los: datetime | None
    """Set; None if still up when the window closes, or when the elements fail."""
    max_elevation_deg: float
    aos_azimuth_deg: float | None
    culmination_azimuth_deg: float
    los_azimuth_deg: float | None
    sunlit: bool | None
    """Whether sunlight falls on the satellite at culmination; None where the Sun's table does not reach."""
    sunlit_reason: str = ""
    """Why `sunlit` is None."""
    sunlit_intervals: list[tuple[datetime, datetime]] = []
    """When within the pass it is lit."""
    sun_elevation_deg: float | None = None
    """How high the Sun stands over the station at culmination."""
    culminations: list[datetime] = []
    aos_range_km: float | None = None
    culmination_range_km: float
    los_range_km: float | None = None
    aos_range_rate_km_s: float | None = None
    los_range_rate_km_s: float | None = None
    closest: datetime
    """When it is nearest within the window; not by definition the culmination."""
    closest_range_km: float
    elements_hash: str
    elements_epoch: datetime
    elements_age_days: float
    """At culmination; negative before the epoch."""
    elements_failure: str = ""
    """Why the search ended before the window did, in SGP4's words."""


def find_passes(
    elements: Sequence[ElementSet],
    stations: Sequence[Station],
    start: datetime,
    end: datetime,
    min_elevation_deg: float = 0.0,
    horizon: HorizonMask | None = None,
) -> list[Pass]:
    """All passes in the window, in order of time; an empty or reversed window holds none.

    A pass lasts while the satellite is above the minimum elevation and, where one is given, above the horizon, too.
    Start and end are aware, from 1980 to 2059. Where SGP4 fails, the search for that satellite ends; `failures` tells.
    """
    if end <= start or not elements or not stations:
        return []
    window = Window(start, (end - start).total_seconds())
    tracks = [window.track(each) for each in elements]
    motions, places = Motions(tracks), Places(stations)
    columns = search(tracks, stations, window.length_s, min_elevation_deg)
    if horizon is not None:
        columns = cut(columns, motions, places, horizon)
    detail = describe(columns, motions, places, window)
    passes = _Records(columns, detail, tracks, start).make(elements, stations)
    return sorted(passes, key=lambda each: each.aos or start)


def failures(elements: Sequence[ElementSet], start: datetime, end: datetime) -> dict[int, tuple[datetime, str]]:
    """By catalogue number, when in the window SGP4 first fails for a set and in which words; good sets are left out."""
    window = Window(start, (end - start).total_seconds())
    tracks = {each.norad_id: window.track(each) for each in elements}
    return {
        number: (start + timedelta(seconds=track.valid_s), track.failure)
        for number, track in tracks.items()
        if track.failure
    }


def pass_json(sat_pass: Pass) -> dict[str, Any]:
    """The pass as JSON values, times in ISO 8601 UTC with milliseconds, other numbers to six decimals."""

    def plain(value: Any) -> Any:
        match value:
            case datetime():
                return iso_ms(value)
            case float():
                return round(value, 6)
            case list() | tuple():
                return [plain(each) for each in value]
            case _:
                return value

    return {name: plain(getattr(sat_pass, name)) for name in sat_pass.__struct_fields__}


class _Records:
    """From columns of numbers to passes."""

    def __init__(self, columns: Columns, detail: Detail, tracks: Sequence[Track], start: datetime) -> None:
        self._columns = columns
        self._detail = detail
        self._tracks = tracks
        self._start = start

    def make(self, elements: Sequence[ElementSet], stations: Sequence[Station]) -> list[Pass]:
        columns, detail = self._columns, self._detail
        names = ("satellite", "norad_id", "station", "elements_hash", "elements_epoch")
        whose = [
            (elements[satellite].name, elements[satellite].norad_id, stations[station].name, elements[satellite].hash,
             elements[satellite].epoch)
            for satellite, station in zip(columns.satellite.tolist(), columns.station.tolist(), strict=True)
        ]  # fmt: skip
        values: dict[str, Sequence[Any]] = dict(zip(names, zip(*whose, strict=True), strict=True)) if whose else {}
        culmination = self._times(columns.top_s)
        values |= {
            "aos": self._unless(columns.aos_cut, self._times(columns.aos_s)),
            "culmination": culmination,
            "los": self._unless(columns.los_cut, self._times(columns.los_s)),
            "max_elevation_deg": detail.top.elevation_deg.tolist(),
            "aos_azimuth_deg": self._unless(columns.aos_cut, detail.aos.azimuth_deg.tolist()),
            "culmination_azimuth_deg": detail.top.azimuth_deg.tolist(),
            "los_azimuth_deg": self._unless(columns.los_cut, detail.los.azimuth_deg.tolist()),
            "aos_range_km": self._unless(columns.aos_cut, detail.aos.range_km.tolist()),
            "culmination_range_km": detail.top.range_km.tolist(),
            "los_range_km": self._unless(columns.los_cut, detail.los.range_km.tolist()),
            "aos_range_rate_km_s": self._unless(columns.aos_cut, detail.aos.range_rate_km_s.tolist()),
            "los_range_rate_km_s": self._unless(columns.los_cut, detail.los.range_rate_km_s.tolist()),
            "closest": self._times(detail.closest_s),
            "closest_range_km": detail.closest_km.tolist(),
            "culminations": self._per_pass(columns.summit_pass.tolist(), self._times(columns.summits_s)),
            "elements_age_days": [
                (when - epoch).total_seconds() / 86_400
                for when, epoch in zip(culmination, values.get("elements_epoch", ()), strict=True)
            ],
            "elements_failure": self._failures(),
            **self._sunlight(),
        }
        rows = zip(*values.values(), strict=True)
        return [Pass(**dict(zip(values, row, strict=True))) for row in rows]

    def _sunlight(self) -> dict[str, Sequence[Any]]:
        light, reason = self._detail.light, sun.out_of_range()
        lit = light.known[light.whose]
        begins, ends = self._times(light.begin_s[lit]), self._times(light.end_s[lit])
        return {
            "sunlit": self._unless(~light.known, light.top_lit.tolist()),
            "sunlit_reason": ["" if known else reason for known in light.known.tolist()],
            "sun_elevation_deg": self._unless(~light.known, light.sun_elevation_deg.tolist()),
            "sunlit_intervals": self._per_pass(light.whose[lit].tolist(), list(zip(begins, ends, strict=True))),
        }

    def _failures(self) -> list[str]:
        """Of each pass that failing elements cut short, why."""
        return [
            self._tracks[satellite].failure if cut and self._tracks[satellite].valid_s == after_s else ""
            for satellite, cut, after_s in zip(
                self._columns.satellite.tolist(),
                self._columns.los_cut.tolist(),
                self._columns.los_s.tolist(),
                strict=True,
            )
        ]

    def _per_pass(self, whose: Sequence[int], values: Sequence[Any]) -> list[list[Any]]:
        gathered: list[list[Any]] = [[] for _ in range(len(self._columns))]
        for number, value in zip(whose, values, strict=True):
            gathered[number].append(value)
        return gathered

    def _times(self, after_s: Floats) -> list[datetime]:
        return [self._start + timedelta(microseconds=each) for each in np.round(after_s * 1e6).tolist()]

    @staticmethod
    def _unless(cut: Flags, values: Sequence[Any]) -> list[Any]:
        return [None if hidden else value for hidden, value in zip(cut.tolist(), values, strict=True)]
