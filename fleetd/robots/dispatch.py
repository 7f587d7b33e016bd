"""The one way by which a command reaches a robot.

Judged, then durable in the ledger, then carried out: one at a time a robot, in order, never twice, never late. A stop
is the exception to all queueing: it goes first, empties the queue, waits for no disk, and stands until it is obeyed.

This is a supervisory stop and no certified safety function: emergency stops belong in the robot.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import msgspec
import structlog

from fleetd.access.matrix import Access
from fleetd.clock import iso_ms
from fleetd.errors import Refusal, StoreError
from fleetd.marks import fresh_mark
from fleetd.records import Command, Result, Stage
from fleetd.robots.carry import PURGED, Carrier
from fleetd.robots.consent import Consents, Waiting
from fleetd.robots.fleet import Fleet
from fleetd.robots.gate import Gate
from fleetd.robots.journal import Journal
from fleetd.robots.judge import CONFIRM, STOP, judge, judge_id, judge_time, resolve
from fleetd.robots.lane import Lane
from fleetd.robots.settings import RobotsSettings
from fleetd.robots.zones import Zones
from fleetd.store.ledger import Entry

log = structlog.get_logger(__name__)

_STORE_ANSWERS_WITHIN_S = 0.05  # real seconds that a stop gives the store to say whether it is a repeat
_MOST_STOPS = 1000  # that wait for one robot; one suffices, the others only want to hear of it


class Dispatch:
    """All commands of the site on their way; made by `Dispatch.open`."""

    def __init__(self, settings: RobotsSettings, fleet: Fleet, carrier: Carrier) -> None:
        self._settings = settings
        self._fleet = fleet
        self._journal = carrier.journal
        self._carrier = carrier
        self._gate = carrier.gate
        self._lanes = {name: Lane(member) for name, member in fleet.members.items()}

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: RobotsSettings, fleet: Fleet, journal: Journal, access: Access
    ) -> AsyncIterator[Dispatch]:
        """Dispatching while the context lasts, beginning with what an earlier run left unfinished.

        Leaving cancels what is under way; the next run asks the robots what became of it. Raises StoreError.
        """
        async with asyncio.TaskGroup() as tasks:
            carrier = Carrier(settings, journal, Gate(access, Consents(), Zones(settings.zones)), tasks)
            dispatch = cls(settings, fleet, carrier)
            try:
                await dispatch._take_up(await journal.store.ledger.unfinished())
                yield dispatch
            finally:
                carrier.give_up()

    @property
    def command_expiry_s(self) -> float:
        """How long a command lives whose sender did not say."""
        return self._settings.command_expiry_s

    async def submit(self, command: Command) -> Result:
        """Judge a command and, once it is durable, have it carried out; returns ACCEPTED or REFUSED.

        An id that was seen before runs nothing: its newest result is returned. Further results are published. Whoever
        stops waiting does not stop the command. Raises StoreError when the store does not take it; a stop goes out all
        the same.
        """
        return await self._carrier.see_through(self._submit(command), f"submit {command.id[:64]}")

    async def submit_all(self, command: Command) -> list[Result]:
        """`submit` for each robot of a group, under ids of their own: the command's, a colon and the robot's name.

        A device that is no group's name is but one robot, and the id stays. Raises StoreError.
        """
        robots = self._fleet.addressed(command.device)
        if robots is None:
            return [await self.submit(command)]
        return list(await asyncio.gather(*(self.submit(_one_of(command, robot)) for robot in robots)))

    async def _submit(self, command: Command) -> Result:
        try:
            judge_id(command.id)
            if command.action == CONFIRM:
                return await self._confirm(command)
            self._gate.access.judge(command.issuer, command.action)
            lane = self._lane(command.device)
            known = await self._known(command)
            if known is not None:
                return self._repeated(lane, command, known)
            judged = judge(command, lane.robot.actions, self._settings, self._journal.clock.now())
            return await (self._demand(lane, judged) if judged.action == STOP else self._accept(lane, judged))
        except Refusal as refusal:
            return await self._journal.refuse(command, refusal)

    async def stop(self, device: str, issuer: str) -> Result:
        """Stop one robot ahead of everything else; returns ACCEPTED, or REFUSED where there is no such robot."""
        now = self._journal.clock.now()
        command = Command(
            id=f"stop-{fresh_mark(8)}",
            device=device,
            action=STOP,
            issuer=issuer,
            issued_at=now,
            expires_at=now + timedelta(seconds=self._settings.command_expiry_s),
        )
        return await self._carrier.see_through(self._stop(command), command.id)

    async def _stop(self, command: Command) -> Result:
        try:
            return await self._demand(self._lane(command.device), command)
        except Refusal as refusal:
            return await self._journal.refuse(command, refusal)

    async def stop_all(self, issuer: str) -> list[Result]:
        """Stop every robot of the site."""
        return list(await asyncio.gather(*(self.stop(device, issuer) for device in self._lanes)))

    async def results(self, command_id: str) -> list[Result]:
        """What became of a command so far, newest last; empty for an id that was never accepted. Raises StoreError."""
        return await self._journal.course(command_id)

    def _lane(self, device: str) -> Lane:
        return self._lanes[self._fleet.member(device).name]

    async def _known(self, command: Command) -> Entry | None:
        """The entry of a command whose id was seen before. A stop does not wait for a slow or broken store."""
        if command.action != STOP:
            return await self._journal.store.ledger.entry(command.id)
        try:
            async with asyncio.timeout(_STORE_ANSWERS_WITHIN_S):
                return await self._journal.store.ledger.entry(command.id)
        except (TimeoutError, StoreError):
            return None  # stopping twice does no harm, waiting for a disk might

    def _repeated(self, lane: Lane, command: Command, known: Entry) -> Result:
        before = known.command
        same = (before.device, before.action) == (command.device, command.action)
        if same and command.action != STOP:
            same = before.args == resolve(command, lane.robot.actions, self._settings).args
        if not same:
            raise Refusal("id-reused", f"the id {command.id!r} stands for another command already; give each its own")
        return self._journal.result(before, known.stage, known.reason)

    async def _accept(self, lane: Lane, command: Command) -> Result:
        waiting = len(lane.waiting) + self._gate.consents.count(lane.name)
        if waiting >= self._settings.queue_length:
            raise Refusal("queue-full", f"{waiting} commands already wait for {command.device}")
        stops = lane.stops
        reason, rule = "", ""
        if self._gate.at_entry(lane, command, self._journal.clock.now()):
            reason, rule = f"waits for a second person until {iso_ms(self._wait_until(command))}", CONFIRM
        entry, result = await self._journal.accept(command, reason, rule)
        if not entry.fresh:
            return self._repeated(lane, command, entry)
        self._carrier.expiries.note(command)
        await self._journal.audit(command, Stage.ACCEPTED, reason)
        if lane.stops != stops:
            return await self._journal.finish(command, Stage.FAILED, PURGED)
        if rule:
            self._let_wait(entry)
        else:
            self._enqueue(lane, entry)
        return result

    def _enqueue(self, lane: Lane, entry: Entry) -> None:
        lane.waiting.append(entry)
        self._carrier.wake(lane)

    # A second person

    async def confirm(self, command_id: str, device: str, issuer: str) -> Result:
        """A second person's word for a command that waits for it; returns how that stands now.

        Raises Refusal for one that does not wait, and for whoever may not do what it does or has asked for it himself.
        """
        return await self._carrier.see_through(
            self._give_word(command_id, device, issuer), f"confirm {command_id[:64]}"
        )

    async def _confirm(self, command: Command) -> Result:
        """The same as a command of its own, with a result of its own."""
        judge_time(command, self._settings, self._journal.clock.now())
        wanted = command.args.get("command")
        if not isinstance(wanted, str) or len(command.args) != 1:
            raise Refusal("argument", f"{CONFIRM} has one argument, 'command': the id of the command to confirm")
        await self._give_word(wanted, command.device, command.issuer)
        return self._journal.confirmation(command, wanted)

    async def _give_word(self, command_id: str, device: str, issuer: str) -> Result:
        waiting = self._gate.consents.find(command_id, device)
        command = waiting.entry.command
        try:
            person = self._gate.access.judge(issuer, command.action)
            entry = self._gate.consents.give(waiting, person)
        except Refusal as refusal:
            await self._journal.audit_refused_word(command, issuer, refusal)
            raise
        lane = self._lane(device)
        stops = lane.stops
        try:
            result = await self._journal.confirmed(command, issuer)
        except StoreError as error:
            return await self._journal.finish(command, Stage.FAILED, f"its confirmation could not be noted: {error}")
        if lane.stops != stops:
            return await self._journal.finish(command, Stage.FAILED, PURGED)
        self._enqueue(lane, entry)
        return result

    def _let_wait(self, entry: Entry) -> None:
        waiting = Waiting(entry, self._gate.access.person(entry.command.issuer) or entry.command.issuer)
        self._gate.consents.wait(waiting)
        waiting.over = self._carrier.spawn(self._give_up(entry.command), f"second person for {entry.command.id[:64]}")

    async def _give_up(self, command: Command) -> None:
        await self._journal.clock.sleep_until(self._wait_until(command))
        if self._gate.consents.give_up(command.id):
            await self._journal.finish(command, Stage.FAILED, "no second person confirmed it in time")

    def _wait_until(self, command: Command) -> datetime:
        window = timedelta(seconds=self._gate.access.settings.confirm_within_s)
        return min(command.expires_at, self._journal.clock.now() + window)

    # Stops

    async def _demand(self, lane: Lane, command: Command) -> Result:
        if len(lane.demands) >= _MOST_STOPS:
            raise Refusal("queue-full", f"{_MOST_STOPS} stops already wait until {command.device} obeys")
        obeyed = self._carrier.demand_stop(lane)  # before all else: nothing durable stands between a stop and the wire
        purged = lane.purge() + self._gate.consents.purge(lane.name)
        result = await self._journal.accept_told(command)
        self._follow(command, obeyed)
        await self._journal.audit(command, Stage.ACCEPTED)
        for entry in purged:
            self._gate.consents.done(entry.command.id)
            await self._journal.finish(entry.command, Stage.FAILED, PURGED)
        return result

    def _follow(self, command: Command, obeyed: asyncio.Future[None]) -> None:
        self._carrier.spawn(self._see_obeyed(command, obeyed), f"stop {command.id}")

    async def _see_obeyed(self, command: Command, obeyed: asyncio.Future[None]) -> None:
        await obeyed
        await self._journal.finish(command, Stage.SUCCEEDED)

    async def _take_up(self, unfinished: list[Entry]) -> None:
        """Go on with what an earlier run left: stop, ask what became of commands under way, send what still may be."""
        for entry in unfinished:
            command = entry.command
            self._carrier.expiries.inherit(command)
            lane = self._lanes.get(command.device)
            if lane is None:
                stage = Stage.UNKNOWN if entry.stage is Stage.STARTED else Stage.FAILED
                await self._journal.finish(command, stage, f"there is no robot {command.device!r} any more")
            elif command.action == STOP:
                self._follow(command, self._carrier.demand_stop(lane))
            else:
                lane.waiting.append(entry)
        for lane in self._lanes.values():
            self._carrier.wake(lane)


def _one_of(command: Command, robot: str) -> Command:
    """A group's command as one robot's; a confirmation names that robot's command, too."""
    args = dict(command.args)
    if command.action == CONFIRM and isinstance(args.get("command"), str):
        args["command"] = f"{args['command']}:{robot}"
    return msgspec.structs.replace(command, device=robot, id=f"{command.id}:{robot}", args=args)
