"""An antenna in virtual time: its rotator really turns, can be broken in every way, and notes what it is told."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec

from fleetd.clock import VirtualClock
from fleetd.contact.antenna import ROTATOR_BACKOFF, Antenna
from fleetd.contact.booking import Candidate, Contact, pass_id
from fleetd.contact.interlock import Sun
from fleetd.contact.maintenance import Maintenance
from fleetd.contact.settings import AntennaSettings, DirectionSettings, SlewSettings
from fleetd.contact.worker import Worker
from fleetd.devices import AzEl, RotatorLimits
from fleetd.errors import Declined, LinkLost, Refusal
from fleetd.hub import Hub, Subscription
from fleetd.orbit.elementset import ElementSet
from fleetd.orbit.passes import Station, find_passes
from fleetd.records import ContactReport, Event
from fleetd.supervise import Device, Progress, Supervision

T = datetime(2026, 11, 11, 12, tzinfo=UTC)
AOS, LOS = T + timedelta(minutes=5), T + timedelta(minutes=17)
TURNS = 30  # rounds of the event loop after each wake-up: a measurement and a move pass through several tasks

ELEMENTS = ElementSet(
    norad_id=999_100_101, name="candy-tin", epoch=T, inclination_deg=97.5, raan_deg=0.0, eccentricity=0.001,
    argument_of_perigee_deg=0.0, mean_anomaly_deg=0.0, mean_motion_rev_day=15.2, bstar=1e-5,
)  # fmt: skip

SOME_PASS = find_passes([ELEMENTS], [Station("here", 30.27, 120.15)], T, T + timedelta(days=1))[0]


@dataclass(frozen=True)
class Flyby:
    """A straight flight 500 km up at 7.5 km/s around the middle of the contact, culminating at 40 degrees."""

    middle_azimuth_deg: float = 150.0

    def at(self, when: datetime) -> AzEl:
        along_km = 7.5 * ((when - AOS).total_seconds() - (LOS - AOS).total_seconds() / 2)
        aside_km = 500 / math.tan(math.radians(40))
        azimuth_deg = self.middle_azimuth_deg - math.degrees(math.atan2(along_km, aside_km))
        return AzEl(azimuth_deg, math.degrees(math.atan2(500, math.hypot(along_km, aside_km))))


class Rotator:
    """Turns at 6 and 3 deg/s of the clock. `broken` makes every exchange fail; `gate`, if set, holds each one up.

    While `declines` it answers where it is with a refusal.
    """

    def __init__(self, clock: VirtualClock) -> None:
        self.limits = RotatorLimits(0.0, 450.0, 0.0, 180.0, 1.0)
        self.heard: list[tuple[str, AzEl | None]] = []
        self.broken = self.declines = False
        self.gate: asyncio.Event | None = None
        self.exchanges = 0
        self._clock = clock
        self._position = AzEl(0.0, 90.0)
        self._target: AzEl | None = None
        self._since_s = clock.monotonic()

    @property
    def told(self) -> list[tuple[str, AzEl | None]]:
        """What was heard that is no question."""
        return [each for each in self.heard if each[0] != "where"]

    @property
    def moving(self) -> bool:
        return self._target is not None and self.position() != self._target

    def position(self) -> AzEl:
        """Where it really is."""
        now_s = self._clock.monotonic()
        passed_s, self._since_s = now_s - self._since_s, now_s
        if self._target is not None:
            self._position = AzEl(
                _towards(self._position.azimuth_deg, self._target.azimuth_deg, 6.0 * passed_s),
                _towards(self._position.elevation_deg, self._target.elevation_deg, 3.0 * passed_s),
            )
        return self._position

    async def point(self, to: AzEl, /) -> None:
        await self._exchange("point", to)
        self.position()
        self._target = to

    async def where(self) -> AzEl:
        await self._exchange("where", None)
        if self.declines:
            raise Declined("the drive reports a failure", code=4)
        here = self.position()
        return AzEl(float(round(here.azimuth_deg)), float(round(here.elevation_deg)))

    async def stop(self) -> None:
        await self._exchange("stop", None)
        self.position()
        self._target = None

    async def _exchange(self, verb: str, to: AzEl | None) -> None:
        self.exchanges += 1
        if self.gate is not None:
            await self.gate.wait()
        await asyncio.sleep(0)
        if self.broken:
            raise LinkLost("the adapter was unplugged")
        self.heard.append((verb, to))


def _towards(here: float, there: float, most: float) -> float:
    return there if abs(there - here) <= most else here + math.copysign(most, there - here)


class Shelf:
    """Keeps entries as the store does, in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    async def all(self) -> list[bytes]:
        return list(self.kept.values())

    async def put(self, entry_id: str, body: bytes, /) -> None:
        self.kept[entry_id] = body

    async def drop(self, entry_id: str, /) -> None:
        self.kept.pop(entry_id, None)


@dataclass
class Bench:
    """What a test needs of it."""

    clock: VirtualClock
    rotator: Rotator
    antenna: Antenna
    hub: Hub
    records: Subscription
    serving: asyncio.Task[None]
    maintenance: Maintenance
    seen: list[object] = field(default_factory=list)

    async def advance(self, seconds: float) -> None:
        await self.clock.advance(seconds, turns=TURNS)

    async def until(self, done: Callable[[], bool], within_s: float = 3600.0, step_s: float = 5.0) -> None:
        waited_s = 0.0
        while not done():
            if waited_s >= within_s:
                raise AssertionError(f"not so after {within_s} s")
            await self.advance(step_s)
            waited_s += step_s

    def all_records(self) -> list[object]:
        while len(self.records):
            self.seen.append(self.records._queue.popleft())
        return self.seen

    def events(self) -> list[str]:
        return [record.name for record in self.all_records() if isinstance(record, Event)]

    def report(self) -> ContactReport:
        (report,) = (record for record in self.all_records() if isinstance(record, ContactReport))
        return report

    async def lock(self, who: str, why: str) -> None:
        await self.maintenance.lock("dish", who, why)

    async def unlock(self) -> None:
        with suppress(Refusal):
            await self.maintenance.unlock("dish", "ada")

    def worker(self, sky: Flyby | None = None) -> Worker:
        return Worker(contact(), self.antenna, sky or Flyby(), self.hub)

    def verbs(self) -> list[str]:
        return [verb for verb, _ in self.rotator.heard]


def contact() -> Contact:
    sat_pass = msgspec.structs.replace(
        SOME_PASS, satellite="candy-tin", aos=AOS, culmination=AOS + (LOS - AOS) / 2, los=LOS, max_elevation_deg=40.0
    )
    return Contact(Candidate(pass_id("candy-tin", AOS), "candy-tin", sat_pass, AOS, LOS, 1, ELEMENTS), "dish")


def settings(**changes: object) -> AntennaSettings:
    given: dict[str, object] = {
        "name": "dish",
        "rotator": "dish-rotator",
        "azimuth_limits_deg": (0.0, 450.0),
        "elevation_limits_deg": (0.0, 90.0),
        "slew_deg_s": SlewSettings(azimuth=6.0, elevation=3.0),
        "park": DirectionSettings(azimuth_deg=0.0, elevation_deg=90.0),
    }
    return AntennaSettings.model_validate(given | changes)


@asynccontextmanager
async def bench(
    *, connected: bool = True, synced: bool = True, sun: Sun | None = None, **changes: object
) -> AsyncIterator[Bench]:
    """An antenna under supervision, its rotator connected; at the end it is cancelled as the daemon would."""
    clock = VirtualClock(T, synced=synced)
    rotator, hub = Rotator(clock), Hub()

    @asynccontextmanager
    async def connect() -> AsyncIterator[Rotator]:
        if rotator.broken:
            raise LinkLost("no such device")
        yield rotator

    device = Device("dish-rotator", connect, backoff=ROTATOR_BACKOFF)
    supervision = Supervision(clock, hub.publish, Progress(clock))
    antenna = Antenna(settings(**changes), device, supervision, hub, sun)
    with hub.subscribe("test") as records:
        rotator.broken = not connected
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(supervision.run(device, antenna.work), name="rotator")
            maintenance = Maintenance({"dish": antenna}, Shelf(), clock, hub.publish)
            made = Bench(clock, rotator, antenna, hub, records, serving, maintenance)
            await made.advance(0.1)
            try:
                yield made
            finally:
                rotator.gate = None
                serving.cancel()
