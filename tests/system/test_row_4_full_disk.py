"""Row 4: a full disk. The process stays, a stop is as quick as ever and audited, and records flow again by themselves.

On a tmpfs of 8 MiB in a mount namespace of the daemon's own; where the machine gives none, that test is skipped and
says so, and a limit on the size of files stands for the full disk in the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from counters import Counters
from fake_broker import fake_broker
from namespaces import unshared
from relays import readings, say, site

from bench.stops import UnderWay, under_way

P99_MS, MOST_MS, FLOWS_WITHIN_S = 100.0, 250.0, 5.0
ON_A_SMALL_DISK = ("sh", "-c", 'mount -t tmpfs -o size=8m none "$0" && exec "$@"', "{store}")


async def ask(fleet: UnderWay, path: str) -> Any:
    connector = aiohttp.UnixConnector(str(fleet.folder / "control.sock"))
    async with aiohttp.ClientSession(connector=connector) as session, session.get(f"http://fleetd/v1/{path}") as answer:
        return await answer.json()


async def stuck(fleet: UnderWay) -> list[str]:
    return [each["what"] for each in (await ask(fleet, "relay"))["stuck"]]


async def stops_audited(fleet: UnderWay) -> int:
    return sum(entry["act"].startswith("stop") for entry in await ask(fleet, "audit?limit=1000"))


def fill(disk: Path) -> Path:
    """Leave no byte."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return filler


@pytest.mark.peer("mosquitto", "unshare")
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("robots", "stops"), [(30, 15), pytest.param(700, 300, marks=[pytest.mark.slow])], ids=["few", "many"]
)
async def test_row_4_stops_are_as_quick_and_audited_while_the_disk_is_full(
    robots: int, stops: int, counters: Counters
) -> None:
    mounts = unshared("--mount", ["mount", "-t", "tmpfs", "none", "/mnt"])
    async with under_way(robots, [*mounts, *ON_A_SMALL_DISK]) as fleet:
        before = await fleet.stop_ms(stops)
        disk = Path(f"/proc/{fleet.pid}/root{fleet.folder}/store")
        filler, audited = fill(disk), await stops_audited(fleet)
        while "storing records" not in await stuck(fleet):  # asked over its API
            await asyncio.sleep(0.05)
            with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
                file.write(bytes(1 << 12))
        full = await fleet.stop_ms(stops)
        audited = await stops_audited(fleet) - audited
        filler.unlink()
        freed_s = asyncio.get_running_loop().time()
        while await stuck(fleet) or (await ask(fleet, "relay"))["backlog"] > robots:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.05)
        flowed_s = asyncio.get_running_loop().time() - freed_s
        os.kill(fleet.pid, 0)
    counters(p99_ms=before["p99"], p99_ms_full=full["p99"], max_ms_full=full["max"], audited=audited)
    counters(flowed_after_s=round(flowed_s, 1))
    if stops >= 100:  # a few tell nothing of a hundred
        assert full["p99"] <= P99_MS
    assert full["max"] <= max(MOST_MS, 2 * before["max"])  # where the machine does much else, no slower than before
    assert audited >= min(stops, 100)
    assert flowed_s <= FLOWS_WITHIN_S


async def test_row_4_a_full_disk_keeps_the_process_up_and_drains_by_itself(tmp_path: Path) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.url) as one:
        await one.acked()
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (64_000, before[1]))
        try:
            say(one, range(300))
            await one.until(lambda: "does not take writes" in one.relay.status().last_error)
            say(one, range(300, 600))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        await one.until(lambda: one.relay.status().readings_acked == 600)
        assert set(readings(broker.bodies)) == set(range(600))
        assert one.relay.status().dropped == 0
