"""Every rig driver with the sim that it is held to: what the device suite and the hostile suite share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from farend import EagerClock, Kind, Place, Spoil, connected, far_end
from hardware import Day

from fleetd.clock import Clock, SystemClock
from fleetd.devices import Rig
from fleetd_hil.models.rig import RigModel

NO_VFO = {"vfo_mode": 0.0}
QUICK = {"reply_timeout_ms": 80}
KINDS = (
    Kind("icom-civ", 19_200, quick=QUICK),
    Kind("rigctld", media=("tcp",), quick=QUICK),
)


@dataclass
class Desk(Place[Rig]):
    """A connected rig driver."""

    @property
    def model(self) -> RigModel:
        """The radio itself."""
        model: RigModel = self.bench.sim.model  # type: ignore[attr-defined]
        return model


@dataclass(frozen=True)
class RigStand:
    """Where a driver meets its radio: a sim behind a medium, or a real one behind a URL."""

    kind: Kind
    medium: str = ""
    options: tuple[tuple[str, float], ...] = ()
    url: str = ""
    watched: bool = False
    day: Day | None = field(default=None, compare=False)

    def __str__(self) -> str:
        extra = "-no-vfo" if dict(self.options) == NO_VFO else ""
        return f"{self.kind}-{self.url or self.medium}{extra}"

    @property
    def real(self) -> bool:
        """Whether something real is set, and could transmit."""
        return bool(self.url)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Desk]:
        """Connect; a sim is made anew, Main on 435 MHz and Sub on 145 MHz."""
        if self.real:
            clock = SystemClock()
            async with connected(self.kind, self.url, self.kind.settings, clock, self.day) as driver:
                yield Desk(driver, clock, self.kind, self.url)
            return
        async with on_bench(self.kind, self.medium, EagerClock(), self.kind.settings, dict(self.options)) as desk:
            yield desk

    @asynccontextmanager
    async def again(self, desk: Desk) -> AsyncIterator[Desk]:
        """Connect to the same radio once more, after the first link has failed."""
        async with connected(self.kind, desk.url, self.kind.settings, desk.clock, self.day) as driver:
            yield replace(desk, driver=driver)


def stands() -> list[RigStand]:
    """Every driver before its sim, over each medium that it takes."""
    every = [RigStand(kind, medium) for kind in KINDS for medium in kind.media]
    return [*every, RigStand(KINDS[-1], "tcp", tuple(NO_VFO.items()))]


@asynccontextmanager
async def on_bench(
    kind: Kind,
    medium: str,
    clock: Clock,
    settings: Mapping[str, Any],
    options: Mapping[str, float] | None = None,
    spoil: Spoil = lambda answer: [answer],
) -> AsyncIterator[Desk]:
    """The driver before its sim."""
    async with far_end(kind, medium, clock, options, spoil) as far, connected(kind, far.url, settings, clock) as driver:
        yield Desk(driver, clock, kind, far.url, far)
