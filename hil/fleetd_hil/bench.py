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
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fleetd.clock import Clock
from fleetd_hil import line
from fleetd_hil.line import Pace, Stand
from fleetd_hil.ports import Port, PtyPort, TcpPort
from fleetd_hil.sim import Sim, SimDied

LOOK_AGAIN_S = 0.02
"""Real seconds between looks at faults that begin and end by themselves."""


class Bench:
    """Sims and the ports at which they are reached, served while the context of `open` lasts."""

    def __init__(self, clock: Clock, seed: int, look_again_s: float) -> None:
        self.clock = clock
        self._look_again_s = look_again_s
        self._draw = random.Random(seed)
        self._ports: list[tuple[Stand, Port]] = []
        self._changed = asyncio.Event()
        self._death: SimDied | None = None  # what has to be looked at

    @classmethod
    @asynccontextmanager
    async def open(cls, clock: Clock, *, seed: int = 0, look_again_s: float = LOOK_AGAIN_S) -> AsyncIterator[Bench]:
        """A bench that serves until the context ends; the ports are gone afterwards.

        A sim that dies ends it: the body is cancelled, and SimDied is raised in a group.
        """
        failure: Exception | None = None
        async with asyncio.TaskGroup() as tasks:
            bench = cls(clock, seed, look_again_s)
            watching = tasks.create_task(bench._watch(), name="bench")
            try:
                yield bench
            except Exception as error:  # noqa: BLE001  # raised again below, where no group wraps it
                failure = error
            finally:
                watching.cancel()
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

    def _stand(self, sim: Sim, pace: Pace) -> Stand:
        sim.faults.learn(line.FAULTS)
        sim.faults.listeners.append(self._changed.set)
        return Stand(sim, self.clock, pace, random.Random(self._draw.random()), self._died)

    def _died(self, death: SimDied) -> None:
        """Whoever works at the bench hears of it, and the first death is the one that counts."""
        self._death = self._death or death
        self._changed.set()

    async def _serve(self, stand: Stand, port: Port) -> Port:
        await port.plug()
        self._ports.append((stand, port))
        self._changed.set()
        return port

    async def _watch(self) -> None:
        """Look at all after each change, and in between at those where something may happen by itself."""
        while True:
            if self._death is not None:
                raise self._death
            self._changed.clear()
            for stand, port in list(self._ports):
                await _look(stand, port)
            while not self._changed.is_set():
                lively = [(stand, port) for stand, port in self._ports if port.restless or stand.lively]
                if not lively:
                    await self._changed.wait()
                    break
                await asyncio.sleep(self._look_again_s)
                for stand, port in lively:
                    await _look(stand, port)


async def _look(stand: Stand, port: Port) -> None:
    if stand.fault("unplug") is not None:
        await port.unplug()
        return
    await port.plug()
    port.watch(stalled=stand.fault("stall") is not None)
