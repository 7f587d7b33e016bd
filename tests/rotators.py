"""Every rotator driver with the sim that it is held to: what the device suite and the hostile suite share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from fleetd.clock import Clock, SystemClock
from fleetd.devices import AzEl, Rotator, RotatorLimits, load_driver
from fleetd.link.ports import Ports
from fleetd.link.url import parse_link
from fleetd_hil import catalogue
from fleetd_hil.bench import Bench
from fleetd_hil.line import Pace
from fleetd_hil.sim import Answer, Feed, Sim

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class EagerClock(SystemClock):
    """A clock that is hardly waited for: a sleep ends once the bytes under way have arrived, and that much later."""

    synced = True  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.elapsed_s = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.elapsed_s)

    def monotonic(self) -> float:
        return self.elapsed_s

    async def sleep(self, delay_s: float) -> None:
        until_s = self.elapsed_s + max(0.0, delay_s)
        # A busy machine's kernel takes its time to hand bytes from one end of a pty to the other.
        for _ in range(30 if delay_s > 1 else 5 if delay_s > 0 else 1):
            await asyncio.sleep(0.001)
        self.elapsed_s = max(self.elapsed_s, until_s)


@dataclass(frozen=True)
class Kind:
    """One driver: its sim of the same name, how it is set up, and how exactly it shows where it points."""

    name: str
    baud: int = 9600
    media: tuple[str, ...] = ("serial", "tcp")
    resolution_deg: float = 1.0
    settings: Mapping[str, Any] = field(default_factory=dict)
    quick: Mapping[str, Any] = field(default_factory=lambda: {"reply_timeout_ms": 80})
    """What makes it impatient, for tests in which it waits in vain."""
    azimuth_only: bool = False

    def __str__(self) -> str:
        return self.name


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


Spoil = Callable[[Answer], Iterable[Answer]]
"""What a bad line makes of one answer."""


@dataclass
class Seat:
    """A connected driver, and on the bench the far end of its link, too."""

    driver: Rotator
    clock: Clock
    kind: Kind
    url: str
    far: Far | None = None

    @property
    def bench(self) -> Far:
        """The far end, where it is known that there is one."""
        assert self.far is not None
        return self.far

    @property
    def heard(self) -> int:
        """How many times something has reached the sim."""
        return len(self.far.heard) if self.far else 0

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
            async with connected(self.kind, self.url, self.kind.settings, clock) as driver:
                yield Seat(driver, clock, self.kind, self.url)
            return
        async with on_bench(self.kind, self.medium, EagerClock(), self.kind.settings) as seat:
            yield seat

    @asynccontextmanager
    async def again(self, seat: Seat) -> AsyncIterator[Seat]:
        """Connect to the same device once more, after the first link has failed."""
        async with connected(self.kind, seat.url, self.kind.settings, seat.clock) as driver:
            yield replace(seat, driver=driver)


def stands() -> list[Stand]:
    """Every driver before its sim, over each medium that it takes."""
    return [Stand(kind, medium) for kind in KINDS for medium in kind.media]


@asynccontextmanager
async def connected(kind: Kind, url: str, settings: Mapping[str, Any], clock: Clock) -> AsyncIterator[Rotator]:
    """The driver of this kind, connected to `url`."""
    spec = load_driver(kind.name)
    async with spec.connect(Ports(), parse_link(url), spec.settings(**settings), clock) as driver:
        yield driver


@dataclass(frozen=True)
class Far:
    """The far end of a link: a sim on a bench, with `heard`, the bytes that have reached it."""

    kind: Kind
    sim: Sim
    bench: Bench
    url: str
    heard: list[bytes]

    def break_(self, *faults: str) -> None:
        """Break something now or later."""
        for fault in faults:
            self.bench.inject(self.sim, fault)

    def turn_by_hand(self, azimuth_deg: float) -> None:
        """Let the antenna stand elsewhere, in no time."""
        model = self.sim.units[1].model if self.sim.units else self.sim.model  # type: ignore[index,call-overload,attr-defined]
        model.azimuth._motion.position = azimuth_deg


@asynccontextmanager
async def far_end(
    kind: Kind,
    medium: str,
    clock: Clock,
    options: Mapping[str, float] | None = None,
    spoil: Spoil = lambda answer: [answer],
) -> AsyncIterator[Far]:
    """The sim of this kind behind a medium; `spoil` makes of each answer what the driver gets to see."""
    start = {"start_azimuth_deg": 100.0, "start_elevation_deg": 0.0 if kind.azimuth_only else 20.0}
    framing = "tcp" if medium == "modbus+tcp" else "rtu"
    sim = catalogue.build(kind.name, {**start, **(options or {})}, 0, catalogue.Bus(framing))  # type: ignore[arg-type]
    heard: list[bytes] = []
    attach = sim.attach

    def listening() -> Feed:
        feed = attach()

        def hear(data: bytes, at_s: float) -> list[Answer]:
            heard.append(data)
            return [each for answer in feed(data, at_s) for each in spoil(answer)]

        return hear

    sim.attach = listening  # type: ignore[method-assign]
    async with Bench.open(clock) as bench:
        if medium in ("serial", "modbus+rtu"):
            pace = Pace.of(kind.baud, rtu=medium == "modbus+rtu")
            url = f"{medium}://{(await bench.pty(sim, pace)).address}?baud={kind.baud}"
        else:
            url = f"{medium}://{(await bench.tcp(sim)).address}"
        yield Far(kind, sim, bench, url, heard)


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
