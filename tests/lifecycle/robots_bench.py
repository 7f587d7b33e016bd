"""A fleet of fake robots under real supervision, with a real store: what the tests of robots and control stand on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fleetd.access.matrix import Access
from fleetd.access.settings import AccessSettings
from fleetd.clock import VirtualClock
from fleetd.devices import ActionSpec, ArgumentSpec, InterlockSpec, Outcome, ReadBack, Sample
from fleetd.errors import DeviceError, LinkLost
from fleetd.hub import Hub, Subscription
from fleetd.records import Command, Result
from fleetd.robots.dispatch import Dispatch
from fleetd.robots.fleet import Fleet, Member
from fleetd.robots.journal import Journal
from fleetd.robots.poll import Poller, Rhythm
from fleetd.robots.settings import Place, RobotsSettings
from fleetd.store.store import Store
from fleetd.supervise import Backoff, Device, Progress, Supervision

NOON = datetime(2026, 11, 11, 12, tzinfo=UTC)
PLACES = {
    "depot": Place(stop=1, latitude_deg=30.301, longitude_deg=120.08),
    "library": Place(stop=2, latitude_deg=30.305, longitude_deg=120.084),
}
ACTIONS = {
    "send": ActionSpec("send", "Drive to a stop", (ArgumentSpec("stop", 1, 65_535, whole=True),)),
    "set_speed_limit": ActionSpec(
        "set_speed_limit", "Drive no faster", (ArgumentSpec("speed_m_s", 0.1, 5.556, whole=False, unit="m/s"),)
    ),
    "resume": ActionSpec("resume", "Go on"),
}
GUARDED = ACTIONS | {
    "send": replace(
        ACTIONS["send"],
        interlocks=(
            InterlockSpec("battery", ("battery_charge_percent",), "the battery is too low", minimum=10.0),
            InterlockSpec("doors_closed", ("door_1_open", "door_2_open"), "a door is open", one_of=(False,)),
        ),
    ),
    "resume": ActionSpec("resume", "Go on", hazardous=True, harmless_when={"stop_latched": (False,)}),
    "open_door": ActionSpec("open_door", "Open up", (ArgumentSpec("door", 1, 8, whole=True),), hazardous=True),
}
"""The same with interlocks, and with hazards of both kinds."""

READY = {
    "state": "idle", "stop_latched": False, "battery_charge_percent": 80.0, "door_1_open": False, "door_2_open": False,
}  # fmt: skip


@dataclass
class FakeRobot:
    """The robot itself: what it took lasts, whatever becomes of the link. Faults are set from outside."""

    written: list[tuple[int, str, Mapping[str, Any]]] = field(default_factory=list)
    verdicts: dict[int, ReadBack] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=lambda: {"state": "idle", "stop_latched": False})
    stops: int = 0
    connects: int = 0
    stop_hold: asyncio.Event | None = None
    stop_failures: list[DeviceError] = field(default_factory=list)
    heartbeats: list[float] = field(default_factory=list)
    reads: list[float] = field(default_factory=list)
    clock: VirtualClock | None = None
    there: bool = True
    answers_reads: bool = True
    perform_error: Callable[[], DeviceError] | None = None
    takes_before_error: bool = True
    verdict: ReadBack = field(default_factory=lambda: ReadBack(Outcome.DONE))
    hold: asyncio.Event | None = None

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[FakeRobot]:
        await asyncio.sleep(0)
        if not self.there:
            raise LinkLost("no route to it")
        self.connects += 1
        yield self

    @property
    def actions(self) -> Mapping[str, ActionSpec]:
        return ACTIONS

    async def read(self) -> Sample:
        await asyncio.sleep(0)
        if not (self.there and self.answers_reads):
            raise LinkLost("it went away")
        self.reads.append(self.clock.monotonic() if self.clock else 0.0)
        return Sample(dict(self.values))

    async def heartbeat(self) -> None:
        await asyncio.sleep(0)
        if not self.there:
            raise LinkLost("it went away")
        self.heartbeats.append(self.clock.monotonic() if self.clock else 0.0)

    async def stop(self) -> None:
        await asyncio.sleep(0)
        if self.stop_failures:
            raise self.stop_failures.pop()
        if not self.there:
            raise LinkLost("it went away")
        self.stops += 1
        if self.stop_hold is not None:
            await self.stop_hold.wait()

    async def perform(self, number: int, action: str, args: Mapping[str, Any], /) -> ReadBack:
        await asyncio.sleep(0)
        if self.perform_error is None or self.takes_before_error:
            self.written.append((number, action, dict(args)))
            self.verdicts[number] = self.verdict
        if self.hold is not None:
            await self.hold.wait()
        if self.perform_error is not None:
            error, self.perform_error = self.perform_error(), None
            raise error
        return self.verdict

    async def recall(self, number: int, /) -> ReadBack:
        await asyncio.sleep(0)
        if not self.there:
            raise LinkLost("it went away")
        return self.verdicts.get(number, ReadBack(Outcome.UNSEEN))


@dataclass
class Bench:
    """Clock, hub, store and supervised robots, and the dispatch over them."""

    clock: VirtualClock
    hub: Hub
    store: Store
    robots: dict[str, FakeRobot]
    fleet: Fleet
    dispatch: Dispatch
    results: Subscription
    told: list[Result] = field(default_factory=list)

    def command(self, **changes: Any) -> Command:
        now = self.clock.now()
        facts = {
            "id": "c1",
            "device": "robot-01",
            "action": "send",
            "args": {"stop": 2},
            "issuer": "test",
            "issued_at": now,
            "expires_at": now + timedelta(seconds=30),
        }
        return Command(**{**facts, **changes})

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for the store's thread and the tasks, while the bench's clock stands still."""
        for _ in range(20_000):
            if condition():
                return
            await asyncio.sleep(0.001)
        raise AssertionError("it did not come to that")

    async def quiet(self) -> None:
        """Give whatever should not happen the time in which it would, the store's thread included."""
        for _ in range(20):
            await asyncio.sleep(0.002)

    async def online(self, name: str = "robot-01") -> None:
        await self.until(self.fleet.member(name).poller.online.is_set)

    def stages(self, command_id: str = "c1") -> list[str]:
        """The stages published for a command, in order."""
        while len(self.results):
            self.told.append(self.results._queue.popleft())
        return [str(result.stage) for result in self.told if result.id == command_id]

    def last(self, command_id: str = "c1") -> Result:
        self.stages()
        return [result for result in self.told if result.id == command_id][-1]

    async def settled(self, command_id: str = "c1") -> Result:
        """The final result of a command, without moving the clock."""
        await self.until(lambda: bool(self.stages(command_id)) and self.last(command_id).stage.final)
        return self.last(command_id)


@asynccontextmanager
async def bench(
    folder: Path,
    robots: dict[str, FakeRobot] | None = None,
    *,
    clock: VirtualClock | None = None,
    poll_s: float = 1.0,
    access: AccessSettings | None = None,
    actions: Mapping[str, ActionSpec] = ACTIONS,
    groups: dict[str, tuple[str, ...]] | None = None,
    **settings: Any,
) -> AsyncIterator[Bench]:
    """Supervised robots, polled each `poll_s`, with an open store and an open dispatch."""
    robots = {"robot-01": FakeRobot()} if robots is None else robots
    clock = clock or VirtualClock(NOON)
    access = access or AccessSettings()
    hub = Hub()
    supervision = Supervision(clock, hub.publish, Progress(clock))
    members = {}
    for name, robot in robots.items():
        robot.clock = clock
        device = Device(name, robot.connect, Backoff(0.5, 0.5))
        poller = Poller(device, supervision, hub.publish, Rhythm(poll_s))
        members[name] = Member(poller, "fake", actions)
    fleet = Fleet(members, PLACES, groups or {})
    async with Store.open(folder, node="test", clock=clock) as store, asyncio.TaskGroup() as tasks:
        with hub.subscribe("test", Result) as results:
            loops = [tasks.create_task(fleet.watch(hub))]
            for member in members.values():
                loops.append(tasks.create_task(supervision.run(member.poller.device, member.poller.work)))
            rules = RobotsSettings(places=PLACES, **settings)
            async with Dispatch.open(rules, fleet, Journal(store, hub, clock), Access(access)) as dispatch:
                yield Bench(clock, hub, store, robots, fleet, dispatch, results)
            for loop in loops:
                loop.cancel()
