"""What the register holds: an alarm's entry, and the shelf that somebody put one on."""

from __future__ import annotations

from datetime import datetime

import msgspec

from fleetd.records import Severity, Value

Key = tuple[str, str]
"""Device and name of an alarm."""

RANKS = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


class AlarmEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One alarm of the register: since when (`at`) and until when it held, and who has seen it."""

    at: datetime
    device: str
    name: str
    active: bool
    severity: Severity
    text: str
    value: Value = None
    limit: Value = None
    latching: bool = False
    """Whether it stays active until somebody has acknowledged it."""
    latched: bool = False
    """Whether it is active for that reason alone: its condition is over."""
    cleared_at: datetime | None = None
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    shelved_by: str | None = None
    shelved_until: datetime | None = None
    shelved_why: str = ""

    @property
    def key(self) -> Key:
        return self.device, self.name


class Shelf(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody does not want to hear of an alarm for a while, whether it comes or goes."""

    who: str
    until: datetime
    why: str = ""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What the store keeps under an alarm's key."""

    entry: AlarmEntry | None = None
    shelf: Shelf | None = None
