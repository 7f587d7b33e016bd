"""What waits for one robot: commands in their order, and stops, which wait behind nothing."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from fleetd.clock import Clock
from fleetd.robots.fleet import Member
from fleetd.store.ledger import Entry


@dataclass(slots=True, eq=False)
class Lane:
    """One robot's queue and the tasks that work it off."""

    robot: Member
    waiting: deque[Entry] = field(default_factory=deque)
    current: Entry | None = None
    """The command that was taken from the queue and has no final result yet."""
    worker: asyncio.Task[None] | None = None
    demands: list[asyncio.Future[None]] = field(default_factory=list)
    """Stops that the robot has not obeyed yet."""
    stopper: asyncio.Task[None] | None = None
    stops: int = 0
    """How many stops were demanded so far: whoever sees it change in between was overtaken."""
    changed_at: datetime | None = None
    """When a command or a stop last changed the robot, as far as is known; older readings tell of before."""
    clear: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while no stop waits to be obeyed."""

    def __post_init__(self) -> None:
        self.clear.set()

    @property
    def name(self) -> str:
        """The robot's configured name."""
        return self.robot.name

    @property
    def trouble(self) -> str:
        """Why the robot does not answer; empty while it does."""
        device = self.robot.poller.device
        return f"{device.name} is {device.state}, {device.reason}" if device.reason else ""

    @property
    def online(self) -> asyncio.Event:
        """Set while the robot answers."""
        return self.robot.poller.online

    def demand_stop(self) -> asyncio.Future[None]:
        """Note a stop; the future is done once the robot has obeyed it."""
        obeyed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.stops += 1
        self.demands.append(obeyed)
        self.clear.clear()
        return obeyed

    def purge(self) -> list[Entry]:
        """Empty the queue and return what was in it; a command already under way is not touched."""
        purged = list(self.waiting)
        self.waiting.clear()
        if self.worker is not None and self.current is None:
            self.worker.cancel()
            self.worker = None
        return purged


async def set_before(event: asyncio.Event, clock: Clock, until: datetime) -> bool:
    """Whether `event` is set before `until`; waits for the one or the other."""
    if clock.now() >= until:
        return False
    if not event.is_set():
        async with asyncio.TaskGroup() as tasks:
            waiting = [tasks.create_task(event.wait()), tasks.create_task(_true_at(clock, until))]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()
    return event.is_set() and clock.now() < until


async def set_within(event: asyncio.Event, clock: Clock, within_s: float) -> None:
    """Return once `event` is set, or `within_s` of running time have passed."""
    if event.is_set():
        return
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(event.wait()), tasks.create_task(_true_after(clock, within_s))]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()


async def _true_after(clock: Clock, within_s: float) -> bool:
    await clock.sleep(within_s)
    return True


async def _true_at(clock: Clock, until: datetime) -> bool:
    await clock.sleep_until(until)
    return True
