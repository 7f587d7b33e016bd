"""`Refused`: what one broker will not take, kept and tried again.

A topic that it refuses is held, so that its records stay in order, and its first one is tried again now and then. A
record that is too large for it waits for another connection, and holds up nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from fleetd.clock import Clock
from fleetd.relay.failures import Rejected
from fleetd.relay.mqtt.packets import PACKET_TOO_LARGE
from fleetd.relay.status import Stuck
from fleetd.store.rows import Row

log = structlog.get_logger(__name__)

_FIRST_RETRY_S, _RETRY_MOST_S = 1.0, 60.0


@dataclass(slots=True)
class _Held:
    """A topic that the broker refuses, and its first refused row."""

    row: Row
    due: float
    stuck: Stuck
    refusals: int = 1


class Refused:
    """The refusals of one connection; true while there are any. `told` is called with each new topic, and why."""

    def __init__(self, clock: Clock, told: Callable[[str, str], None]) -> None:
        self.times = 0
        """How often a record was refused, over all connections."""
        self._clock = clock
        self._told = told
        self._held: dict[str, _Held] = {}
        self._too_large: dict[int, Stuck] = {}

    def __bool__(self) -> bool:
        return bool(self._held or self._too_large)

    @property
    def topics(self) -> list[str]:
        """The topics that wait, sorted."""
        return sorted(self._held)

    @property
    def stuck(self) -> list[Stuck]:
        """All that waits, since when and why."""
        return [*(held.stuck for held in self._held.values()), *self._too_large.values()]

    def forget(self) -> None:
        """Another connection begins: who knows what it takes."""
        self._held.clear()
        self._too_large.clear()

    def keeps(self, row: Row, topic: str) -> bool:
        """Whether a row has to wait."""
        return topic in self._held or row.seq in self._too_large

    def note(self, row: Row, topic: str, refusal: Rejected) -> None:
        """The broker refuses a row."""
        self.times += 1
        if refusal.code == PACKET_TOO_LARGE:
            self._park(row, topic, refusal)
        else:
            self._hold(row, topic, refusal)

    def taken(self, row: Row, topic: str) -> bool:
        """The broker took a row; whether its topic waits no longer by that."""
        held = self._held.get(topic)
        if held is None or held.row.seq != row.seq:
            return False
        del self._held[topic]
        log.info("the broker takes the topic again", topic=topic)
        return True

    def due(self) -> list[Row]:
        """The rows that are to be tried again."""
        now = self._clock.monotonic()
        return [held.row for held in self._held.values() if held.due <= now]

    def _park(self, row: Row, topic: str, refusal: Rejected) -> None:
        self._too_large[row.seq] = Stuck(f"record {row.seq} for {topic}", self._clock.now(), str(refusal))
        log.warning("a record is too large for the broker; it is kept", topic=topic, seq=row.seq, reason=str(refusal))
        self._told(topic, str(refusal))

    def _hold(self, row: Row, topic: str, refusal: Rejected) -> None:
        now, held = self._clock.monotonic(), self._held.get(topic)
        if held is None:
            stuck = Stuck(f"records for {topic}", self._clock.now(), str(refusal))
            self._held[topic] = _Held(row, now + _FIRST_RETRY_S, stuck)
            log.warning("the broker refuses a topic; its records are kept", topic=topic, reason=str(refusal))
            self._told(topic, str(refusal))
        elif row.seq == held.row.seq:
            held.refusals += 1
            held.due = now + min(_RETRY_MOST_S, 2.0 ** min(held.refusals, 10))
