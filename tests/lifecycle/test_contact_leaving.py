"""Every way out of a contact that transmits: the transmitter is off first, then the rotator stops, then all else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

import pytest
from contact_bench import AOS, T, contact
from test_contact_radio import Flight, Look, Station, station

from fleetd.contact.worker import Worker
from fleetd.devices import AzEl
from fleetd.errors import FleetError


class Broken(Flight):
    """A sky track with a bug that shows after a while."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = -1.0

    def at(self, when: datetime) -> Look:
        if self.now_s >= 0:
            raise ZeroDivisionError("a bug")
        return super().at(when)


class Noted(list[tuple[str, AzEl | None]]):
    """What a rotator heard, kept in one order with what the radio was told."""

    def __init__(self, notes: list[str]) -> None:
        super().__init__()
        self._notes = notes

    def append(self, heard: tuple[str, AzEl | None], /) -> None:
        super().append(heard)
        if heard[0] != "where":
            self._notes.append(heard[0])


@dataclass
class OnAir:
    """A contact in its middle, transmitting."""

    site: Station
    worker: Worker
    task: asyncio.Task[None]
    sending: asyncio.Task[None]
    sky: Broken

    async def left(self, within_s: float = 5.0) -> list[str]:
        """What the radio and the rotator were told from now on, once the contact is over."""
        await self.site.bench.until(self.task.done, within_s=within_s, step_s=within_s / 100)
        notes = list(self.site.notes)
        await self.site.bench.advance(1.0)
        with suppress(FleetError):
            await self.sending
        return notes


@asynccontextmanager
async def on_air() -> AsyncIterator[OnAir]:
    async with station() as site:
        made = site.bench
        made.rotator.heard = Noted(site.notes)
        await made.advance((AOS - T).total_seconds() - 60)
        sky = Broken()
        worker = Worker(contact(), made.antenna, sky, made.hub, tuning=site.tuning())
        task = asyncio.create_task(worker.run(), name="worker")
        await made.advance(60 + 240)  # high enough to be transmitted to
        sending = asyncio.create_task(site.transmit(100.0), name="sending")
        await made.advance(5.0)
        assert site.rig.on
        site.notes.clear()
        yield OnAir(site, worker, task, sending, sky)
        await asyncio.wait({task, sending})
        for each in (task, sending):  # taken note of
            _ = each.cancelled() or each.exception()


async def by_an_operator(air: OnAir) -> None:
    air.worker.cancelled_by("ada")
    air.task.cancel()


async def by_the_daemon_s_end(air: OnAir) -> None:
    air.task.cancel()


async def by_an_impatient_end(air: OnAir) -> None:
    for _ in range(3):
        air.task.cancel()
        await air.site.bench.advance(0.01)


async def by_a_bug(air: OnAir) -> None:
    air.sky.now_s = 1.0


@pytest.mark.parametrize("leave", [by_an_operator, by_the_daemon_s_end, by_an_impatient_end, by_a_bug])
async def test_the_transmitter_is_off_before_the_rotator_stops(leave: Callable[[OnAir], Awaitable[None]]) -> None:
    async with on_air() as air:
        await leave(air)
        notes = await air.left()
        assert not air.site.rig.on
        stopped = notes.index("stop")
        assert "unkey" in notes[:stopped], notes
        assert "key" not in notes
        assert not [note for note in notes[stopped:] if note == "point"][1:], "parked at most"
        if leave is by_a_bug:
            assert isinstance(air.task.exception(), ZeroDivisionError), "a bug is not swallowed"
        assert air.site.bench.report().outcome == ("cancelled" if leave is by_an_operator else "broken-off")


async def test_the_end_of_the_pass_is_no_other() -> None:
    async with on_air() as air:
        notes = await air.left(within_s=600.0)
        assert not air.site.rig.on
        assert notes.index("unkey") < notes.index("stop") < len(notes) - 1
        assert notes[-1] == "point"  # parked


async def test_a_lost_rotator_link_puts_the_transmitter_off_and_is_reopened_with_a_stop() -> None:
    async with on_air() as air:
        rotator = air.site.bench.rotator
        rotator.broken = True
        await air.site.bench.advance(1.5)
        assert not air.site.rig.on
        air.site.notes.clear()
        rotator.broken = False
        await air.site.bench.advance(2.5)
        assert next(note for note in air.site.notes if note in ("stop", "point")) == "stop"
        air.task.cancel()
        await air.left()


async def test_an_operators_stop_ends_it_with_the_transmitter_off() -> None:
    async with on_air() as air:
        stopping = asyncio.create_task(air.site.bench.antenna.stop(by="ada"), name="stopping")
        await air.left()
        await stopping
        assert not air.site.rig.on
        assert not air.site.bench.rotator.moving


async def test_a_radio_that_does_not_answer_holds_up_no_stop() -> None:
    async with on_air() as air:
        air.site.rig.broken = True
        air.task.cancel()
        notes = await air.left()
        assert notes[-1] == "stop"
        assert not air.site.bench.rotator.moving
        assert "transmit-not-off" in air.site.bench.events()
