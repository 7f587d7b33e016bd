"""The diary of contacts: what is booked, what runs, what is over, and what people have decided. No I/O, no tasks.

A pass keeps the id under which it was first seen. So a booking or a cancellation stays with its pass when newer
elements or a stepped clock move it, and a pass that has been worked is not worked again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from fleetd.clock import iso_ms
from fleetd.contact.booking import Candidate, Contact, ContactView, Explanation, pass_id, view
from fleetd.contact.planner import Plan, Question, Stage
from fleetd.contact.settings import ContactsSettings
from fleetd.contact.sky import recognised, unfit
from fleetd.errors import Refusal
from fleetd.orbit.settings import SatelliteSettings

_REMEMBERED = 200
_NEAR_S = 60.0  # how far from its AOS a pass may be named in a booking


class Diary:
    """Bookings of one site's antennas, under `settings`. `stages` are the antennas as the plan sees them now.

    `revision` rises with whatever a plan depends on: one that was begun before is out of date.
    """

    def __init__(self, stages: Sequence[Stage], settings: ContactsSettings) -> None:
        self.plan = Plan((), {})
        self.candidates: list[Candidate] = []
        self.stages = tuple(stages)
        self.revision = 0
        self._settings = settings
        self._by_hand: dict[str, Contact] = {}
        self._cancelled: dict[str, tuple[Candidate, str]] = {}
        self._rejected: dict[str, str] = {}
        self._running: dict[str, Contact] = {}
        self._over: deque[tuple[Contact, ContactView]] = deque(maxlen=_REMEMBERED)

    # What stands in it

    @property
    def views(self) -> list[ContactView]:
        """Contacts that are running or still to come, in order of time."""
        reasons = self.plan.reasons
        return [
            view(contact, "running" if contact.id in self._running else "booked", reasons.get(contact.id, ""))
            for contact in self._standing()
        ]

    @property
    def over(self) -> list[ContactView]:
        """Contacts that have ended, oldest first; `state` says how."""
        return [ended for _, ended in self._over]

    def waiting(self) -> list[Contact]:
        """Booked contacts that have not begun, in order of time."""
        return [contact for contact in self._standing() if contact.id not in self._running]

    def explain(self, contact_id: str) -> Explanation:
        """Why a pass is booked as it is, or is not. Raises Refusal for an unknown id."""
        candidate = self._known(contact_id)
        contact = next((contact for contact in self.plan.contacts if contact.id == contact_id), None)
        reason = self.plan.reasons.get(contact_id, "")
        for done, ended in self._over:
            if done.id == contact_id:
                reason = f"over on {ended.antenna}: {ended.state}{f', {ended.reason}' if ended.reason else ''}"
        return Explanation(
            id=contact_id,
            satellite=candidate.satellite,
            aos=candidate.begin,
            los=candidate.end,
            max_elevation_deg=candidate.sat_pass.max_elevation_deg,
            booked=contact is not None,
            antenna=contact.antenna if contact else None,
            reason=reason,
            elements=_named(candidate),
        )

    def _standing(self) -> Iterator[Contact]:
        """What the plan holds, less what has ended or was cancelled since it was made."""
        gone = {contact.id for contact, _ in self._over} | self._cancelled.keys()
        return (contact for contact in self.plan.contacts if contact.id in self._running or contact.id not in gone)

    # What people decide

    def book(self, satellite: str, aos: datetime, antenna: str) -> Contact:
        """Book one pass by hand, ahead of whatever the plan thinks of it. Raises Refusal."""
        stage = next((stage for stage in self.stages if stage.name == antenna), None)
        if stage is None:
            known = ", ".join(stage.name for stage in self.stages)
            raise Refusal("unknown-antenna", f"there is no antenna {antenna!r}; there are {known}")
        candidate = self._near(satellite, aos)
        if candidate.ghost:
            raise Refusal("decayed", f"{candidate.id} cannot be booked: {candidate.ghost}")
        if (work := stage.closed(candidate)) is not None:
            why = f"{antenna} is under maintenance by {work.who}: {work.why}"
            raise Refusal("maintenance", f"{candidate.id} cannot be booked: {why}")
        contact = Contact(candidate, antenna, by_hand=True)
        for other in (*self._running.values(), *self._by_hand.values()):
            clashing = other.antenna == antenna and stage.clash(candidate, other.candidate)
            if other.id == contact.id or clashing:
                until = iso_ms(other.candidate.end)
                raise Refusal("clash", f"{contact.id} cannot be booked: {other.antenna} has {other.id} until {until}")
        self._cancelled.pop(contact.id, None)
        self._by_hand[contact.id] = contact
        self.revision += 1
        return contact

    def cancel(self, contact_id: str, by: str) -> Contact:
        """Give a booking up and book that pass no more. Raises Refusal if it is not booked."""
        for contact in self._standing():
            if contact.id == contact_id:
                self._by_hand.pop(contact_id, None)
                self._cancelled[contact_id] = (contact.candidate, by)
                self.revision += 1
                return contact
        raise Refusal("unknown-contact", f"no contact {contact_id!r} is booked or running")

    # What happens

    def begun(self, contact: Contact) -> None:
        """It runs: from now on no plan moves it."""
        self._running[contact.id] = contact
        self._by_hand.pop(contact.id, None)
        self.revision += 1

    def ended(self, contact: Contact, outcome: str, reason: str) -> None:
        """It has run, or was missed."""
        self._running.pop(contact.id, None)
        self._by_hand.pop(contact.id, None)
        self._over.append((contact, view(contact, outcome, reason)))
        self.revision += 1

    def renew(self, found: Sequence[Candidate], now: datetime) -> None:
        """Take the result of a new search; what is over by now is left out."""
        self.revision += 1
        self._forget_missed(now)
        known = list(self._all_known())
        self.candidates = [recognised(self._continued(candidate), known) for candidate in found if candidate.end > now]
        for candidate in self.candidates:
            if candidate.id in self._by_hand:
                self._by_hand[candidate.id] = replace(self._by_hand[candidate.id], candidate=candidate)
                if candidate.ghost:
                    del self._by_hand[candidate.id]
        self._cancelled = {key: each for key, each in self._cancelled.items() if each[0].end > now}

    def _forget_missed(self, now: datetime) -> None:
        """What was missed because the clock was ahead, and is still to come by the clock as it is now, is open."""
        for contact, ended in list(self._over):
            if ended.state == "missed" and contact.candidate.end > now:
                self._over.remove((contact, ended))

    def question(self, satellites: Mapping[str, SatelliteSettings]) -> Question:
        """What there is to plan now: whatever neither runs nor was decided by people."""
        self._rejected = {
            candidate.id: reason
            for candidate in self.candidates
            if (reason := self._rejection(candidate, satellites[candidate.satellite]))
        }
        return Question(
            candidates=[candidate for candidate in self.candidates if candidate.id not in self._rejected],
            stages=self.stages,
            fixed=(*self._running.values(), *self._by_hand.values()),
            min_duration_s=self._settings.min_duration_s,
            present={contact.id: contact.antenna for contact in self.plan.contacts},
        )

    def take(self, plan: Plan) -> None:
        """Put the answer to the last question in force."""
        self.plan = Plan(plan.contacts, {**self._rejected, **plan.reasons}, plan.proved)

    def _rejection(self, candidate: Candidate, satellite: SatelliteSettings) -> str:
        if candidate.id in self._running or candidate.id in self._by_hand:
            return ""
        if any(contact.id == candidate.id for contact, _ in self._over):
            return "it has been worked already"
        if candidate.id in self._cancelled:
            return f"cancelled by {self._cancelled[candidate.id][1]}"
        return unfit(candidate, satellite, self._settings.min_duration_s)

    def _continued(self, candidate: Candidate) -> Candidate:
        """What is left of a satellite that does not set, after a contact that ended where its search had ended."""
        for contact, _ in self._over:
            done = contact.candidate
            if done.sat_pass.los is None and done.same_pass(candidate) and done.end < candidate.end:
                candidate = replace(candidate, begin=done.end, id=pass_id(candidate.satellite, done.end))
        return candidate

    def _all_known(self) -> Iterator[Candidate]:
        yield from (contact.candidate for contact in self._running.values())
        yield from (contact.candidate for contact in self._by_hand.values())
        yield from (candidate for candidate, _ in self._cancelled.values())
        yield from (contact.candidate for contact, _ in self._over)
        yield from self.candidates

    def _known(self, contact_id: str) -> Candidate:
        for candidate in self._all_known():
            if candidate.id == contact_id:
                return candidate
        raise Refusal(
            "unknown-contact", f"no pass {contact_id!r} is known; 'fleetctl contacts' lists those that are booked"
        )

    def _near(self, satellite: str, aos: datetime) -> Candidate:
        for candidate in self.candidates:
            if candidate.satellite == satellite and abs((candidate.begin - aos).total_seconds()) <= _NEAR_S:
                return candidate
        raise Refusal("no-such-pass", f"no pass of {satellite!r} begins within a minute of {iso_ms(aos)}")


def _named(candidate: Candidate) -> str:
    elements = candidate.elements
    source = f" from {elements.source}" if elements.source else ""
    age_days = elements.age_days(candidate.begin)
    return f"{elements.hash} of {iso_ms(elements.epoch)}{source}, {age_days:.1f} days old at AOS"
