"""How the relay stands, in one record for people and programs; and what does not get on, since when and why."""

from __future__ import annotations

from datetime import datetime

import msgspec

from fleetd.clock import Clock


class Stuck(msgspec.Struct, frozen=True):
    """Something that does not get on: what, since when, and why, each for people."""

    what: str
    since: datetime
    why: str


class Troubles:
    """What does not get on, each under its own word; its time is that of the first complaint, its reason the newest."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, Stuck] = {}

    def note(self, what: str, why: str) -> None:
        """Something fails, or still does."""
        since = self._known[what].since if what in self._known else self._clock.now()
        self._known[what] = Stuck(what, since, why)

    def over(self, what: str) -> None:
        """It works, or is not tried any more."""
        self._known.pop(what, None)

    def all(self) -> list[Stuck]:
        """All there are, the longest standing one first."""
        return list(self._known.values())


class RelayStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Is anything stuck, since when, why. Counts are since this daemon started."""

    connected: bool
    broker: str
    """The broker we are at, or try next."""
    since: datetime | None = None
    """When we got connected, or lost the connection; None before the first attempt."""
    stuck: list[Stuck] = []
    """What does not get on now: broker, store, commands, refused topics and records that are too large."""
    backlog: int = 0
    """Records waiting for their acknowledgement."""
    backlog_lasts_s: float | None = None
    """How long the backlog lasts at the present rate, seconds; None while nothing goes out."""
    in_flight: int = 0
    """Records of the backlog that were sent and are not acknowledged yet."""
    oldest_age_s: float = 0.0
    """Age of the longest waiting record, seconds."""
    produced: int = 0
    """Records committed."""
    acked: int = 0
    """Records acknowledged by a broker."""
    readings_produced: int = 0
    readings_acked: int = 0
    resent: int = 0
    """Records sent once more because their acknowledgement never came; consumers know them by node, boot and seq."""
    rejected: int = 0
    """Times that a broker refused a record; it is kept and tried again."""
    held_topics: list[str] = []
    """Topics that wait because the broker refuses them."""
    dropped: int = 0
    """Records given up: the store was full, or did not take them in time."""
    damaged: int = 0
    """Records that failed their checksum and were set aside."""
    commands: int = 0
    """Commands that came in and could be read."""
    commands_unreadable: int = 0
    commands_dropped: int = 0
    """Commands that came faster than they could be taken."""
    rate_per_s: float = 0.0
    """Acknowledgements a second, over the last ten real seconds."""
    last_error: str = ""
    last_error_at: datetime | None = None
