"""The gate before the transmitter: what it refuses, and that the transmitter is off on every way out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest
from contact_bench import AOS, LOS, Bench, Flyby, T, bench, contact

from fleetd.contact.transmit import Terms, TransmitGate
from fleetd.devices import AzEl
from fleetd.errors import DeviceError, LinkLost, Refusal
from fleetd.orbit.settings import SatelliteSettings

SATELLITE = {
    "name": "candy-tin",
    "norad_id": 999_100_101,
    "elements": ["x.json"],
    "uplink_hz": 145_900_000,
    "uplink_min_elevation_deg": 20.0,
}


class Transmitter:
    """Keyed or not; `astray` is why it is off its frequency, `broken` makes its radio fail."""

    def __init__(self) -> None:
        self.keyed = False
        self.astray = ""
        self.broken = False
        self.acts: list[str] = []

    async def on(self, still: Callable[[], None], /) -> None:
        await asyncio.sleep(0)
        still()
        self.acts.append("on")
        if self.broken:
            raise LinkLost("unplugged")
        self.keyed = True

    async def off(self) -> None:
        self.acts.append("off")
        await asyncio.sleep(0)
        if self.broken:
            raise LinkLost("unplugged")
        self.keyed = False


@dataclass
class Station:
    """A contact in its middle, the antenna on the satellite, and the gate before its transmitter."""

    bench: Bench
    transmitter: Transmitter
    gate: TransmitGate
    sky: Flyby

    async def transmit(self, seconds: float) -> None:
        async with self.gate.open("ada"):
            await self.bench.clock.sleep(seconds)

    def rule(self) -> str:
        try:
            self.gate.check()
        except Refusal as no:
            return no.rule
        return ""


@asynccontextmanager
async def station(
    *, satellite: dict[str, object] | None = None, at_s: float = 360.0, running: bool = True, **changes: object
) -> AsyncIterator[Station]:
    async with bench(**{"rig": "rig", "transmit": True, **changes}) as made:  # type: ignore[arg-type]
        sky, transmitter = Flyby(), Transmitter()
        gate = TransmitGate(made.antenna, transmitter, made.hub)
        booked = contact()
        known = SatelliteSettings.model_validate({**SATELLITE, **(satellite or {})})
        terms = Terms(booked, known, sky, lambda *, transmitting: transmitter.astray)
        await made.advance((AOS - T).total_seconds() + at_s)
        with made.antenna.hold.by_contact(booked.id), gate.during(terms):
            if running:
                task = asyncio.create_task(follow(made, sky, booked.id), name="following")
                await made.advance(30.0)
            yield Station(made, transmitter, gate, sky)
            if running:
                task.cancel()


async def follow(made: Bench, sky: Flyby, by: str) -> None:
    while True:
        at = sky.at(made.clock.now() + timedelta(seconds=0.5))
        try:
            await made.antenna.track(AzEl(at.azimuth_deg, at.elevation_deg), by=by)
            await made.antenna.measure()
        except (DeviceError, Refusal):
            pass
        await made.clock.sleep(1.0)


async def test_in_a_contact_on_beam_and_on_frequency_it_opens_and_is_off_afterwards() -> None:
    async with station() as site:
        task = asyncio.create_task(site.transmit(5.0), name="transmitting")
        await site.bench.advance(2.0)
        assert site.transmitter.keyed
        assert site.gate.open_by == "ada"
        await site.bench.advance(4.0)
        await task
        assert not site.transmitter.keyed
        assert (site.gate.transmissions, site.gate.transmitted_s) == (1, pytest.approx(5.0))
        assert {"transmit-on", "transmit-off"} <= set(site.bench.events())


@pytest.mark.parametrize(
    ("satellite", "changes", "rule"),
    [
        ({"uplink_hz": None}, {}, "receive-only"),
        ({}, {"transmit": False}, "receive-only"),
        ({}, {"synced": False}, "clock"),
        ({"element_age": {"warn_days": 1e-4, "no_transmit_days": 1e-3}}, {}, "element-age"),
        ({"uplink_min_elevation_deg": 60.0}, {}, "uplink-elevation"),
        ({}, {"beam_width_deg": 0.01}, "off-beam"),
        ({}, {"running": False}, "not-tracking"),
        ({}, {"at_s": -60.0, "running": False}, "no-contact"),
    ],
)
async def test_what_may_not_transmit_is_refused_by_its_rule(
    satellite: dict[str, object], changes: dict[str, object], rule: str
) -> None:
    async with station(satellite=satellite, **changes) as site:  # type: ignore[arg-type]
        with pytest.raises(Refusal) as no:
            await site.transmit(1.0)
        assert no.value.rule == rule
        assert site.transmitter.acts == []


async def test_off_frequency_locked_and_after_the_contact_it_is_refused() -> None:
    async with station() as site:
        assert site.rule() == ""
        site.transmitter.astray = "uplink: read back 145.900 MHz, wanted 145.903"
        assert site.rule() == "off-frequency"
        site.transmitter.astray = ""
        locking = asyncio.create_task(site.bench.lock("li", "bolts"), name="locking")
        await site.bench.advance(1.0)
        await locking
        assert site.rule() == "maintenance"
        await site.bench.unlock()
    assert site.rule() == "no-contact"


async def test_no_radio_never_opens() -> None:
    async with station() as site:
        gate = TransmitGate(site.bench.antenna, None, site.bench.hub)
        known = SatelliteSettings.model_validate(SATELLITE)
        terms = Terms(contact(), known, site.sky, lambda *, transmitting: "")
        with gate.during(terms), pytest.raises(Refusal, match="has no radio"):
            gate.check()


async def test_only_one_transmits_at_a_time() -> None:
    async with station() as site:
        task = asyncio.create_task(site.transmit(5.0), name="transmitting")
        await site.bench.advance(1.0)
        with pytest.raises(Refusal, match="is transmitting for ada"):
            await site.transmit(1.0)
        assert site.transmitter.keyed
        await site.bench.advance(5.0)
        await task


@pytest.mark.parametrize("event", ["stopped", "astray", "sunk", "unsynced", "closed"])
async def test_what_changes_while_transmitting_puts_it_off_at_once(event: str) -> None:
    async with station() as site:
        task = asyncio.create_task(site.transmit(600.0), name="transmitting")
        await site.bench.advance(1.0)
        assert site.transmitter.keyed
        stopping = None
        if event == "stopped":
            stopping = asyncio.create_task(site.bench.antenna.stop(by="ada"), name="stop")
        elif event == "astray":
            site.transmitter.astray = "drifted"
        elif event == "unsynced":
            site.bench.clock.synced = False
        elif event == "closed":
            await site.gate.close()
            assert not site.transmitter.keyed
        await site.bench.advance(400.0 if event == "sunk" else 0.25)
        assert not site.transmitter.keyed
        with pytest.raises(Refusal):
            await task
        if stopping:
            await stopping


async def test_cancelled_at_every_await_it_is_off() -> None:
    async with station() as site:
        for rounds in range(24):
            task = asyncio.create_task(site.transmit(5.0), name="transmitting")
            for _ in range(rounds):
                await asyncio.sleep(0)
            task.cancel()
            await site.bench.advance(0.2)
            assert task.done()
            assert not site.transmitter.keyed, rounds
            assert site.gate.open_by is None


async def test_a_body_that_fails_is_off_and_its_own_error_comes_through() -> None:
    async with station() as site:
        with pytest.raises(ValueError, match="no frame"):
            async with site.gate.open("ada"):
                raise ValueError("no frame")
        assert not site.transmitter.keyed
        with pytest.raises(LinkLost, match="tnc"):
            async with site.gate.open("ada"):
                raise LinkLost("tnc is gone")
        assert not site.transmitter.keyed


async def test_a_radio_that_cannot_be_put_off_is_told_loudly() -> None:
    async with station() as site:
        site.transmitter.broken = True
        with pytest.raises(LinkLost, match="unplugged"):
            await site.transmit(1.0)
        assert "transmit-not-off" in site.bench.events()
        assert site.gate.transmissions == 0


def test_the_bench_flies_as_these_tests_think() -> None:
    middle = Flyby().at(AOS + (LOS - AOS) / 2)
    assert middle.elevation_deg == pytest.approx(40.0)
    assert 20 < Flyby().at(AOS + timedelta(seconds=390)).elevation_deg < 45
