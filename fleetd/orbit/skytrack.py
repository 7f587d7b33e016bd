"""The line that a pass draws in the sky, as a few dozen points: for plots, not for tracking."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

import msgspec

from fleetd.orbit.elementset import ElementSet
from fleetd.orbit.passes import Pass
from fleetd.orbit.station import Station
from fleetd.orbit.trajectory import Trajectory

_STEP_S = 15.0
_FEWEST, _MOST = 20, 240


class SkyTrack(msgspec.Struct, frozen=True, kw_only=True):
    """Where one pass goes: (seconds after `begin`, azimuth 0 to 360, elevation), degrees."""

    satellite: str
    norad_id: int
    begin: datetime
    end: datetime
    points: list[tuple[float, float, float]]


class SkyChart(msgspec.Struct, frozen=True, kw_only=True):
    """The tracks over a station, and its horizon as [azimuth, elevation] points, degrees."""

    station: str
    horizon_deg: tuple[tuple[float, float], ...] = ()
    tracks: list[SkyTrack]


def sky_tracks(
    passes: Sequence[Pass], elements: Sequence[ElementSet], station: Station, start: datetime, end: datetime
) -> list[SkyTrack]:
    """The tracks of passes found between `start` and `end`; of these a pass cut by the window has its cut ends.

    Raises ElementsError where SGP4 fails within a pass.
    """
    by_hash = {each.hash: each for each in elements}
    return [
        _track(sat_pass, by_hash[sat_pass.elements_hash], station, sat_pass.aos or start, sat_pass.los or end)
        for sat_pass in passes
        if not sat_pass.elements_failure
    ]


def _track(sat_pass: Pass, elements: ElementSet, station: Station, begin: datetime, end: datetime) -> SkyTrack:
    sky = Trajectory.of(elements, station, begin, end)
    length = end - begin
    count = min(max(math.ceil(length.total_seconds() / _STEP_S), _FEWEST), _MOST)
    points = []
    for number in range(count + 1):
        look = sky.at(begin + length * (number / count))
        after_s = length.total_seconds() * number / count
        points.append((round(after_s, 3), round(look.azimuth_deg % 360, 3), round(look.elevation_deg, 3)))
    return SkyTrack(satellite=sat_pass.satellite, norad_id=sat_pass.norad_id, begin=begin, end=end, points=points)
