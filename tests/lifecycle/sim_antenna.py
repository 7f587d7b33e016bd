"""An antenna on a real driver and its sim, joined in memory: every byte of the wire, on a virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from contact_bench import T, settings

from fleetd.alarms import Alarms
from fleetd.clock import VirtualClock
from fleetd.contact.antenna import ROTATOR_BACKOFF, Antenna
from fleetd.contact.motorwatch import MotorWatch
from fleetd.devices import AzEl, Rotator, load_driver
from fleetd.hub import Hub
from fleetd.link.ports import Ports
from fleetd.link.url import LinkUrl, parse_link
from fleetd.records import Severity
from fleetd.supervise import Device, Progress, Supervision
from fleetd_hil import catalogue
from fleetd_hil.sim import Feed, Sim

TURNS = 60  # rounds of the event loop after each wake-up: a question goes through several tasks to the sim and back


class Wire(asyncio.Transport):
    """A medium without length: what is written is heard by the sim, and what it answers arrives in the next round."""

    def __init__(self, protocol: asyncio.BaseProtocol, feed: Feed, clock: VirtualClock, deaf: set[bytes]) -> None:
        super().__init__()
        self._protocol, self._feed, self._clock, self._deaf = protocol, feed, clock, deaf
        self._closed = False
        protocol.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if any(bytes(data).startswith(start) for start in self._deaf):
            return
        for answer in self._feed(bytes(data), self._clock.monotonic()):
            asyncio.get_running_loop().call_soon(self._arrive, answer.data)

    def _arrive(self, data: bytes) -> None:
        if not self._closed:
            self._protocol.data_received(data)  # type: ignore[attr-defined]

    def is_closing(self) -> bool:
        return self._closed

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    abort = close


@dataclass
class SimAntenna:
    """What a test needs of it."""

    clock: VirtualClock
    sim: Sim
    antenna: Antenna
    alarms: Alarms
    hub: Hub
    deaf: set[bytes] = field(default_factory=set)
    """How questions begin that are never answered."""

    async def advance(self, seconds: float) -> None:
        await self.clock.advance(seconds, turns=TURNS)

    async def do(self, act: Coroutine[Any, Any, None], within_s: float = 10.0) -> None:
        """Have something done for which time must pass, as a driver pauses between writes."""
        task = asyncio.create_task(act, name="act")
        waited_s = 0.0
        while not task.done() and waited_s < within_s:
            await self.advance(0.1)
            waited_s += 0.1
        await task

    async def point(self, to: AzEl) -> None:
        await self.do(self.antenna.point(to))

    def break_(self, fault: str) -> None:
        self.sim.faults.inject(fault, self.clock.monotonic())

    @property
    def active(self) -> set[str]:
        return {entry.name for entry in self.alarms.list() if entry.active}

    async def named_after_s(self, within_s: float = 10.0, step_s: float = 0.25) -> tuple[str, float]:
        """Which alarm comes first, and after how many seconds."""
        waited_s = 0.0
        while not self.active:
            if waited_s >= within_s:
                raise AssertionError(f"no alarm within {within_s} s")
            await self.advance(step_s)
            waited_s += step_s
        (name,) = self.active
        return name, waited_s

    async def until(self, holds: Callable[[], bool], within_s: float = 120.0) -> None:
        for _ in range(round(within_s)):
            if holds():
                return
            await self.advance(1.0)
        raise AssertionError(f"not so within {within_s} s")


@asynccontextmanager
async def sim_antenna(
    driver: str = "gs232b", begin: datetime = T, alarmed: Sequence[str] = (), **changes: object
) -> AsyncIterator[SimAntenna]:
    """An antenna under supervision whose rotator is the sim of `driver`, standing at 100 and 20 degrees.

    `alarmed` are alarms that an earlier life has left.
    """
    clock, hub = VirtualClock(begin, synced=True), Hub()
    start = {"start_azimuth_deg": 100.0, "start_elevation_deg": 20.0}
    sim = catalogue.build(driver, start, 0, catalogue.Bus("rtu"))
    deaf: set[bytes] = set()

    async def opened(url: LinkUrl, protocol: Callable[[], asyncio.Protocol]) -> Wire:
        return Wire(protocol(), sim.attach(), clock, deaf)

    ports, spec = Ports({"serial": opened}), load_driver(driver)

    def connect() -> AbstractAsyncContextManager[Rotator]:
        return spec.connect(ports, parse_link("serial:///dev/none?baud=9600"), spec.settings(), clock)

    device = Device("dish-rotator", connect, backoff=ROTATOR_BACKOFF)
    supervision = Supervision(clock, hub.publish, Progress(clock))
    given = {"park": {"azimuth_deg": 0.0, "elevation_deg": 90.0}, "elevation_limits_deg": (0.0, 180.0)}
    antenna = Antenna(settings(**given | changes), device, supervision, hub)
    alarms = Alarms(clock, hub.publish)
    for name in alarmed:
        alarms.raise_("dish", name, Severity.CRITICAL, "of before the restart")
    async with asyncio.TaskGroup() as tasks:
        serving = [
            tasks.create_task(supervision.run(device, antenna.work), name="rotator"),
            tasks.create_task(MotorWatch(antenna, alarms).run(), name="motors"),
        ]
        made = SimAntenna(clock, sim, antenna, alarms, hub, deaf)
        await made.advance(1.0)
        try:
            yield made
        finally:
            for task in serving:
                task.cancel()
            while not all(task.done() for task in serving):  # leaving takes the pauses of the driver, too
                await made.advance(0.1)
