"""A stage in virtual time: the daemon is a task, its network memory, its store on a RAM disk where there is one."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

from fleetd.daemon.house import live
from fleetd.daemon.orders import Leave, Order
from fleetd.guard.settings import GuardSettings
from fleetd.marks import draw_marks_from
from fleetd.notify import Notifier
from fleetd_hil.bench import Bench
from fleetd_hil.scenario.complaints import innermost
from fleetd_hil.scenario.stage import Premises
from fleetd_hil.scenario.world import World
from fleetd_hil.virtual.broker import MemoryBroker
from fleetd_hil.virtual.loop import LoopClock, VirtualLoop

_LOOK_AGAIN_S = 0.25


class VirtualStage(Premises):
    """On a `VirtualLoop`, which must be running."""

    clock: LoopClock

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, folder: Path, site_file: Path, start: datetime, seed: int) -> AsyncIterator[VirtualStage]:
        """A stage while the context lasts; the daemon is ended with it."""
        random.seed(seed)  # back-offs are drawn from the common generator
        draw_marks_from(random.Random(seed).randbytes)
        clock, broker = LoopClock(start), MemoryBroker(1883)
        await broker.come()
        async with Bench.open(clock, seed=seed, look_again_s=_LOOK_AGAIN_S) as bench:
            stage = cls(folder, site_file, clock, broker, bench)
            try:
                yield stage
            finally:
                await stage._lose()

    def __init__(self, *common: Any) -> None:
        super().__init__(*common)
        self._life: asyncio.Task[Order] | None = None
        self._leave = asyncio.Event()
        loop = asyncio.get_running_loop()
        if not isinstance(loop, VirtualLoop):
            raise TypeError("virtual time needs a VirtualLoop")
        self._loop = loop

    async def place(self, world: World) -> None:
        devices: dict[str, Any] = {}
        for link, sim in world.lines.items():
            port = await self.bench.tcp(sim, host="memory")
            for seat in (seat for seat in world.seats.values() if seat.sim is sim):
                scheme = _OVER_TCP.get(link.partition("://")[0], "tcp")
                devices[seat.device.name] = {"link": f"{scheme}://{port.address}"}
        self.write_overlay(devices, "mqtt://broker:1883")

    async def begin(self) -> None:
        # Links of memory have no descriptor that a process beside us could hold.
        site, up = self.site().model_copy(update={"guard": GuardSettings(enabled=False)}), asyncio.Event()
        self._leave = asyncio.Event()

        async def told() -> Order:
            await self._leave.wait()
            return Leave("the scenario says so")

        self._life = asyncio.create_task(live(site, self.clock, told, _Heard(up)), name="fleetd")
        waiting = asyncio.create_task(up.wait())
        await asyncio.wait({waiting, self._life}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._life.done():
            await self._life

    async def leave(self) -> None:
        self._leave.set()
        if self._life is not None:
            await self._life
            self._life = None

    async def post(self, path: str, body: dict[str, Any]) -> tuple[int, str]:
        if self._life is not None and self._life.done():
            await self._life  # what it died of says more than that nobody answers
        return await super().post(path, body)

    def gone(self) -> str:
        life = self._life
        if life is None or not life.done():
            return ""
        if life.cancelled():
            return "fleetd ended: it was cancelled"
        error = life.exception()
        return f"fleetd ended: {innermost(error) if error else life.result()}"

    async def power_cut(self) -> None:
        # All on one loop: nothing happens between these lines, and what the dying tasks still say reaches nobody.
        kept = self.folder / "kept"
        shutil.copytree(self.store, kept, ignore=shutil.ignore_patterns("*.lock"))
        network = self._loop.network
        network.cut()
        await self._lose()
        network.mend()
        shutil.rmtree(self.store)
        kept.rename(self.store)

    async def _lose(self) -> None:
        if self._life is not None:
            life, self._life = self._life, None
            life.cancel()
            await asyncio.wait({life})

    def step_clock(self, by_s: float) -> None:
        self.clock.step(by_s)

    def trust_clock(self, synced: bool) -> None:
        self.clock.synced = synced


_OVER_TCP = {
    "modbus+tcp": "modbus+tcp",
    "modbus+rtu": "modbus+rtuovertcp",
    "modbus+rtuovertcp": "modbus+rtuovertcp",
}


class _Heard(Notifier):
    """Tells the stage, instead of systemd, that the daemon is up."""

    def __init__(self, up: asyncio.Event) -> None:
        super().__init__()
        self._up = up

    def ready(self, status: str) -> None:
        super().ready(status)
        self._up.set()
