"""A driver's counterpart: its sim behind a medium, and what may be done to the line between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from hardware import Day

from fleetd.clock import Clock, SystemClock
from fleetd.devices import load_driver
from fleetd.link.ports import Ports
from fleetd.link.url import parse_link
from fleetd_hil import catalogue
from fleetd_hil.bench import Bench
from fleetd_hil.line import Pace
from fleetd_hil.sim import Answer, Feed, Sim

D = TypeVar("D")

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class EagerClock(SystemClock):
    """A clock that is hardly waited for: a sleep ends once the bytes under way have arrived, and that much later."""

    synced = True  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.elapsed_s = 0.0
        self._acting: set[asyncio.Future[None]] = set()

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

    def call_at(self, due_s: float, act: Callable[[], None]) -> None:
        acting = asyncio.ensure_future(self._act(due_s, act))
        self._acting.add(acting)
        acting.add_done_callback(self._acting.discard)

    async def _act(self, due_s: float, act: Callable[[], None]) -> None:
        await self.sleep(due_s - self.elapsed_s)
        act()


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


Spoil = Callable[[Answer], Iterable[Answer]]
"""What a bad line makes of one answer."""


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


@dataclass
class Place(Generic[D]):
    """A connected driver, and on the bench the far end of its link, too."""

    driver: D
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


@asynccontextmanager
async def connected(
    kind: Kind, url: str, settings: Mapping[str, Any], clock: Clock, day: Day | None = None
) -> AsyncIterator[Any]:
    """The driver of this kind, connected to `url`; on a day with real hardware for the record."""
    spec = load_driver(kind.name)
    ports = day.ports() if day else Ports()
    async with spec.connect(ports, parse_link(url), spec.settings(**settings), clock) as driver:
        yield driver
