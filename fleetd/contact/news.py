"""`News`: what the world is told of passes and their bookings. What happens within a contact its worker tells."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta

from fleetd.clock import Clock
from fleetd.contact.booking import Candidate
from fleetd.hub import Hub
from fleetd.records import Event, Severity

_FRESH_S = 60.0  # what happened longer ago, as while the machine slept, is not announced any more


class News:
    """Events about passes; each is told once. `announce_s` is how long before its AOS a pass is news."""

    def __init__(self, hub: Hub, clock: Clock, announce_s: float) -> None:
        self._hub = hub
        self._clock = clock
        self._announce_s = announce_s
        self._said: deque[tuple[str, str]] = deque(maxlen=1_000)

    def announce(self, candidates: Sequence[Candidate]) -> None:
        """Every pass is news, booked or not: soon, risen, highest, set."""
        now = self._clock.now()
        for candidate in candidates:
            if candidate.ghost:
                continue
            for name, when, lasting_s in self._of(candidate):
                fresh = 0 <= (now - when).total_seconds() < lasting_s
                if fresh and (candidate.id, name) not in self._said:
                    self._said.append((candidate.id, name))
                    text = f"{candidate.id}, up to {candidate.sat_pass.max_elevation_deg:.0f} degrees"
                    self.say(candidate.satellite, name, text, candidate)

    def say(self, source: str, name: str, text: str, candidate: Candidate, severity: Severity = Severity.INFO) -> None:
        """Publish one event about a pass."""
        detail = {"contact": candidate.id, "satellite": candidate.satellite}
        self._hub.publish(Event.now(self._clock, source, name, text, severity, detail))

    def _of(self, candidate: Candidate) -> list[tuple[str, datetime, float]]:
        """What there is to tell of a pass, when it happens, and for how many seconds it is news."""
        return [
            ("pass-soon", candidate.begin - timedelta(seconds=self._announce_s), self._announce_s),
            ("pass-aos", candidate.begin, _FRESH_S),
            ("pass-culmination", candidate.sat_pass.culmination, _FRESH_S),
            ("pass-los", candidate.end, _FRESH_S),
        ]
