"""`Chronicle`: what one contact tells of itself while it is worked."""

from __future__ import annotations

from collections import deque
from datetime import datetime

from fleetd.clock import Clock
from fleetd.contact.axis import AxisPath
from fleetd.contact.booking import Contact
from fleetd.hub import Hub
from fleetd.records import Event, Severity


class Chronicle:
    """Events of one contact; those that its pass will bring are known beforehand and told when they come."""

    def __init__(self, contact: Contact, hub: Hub, clock: Clock) -> None:
        self._contact = contact
        self._hub = hub
        self._clock = clock
        self._marks: deque[tuple[datetime, str, str]] = deque()

    def foresee(self, path: AxisPath) -> None:
        """Tell where the antenna waits, and note what its pass will bring."""
        candidate = self._contact.candidate
        sat_pass = candidate.sat_pass
        self.say(
            "contact-pre-position",
            f"to azimuth {path.start.azimuth_deg:.0f}, elevation {path.start.elevation_deg:.0f}; "
            f"at most {path.max_error_deg:.1f} degrees off foreseen",
        )
        self._marks.append((candidate.begin, "contact-aos", f"until {candidate.end:%H:%M:%S} UTC"))
        if candidate.begin <= sat_pass.culmination <= candidate.end:
            text = f"at {sat_pass.max_elevation_deg:.0f} degrees"
            self._marks.append((sat_pass.culmination, "contact-culmination", text))
        self._marks.append((candidate.end, "contact-los", ""))

    def tell_what_has_come(self) -> None:
        """Tell what was foreseen and has come by now."""
        now = self._clock.now()
        while self._marks and self._marks[0][0] <= now:
            _, name, text = self._marks.popleft()
            self.say(name, text)

    def say(self, name: str, text: str, severity: Severity = Severity.INFO) -> None:
        """Publish one event of this contact."""
        contact = self._contact
        sentence = f"{contact.id}: {text}" if text else contact.id
        detail = {"contact": contact.id, "satellite": contact.candidate.satellite}
        self._hub.publish(Event.now(self._clock, contact.antenna, name, sentence, severity, detail))
