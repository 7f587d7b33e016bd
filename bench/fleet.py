"""Ten thousand robots on one core: from the instant at which each is due to the commit of its reading, in a process of
its own that prints what it took.

    python -m bench.fleet HOST:PORT ROBOTS SECONDS

Each robot has a connection of its own, drives (so that all its readings are reported whole), and is due once a second.
A reading that never came counts as late by a second.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.maps import bench_map
from fleetd.clock import SystemClock
from fleetd.daemon.loop import loop_factory, spare_the_collector
from fleetd.hub import Hub, Subscription
from fleetd.link.ports import Ports
from fleetd.link.url import parse_link
from fleetd.records import Reading
from fleetd.robots.fleet import Fleet, Member
from fleetd.robots.poll import Cadence, Poller, Rhythm
from fleetd.store.store import Store
from fleetd.supervise import Device, Progress, Supervision
from fleetd_drivers.modbus.device import MapDevice, Unit
from fleetd_drivers.modbus.line import bus_for
from fleetd_drivers.modbus.profile import Profile

POLL_S, SETTLE_S, GROUP = 1.0, 5.0, 500
HAIR_S = 0.002  # so much before its instant a robot may be asked, and have answered: a timer may be early


class Lateness:
    """How long after its instant each reading was on disk, seconds, since `begin`."""

    def __init__(self, names: list[str]) -> None:
        self.late_s: list[float] = []
        self.counting = False
        self._phase_s = {name: Cadence(name, POLL_S).phase_s for name in names}

    def committed(self, readings: list[Any]) -> None:
        """These are on disk now."""
        if not self.counting:
            return
        now_s, wall = time.monotonic(), datetime.now(UTC)
        for reading in readings:
            taken_s = now_s - (wall - reading.at).total_seconds()
            since_due_s = (taken_s - self._phase_s[reading.device] + HAIR_S) % POLL_S - HAIR_S
            self.late_s.append(now_s - taken_s + since_due_s)


async def keep(feed: Subscription, store: Store, lateness: Lateness) -> None:
    """What the relay does with readings, and then what it does on their PUBACK."""
    while True:
        readings = await feed.get_batch(GROUP)
        last = await store.outbox.append(readings)  # type: ignore[arg-type]  # this subscription brings readings alone
        lateness.committed(readings)
        await store.outbox.delete(range(last - len(readings) + 1, last + 1))


async def run(host: str, port: int, robots: int, seconds: float) -> dict[str, float]:
    """Poll, commit, and measure."""
    clock, profile, url, hub = SystemClock(), Profile(bench_map()), parse_link(f"modbus+tcp://{host}:{port}"), Hub()
    supervision, names = Supervision(clock, hub.publish, Progress(clock)), [f"robot-{n:05d}" for n in range(robots)]
    lateness, members = Lateness(names), dict[str, Member]()
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory())
        store = await stack.enter_async_context(Store.open(Path(folder), node="bench", clock=clock))
        feed = stack.enter_context(hub.subscribe("keep", Reading, capacity=4 * robots))
        running: list[asyncio.Task[None]] = []

        def go(work: Coroutine[Any, Any, None]) -> None:
            running.append(asyncio.ensure_future(work))

        go(keep(feed, store, lateness))
        for name in names:
            bus = await stack.enter_async_context(bus_for(Ports(), url))
            device = Device(name, lambda: stack)  # type: ignore[arg-type, return-value]  # it is connected already
            poller = Poller(device, supervision, hub.publish, Rhythm(POLL_S, None, 60.0))
            members[name] = Member(poller, "bench", profile.actions)
            go(poller.work(MapDevice(profile, Unit(bus, 1, 2.0), clock)))
        go(Fleet(members, {}).watch(hub))
        await undisturbed(running, SETTLE_S)
        lateness.counting, cpu_s, begin_s = True, time.process_time(), time.monotonic()
        await undisturbed(running, seconds)
        core_share = (time.process_time() - cpu_s) / (time.monotonic() - begin_s)
        figures = figures_of(lateness.late_s, int(robots * seconds / POLL_S), robots, core_share)
        sys.stdout.write(json.dumps(figures) + "\n")
        sys.stdout.flush()
        os._exit(0)  # ten thousand goodbyes are nobody's business here


async def undisturbed(running: list[asyncio.Task[None]], seconds: float) -> None:
    """Let time pass. Raises RuntimeError, and ends them all, once one of them ends."""
    ended, _ = await asyncio.wait(running, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    if not ended:
        return
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    raise RuntimeError(f"the fleet came to an end: {next(iter(ended)).exception()!r}")


def figures_of(late_s: list[float], due: int, robots: int, core_share: float) -> dict[str, float]:
    """Sum up."""
    late = sorted(late_s + [POLL_S] * max(0, due - len(late_s)))
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return {
        "p99_lateness_ms": round(1000 * late[int(0.99 * len(late))], 1),
        "rss_kib_per_robot": round(pages * os.sysconf("SC_PAGE_SIZE") / 1024 / robots, 1),
        "core_share": round(core_share, 3),
        "readings": len(late_s),
        "median_lateness_ms": round(1000 * late[len(late) // 2], 1),
    }


def main(arguments: list[str]) -> None:
    """Run on one core and print."""
    address, robots, seconds = arguments
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    host, _, port = address.rpartition(":")
    spare_the_collector()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(run(host, int(port), int(robots), float(seconds)))


if __name__ == "__main__":
    main(sys.argv[1:])
