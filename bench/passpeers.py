"""The contestants of the pass benchmark: each is set up once, then asked for all passes of a case.

Set-up (reading elements, making objects) is not counted for anybody. What an answer holds differs, and so is said on
the page: fleetd's columns hold rise, culmination and set, as `find_events` does; sgp4-predict finds no culmination.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from bench.sky import START, Case
from fleetd.orbit.motion import Window
from fleetd.orbit.passes import find_passes
from fleetd.orbit.search import Columns, search

Ask = Callable[[], int]
"""Find all passes; returns how many there are, however the contestant counts them."""


def columns(case: Case) -> Columns:
    """fleetd's search: rises, culminations and sets as columns of numbers."""
    window = Window(START, case.days * 86_400.0)
    return search([window.track(each) for each in case.satellites], case.stations, window.length_s, 0.0)


def fleetd(case: Case) -> Ask:
    """fleetd's search, from elements to columns."""
    return lambda: len(columns(case))


def fleetd_records(case: Case) -> Ask:
    """The same as records with all that a pass knows: directions, ranges, light, closest approach, elements."""
    return lambda: len(find_passes(case.satellites, case.stations, START, case.end))


def find_events(case: Case) -> Ask:
    """Skyfield."""
    from skyfield.api import EarthSatellite, load, wgs84

    timescale = load.timescale(builtin=True)
    satellites = [EarthSatellite(*lines, ts=timescale) for lines in case.lines]
    places = [wgs84.latlon(each.latitude_deg, each.longitude_deg, each.altitude_m) for each in case.stations]
    begin, end = timescale.from_datetime(START), timescale.from_datetime(case.end)

    def ask() -> int:
        found = 0
        for satellite in satellites:
            for place in places:
                found += int((satellite.find_events(place, begin, end, 0.0)[1] == 0).sum())
        return found

    return ask


def sgp4_predict(case: Case) -> Ask:
    """A compiled search, in Rust."""
    from sgp4_predict import GeodeticPoint, Interval, Predictor, Tle

    satellites = [Predictor(Tle(f"{number}", *lines).to_elements()) for number, lines in enumerate(case.lines)]
    places = [GeodeticPoint(each.latitude_deg, each.longitude_deg, each.altitude_m) for each in case.stations]
    interval, longest = Interval(START, case.end), timedelta(days=case.days)

    def ask() -> int:
        return sum(
            1
            for satellite in satellites
            for place in places
            for _ in satellite.transits_iter(place, interval, 0.0, max_transit_duration=longest, clamp_to_interval=True)
        )

    return ask


def orbit_predictor(case: Case) -> Ask:
    """orbit-predictor, with its own tolerance of a second. It gives up on some high orbits: no answer for these."""
    from orbit_predictor.exceptions import PropagationError
    from orbit_predictor.locations import Location
    from orbit_predictor.sources import get_predictor_from_tle_lines

    satellites = [get_predictor_from_tle_lines(lines) for lines in case.lines]
    places = [Location(each.name, each.latitude_deg, each.longitude_deg, each.altitude_m) for each in case.stations]
    begin, end = (when.replace(tzinfo=None) for when in (START, case.end))
    logging.getLogger("orbit_predictor").setLevel(logging.CRITICAL)  # it says so each time

    def passes(satellite: Any, place: Any) -> int:
        try:
            return sum(1 for _ in satellite.passes_over(place, begin, end))
        except (AssertionError, PropagationError):
            return 0

    def ask() -> int:
        return sum(passes(satellite, place) for satellite in satellites for place in places)

    return ask


def ephem(case: Case) -> Ask:
    """PyEphem, asked for one pass after another as its documentation shows."""
    import ephem as library

    satellites = [library.readtle(f"{number}", *lines) for number, lines in enumerate(case.lines)]
    begin, end = library.Date(START.replace(tzinfo=None)), library.Date(case.end.replace(tzinfo=None))

    def passes(satellite: Any, observer: Any) -> Iterator[Any]:
        observer.date = begin
        while observer.date < end:
            try:
                *_, sets, _ = found = observer.next_pass(satellite)
            except ValueError:  # says that it never rises or never sets
                return
            if sets is None or found[0] is None or found[0] >= end:
                return
            yield found
            observer.date = max(sets, observer.date) + library.minute

    def ask() -> int:
        count = 0
        for satellite in satellites:
            for each in case.stations:
                observer = library.Observer()
                observer.lat, observer.lon = math.radians(each.latitude_deg), math.radians(each.longitude_deg)
                observer.elevation, observer.pressure = each.altitude_m, 0
                count += sum(1 for _ in passes(satellite, observer))
        return count

    return ask


CONTESTANTS: dict[str, Callable[[Case], Ask]] = {
    "fleetd": fleetd,
    "find_events": find_events,
    "sgp4_predict": sgp4_predict,
    "orbit_predictor": orbit_predictor,
    "ephem": ephem,
    "fleetd_records": fleetd_records,
}
