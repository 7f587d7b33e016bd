"""What is written down and told about a command: its ledger entry, its audit entry and its published result."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass, field

import msgspec
import structlog

from fleetd.clock import Clock
from fleetd.errors import Refusal, StoreError
from fleetd.hub import Hub
from fleetd.records import Command, Event, Result, Severity, Stage
from fleetd.store.ledger import Entry
from fleetd.store.store import Store

log = structlog.get_logger(__name__)

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?")
_MOST_SHOWN = 128
_MOST_RECENT = 1000  # commands whose whole course is kept in memory; the ledger knows how all others ended


@dataclass(frozen=True, slots=True)
class Journal:
    """The store's word on commands, and the hub's."""

    store: Store
    hub: Hub
    clock: Clock
    _recent: OrderedDict[str, list[Result]] = field(default_factory=OrderedDict)

    async def accept(self, command: Command, reason: str = "", rule: str = "") -> tuple[Entry, Result]:
        """Take a command into the ledger, and publish that if its id is new. Raises StoreError."""
        result = self.result(command, Stage.ACCEPTED, reason, rule)
        entry = await self.store.ledger.accept(command, result)
        if entry.fresh:
            self._tell(result)
        return entry, result

    async def accept_told(self, command: Command) -> Result:
        """Publish that a command is accepted, then take it into the ledger; a store that does not take it stops
        nothing.
        """
        result = self.result(command, Stage.ACCEPTED)
        self._tell(result)
        try:
            await self.store.ledger.accept(command, result)
        except StoreError as error:
            self.store.outbox.owe(result)
            log.critical("a stop is not in the ledger", device=command.device, reason=str(error))
        return result

    def started(self, command: Command) -> None:
        """Publish that a command, which the ledger has as started, is on its way to the robot."""
        result = self.result(command, Stage.STARTED)
        self.store.outbox.post(result)
        self._tell(result)

    async def confirmed(self, command: Command, by: str) -> Result:
        """Publish and audit that a second person has given his word for a command. Raises StoreError if unaudited."""
        result = self.result(command, Stage.ACCEPTED, f"confirmed by {by}")
        detail = msgspec.json.encode({"id": command.id, "args": command.args, "asked_by": command.issuer}).decode()
        await self.store.audit.append(by, f"confirm {command.action} {command.device}", "done", detail)
        self.store.outbox.post(result)
        self._tell(result)
        return result

    def confirmation(self, command: Command, confirmed: str) -> Result:
        """Publish how a confirmation, as a command of its own, has ended."""
        result = self.result(command, Stage.SUCCEEDED, f"{confirmed} is confirmed")
        self.store.outbox.post(result)
        self._tell(result)
        return result

    async def audit_refused_word(self, command: Command, issuer: str, refusal: Refusal) -> None:
        """Audit that somebody's word for a command does not count."""
        detail = msgspec.json.encode({"id": command.id, "reason": refusal.reason}).decode()
        try:
            await self.store.audit.append(issuer, f"confirm {command.action} {command.device}", "refused", detail)
        except StoreError as error:
            log.critical("a decision is not in the audit chain", id=command.id, reason=str(error))

    def _tell(self, result: Result) -> None:
        self._recent.setdefault(result.id, []).append(result)
        if len(self._recent) > _MOST_RECENT:
            self._recent.popitem(last=False)
        self.hub.publish(result)

    async def course(self, command_id: str) -> list[Result]:
        """The results of a command so far, newest last; of an old one the newest alone, of an unknown one none.

        Raises StoreError.
        """
        if command_id in self._recent:
            return list(self._recent[command_id])
        entry = await self.store.ledger.entry(command_id)
        return [] if entry is None else [self.result(entry.command, entry.stage, entry.reason)]

    async def refuse(self, command: Command, refusal: Refusal) -> Result:
        """Publish and audit a refusal; the ledger holds accepted commands only. Hostile texts are cut short."""
        command = _presentable(command)
        log.info("command refused", device=command.device, action=command.action, reason=refusal.reason)
        result = self.result(command, Stage.REFUSED, refusal.reason, refusal.rule)
        if _NAME.fullmatch(command.device):  # nothing else may become part of a topic
            self.store.outbox.post(result)
            self.hub.publish(result)
        await self.audit(command, Stage.REFUSED, refusal.reason)
        return result

    async def finish(self, command: Command, stage: Stage, reason: str = "") -> Result:
        """Write down, publish and audit a final stage. A store that does not take it stops neither of the others.

        The result is in the outbox if and only if the ledger has the stage.
        """
        log.info("command", device=command.device, action=command.action, id=command.id, stage=stage, reason=reason)
        result = self.result(command, stage, reason)
        try:
            await self.store.ledger.advance(command.id, stage, reason, result)
        except StoreError as error:
            self.store.outbox.owe(result)
            log.critical("a result is not in the ledger", id=command.id, stage=stage, reason=str(error))
        self._tell(result)
        await self.audit(command, stage, reason)
        return result

    async def audit(self, command: Command, stage: Stage, reason: str = "") -> None:
        """Add a decision to the audit chain; a store that does not take it is logged and stops nothing."""
        detail = msgspec.json.encode({"id": command.id, "args": command.args, "reason": reason}).decode()
        try:
            await self.store.audit.append(command.issuer, f"{command.action} {command.device}", stage, detail)
        except StoreError as error:
            log.critical("a decision is not in the audit chain", id=command.id, stage=stage, reason=str(error))

    def warn(self, source: str, name: str, text: str) -> None:
        """Publish a critical event."""
        self.hub.publish(Event.now(self.clock, source, name, text, Severity.CRITICAL))

    def result(self, command: Command, stage: Stage, reason: str = "", rule: str = "") -> Result:
        """A result as of now."""
        return Result(
            at=self.clock.now(),
            clock_synced=self.clock.synced,
            id=command.id,
            device=command.device,
            action=command.action,
            stage=stage,
            reason=reason,
            rule=rule,
        )


def _presentable(command: Command) -> Command:
    return msgspec.structs.replace(
        command,
        id=command.id[:_MOST_SHOWN],
        device=command.device[:_MOST_SHOWN],
        action=command.action[:_MOST_SHOWN],
        issuer=command.issuer[:_MOST_SHOWN],
        args={},
    )
