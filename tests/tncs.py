"""A KISS driver before its sim, over a pty or TCP: what the device suite and the hostile suite share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fleetd.clock import SystemClock
from fleetd.devices import TncFrame, load_driver
from fleetd.link.ports import Ports
from fleetd.link.url import parse_link
from fleetd_drivers.kiss.driver import Kiss
from fleetd_hil.bench import Bench
from fleetd_hil.sims.kiss import KissSim

CLOCK = SystemClock()
WITHIN_S = 5.0  # real seconds; far beyond what anything here needs


@dataclass
class Seat:
    """A connected driver and the far end of its link."""

    driver: Kiss
    sim: KissSim
    bench: Bench
    url: str

    def hear(self, *frames: bytes, port: int = 0) -> None:
        """Let the TNC hear frames off the air."""
        for frame in frames:
            self.sim.hear(frame, CLOCK.monotonic(), port)

    async def next(self) -> TncFrame:
        """The next frame, in time."""
        async with asyncio.timeout(WITHIN_S):
            return await self.driver.receive()

    async def sent(self, count: int = 1) -> list[tuple[int, bytes]]:
        """What the TNC was given to transmit, once it is as much as that."""
        async with asyncio.timeout(WITHIN_S):
            while len(self.sim.sent) < count:  # noqa: ASYNC110  # the sim knows no events
                await asyncio.sleep(0.002)
        return list(self.sim.sent)


@asynccontextmanager
async def connected(url: str, settings: Mapping[str, Any]) -> AsyncIterator[Kiss]:
    """The driver, connected to `url`."""
    spec = load_driver("kiss")
    async with spec.connect(Ports(), parse_link(url), spec.settings(**settings), CLOCK) as driver:
        yield driver


@asynccontextmanager
async def on_bench(medium: str, sim: KissSim | None = None, **settings: Any) -> AsyncIterator[Seat]:
    """The driver before its sim; the line is up in both directions."""
    sim = sim or KissSim()
    async with Bench.open(CLOCK) as bench:
        port = await (bench.pty(sim) if medium == "serial" else bench.tcp(sim))
        url = f"{medium}://{port.address}"
        async with connected(url, settings) as driver:
            seat = Seat(driver, sim, bench, url)
            await listening(seat)
            yield seat


async def listening(seat: Seat) -> None:
    """Wait until what the TNC hears gets through: a pty drops what is said before anybody has it open."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            seat.hear(b"ready?")
            try:
                async with asyncio.timeout(0.05):
                    await seat.driver.receive()
            except TimeoutError:
                continue
            break
        await asyncio.sleep(0.03)
        while seat.driver._heard:
            await seat.driver.receive()
