"""Every rotator driver with the sim that it is held to: what the device suite and the hostile suite share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from farend import EagerClock, Kind, Place, Spoil, connected, far_end
from hardware import Box, Boxed, Day

from fleetd.clock import Clock, SystemClock
from fleetd.devices import AzEl, Rotator, RotatorLimits
from fleetd.errors import DeviceError

NO_PAUSE = {"reply_timeout_ms": 80, "pause_ms": 0}
KINDS = (
    Kind("easycomm2", resolution_deg=0.1),
    Kind("easycomm3", resolution_deg=0.1),
    Kind("gs232a", quick={"reply_timeout_ms": 80, "pause_after_write_ms": 0}),
    Kind("gs232b", quick={"reply_timeout_ms": 80, "pause_after_write_ms": 0}),
    Kind("rotctld", media=("tcp",), resolution_deg=0.01, quick={"reply_timeout_ms": 80, "asks_limits": False}),
    Kind(
        "servo-rotator",
        19_200,
        ("modbus+rtu", "modbus+tcp", "modbus+rtuovertcp"),
        resolution_deg=0.001,
        quick={"timeout_ms": 60},
    ),
    Kind("spid-md01", resolution_deg=0.5, quick=NO_PAUSE),
    Kind("spid-rot1", 1200, quick=NO_PAUSE, azimuth_only=True),
    Kind("spid-rot2", 600, resolution_deg=0.5, quick=NO_PAUSE),
)


@dataclass
class Seat(Place[Rotator]):
    """A connected rotator driver."""

    @property
    def limits(self) -> RotatorLimits:
        return self.driver.limits

    def target(self, azimuth_deg: float, elevation_deg: float) -> AzEl:
        """A direction, level for those that know no elevation."""
        return AzEl(azimuth_deg, 0.0 if self.kind.azimuth_only else elevation_deg)

    def near(self, at: AzEl, to: AzEl) -> bool:
        """Whether a direction is as near to another as the device can show."""
        off_deg = max(abs(at.azimuth_deg - to.azimuth_deg), abs(at.elevation_deg - to.elevation_deg))
        return off_deg <= self.kind.resolution_deg * 0.51 + 1e-6

    async def arrives(self, to: AzEl, within_s: float = 180.0) -> bool:
        """Whether it gets there: it is asked again and again until it says so."""
        end_s = self.clock.monotonic() + within_s
        while self.clock.monotonic() < end_s:
            if self.near(await self.driver.where(), to):
                return True
            await self.clock.sleep(5.0 if self.far else 1.0)
        return False


@dataclass(frozen=True)
class Stand:
    """Where a driver meets its device: a sim behind a medium, or real hardware behind a URL."""

    kind: Kind
    medium: str = ""
    url: str = ""
    watched: bool = False
    box: Box | None = None
    day: Day | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"{self.kind}-{self.url or self.medium}"

    @property
    def real(self) -> bool:
        """Whether something heavy moves."""
        return bool(self.url)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Seat]:
        """Connect; a sim is made anew, standing at 100 and 20 degrees."""
        if self.real:
            clock = SystemClock()
            async with connected(self.kind, self.url, self.kind.settings, clock, self.day) as driver:
                boxed = driver if self.box is None else Boxed(driver, self.box)
                try:
                    yield Seat(boxed, clock, self.kind, self.url)
                finally:
                    if self.watched:
                        with suppress(DeviceError):  # the link may be what has failed
                            await driver.stop()
            return
        async with on_bench(self.kind, self.medium, EagerClock(), self.kind.settings) as seat:
            yield seat

    @asynccontextmanager
    async def again(self, seat: Seat) -> AsyncIterator[Seat]:
        """Connect to the same device once more, after the first link has failed."""
        async with connected(self.kind, seat.url, self.kind.settings, seat.clock, self.day) as driver:
            yield replace(seat, driver=driver)


def stands() -> list[Stand]:
    """Every driver before its sim, over each medium that it takes."""
    return [Stand(kind, medium) for kind in KINDS for medium in kind.media]


@asynccontextmanager
async def on_bench(
    kind: Kind,
    medium: str,
    clock: Clock,
    settings: Mapping[str, Any],
    options: Mapping[str, float] | None = None,
    spoil: Spoil = lambda answer: [answer],
) -> AsyncIterator[Seat]:
    """The driver before its sim."""
    async with far_end(kind, medium, clock, options, spoil) as far, connected(kind, far.url, settings, clock) as driver:
        yield Seat(driver, clock, kind, far.url, far)


def with_settings(kind: Kind, settings: Mapping[str, Any]) -> Kind:
    """The same kind, set up otherwise."""
    return replace(kind, settings=settings)
