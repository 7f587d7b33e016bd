"""The radio of a contact in virtual time: tuned by Doppler, keyed in its sequence, and off on every way out."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from contact_bench import AOS, LOS, Bench, Flyby, T, bench, contact

from fleetd.alarms import Alarms
from fleetd.clock import Clock
from fleetd.contact.antenna import ROTATOR_BACKOFF
from fleetd.contact.doppler import heard_hz, to_send_hz
from fleetd.contact.preamp import Preamp
from fleetd.contact.radio import Radio, RadioSurroundings
from fleetd.contact.radiosettings import RadioSettings
from fleetd.contact.transmit import TransmitGate
from fleetd.contact.tuning import Tuning
from fleetd.contact.worker import Worker
from fleetd.devices import RigLimits, RigMode, Side
from fleetd.errors import DeviceError, LinkLost, Refusal
from fleetd.orbit.settings import SatelliteSettings
from fleetd.records import ContactReport, Reading
from fleetd.supervise import Device, Progress, Supervision

MARGIN = timedelta(seconds=31)
DOWN_HZ, UP_HZ = 436_500_000, 145_900_000
SATELLITE = {
    "name": "candy-tin",
    "norad_id": 999_100_101,
    "elements": ["x.json"],
    "downlink_hz": DOWN_HZ,
    "downlink_mode": "usb",
    "uplink_hz": UP_HZ,
    "uplink_min_elevation_deg": 10.0,
}


@dataclass(frozen=True)
class Look:
    azimuth_deg: float
    elevation_deg: float
    range_rate_km_s: float


class Flight(Flyby):
    """The same flight with its range rate."""

    def at(self, when: datetime) -> Look:  # type: ignore[override]
        if not AOS - MARGIN <= when <= LOS + MARGIN:  # as a real trajectory has it
            raise ValueError(f"{when} lies outside")
        direction = super().at(when)
        along_km = 7.5 * ((when - AOS).total_seconds() - (LOS - AOS).total_seconds() / 2)
        range_km = math.hypot(along_km, 500 / math.tan(math.radians(40)), 500)
        return Look(direction.azimuth_deg, direction.elevation_deg, 7.5 * along_km / range_km)


class Rig:
    """A radio that notes what it is told. `broken` fails every exchange, `deaf` keeps it keyed."""

    limits = RigLimits(100_000, 9_999_999_999, 1)

    def __init__(self, notes: list[str]) -> None:
        self.notes = notes
        self.stands = {Side.MAIN: 1_000_000, Side.SUB: 2_000_000}
        self.modes: dict[Side, RigMode] = {}
        self.on = False
        self.broken = False
        self.deaf = False
        self.mute = False
        """It is not there when it is asked to key."""
        self.written: list[tuple[Side, int, bool]] = []
        self.off_by_hz = 0

    async def tune(self, side: Side, frequency_hz: int, /) -> None:
        await self._exchange()
        self.written.append((side, frequency_hz, self.on))
        self.stands[side] = frequency_hz + self.off_by_hz

    async def tuned(self, side: Side, /) -> int:
        await self._exchange()
        return self.stands[side]

    async def set_mode(self, side: Side, mode: RigMode, /) -> None:
        await self._exchange()
        self.modes[side] = mode

    async def key(self) -> None:
        await self._exchange()
        self.notes.append("key")
        self.on = not self.mute

    async def unkey(self) -> None:
        await self._exchange()
        self.notes.append("unkey")
        self.on = self.deaf and self.on

    async def keyed(self) -> bool:
        await self._exchange()
        return self.on

    async def _exchange(self) -> None:
        await asyncio.sleep(0)
        if self.broken:
            raise LinkLost("the adapter was unplugged")


class Bypass:
    """The relay, which moves 20 ms after it is told to; `stuck` where it does not."""

    def __init__(self, notes: list[str], clock: Clock) -> None:
        self.notes = notes
        self.stuck = False
        self._clock = clock
        self._stood = self._told = False
        self._told_at_s = 0.0

    @property
    def on(self) -> bool:
        moved = self._clock.monotonic() - self._told_at_s >= 0.02 and not self.stuck
        return self._told if moved else self._stood

    async def turn(self, *, on: bool) -> None:
        await asyncio.sleep(0)
        self.notes.append("bypass" if on else "restore")
        self._stood, self._told, self._told_at_s = self.on, on, self._clock.monotonic()

    async def is_on(self) -> bool:
        await asyncio.sleep(0)
        return self.on


@dataclass
class Station:
    """An antenna with its radio, both supervised, and the gate before the transmitter."""

    bench: Bench
    rig: Rig
    bypass: Bypass
    radio: Radio
    gate: TransmitGate
    notes: list[str]
    alarms: Alarms

    def active(self) -> list[str]:
        return [alarm.name for alarm in self.alarms.list() if alarm.active]

    def tuning(self, **changes: Any) -> Tuning:
        satellite = SatelliteSettings.model_validate({**SATELLITE, **changes})
        return Tuning(contact(), satellite, Flight(), self.radio, self.gate)

    def worker(self, **changes: Any) -> Worker:
        return Worker(contact(), self.bench.antenna, Flight(), self.bench.hub, tuning=self.tuning(**changes))

    async def worked(self, **changes: Any) -> ContactReport:
        await self.bench.advance((AOS - T).total_seconds() - 60)
        task = asyncio.create_task(self.worker(**changes).run(), name="worker")
        await self.bench.until(task.done)
        await task
        return self.bench.report()

    async def in_mid_contact(self, at_s: float = 200.0, **changes: Any) -> asyncio.Task[None]:
        await self.bench.advance((AOS - T).total_seconds() - 60)
        task = asyncio.create_task(self.worker(**changes).run(), name="worker")
        await self.bench.advance(60 + at_s)
        return task

    async def transmit(self, seconds: float) -> None:
        async with self.gate.open("ada"):
            await self.bench.clock.sleep(seconds)

    async def transmitted(self, seconds: float) -> None:
        """The same with time going on."""
        sending = asyncio.create_task(self.transmit(seconds), name="sending")
        await self.bench.advance(seconds + 2.0)
        await sending


@asynccontextmanager
async def station(
    *, preamp: bool = True, radio: dict[str, Any] | None = None, **changes: Any
) -> AsyncIterator[Station]:
    async with bench(**{"rig": "radio", "transmit": True, **changes}) as made:
        notes: list[str] = []
        rig, bypass = Rig(notes), Bypass(notes, made.clock)

        @asynccontextmanager
        async def connect() -> AsyncIterator[Rig]:
            if rig.broken:
                raise LinkLost("no such device")
            yield rig

        @asynccontextmanager
        async def reach() -> AsyncIterator[Bypass]:
            yield bypass

        supervision = Supervision(made.clock, made.hub.publish, Progress(made.clock))
        device, relay = Device("radio", connect, backoff=ROTATOR_BACKOFF), Device("bypass", reach)
        switch = Preamp(relay, supervision, 0.05) if preamp else None
        alarms = Alarms(made.clock, made.hub.publish)
        around = RadioSurroundings(supervision, made.hub, alarms=alarms)
        worked = Radio(RadioSettings.model_validate(radio or {}), device, around, switch)
        async with asyncio.TaskGroup() as tasks:
            loops = [tasks.create_task(supervision.run(device, worked.work), name="radio")]
            if switch:
                loops.append(tasks.create_task(supervision.run(relay, switch.work), name="bypass"))
            await made.advance(0.1)
            try:
                yield Station(made, rig, bypass, worked, TransmitGate(made.antenna, worked, made.hub), notes, alarms)
            finally:
                rig.broken = False
                for loop in loops:
                    loop.cancel()


# Tuning


async def test_both_sides_follow_the_doppler_shift_in_their_steps_and_modes() -> None:
    async with station() as site:
        report = await site.worked()
        assert report.outcome == "worked"
        assert site.rig.modes == {Side.MAIN: "usb", Side.SUB: "fm"}
        down = [hz for side, hz, _ in site.rig.written if side is Side.MAIN]
        up = [hz for side, hz, _ in site.rig.written if side is Side.SUB]
        assert down == sorted(down, reverse=True)  # it approaches, then recedes
        assert up == sorted(up)
        assert all(hz % 10 == 0 for hz in (*down, *up))
        begin = Flight().at(AOS).range_rate_km_s  # where it waits from the pre-position on
        assert down[0] == pytest.approx(heard_hz(DOWN_HZ, begin), abs=20)
        assert up[0] == pytest.approx(to_send_hz(UP_HZ, begin), abs=20)
        assert report.tunings == len(site.rig.written)
        # half a step, and what the shift makes of half a period: at most 64 Hz/s in this flight
        assert report.max_tuning_error_hz is not None
        assert 1 < report.max_tuning_error_hz < 5 + 64 * 0.5
        assert (report.transmissions, report.radio_trouble) == (0, "")


async def test_it_is_written_only_when_it_changes_a_step() -> None:
    async with station(radio={"doppler_step_hz": 1000}) as site:
        report = await site.worked()
        down = [hz for side, hz, _ in site.rig.written if side is Side.MAIN]
        assert len(down) == len(set(down)) <= (max(down) - min(down)) / 1000 + 1
        assert report.max_tuning_error_hz is not None
        assert report.max_tuning_error_hz < 550


async def test_a_satellite_without_uplink_leaves_sub_alone() -> None:
    async with station() as site:
        report = await site.worked(uplink_hz=None)
        assert {side for side, _, _ in site.rig.written} == {Side.MAIN}
        assert report.outcome == "worked"


async def test_sides_are_mapped_as_configured() -> None:
    async with station(radio={"downlink_side": Side.SUB, "uplink_side": Side.MAIN}) as site:
        task = await site.in_mid_contact(10.0)
        assert abs(site.rig.stands[Side.SUB] - DOWN_HZ) < 20_000
        assert abs(site.rig.stands[Side.MAIN] - UP_HZ) < 10_000
        task.cancel()
        await site.bench.advance(1.0)


async def test_a_radio_that_fails_degrades_the_contact_and_never_stops_the_antenna() -> None:
    async with station() as site:
        task = await site.in_mid_contact(100.0)
        site.rig.broken = True
        await site.bench.advance(60.0)
        site.rig.broken = False
        site.rig.stands = {Side.MAIN: 1_000_000, Side.SUB: 2_000_000}  # it was switched off and on
        site.rig.modes = {}
        await site.bench.advance(10.0)
        assert abs(site.rig.stands[Side.MAIN] - DOWN_HZ) < 20_000
        assert site.rig.modes == {Side.MAIN: "usb", Side.SUB: "fm"}
        await site.bench.until(task.done)
        report = site.bench.report()
        assert report.outcome == "degraded"
        assert "unplugged" in report.reason
        assert report.radio_trouble == report.reason
        assert report.off_beam_s == 0
        assert report.samples_missing == 0


async def test_a_radio_that_was_never_there_costs_the_antenna_nothing() -> None:
    async with station() as site:
        site.rig.broken = True
        await site.bench.advance(20.0)
        report = await site.worked()
        assert report.outcome == "degraded"
        assert "radio" in report.reason
        assert (report.tunings, report.max_tuning_error_hz) == (0, None)
        assert report.max_pointing_error_deg is not None
        assert report.max_pointing_error_deg < 1.5


async def test_a_radio_that_stands_elsewhere_than_it_was_told_is_told_and_may_not_transmit() -> None:
    async with station() as site:
        site.rig.off_by_hz = 5_000
        task = await site.in_mid_contact()
        with pytest.raises(Refusal) as no:
            await site.transmitted(1.0)
        assert no.value.rule == "off-frequency"
        assert "key" not in site.notes
        await site.bench.until(task.done)
        assert "stands on" in site.bench.report().radio_trouble


# Transmitting


async def test_the_sequence_is_bypass_key_unkey_restore() -> None:
    async with station() as site:
        task = await site.in_mid_contact()
        site.notes.clear()
        sending = asyncio.create_task(site.transmit(2.0), name="sending")
        await site.bench.advance(1.0)
        assert (site.rig.on, site.bypass.on) == (True, True)
        assert site.notes == ["bypass", "key"]
        await site.bench.advance(3.0)
        await sending
        assert site.notes == ["bypass", "key", "unkey", "restore"]
        assert (site.rig.on, site.bypass.on) == (False, False)
        await site.bench.until(task.done)
        report = site.bench.report()
        assert (report.transmissions, report.transmitted_s) == (1, pytest.approx(2.0, abs=0.2))


async def test_a_bypass_that_is_not_read_back_keeps_it_silent() -> None:
    async with station() as site:
        task = await site.in_mid_contact()
        site.bypass.stuck = True
        with pytest.raises(Refusal) as no:
            await site.transmitted(1.0)
        assert no.value.rule == "preamp"
        assert "key" not in site.notes
        task.cancel()
        await site.bench.advance(1.0)


async def test_nothing_is_written_while_it_transmits_unless_its_profile_allows_it() -> None:
    for allowed in (False, True):
        async with station(radio={"write_while_keyed": allowed}) as site:
            task = await site.in_mid_contact()
            sending = asyncio.create_task(site.transmit(8.0), name="sending")
            await site.bench.advance(10.0)
            await sending
            assert any(keyed for _, _, keyed in site.rig.written) is allowed
            task.cancel()
            await site.bench.advance(1.0)


async def test_an_uplink_that_drifts_too_far_ends_the_transmission() -> None:
    async with station() as site:
        task = await site.in_mid_contact(uplink_drift_hz=50)
        with pytest.raises(Refusal, match="the uplink stands on"):
            await site.transmitted(60.0)
        assert not site.rig.on
        task.cancel()
        await site.bench.advance(1.0)


async def test_where_the_tnc_keys_the_radio_is_made_ready_and_not_keyed() -> None:
    async with station(radio={"keyed_by": "tnc"}) as site:
        task = await site.in_mid_contact()
        site.notes.clear()
        sending = asyncio.create_task(site.transmit(2.0), name="sending")
        await site.bench.advance(1.0)
        assert (site.notes, site.bypass.on) == (["bypass"], True)
        await site.bench.advance(2.0)
        await sending
        assert site.notes == ["bypass", "unkey", "restore"]
        task.cancel()
        await site.bench.advance(1.0)


async def test_a_radio_that_does_not_transmit_when_keyed_is_told() -> None:
    async with station() as site:
        task = await site.in_mid_contact()
        site.rig.mute = True
        with pytest.raises(DeviceError, match="says that it does not transmit"):
            await site.transmitted(1.0)
        task.cancel()
        await site.bench.advance(1.0)


async def ends(site: Station, task: asyncio.Task[None], way: str) -> None:
    """Let a contact end in the midst of a transmission."""
    if way == "cancelled":
        task.cancel()
    elif way == "stopped":
        await asyncio.wait({asyncio.create_task(site.bench.antenna.stop(by="ada"), name="stop")}, timeout=0)
    elif way == "los":
        await site.bench.advance((LOS - AOS).total_seconds() - 200)
    elif way == "rotator lost":
        site.bench.rotator.broken = True
        await site.bench.advance(40.0)


@pytest.mark.parametrize("way", ["cancelled", "stopped", "los", "rotator lost"])
async def test_on_every_way_out_the_transmitter_is_off_before_the_antenna_stops(way: str) -> None:
    async with station() as site:
        task = await site.in_mid_contact(uplink_drift_hz=1_000_000, uplink_min_elevation_deg=0.0)
        sending = asyncio.create_task(site.transmit(6_000.0), name="sending")
        await site.bench.advance(1.0)
        assert site.rig.on
        on_at_stop: list[bool] = []
        stop = site.bench.rotator.stop

        async def watched() -> None:
            on_at_stop.append(site.rig.on)
            await stop()

        site.bench.rotator.stop = watched  # type: ignore[method-assign]
        await ends(site, task, way)
        await site.bench.advance(5.0)
        assert not site.rig.on
        assert not site.bypass.on
        with pytest.raises(Refusal):
            await sending
        if way in ("cancelled", "los"):
            assert on_at_stop
            assert not any(on_at_stop)
        site.bench.rotator.broken = False
        await site.bench.until(task.done)


async def test_a_radio_lost_while_it_transmits_is_told_and_put_off_first_of_all_once_it_is_back() -> None:
    async with station() as site:
        task = await site.in_mid_contact()
        sending = asyncio.create_task(site.transmit(60.0), name="sending")
        await site.bench.advance(1.0)
        site.rig.broken = True
        await site.bench.advance(2.0)
        with pytest.raises((Refusal, DeviceError)):
            await sending
        assert "transmit-not-off" in site.bench.events()
        assert (site.rig.on, site.bypass.on) == (True, True)  # the preamplifier stays out while nobody knows
        site.notes.clear()
        site.rig.broken = False
        await site.bench.advance(4.0)
        assert site.notes[0] == "unkey"
        assert (site.rig.on, site.bypass.on) == (False, False)
        task.cancel()
        await site.bench.advance(1.0)


async def test_a_transmitter_that_stays_on_keeps_the_preamplifier_out_and_is_told() -> None:
    async with station() as site:
        task = await site.in_mid_contact()
        site.rig.deaf = True
        sending = asyncio.create_task(site.transmit(1.0), name="sending")
        await site.bench.advance(3.0)
        await sending
        assert "transmit-not-off" in site.bench.events()
        assert (site.rig.on, site.bypass.on) == (True, True)
        assert site.active() == ["transmitter-stuck"]
        site.rig.deaf = False
        await site.bench.advance(12.0)
        assert (site.rig.on, site.bypass.on) == (False, False)
        assert site.active() == []
        task.cancel()
        await site.bench.advance(1.0)


async def test_a_preamplifier_that_does_not_come_back_is_told_and_tried_again() -> None:
    async with station() as site:
        task = await site.in_mid_contact()
        sending = asyncio.create_task(site.transmit(2.0), name="sending")
        await site.bench.advance(1.0)
        site.bypass.stuck = True
        site.bypass._stood = True  # it sticks where it is
        await site.bench.advance(2.0)
        await sending
        assert not site.rig.on
        assert site.active() == ["preamp-left-out"]
        site.bypass.stuck = False
        await site.bench.advance(2.0)
        assert not site.bypass.on
        assert site.active() == []
        task.cancel()
        await site.bench.advance(1.0)


async def test_connecting_puts_it_off_and_so_does_whatever_keys_it_unbidden() -> None:
    async with station() as site:
        assert site.notes[0] == "unkey"
        site.rig.on = True
        await site.bench.advance(6.0)
        assert not site.rig.on
        assert "transmits-unbidden" in site.bench.events()
        readings = [each for each in site.bench.all_records() if isinstance(each, Reading) and each.device == "radio"]
        assert readings[-1].values == {"main_hz": 1_000_000, "sub_hz": 2_000_000, "transmitting": False}


async def test_cancelled_at_every_await_of_a_transmission_it_is_off_and_restored() -> None:
    async with station() as site:
        task = await site.in_mid_contact(100.0)
        for rounds in range(0, 60, 2):
            sending = asyncio.create_task(site.transmit(0.3), name="sending")
            advancing = asyncio.create_task(site.bench.clock.advance(0.2, turns=100), name="advancing")
            for _ in range(rounds):
                await asyncio.sleep(0)
            sending.cancel()
            await advancing
            await site.bench.advance(0.3)
            assert sending.done()
            assert not site.rig.on, rounds
            assert not site.bypass.on, rounds
        task.cancel()
        await site.bench.advance(1.0)
