"""A rig as code that is no coroutine sees it: it begins, runs coroutines, ends. Between them its time stands still."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Callable, Coroutine
from typing import Any

from fleetd_hil.rig.live import LiveSite
from fleetd_hil.rig.order import Order
from fleetd_hil.rig.unseen import Unseen
from fleetd_hil.scenario.stages import open_stage
from fleetd_hil.scenario.world import build_world, hang_sky
from fleetd_hil.scratch import scratch_folder
from fleetd_hil.virtual.loop import VirtualLoop

WITHIN_S = 600.0
"""Real seconds that one test may take in virtual time."""


class Rig:
    """Call `begin`, then `run` as often as wanted, `end` for its verdict, and `close` in any case."""

    site: LiveSite

    def __init__(self, order: Order) -> None:
        self._order = order
        self._chance = random.getstate()  # a stage seeds the generator that belongs to everybody
        self._folder = scratch_folder(virtual=order.rate is None)
        factory: Callable[[], asyncio.AbstractEventLoop] | None = None
        if order.rate is None:
            factory = lambda: VirtualLoop(WITHIN_S)  # noqa: E731
        self._runner = asyncio.Runner(loop_factory=factory)
        self._hosting: asyncio.Task[None] | None = None
        self._leave = asyncio.Event()

    def begin(self) -> None:
        """Returns once the daemon is up. Raises FleetError when it cannot be had."""
        self._runner.run(self._begin())

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Carry out a coroutine while the site lives."""
        __tracebackhide__ = True
        self._runner.run(work)

    def end(self) -> str:
        """The daemon leaves in good order; returns which invariants were broken. Raises what the daemon raised."""
        try:
            self._runner.run(self._end())
        except Unseen as broken:
            return str(broken)
        return ""

    def close(self) -> None:
        """Nothing is left."""
        try:
            self._runner.close()
        finally:
            random.setstate(self._chance)
            shutil.rmtree(self._folder, ignore_errors=True)

    async def _begin(self) -> None:
        up: asyncio.Future[LiveSite] = asyncio.get_running_loop().create_future()
        self._hosting = asyncio.create_task(self._host(up), name="rig")
        either: set[asyncio.Future[Any]] = {up, self._hosting}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not up.done():
            await self._hosting
        self.site = up.result()

    async def _host(self, up: asyncio.Future[LiveSite]) -> None:
        order = self._order
        site = order.site
        async with open_stage(self._folder, order.site_file, order.start, order.seed, order.rate) as stage:
            stage.elements.update(order.elements)
            world = build_world(site, order.real, order.simulate, order.seed)
            hang_sky(world, site, {}, order.start)
            live = LiveSite(site, stage, world)
            async with live.alive():
                up.set_result(live)
                await self._leave.wait()

    async def _end(self) -> None:
        self._leave.set()
        if self._hosting is not None:
            await self._hosting
