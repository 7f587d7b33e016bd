"""The passes to come of the satellites that a site works, as candidates for contacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec

from fleetd.contact.booking import Candidate, pass_id
from fleetd.orbit.elementset import ElementSet
from fleetd.orbit.horizon import HorizonMask
from fleetd.orbit.passes import Pass, find_passes
from fleetd.orbit.settings import Age, SatelliteSettings
from fleetd.orbit.skytrack import SkyChart, sky_tracks
from fleetd.orbit.station import Station

LOOK_BACK = timedelta(minutes=30)
"""A search begins this much earlier, so that a pass under way has the AOS that it had, also after a restart."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """Where the site looks from, and what stands in its view."""

    station: Station
    horizon: HorizonMask | None = None


@dataclass(frozen=True, slots=True)
class Satellite:
    """A satellite that the site works, and the elements in use for it, if there are any yet."""

    settings: SatelliteSettings
    elements: ElementSet | None
    ghost: str = ""
    """Why it cannot be up any more, whatever its elements give; '' if it can."""


def passes_of(satellites: Sequence[Satellite], outlook: Outlook, start: datetime, end: datetime) -> list[Pass]:
    """All passes above the horizon and each satellite's own minimum elevation, under the names that the site gives."""
    found: list[Pass] = []
    for satellite in satellites:
        if satellite.elements is None:
            continue
        least_deg = satellite.settings.min_elevation_deg
        passes = find_passes([satellite.elements], [outlook.station], start, end, least_deg, outlook.horizon)
        found += (msgspec.structs.replace(each, satellite=satellite.settings.name) for each in passes)
    return sorted(found, key=lambda each: each.aos or start)


def chart_of(satellites: Sequence[Satellite], outlook: Outlook, start: datetime, end: datetime) -> SkyChart:
    """The lines that the same passes draw in the sky; those that are over by `start` are left out."""
    elements = [satellite.elements for satellite in satellites if satellite.elements is not None]
    begin = start - LOOK_BACK
    tracks = sky_tracks(passes_of(satellites, outlook, begin, end), elements, outlook.station, begin, end)
    horizon = outlook.horizon.points if outlook.horizon else ()
    return SkyChart(
        station=outlook.station.name, horizon_deg=horizon, tracks=[each for each in tracks if each.end > start]
    )


def candidates_of(satellites: Sequence[Satellite], outlook: Outlook, start: datetime, end: datetime) -> list[Candidate]:
    """The same as candidates, in order of time."""
    by_name = {satellite.settings.name: satellite for satellite in satellites}
    elements = {name: satellite.elements for name, satellite in by_name.items() if satellite.elements is not None}
    return [
        Candidate(
            id=pass_id(sat_pass.satellite, sat_pass.aos or start),
            satellite=sat_pass.satellite,
            sat_pass=sat_pass,
            begin=sat_pass.aos or start,
            end=sat_pass.los or end,
            priority=by_name[sat_pass.satellite].settings.priority,
            elements=elements[sat_pass.satellite],
            ghost=by_name[sat_pass.satellite].ghost,
        )
        for sat_pass in passes_of(satellites, outlook, start, end)
    ]


def unfit(candidate: Candidate, satellite: SatelliteSettings, min_duration_s: float) -> str:
    """Why a pass may not be booked by the plan, in words; '' if it may."""
    if candidate.ghost:
        return candidate.ghost
    age_days, limits = candidate.elements.age_days(candidate.begin), satellite.element_age
    if limits.judge(age_days) is Age.NO_BOOKING:
        most = f"more than {limits.no_booking_days:g}: get newer ones"
        return f"it is {abs(age_days):.1f} days from the epoch of its elements, {most}"
    if candidate.duration_s < min_duration_s:
        return f"it lasts {candidate.duration_s:.0f} s, less than the {min_duration_s:g} s that are worth a contact"
    return ""


def recognised(candidate: Candidate, known: Sequence[Candidate]) -> Candidate:
    """The candidate under the id by which the same pass is known already."""
    for other in known:
        if candidate.same_pass(other):
            return replace(candidate, id=other.id)
    return candidate
