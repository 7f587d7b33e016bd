"""Until when a command may be sent: by civil time, and by running time since it was accepted, whichever ends first.

So a wall clock that is set back makes no command live longer, and a machine that slept sends none late.
"""

from __future__ import annotations

from collections import OrderedDict

from fleetd.clock import Clock
from fleetd.records import Command

_KEEP_S = 86_400.0  # beyond their end; no queue holds a command for as long


class Expiries:
    """The commands of this run, by id."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due_s: OrderedDict[str, float] = OrderedDict()

    def note(self, command: Command) -> None:
        """A command has been accepted, now."""
        now_s = self._clock.boottime()
        self._due_s[command.id] = now_s + self._civil_left_s(command)
        while self._due_s and next(iter(self._due_s.values())) < now_s - _KEEP_S:
            self._due_s.popitem(last=False)

    def inherit(self, command: Command) -> None:
        """A command is left from an earlier run. By a clock that cannot be trusted, or stands before it, nobody knows
        how old it is.
        """
        if self._clock.synced and self._clock.now() >= command.issued_at:
            self.note(command)
        else:
            self._due_s[command.id] = float("-inf")

    def left_s(self, command: Command) -> float:
        """For how long it may still be sent, seconds; not positive once it may not."""
        running_left_s = self._due_s.get(command.id, float("inf")) - self._clock.boottime()
        return min(self._civil_left_s(command), running_left_s)

    def unknown(self, command: Command) -> bool:
        """Whether it counts as expired only because nobody knows."""
        return self._due_s.get(command.id) == float("-inf")

    def _civil_left_s(self, command: Command) -> float:
        return (command.expires_at - self._clock.now()).total_seconds()
