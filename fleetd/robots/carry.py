"""Carrying commands and stops to the robots: one command at a time a robot, and a stop ahead of them all.

A command is written once. When its outcome is in doubt the robot is asked what became of its number. A stop may be
written again and again, for it does no harm: it stands until the robot has obeyed it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

import structlog

from fleetd.clock import iso_ms
from fleetd.devices import Outcome, ReadBack
from fleetd.errors import Declined, DeviceError, FleetError, ReplyTimeout, StoreError
from fleetd.records import Command, Stage
from fleetd.robots.expiry import Expiries
from fleetd.robots.gate import Gate
from fleetd.robots.journal import Journal
from fleetd.robots.lane import Lane, set_before, set_within
from fleetd.robots.settings import RobotsSettings
from fleetd.store.ledger import Entry

log = structlog.get_logger(__name__)

_LOOK_AGAIN_S = 5.0  # how soon a command is seen to have expired while its machine slept
PURGED = "purged by a stop"
T = TypeVar("T")


class Carrier:
    """Works off lanes, by tasks in the group that it is given."""

    def __init__(self, settings: RobotsSettings, journal: Journal, gate: Gate, tasks: asyncio.TaskGroup) -> None:
        self._settings = settings
        self.journal = journal
        self.gate = gate
        self._clock = journal.clock
        self.expiries = Expiries(journal.clock)
        self._tasks = tasks
        self._running: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run `work` until it ends or all is given up."""
        task = self._tasks.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def see_through(self, act: Coroutine[Any, Any, T], name: str) -> T:
        """Run `act` to its end and return what it returns, even if whoever waits for that is cancelled meanwhile."""
        ended: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.spawn(_run(act, ended), name)
        return await asyncio.shield(ended)

    def give_up(self) -> None:
        """Cancel all that is under way; the store knows how far it came."""
        for task in list(self._running):
            task.cancel()

    def wake(self, lane: Lane) -> None:
        """See to it that the commands of a lane are worked off."""
        if lane.worker is None and lane.waiting:
            lane.worker = self.spawn(self._work(lane), f"commands of {lane.name}")

    def demand_stop(self, lane: Lane) -> asyncio.Future[None]:
        """Stop a robot, now or as soon as it answers; the future is done once it has obeyed."""
        obeyed = lane.demand_stop()
        if lane.stopper is None:
            lane.stopper = self.spawn(self._stop(lane), f"stop of {lane.name}")
        return obeyed

    # Stops

    async def _stop(self, lane: Lane) -> None:
        poller = lane.robot.poller
        if not lane.online.is_set():
            state = f"is {poller.device.state}: {poller.device.reason}"
            self.journal.warn(lane.name, "stop-pending", f"{lane.name} {state}; it is stopped as soon as it answers")
        while lane.demands:
            await lane.online.wait()
            driver, demands = poller.device.driver, list(lane.demands)
            try:
                await poller.device.online().stop()
            except DeviceError as error:
                log.warning("stop not obeyed yet", device=lane.name, reason=str(error))
                poller.lost(driver, error)
                continue
            lane.changed_at = self._clock.now()
            for obeyed in demands:
                obeyed.set_result(None)
            del lane.demands[: len(demands)]
        lane.stopper = None
        lane.clear.set()

    # Commands

    async def _work(self, lane: Lane) -> None:
        while lane.waiting:
            entry = lane.waiting[0]
            under_way = entry.stage is Stage.STARTED
            ready = under_way or await self._ready(lane, entry.command)
            lane.current = lane.waiting.popleft()
            against = self.gate.before_sending(lane, entry.command)
            if under_way:
                await self._conclude(lane, entry, await self._recall(lane, entry))
            elif not ready:
                await self._expire(lane, entry.command)
            elif against is not None:
                await self.journal.finish(entry.command, Stage.FAILED, f"not sent: {against.reason}")
            else:
                await self._carry_out(lane, entry)
            self.gate.consents.done(entry.command.id)
            lane.current = None
        lane.worker = None

    async def _ready(self, lane: Lane, command: Command) -> bool:
        """Whether, before the command expires, the robot is online, no stop waits to be obeyed, and enough is known."""
        since = self._clock.now()
        while (left_s := self._left_s(command)) > 0:
            within_s = min(left_s, _LOOK_AGAIN_S)
            if lane.clear.is_set() and lane.online.is_set():
                if not self.gate.needs_news(lane, command, since):
                    return True
                await set_within(lane.robot.poller.news, self._clock, within_s)
            await set_within(lane.clear, self._clock, within_s)
            await set_within(lane.online, self._clock, within_s)
        return False

    async def _carry_out(self, lane: Lane, entry: Entry) -> None:
        command, stops = entry.command, lane.stops
        try:
            await self.journal.store.ledger.advance(command.id, Stage.STARTED)
        except StoreError as error:
            await self.journal.finish(command, Stage.FAILED, f"not sent, for it could not be noted: {error}")
            return
        if lane.stops != stops:
            await self.journal.finish(command, Stage.FAILED, PURGED)
        elif self._left_s(command) <= 0:
            await self._expire(lane, command)
        else:
            self.journal.started(command)
            verdict = await self._perform(lane, entry)
            if lane.stops != stops:
                self.demand_stop(lane)  # the command may have reached the robot behind the stop that overtook it
            await self._conclude(lane, entry, verdict)

    async def _perform(self, lane: Lane, entry: Entry) -> ReadBack | None:
        command, poller = entry.command, lane.robot.poller
        driver = poller.device.driver
        error: DeviceError
        try:
            # Past the deadline, in real time, the exchange is cut, so that nothing can be written late.
            async with asyncio.timeout(self._left_s(command) / self._clock.rate):
                return await _performed(poller.device.online(), entry)
        except DeviceError as caught:
            error = caught
        except TimeoutError:
            error = ReplyTimeout("did not answer before the command expired")
        log.warning("command in doubt", device=lane.name, id=command.id, reason=str(error))
        if not isinstance(error, Declined):
            poller.lost(driver, error)
        return await self._recall(lane, entry)

    async def _recall(self, lane: Lane, entry: Entry) -> ReadBack | None:
        """The robot's own word on a command in doubt, or None when it could not be asked in time. Writes nothing."""
        poller = lane.robot.poller
        window = timedelta(seconds=self._settings.recall_window_s)
        until = max(entry.command.expires_at, self._clock.now()) + window
        while await set_before(lane.online, self._clock, until):
            driver = poller.device.driver
            try:
                return await _recalled(poller.device.online(), entry)
            except DeviceError as error:
                poller.lost(driver, error)
        return None

    async def _conclude(self, lane: Lane, entry: Entry, verdict: ReadBack | None) -> None:
        if verdict is None:
            stage, reason = Stage.UNKNOWN, f"{lane.name} could not be asked what became of it: {lane.trouble}"
        elif verdict.outcome == Outcome.DONE:
            stage, reason = Stage.SUCCEEDED, verdict.reason
        elif verdict.outcome == Outcome.REFUSED:
            stage, reason = Stage.FAILED, f"{lane.name} refused: {verdict.reason}"
        else:
            stage, reason = Stage.FAILED, f"{lane.name} has not taken the command, and it is not sent twice"
        lane.changed_at = self._clock.now()
        await self.journal.finish(entry.command, stage, reason)

    async def _expire(self, lane: Lane, command: Command) -> None:
        reason = f"expired at {iso_ms(command.expires_at)} before it could be sent"
        if self.expiries.unknown(command):
            reason = "not sent: fleetd was started anew, and by the clock as it is nobody knows whether it is late"
        await self.journal.finish(command, Stage.FAILED, f"{reason}: {lane.trouble}" if lane.trouble else reason)

    def _left_s(self, command: Command) -> float:
        return self.expiries.left_s(command)


async def _run(act: Coroutine[Any, Any, T], ended: asyncio.Future[T]) -> None:
    try:
        ended.set_result(await act)
    except FleetError as error:
        ended.set_exception(error)
        ended.exception()  # seen, should nobody wait for it any more
    finally:
        ended.cancel()  # where it was given up, or ended in a bug; else without effect


async def _performed(driver: Any, entry: Entry) -> ReadBack:
    verdict: ReadBack = await driver.perform(entry.number, entry.command.action, entry.command.args)
    return verdict


async def _recalled(driver: Any, entry: Entry) -> ReadBack:
    verdict: ReadBack = await driver.recall(entry.number)
    return verdict
