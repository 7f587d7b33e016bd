"""Row 39: nothing grows. Half an hour of real time with a whole daemon, and thirty simulated days of its rooms.

FLEETD_SOAK_MIN sets another length in minutes for the first; before a release it is two hours.
"""

from __future__ import annotations

import asyncio
import gc
import os
import tracemalloc
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from brokers import Mosquitto
from counters import Counters
from prometheus_client.parser import text_string_to_metric_families
from sites import Daemon, demo_site

from fleetd.alarms import Alarms
from fleetd.alarms.away import Away
from fleetd.alarms.limits import Limits, Watched
from fleetd.archive.archive import Archive
from fleetd.archive.settings import ArchiveSettings
from fleetd.clock import VirtualClock
from fleetd.hub import Hub
from fleetd.records import DeviceState, DeviceStatus, Quality, Reading
from fleetd.registers.limits import Limit
from fleetd.robots.fleet import Fleet
from fleetd.store.store import Store

SOAK_MIN = float(os.environ.get("FLEETD_SOAK_MIN", "30"))
NOON = datetime(2026, 11, 11, 12, tzinfo=UTC)
MIB = 1 << 20
MIB_AN_HOUR = 1.0
MIB_A_DAY = 0.02
STEPS = 96  # a day, of a quarter of an hour each


def slope(times: Sequence[float], values: Sequence[float]) -> float:
    """By how much values rise a unit of time, by least squares."""
    mean_t, mean_v = sum(times) / len(times), sum(values) / len(values)
    above = sum((t - mean_t) * (v - mean_v) for t, v in zip(times, values, strict=True))
    return above / sum((t - mean_t) ** 2 for t in times)


def test_a_slope_is_what_it_says() -> None:
    assert slope([0, 1, 2, 3], [5, 7, 9, 11]) == pytest.approx(2.0)
    assert slope([0, 1, 2, 3], [4, 6, 6, 4]) == pytest.approx(0.0)


async def figures(daemon: Daemon) -> dict[str, float]:
    connector = aiohttp.UnixConnector(str(daemon.site.socket))
    async with aiohttp.ClientSession(connector=connector) as session, session.get("http://fleetd/metrics") as answer:
        families = text_string_to_metric_families(await answer.text())
        return {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}


@pytest.mark.slow
@pytest.mark.timeout(SOAK_MIN * 60 + 300)
@pytest.mark.peer("mosquitto", "mosquitto_sub", "mosquitto_pub")
async def test_row_39_half_an_hour_leaves_memory_descriptors_and_tasks_as_they_were(
    tmp_path: Path, mosquitto: Mosquitto, counters: Counters
) -> None:
    """The demo's site at twenty times its speed: 23 robots, two satellites, a broker. The first fifth warms it up."""
    samples: list[dict[str, float]] = []
    async with demo_site(tmp_path / "site", mosquitto) as site, site.daemon() as daemon:
        await daemon.up()
        for _ in range(max(10, int(SOAK_MIN * 6))):
            await asyncio.sleep(10)  # the one thing that this test is for
            samples.append(await figures(daemon))
        assert await daemon.end() == 0
    steady = samples[len(samples) // 5 :]
    hours = [index / 360 for index in range(len(steady))]
    resident = [each["process_resident_memory_bytes"] / MIB for each in steady]
    counters(minutes=SOAK_MIN, mib_an_hour=round(slope(hours, resident), 2))
    counters(
        mib_warm=round(resident[0], 1), mib_half=round(resident[len(resident) // 2], 1), mib=round(resident[-1], 1)
    )
    assert slope(hours, resident) <= MIB_AN_HOUR
    for name in ("process_open_fds", "fleetd_tasks"):
        values = [each[name] for each in steady]
        assert abs(slope(hours, values)) * hours[-1] <= 1.0, name
        assert max(values) - min(values) <= 8, name  # a scrape's own, a contact's


async def days_in_rooms(folder: Path, days: int, robots: int) -> None:
    """Robots report each quarter of an hour, go away and come back, and cross their limits; consumers drain it all."""
    clock, hub = VirtualClock(NOON), Hub()
    names = [f"robot-{number:02}" for number in range(robots)]
    async with Store.open(folder, node="test", clock=clock) as store:
        alarms = Alarms(clock, hub.publish, store.alarms)
        limits = Limits(alarms, {name: [Watched("soc", Limit(below=15.0, hysteresis=5.0))] for name in names})
        async with Archive.open(folder, clock, ArchiveSettings(max_days=3.0, max_mib=8)) as archive:
            tasks = [
                asyncio.create_task(work, name=f"room {number}")
                for number, work in enumerate(
                    (
                        alarms.run(),
                        limits.watch(hub),
                        Away(alarms, 600.0).watch(hub),
                        archive.run(hub),
                        Fleet({}, {}).watch(hub),
                    )
                )
            ]
            used: list[float] = []
            for day in range(days):
                for step in range(STEPS):
                    moment = day * STEPS + step
                    for name in names:
                        values = {"soc": float((moment * 7 + hash(name)) % 100), "odometer_m": moment}
                        hub.publish(Reading(at=clock.now(), device=name, quality=Quality.GOOD, values=values))
                    state = DeviceState.OFFLINE if moment % 50 == 0 else DeviceState.ONLINE
                    hub.publish(DeviceStatus(at=clock.now(), device=names[moment % robots], state=state))
                    await clock.advance(86_400 / STEPS, turns=2)
                while rows := await store.outbox.read(most=1000):
                    await store.outbox.delete([row.seq for row in rows])
                for entry in alarms.list():
                    alarms.ack(entry.device, entry.name, "test")
                gc.collect()
                used.append(tracemalloc.get_traced_memory()[0] / MIB)
            assert len(asyncio.all_tasks()) == len(tasks) + 2  # the alarms of those away have a task of their own
            assert archive.status().dropped == 0
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
    steady = used[len(used) // 3 :]
    assert slope(list(range(len(steady))), steady) <= MIB_A_DAY, used


async def test_row_39_simulated_days_leave_memory_and_tasks_as_they_were(tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        await days_in_rooms(tmp_path, 3, robots=4)
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_row_39_thirty_simulated_days_leave_memory_and_tasks_as_they_were(tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        await days_in_rooms(tmp_path, 30, robots=20)
    finally:
        tracemalloc.stop()
