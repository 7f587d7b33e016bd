"""What is kept of one satellite: the set in use, the set that waits for a decision, and what was decided before.

No I/O here: `weigh` says what a set that comes in would be, `keeper` acts on it and has it stored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from fleetd.orbit.elementset import ElementSet
from fleetd.orbit.jump import Jump
from fleetd.orbit.settings import Age, SatelliteSettings
from fleetd.orbit.trust import SAME_EPOCH_S, Limits, Outcome, Verdict, judge


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A set that is or was in use or held, as it is kept in the store."""

    elements: ElementSet
    origin: str
    """The configured source that it came from."""
    fetched_at: datetime
    jump: Jump | None = None
    """Against the set that was in use when it came."""
    reason: str = ""
    """Why it is or was held."""
    decided_by: str = ""
    """Who accepted or rejected it, where a person did."""
    failed_at: datetime | None = None
    failure: str = ""
    """Why its satellite is marked as decayed, from when on. It stays so: only another set takes the mark away."""

    @property
    def hash(self) -> str:
        """That of the elements."""
        return self.elements.hash


@dataclass(slots=True)
class Kept:
    """One satellite of the site."""

    settings: SatelliteSettings
    used: Known | None = None
    held: Known | None = None
    rejected: set[str] = field(default_factory=set)
    """Hashes of sets that a person rejected."""
    refused: set[str] = field(default_factory=set)
    """Hashes of sets that were refused since the daemon began, each told once."""
    sound_until: datetime | None = None
    """How far the set in use has been run without failing."""

    @property
    def name(self) -> str:
        """Of the satellite, in the site file."""
        return self.settings.name

    @property
    def failure(self) -> str:
        """Why the satellite is marked as decayed, '' if it is not."""
        return self.used.failure if self.used else ""

    def age(self, now: datetime) -> Age:
        """How old the set in use is; there must be one."""
        return self.settings.element_age.judge(self.used.elements.age_days(now)) if self.used else Age.NO_BOOKING

    def weigh(self, new: ElementSet, origin: str, now: datetime | None, limits: Limits) -> Verdict | None:
        """What becomes of a set that comes in; None if it is no news."""
        if new.hash in self._decided() or not _newer(new, origin, self.used):
            return None
        verdict = judge(new, self.settings, self.used.elements if self.used else None, now, limits)
        if verdict.outcome is Outcome.HELD and not _newer(new, origin, self.held):
            return None
        return verdict

    def _decided(self) -> set[str]:
        return self.rejected | self.refused | {each.hash for each in (self.used, self.held) if each is not None}


def _newer(new: ElementSet, origin: str, known: Known | None) -> bool:
    """Whether a set is newer than a known one; of the same epoch, whether its own source has corrected it."""
    if known is None:
        return True
    later_s = (new.epoch - known.elements.epoch).total_seconds()
    return later_s > SAME_EPOCH_S or (abs(later_s) <= SAME_EPOCH_S and origin == known.origin)
