"""The bench puts sims behind pseudo-terminals and TCP ports, and breaks them.

    async with Bench.open(clock) as bench:
        port = await bench.pty(sim := Gs232bSim(), Pace.of(9600))
        port.address  # /dev/pts/7
        bench.inject(sim, "unplug+2")

Faults of the line and of the sim are injected in the same way; see `line.FAULTS` and each sim's own.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

from fleetd.clock import Clock
from fleetd_hil import line
from fleetd_hil.line import Pace, Stand
from fleetd_hil.ports import Port, PtyPort, TcpPort
from fleetd_hil.sim import Sim

LOOK_AGAIN_S = 0.02
"""Real seconds between looks at faults that begin and end by themselves."""


class Bench:
    """Sims and the ports at which they are reached, served while the context of `open` lasts."""

    def __init__(self, clock: Clock, tasks: asyncio.TaskGroup, seed: int, look_again_s: float) -> None:
        self.clock = clock
        self._look_again_s = look_again_s
        self._tasks = tasks
        self._draw = random.Random(seed)
        self._ports: list[tuple[Stand, Port]] = []
        self._running: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls, clock: Clock, *, seed: int = 0, look_again_s: float = LOOK_AGAIN_S) -> AsyncIterator[Bench]:
        """A bench that serves until the context ends; the ports are gone afterwards."""
        failure: Exception | None = None
        async with asyncio.TaskGroup() as tasks:
            bench = cls(clock, tasks, seed, look_again_s)
            bench._spawn(bench._watch())
            try:
                yield bench
            except Exception as error:  # noqa: BLE001  # raised again below, where no group wraps it
                failure = error
            finally:
                for task in bench._running:
                    task.cancel()
                for _, port in bench._ports:
                    await port.close()
        if failure is not None:
            raise failure

    async def pty(self, sim: Sim, pace: Pace | None = None, *, link: Path | None = None) -> Port:
        """Put a sim behind a pseudo-terminal, paced as a serial line is; `link` is a stable name for it."""
        stand = self._stand(sim, pace or Pace())
        return await self._serve(stand, PtyPort(stand, link))

    async def tcp(self, sim: Sim, pace: Pace | None = None, *, host: str = "127.0.0.1", port: int = 0) -> Port:
        """Put a sim behind a TCP port; with a pace, as behind a serial device server."""
        stand = self._stand(sim, pace or Pace())
        return await self._serve(stand, TcpPort(stand, host, port))

    def inject(self, sim: Sim, spec: str) -> None:
        """Break something now or later; see `faults` for how it is written. Raises ConfigError."""
        sim.faults.inject(spec, self.clock.monotonic())

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = self._tasks.create_task(work, name="bench")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def _stand(self, sim: Sim, pace: Pace) -> Stand:
        sim.faults.learn(line.FAULTS)
        return Stand(sim, self.clock, self._spawn, pace, random.Random(self._draw.random()))

    async def _serve(self, stand: Stand, port: Port) -> Port:
        await port.plug()
        self._ports.append((stand, port))
        return port

    async def _watch(self) -> None:
        while True:
            for stand, port in list(self._ports):
                if stand.fault("unplug") is not None:
                    await port.unplug()
                    continue
                await port.plug()
                port.watch(stalled=stand.fault("stall") is not None)
            await asyncio.sleep(self._look_again_s)
