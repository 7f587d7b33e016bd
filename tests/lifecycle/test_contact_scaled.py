"""A contact on real bytes: driver, pseudo-terminal and sim at twenty times the speed of the clock on the wall."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta

import pytest
from contact_bench import AOS, LOS, Flyby, contact, settings

from fleetd.clock import ScaledClock
from fleetd.contact.antenna import ROTATOR_BACKOFF, Antenna
from fleetd.contact.worker import Worker
from fleetd.devices import Rotator
from fleetd.hub import Hub
from fleetd.link.ports import Ports
from fleetd.link.url import parse_link
from fleetd.records import ContactReport, Reading
from fleetd.supervise import Device, Progress, Supervision
from fleetd_drivers.gs232b.driver import SPEC, Gs232bSettings
from fleetd_hil.bench import Bench
from fleetd_hil.line import Pace
from fleetd_hil.sims.gs232b import Gs232bSim


@pytest.mark.slow
@pytest.mark.parametrize("unplugged", [False, True])
async def test_a_pass_at_twenty_times_the_speed(unplugged: bool) -> None:
    clock = ScaledClock(LOS - timedelta(seconds=240), datetime.now(UTC), 20)  # the last four minutes of a pass
    sim, hub, ports = Gs232bSim(), Hub(), Ports()
    async with Bench.open(clock) as bench:
        port = await bench.pty(sim, Pace.of(9600))

        def connect() -> AbstractAsyncContextManager[Rotator]:
            return SPEC.connect(ports, parse_link(f"serial://{port.address}?baud=9600"), Gs232bSettings(), clock)

        device = Device("dish-rotator", connect, backoff=ROTATOR_BACKOFF)
        supervision = Supervision(clock, hub.publish, Progress(clock))
        antenna = Antenna(settings(), device, supervision, hub)
        with hub.subscribe("test", ContactReport) as reports, hub.subscribe("test", Reading) as readings:
            async with asyncio.TaskGroup() as tasks:
                serving = tasks.create_task(supervision.run(device, antenna.work), name="rotator")
                await readings.get()
                if unplugged:
                    bench.inject(sim, "unplug@120+20")
                await Worker(contact(), antenna, Flyby(), hub).run()
                serving.cancel()
            report = await reports.get()
    assert isinstance(report, ContactReport)
    assert report.aos == AOS
    assert report.outcome == ("degraded" if unplugged else "worked")
    assert report.max_pointing_error_deg is not None
    assert report.max_pointing_error_deg < 2
    assert not sim.violations
