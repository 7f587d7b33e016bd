"""What comes in over MQTT: commands to hand over, and what is none to refuse aloud.

Each refusal is in the audit chain, is an event, and is a refused result where the command's id can be read. A flood of
them is counted, and told and audited in one line. A stop is taken from anybody: it can do no harm that would outweigh
one that is not heard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from fleetd.access.matrix import STOP
from fleetd.access.signature import is_token
from fleetd.clock import Clock
from fleetd.errors import FleetError, Refusal, StoreError
from fleetd.hub import Hub
from fleetd.records import Command, Event, Result, Severity, Stage
from fleetd.relay.commands import UnreadableCommand, check_size, device_of, read_command, read_stop
from fleetd.relay.incoming import Incoming
from fleetd.relay.pace import Allowance
from fleetd.relay.signed import Signatures
from fleetd.store.store import Store

log = structlog.get_logger(__name__)

_MOST_AT_ONCE = 1000
_STOPS_BESIDE = 100  # stops that are taken however many others are under way
_ANSWERS_AT_ONCE, _ANSWERS_PER_S = 50, 5.0
_COUNT_AGAIN_S = 5.0


class Intake:
    """Takes messages from the uplink and hands commands over, several at a time."""

    def __init__(
        self,
        hub: Hub,
        store: Store,
        clock: Clock,
        signatures: Signatures | None,
        on_command: Callable[[Command], Awaitable[None]],
    ) -> None:
        self.commands = 0
        self.unreadable = 0
        self._hub = hub
        self._store = store
        self._clock = clock
        self._signatures = signatures
        self._on_command = on_command
        self._under_way = 0
        self._unanswered = 0
        self._answers = Allowance(clock, burst=_ANSWERS_AT_ONCE, per_s=_ANSWERS_PER_S)

    def take(self, incoming: Incoming, tasks: asyncio.TaskGroup) -> None:
        """Hand a command over in a task of its own, so that no slow device keeps a stop for another one waiting."""
        try:
            command, counter = self._read(incoming)
            if self._under_way >= _MOST_AT_ONCE + (_STOPS_BESIDE if command.action == STOP else 0):
                raise _of(command, Refusal("too-many", "too many commands at once; send it again later"))
        except UnreadableCommand as refusal:
            self._complain(refusal, tasks)
            return
        self.commands += 1
        self._under_way += 1
        tasks.create_task(self._hand_over(command, counter), name=f"command {command.id}")

    async def count(self) -> None:
        """For ever: put what a flood left unanswered into the audit chain, in one line."""
        while True:
            await self._clock.sleep(_COUNT_AGAIN_S)
            if self._unanswered:
                count, self._unanswered = self._unanswered, 0
                await self._audit("mqtt", "commands", f"{count} more were refused, faster than each could be noted")

    def _read(self, incoming: Incoming) -> tuple[Command, int | None]:
        """The command in a message, and its counter if it is signed. Raises UnreadableCommand."""
        topic, payload, now = incoming.topic, incoming.payload, self._clock.now()
        device = device_of(topic)
        check_size(device, incoming.size)
        if not is_token(payload):
            command = read_command(topic, payload, retained=incoming.retained, now=now)
            if self._signatures is None or command.action == STOP:
                return command, None
            raise _of(command, Refusal("unsigned", f"this site takes signed commands only; {command.action} is not"))
        if self._signatures is None:
            raise UnreadableCommand("no-keys", "signed, and this site knows no keys: list it in access", device=device)
        try:
            return self._signatures.read(topic, payload, retained=incoming.retained)
        except UnreadableCommand:
            stop = read_stop(topic, payload, retained=incoming.retained, now=now)
            if stop is not None:
                return stop, None
            raise

    async def _hand_over(self, command: Command, counter: int | None) -> None:
        try:
            if counter is not None and self._signatures is not None:
                await self._keep_counter(self._signatures, command, counter)
            await self._on_command(command)
        except FleetError as refusal:
            self._refuse(command.id, command.device, command.action, str(refusal))
            await self._audit(command.issuer, f"{command.action} {command.device}", str(refusal), command.id)
        finally:
            self._under_way -= 1

    async def _keep_counter(self, signatures: Signatures, command: Command, counter: int) -> None:
        """A stop waits for no disk; that its counter was used it may learn too late."""
        if command.action != STOP:
            await signatures.keep(command, counter)

    def _complain(self, refusal: UnreadableCommand, tasks: asyncio.TaskGroup) -> None:
        self.unreadable += 1
        log.debug("command refused", device=refusal.device, rule=refusal.rule, reason=refusal.reason)
        if not self._answers.take():
            self._unanswered += 1
            return
        event = Event(
            at=self._clock.now(),
            clock_synced=self._clock.synced,
            source="relay",
            name="command-refused",
            text=f"a command for {refusal.device or 'no device'} was refused: {refusal.reason}",
            severity=Severity.WARNING,
            detail={"device": refusal.device, "rule": refusal.rule, "id": refusal.id},
        )
        self._hub.publish(event)
        if refusal.id:
            self._refuse(refusal.id, refusal.device, refusal.action, refusal.reason, refusal.rule)
        act = f"{refusal.action or 'command'} {refusal.device}"
        tasks.create_task(self._audit("mqtt", act, refusal.reason, refusal.id), name="audit of a refused command")

    async def _audit(self, who: str, act: str, reason: str, id: str = "") -> None:  # noqa: A002
        try:
            await self._store.audit.append(who[:128], act[:128], Stage.REFUSED, f"{id[:128]} {reason}"[:500].strip())
        except StoreError as error:
            log.critical("a refusal is not in the audit chain", act=act, reason=str(error))

    def _refuse(self, id: str, device: str, action: str, reason: str, rule: str = "") -> None:  # noqa: A002
        result = Result(
            at=self._clock.now(),
            clock_synced=self._clock.synced,
            id=id,
            device=device,
            action=action,
            stage=Stage.REFUSED,
            reason=reason,
            rule=rule,
        )
        self._store.outbox.post(result)
        self._hub.publish(result)


def _of(command: Command, refusal: Refusal) -> UnreadableCommand:
    return UnreadableCommand(
        refusal.rule, refusal.reason, device=command.device, id=command.id, action=command.action[:64]
    )
