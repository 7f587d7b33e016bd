"""Which broker is tried next, and after how long: in order of preference, with full jitter between failures."""

from __future__ import annotations

import random
from collections.abc import Sequence

from fleetd.clock import Clock
from fleetd.relay.settings import Broker, parse_broker

_FIRST_S, _MOST_S = 0.5, 4.0  # a broker that is there again has us within ten seconds, however long it was away
_HEALTHY_AFTER_S = 10.0  # a shorter connection counts as one more failure in the row


class Turns:
    """The brokers of one client, and how its connections went."""

    def __init__(self, brokers: Sequence[str], clock: Clock) -> None:
        self.failures = 0
        """In a row."""
        self._brokers = [parse_broker(url) for url in brokers]
        self._clock = clock
        self._turn = 0
        self._arrived_s = 0.0

    @property
    def broker(self) -> Broker:
        """The one that we are at, or try next."""
        return self._brokers[self._turn]

    def arrived(self) -> None:
        """We are let in."""
        self._arrived_s = self._clock.monotonic()

    def departed(self, *, worked: bool) -> None:
        """The connection is over; after one that worked the count starts over, and with it the order of preference."""
        if worked and self._clock.monotonic() - self._arrived_s > _HEALTHY_AFTER_S:
            self.failures, self._turn = 0, -1

    def failed(self) -> None:
        """It is the next one's turn."""
        self.failures += 1
        self._turn = (self._turn + 1) % len(self._brokers)

    def backoff_s(self) -> float:
        """Full jitter: from zero to a ceiling that doubles with each failure in a row."""
        ceiling_s = min(_MOST_S, _FIRST_S * 2.0 ** min(max(0, self.failures - 1), 16))
        return random.random() * ceiling_s  # noqa: S311  # spreads load, hides nothing
