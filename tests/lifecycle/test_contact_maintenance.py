"""Work on antennas: entered, kept across a restart, begun and ended in time, and refused where it makes no sense."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from contact_bench import Bench, Shelf, T, bench

from fleetd.clock import VirtualClock
from fleetd.contact.antennastatus import status_of
from fleetd.contact.maintenance import Maintenance
from fleetd.devices import AzEl
from fleetd.errors import Refusal, StoreError
from fleetd.store.store import Store

SITE_WORK = {"begin": T + timedelta(hours=1), "end": T + timedelta(hours=2), "why": "new bearing"}


async def _order(made: Bench, act: object) -> object:
    task = asyncio.ensure_future(act)  # type: ignore[arg-type]
    await made.advance(0.01)
    return await task


async def test_a_lock_outlives_the_daemon(tmp_path: Path) -> None:
    async with bench() as made, Store.open(tmp_path, node="n", clock=VirtualClock(T)) as store:
        maintenance = Maintenance({"dish": made.antenna}, store.maintenance, made.clock, made.hub.publish)
        locking = asyncio.create_task(maintenance.lock("dish", "ada", "bolts"), name="locking")
        while not locking.done():
            await made.advance(0.01)
            await asyncio.sleep(0.001)
        await locking
    async with bench() as made, Store.open(tmp_path, node="n", clock=VirtualClock(T)) as store:
        maintenance = Maintenance({"dish": made.antenna}, store.maintenance, made.clock, made.hub.publish)
        await maintenance.load()
        with pytest.raises(Refusal, match="dish is locked by ada: bolts") as no:
            await _order(made, made.antenna.point(AzEl(10, 10)))
        assert no.value.rule == "maintenance"
        assert [work.who for work in await maintenance.unlock("dish", "ben")] == ["ada"]
        await _order(made, made.antenna.point(AzEl(10, 10)))
        assert maintenance.entries() == []
        assert await store.maintenance.all() == []


async def test_what_the_site_file_says_stops_it_when_it_begins_and_frees_it_when_it_ends() -> None:
    async with bench(maintenance=(SITE_WORK,)) as made:
        maintenance = made.maintenance
        running = asyncio.create_task(maintenance.run(), name="maintenance")
        await made.advance(3590)
        await _order(made, made.antenna.point(AzEl(400, 10)))
        await made.advance(12)
        assert not made.rotator.moving
        with pytest.raises(Refusal, match="dish is locked by the site file: new bearing"):
            await _order(made, made.antenna.point(AzEl(10, 10)))
        with pytest.raises(Refusal, match="stands in the site file"):
            await maintenance.remove("dish-site-1", "ada")
        await made.advance(3600)
        await _order(made, made.antenna.point(AzEl(10, 10)))
        assert made.events().count("maintenance-begun") == made.events().count("maintenance-over") == 1
        running.cancel()


async def test_entries_that_make_no_sense_are_refused() -> None:
    async with bench() as made:
        add = made.maintenance.add
        for rule, wish in (
            ("unknown-antenna", ("mast", T, None, "ada", "x")),
            ("no-reason", ("dish", T, None, "ada", "  ")),
            ("no-time", ("dish", T, T, "ada", "x")),
            ("no-time", ("dish", T - timedelta(hours=2), T - timedelta(hours=1), "ada", "x")),
        ):
            with pytest.raises(Refusal) as no:
                await add(*wish)  # type: ignore[arg-type]
            assert no.value.rule == rule
        with pytest.raises(Refusal, match="dish is not locked"):
            await made.maintenance.unlock("dish", "ada")
        with pytest.raises(Refusal, match="there is no maintenance 'x'"):
            await made.maintenance.remove("x", "ada")


async def test_a_store_that_fails_does_not_open_the_lock() -> None:
    class Broken(Shelf):
        async def put(self, entry_id: str, body: bytes, /) -> None:
            raise StoreError("disk full")

    async with bench() as made:
        maintenance = Maintenance({"dish": made.antenna}, Broken(), made.clock, made.hub.publish)
        await _order(made, made.antenna.point(AzEl(400, 10)))
        with pytest.raises(StoreError):
            await _order(made, maintenance.lock("dish", "ada", "bolts"))
        assert not made.rotator.moving
        assert status_of(made.antenna).locked_by == "ada"


async def test_two_entries_of_one_instant_have_two_names() -> None:
    async with bench() as made:
        later = T + timedelta(hours=1)
        ids = [(await made.maintenance.add("dish", later, None, "ada", "x")).id for _ in range(2)]
        assert ids == ["dish-20261111T130000Z", "dish-20261111T130000Z-2"]
