"""The word of a second person: hazardous commands wait for it, a while, and then fail.

It is asked for here, in the daemon, where no client can leave it out. Neither what waits nor a word given outlives a
restart: a hazardous command without its second person is not sent.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from fleetd.errors import Refusal
from fleetd.store.ledger import Entry


@dataclass(slots=True, eq=False)
class Waiting:
    """A command that waits for a second person."""

    entry: Entry
    person: str
    """Who asked for it."""
    over: asyncio.Task[None] | None = None
    """Gives it up in time."""


@dataclass(slots=True)
class Consents:
    """What waits, and who has given his word for what, by command id."""

    _waiting: dict[str, Waiting] = field(default_factory=dict)
    _given: dict[str, str] = field(default_factory=dict)

    def wait(self, waiting: Waiting) -> None:
        """Have a command wait."""
        self._waiting[waiting.entry.command.id] = waiting

    def count(self, device: str) -> int:
        """How many commands for a device wait."""
        return sum(waiting.entry.command.device == device for waiting in self._waiting.values())

    def find(self, command_id: str, device: str) -> Waiting:
        """A command that waits. Raises Refusal when it does not, or is for another device."""
        waiting = self._waiting.get(command_id)
        if waiting is None or waiting.entry.command.device != device:
            raise Refusal("unknown-command", f"no command {command_id[:128]!r} for {device} waits for a second person")
        return waiting

    def give(self, waiting: Waiting, person: str) -> Entry:
        """A second person's word; the command waits no longer. Raises Refusal if it is the first person's own."""
        command = waiting.entry.command
        if person == waiting.person:
            reason = f"{person} has asked for {command.action} already; it takes somebody else to confirm it"
            raise Refusal("same-person", reason)
        self._end(command.id)
        self._given[command.id] = person
        return waiting.entry

    def given(self, command_id: str) -> bool:
        """Whether a second person has given his word."""
        return command_id in self._given

    def done(self, command_id: str) -> None:
        """A command has ended; its word is used up."""
        self._given.pop(command_id, None)

    def give_up(self, command_id: str) -> bool:
        """Its time is over; whether it still waited."""
        return self._waiting.pop(command_id, None) is not None

    def purge(self, device: str) -> list[Entry]:
        """Commands for a device wait no longer; returns those that did."""
        purged = [each.entry for each in self._waiting.values() if each.entry.command.device == device]
        for entry in purged:
            self._end(entry.command.id)
        return purged

    def _end(self, command_id: str) -> None:
        waiting = self._waiting.pop(command_id)
        if waiting.over is not None:
            waiting.over.cancel()
