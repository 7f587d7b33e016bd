"""What is written down and told of the orders for one satellite: published results, audit entries and events."""

from __future__ import annotations

import msgspec

from fleetd.clock import Clock
from fleetd.hub import Hub
from fleetd.records import Command, Event, Result, Severity, Stage
from fleetd.store.store import Store
from fleetd.store.telecommands import Step


class OrderJournal:
    """The store's word on one satellite's orders, and the hub's."""

    def __init__(self, satellite: str, store: Store, hub: Hub, clock: Clock) -> None:
        self.satellite = satellite
        self.store = store
        self.clock = clock
        self.held_up = ""
        """Why no order leaves at present; '' while any does."""
        self._hub = hub

    def result(self, command: Command, stage: Stage, reason: str = "", rule: str = "") -> Result:
        """A result as of now."""
        now, synced = self.clock.now(), self.clock.synced
        return Result(
            at=now,
            clock_synced=synced,
            id=command.id,
            device=self.satellite,
            action=command.action,
            stage=stage,
            reason=reason,
            rule=rule,
        )

    def tell(self, result: Result, *, posted: bool = False) -> Result:
        """To the hub; what the store has not committed with an entry goes to the outbox as well."""
        if posted:
            self.store.outbox.post(result)
        self._hub.publish(result)
        return result

    async def finish(self, command: Command, stage: Stage, reason: str, step: Step | None = None) -> Result:
        """Write down, audit and publish how an order has ended. Raises StoreError."""
        result = self.result(command, stage, reason)
        await self.store.telecommands.finish(command, result, step)
        await self.audit(command, stage, reason)
        return self.tell(result)

    async def audit(self, command: Command, stage: Stage, reason: str = "") -> None:
        """Add a decision to the audit chain. Raises StoreError."""
        detail = msgspec.json.encode({"id": command.id, "args": command.args, "reason": reason}).decode()
        await self.store.audit.append(command.issuer, f"{command.action} {command.device}", stage, detail)

    def hold_up(self, command: Command, why: str) -> None:
        """An order cannot leave now; said once for each reason."""
        if why != self.held_up:
            self.held_up = why
            self.say("order-held-up", f"{command.id} for {self.satellite}: {why}", Severity.INFO)

    def say(self, name: str, text: str, severity: Severity) -> None:
        """Publish an event of this satellite's."""
        detail = {"satellite": self.satellite}
        self._hub.publish(Event.now(self.clock, self.satellite, name, text, severity, detail))
