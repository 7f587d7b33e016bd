"""Who may move an antenna: one contact, or one operator, at a time.

A contact takes precedence over operators; whoever wants an antenna for longer locks it for maintenance. An operator's
hold runs out by itself, so nobody has to remember to give it back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fleetd.clock import Clock
from fleetd.errors import Refusal


class Hold:
    """The present owner of one antenna."""

    def __init__(self, antenna: str, clock: Clock, operator_lease_s: float) -> None:
        self._antenna = antenna
        self._clock = clock
        self._operator_lease_s = operator_lease_s
        self._contact: str | None = None
        self._stopped_by: str | None = None
        self._operator = ""
        self._operator_until_s = float("-inf")

    @property
    def owner(self) -> str | None:
        """The contact or operator who has it now."""
        if self._contact is not None:
            return self._contact
        return self._operator if self._clock.monotonic() < self._operator_until_s else None

    @property
    def contact(self) -> str | None:
        """The contact that has it now."""
        return self._contact

    @contextmanager
    def by_contact(self, contact: str) -> Iterator[None]:
        """Have it for one contact while the context lasts. Raises Refusal if another contact has it."""
        if self._contact is not None:
            raise Refusal("in-use", f"{self._antenna} is working {self._contact}")
        self._contact, self._stopped_by, self._operator_until_s = contact, None, float("-inf")
        try:
            yield
        finally:
            self._contact = None

    def stopped(self, by: str) -> None:
        """Somebody has stopped the antenna: the contact that has it, unless it did so itself, may not move it again."""
        if self._contact not in (None, by):
            self._stopped_by = by

    def check(self, who: str) -> None:
        """Raise Refusal unless `who` may move it now."""
        owner = self.owner
        if owner not in (None, who):
            raise Refusal("in-use", f"{self._antenna} is held by {owner}")
        if self._contact is not None and self._stopped_by is not None:
            raise Refusal("stopped", f"{self._antenna} was stopped by {self._stopped_by}")

    def moved(self, by: str) -> None:
        """It was moved: an operator who did so has it for one lease more."""
        if self._contact is None:
            self._operator, self._operator_until_s = by, self._clock.monotonic() + self._operator_lease_s

    def free(self) -> None:
        """No operator has it any longer."""
        self._operator_until_s = float("-inf")
