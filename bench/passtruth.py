"""What Skyfield's own geometry says of a search: passes missed, passes invented, and how far each rise and set is off.

Every satellite is placed by Skyfield every twenty seconds, every station's altitude taken from Skyfield's own rotation;
each change of sign must have its rise or set. Each of these is then held against the root of Skyfield's altitude, found
on the straight line between two altitudes a few hundredths of a second apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from skyfield.api import EarthSatellite, load, wgs84

from bench.sky import START, Case
from fleetd.orbit.earth import Floats
from fleetd.orbit.search import Columns

_STEP_S = 20.0
_BESIDE_S = 0.02


@dataclass(slots=True)
class Verdict:
    """`missed` and `extra` count rises and sets, `max_diff_ms` is the worst of those that are there."""

    missed: int = 0
    extra: int = 0
    max_diff_ms: float = 0.0
    edges: int = 0


def judge(case: Case, columns: Columns) -> Verdict:
    """Hold the answer of a search against Skyfield."""
    sky, verdict = _Sky(case), Verdict()
    for satellite, station, altitude_deg in sky.altitudes():
        own = (columns.satellite == satellite) & (columns.station == station)
        edges_s = np.concatenate([columns.aos_s[own & ~columns.aos_cut], columns.los_s[own & ~columns.los_cut]])
        rising = np.repeat([True, False], [(own & ~columns.aos_cut).sum(), (own & ~columns.los_cut).sum()])
        _count(sky, satellite, station, altitude_deg, (edges_s, rising), verdict)
    return verdict


def _count(
    sky: _Sky, satellite: int, station: int, altitude_deg: Floats, edges: tuple[Floats, Any], verdict: Verdict
) -> None:
    edges_s, rising = edges
    up = altitude_deg >= 0
    for number in np.flatnonzero(up[1:] != up[:-1]):
        inside = (edges_s >= sky.after_s[number]) & (edges_s <= sky.after_s[number + 1])
        verdict.missed += not (inside & (rising == up[number + 1])).any()
    if not len(edges_s):
        return
    before, after = (sky.altitude_deg(satellite, station, edges_s + side) for side in (-_BESIDE_S, _BESIDE_S))
    real = np.where(rising, (before < 0) & (after >= 0), (before >= 0) & (after < 0))
    off_s = -_BESIDE_S + 2 * _BESIDE_S * before[real] / (before[real] - after[real])
    verdict.edges += len(edges_s)
    verdict.extra += int((~real).sum())
    verdict.max_diff_ms = max(verdict.max_diff_ms, float(1e3 * np.abs(off_s).max(initial=0.0)))


class _Sky:
    """Skyfield's satellites and stations of a case, placed on one grid of times."""

    def __init__(self, case: Case) -> None:
        self._timescale = load.timescale(builtin=True)
        self._satellites = [EarthSatellite(*lines, ts=self._timescale) for lines in case.lines]
        self._places = [wgs84.latlon(each.latitude_deg, each.longitude_deg, each.altitude_m) for each in case.stations]
        length_s = case.days * 86_400.0
        self.after_s = np.linspace(0.0, length_s, int(length_s / _STEP_S) + 1)
        self._times = self._at(self.after_s)

    def altitudes(self) -> Iterator[tuple[int, int, Floats]]:
        """Satellite, station, and its altitude in degrees on the grid; what both share is worked out once."""
        rotations = [np.asarray(place.rotation_at(self._times)) for place in self._places]
        positions = [place.at(self._times).xyz.km for place in self._places]
        for number, satellite in enumerate(self._satellites):
            there_km = satellite.at(self._times).xyz.km
            for station, (rotation, here_km) in enumerate(zip(rotations, positions, strict=True)):
                ray = np.einsum("ijt,jt->it", rotation, there_km - here_km)
                yield number, station, np.degrees(np.arctan2(ray[2], np.hypot(ray[0], ray[1])))

    def altitude_deg(self, satellite: int, station: int, after_s: Floats) -> Floats:
        """By Skyfield's `altaz`, at any instants."""
        ray = (self._satellites[satellite] - self._places[station]).at(self._at(after_s))
        result: Floats = ray.altaz()[0].degrees
        return result

    def _at(self, after_s: Floats) -> Any:
        first = self._timescale.from_datetime(START)
        return self._timescale.tt_jd(first.whole, first.tt_fraction + after_s / 86_400)
