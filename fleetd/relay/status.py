"""How the relay stands, in one record for people and programs."""

from __future__ import annotations

from datetime import datetime

import msgspec


class RelayStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Is anything stuck, since when, why. Counts are since this daemon started."""

    connected: bool
    broker: str
    """The broker we are at, or try next."""
    since: datetime | None = None
    """When we got connected, or lost the connection; None before the first attempt."""
    backlog: int = 0
    """Records waiting for their acknowledgement."""
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
