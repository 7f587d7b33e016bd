"""What comes in over MQTT: commands to hand over, and what is none to refuse aloud.

Each refusal is an event, and a refused result where the command's id can be read. A flood of rubbish is counted, but
not answered one by one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from fleetd.clock import Clock
from fleetd.errors import FleetError
from fleetd.hub import Hub
from fleetd.records import Command, Event, Result, Severity, Stage
from fleetd.relay.commands import UnreadableCommand, read_command
from fleetd.relay.pace import Allowance
from fleetd.relay.uplink import Incoming
from fleetd.store.outbox import Outbox

log = structlog.get_logger(__name__)

_MOST_AT_ONCE = 100
_ANSWERS_AT_ONCE, _ANSWERS_PER_S = 50, 5.0


class Intake:
    """Takes messages from the uplink and hands commands over, several at a time."""

    def __init__(
        self, hub: Hub, outbox: Outbox, clock: Clock, on_command: Callable[[Command], Awaitable[None]]
    ) -> None:
        self.commands = 0
        self.unreadable = 0
        self._hub = hub
        self._outbox = outbox
        self._clock = clock
        self._on_command = on_command
        self._under_way = 0
        self._answers = Allowance(clock, burst=_ANSWERS_AT_ONCE, per_s=_ANSWERS_PER_S)

    def take(self, incoming: Incoming, tasks: asyncio.TaskGroup) -> None:
        """Hand a command over in a task of its own, so that no slow device keeps a stop for another one waiting."""
        try:
            command = read_command(
                incoming.topic,
                incoming.payload,
                retained=incoming.retained,
                now=self._clock.now(),
                size=incoming.size,
            )
        except UnreadableCommand as refusal:
            self._complain(refusal)
            return
        self.commands += 1
        if self._under_way >= _MOST_AT_ONCE:
            self._refuse(command.id, command.device, command.action, "too many commands at once; send it again later")
            return
        self._under_way += 1
        tasks.create_task(self._hand_over(command), name=f"command {command.id}")

    async def _hand_over(self, command: Command) -> None:
        try:
            await self._on_command(command)
        except FleetError as refusal:
            self._refuse(command.id, command.device, command.action, str(refusal))
        finally:
            self._under_way -= 1

    def _complain(self, refusal: UnreadableCommand) -> None:
        self.unreadable += 1
        log.debug("command refused", device=refusal.device, rule=refusal.rule, reason=refusal.reason)
        if not self._answers.take():
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
            self._refuse(refusal.id, refusal.device, refusal.action, refusal.reason)

    def _refuse(self, id: str, device: str, action: str, reason: str) -> None:  # noqa: A002
        result = Result(
            at=self._clock.now(),
            clock_synced=self._clock.synced,
            id=id,
            device=device,
            action=action,
            stage=Stage.REFUSED,
            reason=reason,
        )
        self._outbox.post(result)
        self._hub.publish(result)
