"""`Contacts`: keeps the plan fresh, starts each contact in time, and takes people's bookings and cancellations.

Planning anew never touches a contact that is running, nor the elements that it runs on. When the daemon ends, running
contacts are broken off and their antennas stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from fleetd.contact.antenna import Antenna
from fleetd.contact.axis import Axes
from fleetd.contact.booking import Candidate, Contact, ContactView, Explanation, view
from fleetd.contact.contactsite import ContactSite
from fleetd.contact.diary import Diary
from fleetd.contact.news import News
from fleetd.contact.planner import Question, Stage
from fleetd.contact.prospect import with_prospects
from fleetd.contact.reach import Reach
from fleetd.contact.sky import LOOK_BACK, Outlook, Satellite, candidates_of, chart_of, passes_of
from fleetd.contact.worker import Worker
from fleetd.errors import ElementsError
from fleetd.hub import Hub
from fleetd.orbit.passes import Pass
from fleetd.orbit.skytrack import SkyChart
from fleetd.records import Severity
from fleetd.supervise import Progress

log = structlog.get_logger(__name__)

_TICK_S = 1.0
_SOON = timedelta(minutes=15)  # later than this after a contact, the antenna has long been parked


class Contacts:
    """All contacts of a site; `run` works them. Call it from the event loop only."""

    def __init__(self, site: ContactSite, hub: Hub, progress: Progress) -> None:
        self._site = site
        self._satellites = {satellite.settings.name: satellite for satellite in site.satellites}
        self._hub = hub
        self._progress = progress
        self._clock = progress.clock
        self._diary = Diary(self._stages(), site.settings)
        self._planning = False
        self._running: dict[str, tuple[Worker, asyncio.Task[None]]] = {}
        self._search_due_s = float("-inf")
        self._axes = self._turnable()
        self._news = News(hub, progress.clock, site.settings.announce_s)

    # What is known

    @property
    def booked(self) -> list[ContactView]:
        """Contacts that are running or still to come, in order of time."""
        return self._diary.views

    @property
    def working(self) -> bool:
        """Whether a contact is being worked now."""
        return bool(self._running)

    @property
    def recent(self) -> list[ContactView]:
        """Contacts that have ended since the daemon began, oldest first; `state` says how."""
        return self._diary.over

    def explain(self, contact_id: str) -> Explanation:
        """Why a pass is booked as it is, or is not. Raises Refusal for an unknown id."""
        return self._diary.explain(contact_id)

    async def next_passes(self, hours: float) -> list[Pass]:
        """All passes that end within the next `hours`, under way ones first. Searched in a thread."""
        now = self._clock.now()
        found = await asyncio.to_thread(passes_of, *self._in_view(), now - LOOK_BACK, now + timedelta(hours=hours))
        return [each for each in found if each.los is None or each.los > now]

    async def next_chart(self, hours: float) -> SkyChart:
        """The lines that those passes draw in the sky."""
        now = self._clock.now()
        return await asyncio.to_thread(chart_of, *self._in_view(), now, now + timedelta(hours=hours))

    def _in_view(self) -> tuple[list[Satellite], Outlook]:
        return [each for each in self._satellites.values() if not each.ghost], self._site.outlook

    # What people decide

    def book(self, satellite: str, aos: datetime, antenna: str) -> ContactView:
        """Book one pass by hand; contacts that only the plan wanted give way. Raises Refusal."""
        contact = self._diary.book(satellite, aos, antenna)
        self._replan()
        return view(contact, "booked", self._diary.plan.reasons.get(contact.id, ""))

    def cancel(self, contact_id: str, by: str = "operator") -> ContactView:
        """Give a booking up; a contact that runs is ended, its antenna stopped and parked. Raises Refusal."""
        contact = self._diary.cancel(contact_id, by)
        if (running := self._running.get(contact_id)) is not None:
            worker, task = running
            worker.cancelled_by(by)
            task.cancel()
        else:
            self._replan()
        self._news.say(contact.antenna, "contact-cancelled", f"{contact_id}: by {by}", contact.candidate)
        return view(contact, "cancelled", f"by {by}")

    def renew(self, satellites: Sequence[Satellite]) -> None:
        """Use other elements from now on; contacts that run keep theirs."""
        self._satellites = {satellite.settings.name: satellite for satellite in satellites}
        self._search_due_s = float("-inf")

    def clock_moved(self) -> None:
        """Civil time was set, or the machine slept: look at the sky anew at the next turn, if it can be trusted."""
        if self._clock.synced:
            self._search_due_s = float("-inf")

    # The loop

    async def run(self) -> None:
        """Plan and work for ever; returns only by cancellation, with all antennas left, or a bug."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                # A minute as people count it, since a search takes as long however fast the clock runs.
                self._progress.beat("contacts")
                # A controller that has just answered may turn less far than the site file says.
                if self._clock.monotonic() >= self._search_due_s or self._axes != self._turnable():
                    await self._search()
                if self._diary.stages != self._stages():  # somebody has locked or unlocked an antenna
                    self._replan()
                while self._planning:
                    await self._solve()
                self._start_due(tasks)
                self._news.announce(self._diary.candidates)
                await self._clock.sleep(_TICK_S)

    async def _search(self) -> None:
        self._search_due_s = self._clock.monotonic() + self._site.settings.replan_every_s
        self._axes = self._turnable()
        now = self._clock.now()
        end = now + timedelta(hours=self._site.settings.look_ahead_h)
        satellites = list(self._satellites.values())
        found = await asyncio.to_thread(self._candidates, satellites, self._reaches(), now - LOOK_BACK, end)
        self._diary.renew([each for each in found if each.satellite in self._satellites], self._clock.now())
        self._replan()

    def _candidates(
        self, satellites: Sequence[Satellite], reaches: Mapping[str, Reach], start: datetime, end: datetime
    ) -> list[Candidate]:
        found = candidates_of(satellites, self._site.outlook, start, end)
        return with_prospects(found, self._site.outlook.station, reaches)

    def _turnable(self) -> dict[str, Axes]:
        return {name: antenna.axes for name, antenna in self._site.antennas.items()}

    def _reaches(self) -> dict[str, Reach]:
        return {name: Reach(axes, self._site.antennas[name].settings.mask) for name, axes in self._turnable().items()}

    def _stages(self) -> tuple[Stage, ...]:
        spacing_s = self._site.settings.spacing_s
        return tuple(
            Stage(name, spacing_s, antenna.settings.setup_s, antenna.interlock.works)
            for name, antenna in self._site.antennas.items()
        )

    def _question(self) -> Question:
        self._diary.stages = self._stages()
        return self._diary.question({name: satellite.settings for name, satellite in self._satellites.items()})

    def _replan(self) -> None:
        """Plan anew: at once where no two passes compete, else before anything is started, in a thread."""
        question = self._question()
        self._planning = not question.simple
        if question.simple:
            self._diary.take(question.answer())

    async def _solve(self) -> None:
        """Have the best plan found; if what it depends on has changed meanwhile, it is planned once more."""
        self._planning = False
        question, revision = self._question(), self._diary.revision
        plan = await asyncio.to_thread(question.answer)
        if revision != self._diary.revision or question.stages != self._stages():
            self._planning = True
            return
        self._diary.take(plan)
        if not plan.proved:
            log.warning("the plan may not be the best: the solver ran out of time", candidates=len(question.candidates))

    def _start_due(self, tasks: asyncio.TaskGroup) -> None:
        now = self._clock.now()
        for contact in self._diary.waiting():
            antenna = self._site.antennas[contact.antenna]
            if antenna.settings.require_synced_clock and not self._clock.synced:
                continue  # nobody knows whether it is due, or missed
            begin = contact.candidate.begin - timedelta(seconds=antenna.settings.pre_position_s)
            if now >= contact.candidate.end:
                reason = "; ".join(filter(None, ("its time went by", self._held_up(antenna))))
                self._diary.ended(contact, "missed", reason)
                text = f"{contact.id}: {reason}"
                self._news.say(contact.antenna, "contact-missed", text, contact.candidate, Severity.WARNING)
                self._replan()
            elif now >= begin and self._free(antenna) and not self._held_up(antenna):
                self._start(contact, tasks)

    def _free(self, antenna: Antenna) -> bool:
        return all(worker.contact.antenna != antenna.name for worker, _ in self._running.values())

    @staticmethod
    def _held_up(antenna: Antenna) -> str:
        """Why no contact can begin on it, for a while; '' if one can."""
        if (lock := antenna.interlock.lock) is not None:
            return f"{antenna.name} is locked by {lock.who}: {lock.why}"
        return antenna.interlock.wind

    def _start(self, contact: Contact, tasks: asyncio.TaskGroup) -> None:
        satellite = self._satellites[contact.candidate.satellite]
        try:
            worker = self._site.worker(contact, satellite, self._following(contact), self._hub)
        except ElementsError as error:
            self._diary.ended(contact, "refused", str(error))
            text = f"{contact.id}: {error}"
            self._news.say(contact.antenna, "contact-refused", text, contact.candidate, Severity.WARNING)
            self._replan()
            return
        task = tasks.create_task(worker.run(), name=f"contact-{contact.id}")
        self._running[contact.id] = (worker, task)
        self._diary.begun(contact)
        task.add_done_callback(lambda _: self._ended(worker))

    def _following(self, contact: Contact) -> Contact | None:
        """The contact that follows on the same antenna, if it does so soon."""
        end = contact.candidate.end
        for other in self._diary.waiting():
            if other.antenna == contact.antenna and end <= other.candidate.begin <= end + _SOON:
                return other
        return None

    def _ended(self, worker: Worker) -> None:
        self._running.pop(worker.contact.id, None)
        self._diary.ended(worker.contact, worker.outcome, worker.reason)
        self._replan()
