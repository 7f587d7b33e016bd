"""The passes of the demo in virtual time, on the wire of a simulated GS-232B: across north, and straight overhead."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from contact_bench import contact
from sim_antenna import sim_antenna

from fleetd.contact.booking import Contact
from fleetd.contact.worker import Worker
from fleetd.orbit.elements import read_elements
from fleetd.orbit.passes import find_passes
from fleetd.orbit.station import Station
from fleetd.orbit.trajectory import Trajectory
from fleetd.records import ContactReport

CONFIGS = Path(__file__).parents[2] / "configs" / "elements"
HANGZHOU = Station("hangzhou", 30.27, 120.15, 20.0)
T = datetime(2026, 11, 11, 3, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("file", "lowest_deg", "highest_deg"),
    [("overhead.json", 40.0, 90.0), ("candy-tin.json", 10.0, 38.2), ("tmall-international.json", 10.0, 33.9)],
)
async def test_it_is_followed_within_a_degree_and_a_half(file: str, lowest_deg: float, highest_deg: float) -> None:
    (elements,) = read_elements(CONFIGS / file)
    (found,) = find_passes([elements], [HANGZHOU], T, T + timedelta(minutes=30), lowest_deg)
    assert found.max_elevation_deg == pytest.approx(highest_deg, abs=0.1)
    assert found.aos is not None
    assert found.los is not None
    margin = timedelta(seconds=30)
    sky = Trajectory.of(elements, HANGZHOU, found.aos - margin, found.los + margin)
    like = contact().candidate
    booked = Contact(replace(like, sat_pass=found, begin=found.aos, end=found.los, elements=elements), "dish")
    async with sim_antenna(begin=found.aos - timedelta(seconds=120)) as made:
        with made.hub.subscribe("test", ContactReport) as reports:
            task = asyncio.create_task(Worker(booked, made.antenna, sky, made.hub).run(), name="worker")
            await made.advance((found.los - made.clock.now()).total_seconds() + 30)
            await task
            report = await reports.get()
        assert made.active == set()
    assert isinstance(report, ContactReport)
    assert report.outcome == "worked"
    assert report.max_pointing_error_deg is not None
    assert report.max_pointing_error_deg < 1.5
    assert (report.off_beam_s, report.turn_rounds) == (0, 0)
    assert report.planned_max_error_deg is not None
    assert report.planned_max_error_deg < 0.1
