"""`Worker`: one contact worked, from pre-position to park.

The whole path is planned once, before AOS; then one loop measures, compares and corrects until LOS, whatever comes in
between. On every way out the antenna is stopped, then parked unless somebody else wants it so, and a report is made.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime

import structlog

from fleetd.contact.antenna import Antenna
from fleetd.contact.axis import Around, AxisPath, Pace, SkyTrack
from fleetd.contact.booking import Candidate, Contact
from fleetd.contact.chronicle import Chronicle
from fleetd.contact.course import plan_axis_path
from fleetd.contact.downlinking import ContactDownlink
from fleetd.contact.leaving import seen_through
from fleetd.contact.pursuit import aim
from fleetd.contact.tally import Tally, untracked
from fleetd.contact.tuning import Tuning
from fleetd.contact.whereabouts import Measured
from fleetd.devices import AzEl
from fleetd.errors import DeviceError, Refusal
from fleetd.hub import Hub
from fleetd.records import ContactReport, Severity

log = structlog.get_logger(__name__)

BROKEN_OFF = "broken-off"
_LEAVE_WITHIN_S = 20.0  # real time: some exchanges of the slowest driver
_CLOCK_STEP_S = 0.5


@dataclass(frozen=True, slots=True)
class Onward:
    """The contact that follows on the same antenna, so soon that it matters where this one ends."""

    sky: SkyTrack
    begin: datetime
    end: datetime


class Worker:
    """One contact on one antenna; `sky` is the trajectory from the elements that the contact was booked with."""

    def __init__(
        self,
        contact: Contact,
        antenna: Antenna,
        sky: SkyTrack,
        hub: Hub,
        onward: Onward | None = None,
        downlink: ContactDownlink | None = None,
        tuning: Tuning | None = None,
    ) -> None:
        self.contact = contact
        self._downlink = downlink or ContactDownlink()
        self._tuning = tuning
        self.outcome = BROKEN_OFF
        self.reason = ""
        self._antenna = antenna
        self._sky = sky
        self._hub = hub
        self._onward = onward
        self._clock = antenna.clock
        self._chronicle = Chronicle(contact, hub, antenna.clock)
        self._tally: Tally | None = None
        self._hindrance = ""
        self._trouble = ""
        self._stowed_s = 0.0
        self._started_at = self._clock.now()
        self._ahead_s = self._civil_ahead_s()

    def cancelled_by(self, who: str) -> None:
        """Say that the cancellation which follows is somebody's wish, and not the end of the daemon."""
        if self.outcome == BROKEN_OFF:
            self.outcome, self.reason = "cancelled", f"by {who}"

    async def run(self) -> None:
        """Work the contact until LOS; returns when the antenna has been left safe and the report published."""
        try:
            with self._antenna.hold.by_contact(self.contact.id):
                async with self._downlink.listening():
                    try:
                        tuned = self._tuning.worked() if self._tuning else nullcontext()
                        async with tuned, self._downlink.ordering():
                            await self._work()  # on every way out the transmitter is off first,
                    finally:
                        await self._leave()  # then the antenna stopped, then all else
        except Refusal as no:
            self._end("stopped" if no.rule == "stopped" else "refused", no.reason)
        finally:
            self._finish()

    # The work

    async def _work(self) -> None:
        measured = await self._look()
        self._plan(measured)
        period_s = self._antenna.settings.tracking_period_s
        due_s = self._clock.monotonic()
        latest_s = due_s + (self._candidate.end - self._clock.now()).total_seconds()
        while not self._is_over(latest_s):
            self._chronicle.tell_what_has_come()
            self._watch_clock()
            await self._tick()
            due_s = max(due_s + period_s, self._clock.monotonic())
            left_s = (self._candidate.end - self._clock.now()).total_seconds()
            wait_s = due_s - self._clock.monotonic()
            await self._clock.sleep(min(wait_s, left_s) if left_s > 0 else wait_s)
        self._watch_clock()
        self._chronicle.tell_what_has_come()
        self._conclude()

    def _is_over(self, latest_s: float) -> bool:
        """Whether LOS has passed: by civil time, or by running time while civil time cannot be trusted."""
        if self._antenna.settings.require_synced_clock and not self._clock.synced:
            return self._clock.monotonic() >= latest_s
        return self._clock.now() >= self._candidate.end

    def _plan(self, measured: Measured | None) -> None:
        settings, now = self._antenna.settings, self._clock.now()
        begin = max(self._candidate.begin, now)
        around = Around(measured.position if measured else None, (begin - now).total_seconds(), *self._next_start())
        path = self._best_path(self._sky, begin, self._candidate.end, around)
        if path.off_beam_s >= path.duration_s:
            raise Refusal("unreachable", f"{self._antenna.name} cannot reach any part of this pass within its limits")
        self._tally = Tally(self._sky, path, settings.beam_width_deg)
        if measured is not None:
            self._tally.set_out(measured.position, now, self._antenna.axes)
        self._chronicle.foresee(path)

    def _best_path(self, sky: SkyTrack, begin: datetime, end: datetime, around: Around) -> AxisPath:
        settings, axes = self._antenna.settings, self._antenna.axes
        width_deg, mask = settings.beam_width_deg, settings.mask
        pace = Pace(settings.dead_band_deg, max(settings.tracking_period_s, settings.min_command_interval_s))
        return plan_axis_path(sky, begin, end, axes, beam_width_deg=width_deg, mask=mask, around=around, pace=pace)

    def _next_start(self) -> tuple[AzEl, float] | tuple[()]:
        """Where the contact after this one will have the antenna wait, and how long after this one it begins."""
        if (onward := self._onward) is None:
            return ()
        first = self._best_path(onward.sky, onward.begin, onward.end, Around())
        return first.start, (onward.begin - self._candidate.end).total_seconds()

    async def _tick(self) -> None:
        """Measure, compare, and send the antenna ahead along its path."""
        tally = self._tally
        if tally is None:
            raise RuntimeError("a contact is tracked before it is planned")
        if self._antenna.interlock.wind:
            tally.hindered()  # it is being stowed: where it points is nobody's error
        measured = await self._look()
        now, period_s = self._clock.now(), self._antenna.settings.tracking_period_s
        ahead_s = max(period_s, self._antenna.thrift.interval_s(self._clock.monotonic()))
        try:
            await self._antenna.track(aim(tally.path, now, ahead_s, self._antenna.axes), by=self.contact.id)
        except Refusal as no:
            if no.rule == "stopped":
                raise
            if no.rule == "wind" and self._clock.now() >= self._candidate.begin:
                self._stowed_s += period_s
            self._hindered(no.reason)
        except DeviceError as error:
            self._hindered(str(error))
        else:
            if self._hindrance and measured is not None:
                self._hindrance = ""
                tally.set_out(measured.position, measured.at, self._antenna.axes)
                self._chronicle.say("contact-resumed", "the antenna follows again")

    async def _look(self) -> Measured | None:
        try:
            measured = await self._antenna.measure()
        except DeviceError as error:
            self._hindered(str(error))
            if self._tally is not None:
                self._tally.lost(self._clock.now())
            return None
        if self._tally is not None:
            self._tally.take(measured)
        return measured

    def _hindered(self, reason: str) -> None:
        """Go on until LOS all the same: what fails now may work a second later."""
        if self._tally is not None:
            self._tally.hindered()
        if self._clock.now() >= self._candidate.begin:
            self._trouble = self._trouble or reason
        if not self._hindrance:
            self._hindrance = reason
            self._chronicle.say("contact-hindered", reason, Severity.WARNING)

    # The ways out

    async def _leave(self) -> None:
        try:
            await seen_through(self._let_go(), name=f"{self.contact.id}-leave", within_s=_LEAVE_WITHIN_S)
        except (DeviceError, Refusal, TimeoutError) as error:
            self._chronicle.say(
                "contact-left-unparked", f"the antenna was not stopped and parked: {error}", Severity.WARNING
            )

    async def _let_go(self) -> None:
        await self._antenna.stop(by=self.contact.id)
        settings, onward = self._antenna.settings, self._onward
        waits = onward is not None and (onward.begin - self._clock.now()).total_seconds() <= settings.pre_position_s
        if self.outcome != BROKEN_OFF and settings.park_policy == "after-pass" and not waits:
            await self._antenna.park(by=self.contact.id)

    def _conclude(self) -> None:
        tally = self._tally
        if tally is None or tally.samples == 0:
            self._end("failed", self._trouble or "the antenna's position was never read")
        elif trouble := self._trouble or (self._tuning.tally.trouble if self._tuning else ""):
            self._end("degraded", trouble)
        else:
            self._end("worked", "")

    def _end(self, outcome: str, reason: str) -> None:
        if self.outcome == BROKEN_OFF:
            self.outcome, self.reason = outcome, reason

    def _finish(self) -> None:
        report = self._report()
        good = self.outcome == "worked"
        self._chronicle.say(
            "contact-ended",
            f"{self.outcome}: {self.reason}" if self.reason else self.outcome,
            Severity.INFO if good else Severity.WARNING,
        )
        self._hub.publish(report)

    def _report(self) -> ContactReport:
        candidate = self._candidate
        return ContactReport(
            at=self._clock.now(),
            clock_synced=self._clock.synced,
            contact=self.contact.id,
            satellite=candidate.satellite,
            norad_id=candidate.sat_pass.norad_id,
            antenna=self._antenna.name,
            outcome=self.outcome,
            reason=self.reason,
            aos=candidate.begin,
            los=candidate.end,
            max_elevation_deg=candidate.sat_pass.max_elevation_deg,
            started_at=self._started_at,
            ended_at=self._clock.now(),
            stowed_s=round(self._stowed_s, 1),
            elements_epoch=candidate.elements.epoch,
            elements_hash=candidate.elements.hash,
            **(self._tally.reported() if self._tally else untracked(candidate.duration_s)),
            **self._downlink.reported(),
            **(self._tuning.reported() if self._tuning else {}),
        )

    # Time

    def _watch_clock(self) -> None:
        """Notice a stepped clock: the antenna follows it, since it may have been set right, but people are told."""
        ahead_s = self._civil_ahead_s()
        if abs(step_s := ahead_s - self._ahead_s) > _CLOCK_STEP_S:
            text = f"the clock was set by {step_s:+.1f} s in mid contact"
            self._trouble = self._trouble or text
            self._chronicle.say("clock-stepped", text, Severity.WARNING)
        self._ahead_s = ahead_s

    def _civil_ahead_s(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()

    @property
    def _candidate(self) -> Candidate:
        return self.contact.candidate
