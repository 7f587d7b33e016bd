"""A stage of real processes: `fleetd` on an accelerated clock, ptys for serial lines and sockets for the rest."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fleetd.clock import ScaledClock
from fleetd.config.site import DeviceSettings
from fleetd.errors import FleetError
from fleetd_hil.bench import LOOK_AGAIN_S, Bench
from fleetd_hil.demo.children import child, end
from fleetd_hil.line import Pace
from fleetd_hil.scenario.stage import Premises
from fleetd_hil.scenario.world import World
from fleetd_hil.virtual.broker import MemoryBroker

_READY_WITHIN_S = 30.0


class ProcessStage(Premises):
    """With `fleetd` as a process of its own."""

    clock: ScaledClock

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, folder: Path, site_file: Path, clock: ScaledClock, port: int, seed: int
    ) -> AsyncIterator[ProcessStage]:
        """A stage while the context lasts; the daemon is ended with it."""
        broker = MemoryBroker(port, host="127.0.0.1")
        await broker.come()
        try:
            async with Bench.open(clock, seed=seed, look_again_s=LOOK_AGAIN_S) as bench:
                stage = cls(folder, site_file, clock, broker, bench)
                async with contextlib.AsyncExitStack() as stack:
                    stage._stack = stack
                    yield stage
        finally:
            broker.go()

    def __init__(self, *common: Any) -> None:
        super().__init__(*common)
        self._stack = contextlib.AsyncExitStack()
        self._process: asyncio.subprocess.Process | None = None

    async def place(self, world: World) -> None:
        devices: dict[str, Any] = {}
        for link, sim in world.lines.items():
            first = next(seat.device for seat in world.seats.values() if seat.sim is sim)
            address = await self._port(first, link, sim)
            for seat in (seat for seat in world.seats.values() if seat.sim is sim):
                devices[seat.device.name] = {"link": address + ("?" + seat.device.link.partition("?")[2]).rstrip("?")}
        self.write_overlay(devices, f"mqtt://127.0.0.1:{self.broker.port}")

    async def _port(self, device: DeviceSettings, link: str, sim: Any) -> str:
        scheme = link.partition("://")[0]
        if scheme in ("serial", "modbus+rtu"):
            pace = Pace.of(device.url.end.baud, rtu=scheme == "modbus+rtu")  # type: ignore[union-attr]  # a serial line
            return f"{scheme}://{(await self.bench.pty(sim, pace)).address}"
        return f"{scheme}://{(await self.bench.tcp(sim)).address}"

    async def begin(self) -> None:
        words = ["-m", "fleetd", "--config", self.site_file, "--hil", self.overlay, "--clock", self.clock]
        log = self.folder / "fleetd.log"
        command = [sys.executable, *map(str, words)]
        self._process = await self._stack.enter_async_context(child("fleetd", command, log=log))
        async with asyncio.timeout(_READY_WITHIN_S):
            while not self.socket.exists():
                if self._process.returncode is not None:
                    raise FleetError(f"fleetd ended with {self._process.returncode}; see {log}")
                await asyncio.sleep(0.05)

    async def leave(self) -> None:
        if self._process is not None:
            await end(self._process)

    def gone(self) -> str:
        if self._process is None or self._process.returncode is None:
            return ""
        return f"fleetd ended with {self._process.returncode}; see {self.folder / 'fleetd.log'}"

    async def power_cut(self) -> None:
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
        self.socket.unlink(missing_ok=True)

    def step_clock(self, by_s: float) -> None:
        raise FleetError(f"a clock step of {by_s:g} s needs virtual time: leave --processes out")

    def trust_clock(self, synced: bool) -> None:
        raise FleetError(f"to make the clock {'' if synced else 'un'}trusted needs virtual time: leave --processes out")
