"""`Antenna`: the verbs of one antenna over its supervised rotator.

Every motion passes the hold (who may), the interlock (what may) and the lane (when), in this order. After each opening
of the link the antenna is stopped and its position read before anything else moves it. Not here: where to point, which
a contact's worker or an operator decides.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from fleetd.clock import Clock
from fleetd.contact.axis import Axes
from fleetd.contact.clearance import SLACK_DEG
from fleetd.contact.feedback import Feedback
from fleetd.contact.hold import Hold
from fleetd.contact.interlock import Interlock, Sun
from fleetd.contact.lane import Lane, exchange
from fleetd.contact.motion import Motion
from fleetd.contact.pursuit import Thrift
from fleetd.contact.scale import Scale
from fleetd.contact.settings import AntennaSettings
from fleetd.contact.whereabouts import Measured, Whereabouts
from fleetd.devices import AzEl, Rotator
from fleetd.errors import Declined, DeviceError, Refusal
from fleetd.guard.guard import Guard, Lease, watched_over
from fleetd.hub import Hub
from fleetd.supervise import Backoff, Device, Supervision

log = structlog.get_logger(__name__)

ROTATOR_BACKOFF = Backoff(first_s=0.25, most_s=2.0)
"""For rotators: a pass lasts minutes, so nobody may wait half a minute for the antenna to be tried again."""

_TURN_LOOK_S = 1.0
_AT_REST_DEG = 0.05  # nearer than any controller counts; a coarser one shows exactly what it was sent
_FRESH_S = 1.0  # an older position is asked for anew before a way is judged from it
_CLOSE_LOOK_S = 0.75  # between two looks at what is under way


class Antenna:
    """One antenna. `device` is its rotator's; run `supervision.run(antenna.device, antenna.work)` beside it."""

    def __init__(
        self,
        settings: AntennaSettings,
        device: Device,
        supervision: Supervision,
        hub: Hub,
        sun: Sun | None = None,
        guard: Guard | None = None,
    ) -> None:
        self.settings = settings
        self.device = device
        self.clock: Clock = supervision.clock
        self.interlock = Interlock(settings, self.clock, sun)
        self.thrift = Thrift(settings.dead_band_deg, settings.min_command_interval_s, settings.moves_per_hour)
        self.hold = Hold(settings.name, self.clock, settings.operator_lease_s)
        self.motion = Motion.of(self.interlock.axes, settings.settles_within_deg)
        self.barred = ""
        """Why its motors are not to be used at present; '' if they are."""
        self.feedback = Feedback(self.clock)
        self._supervision = supervision
        self._whereabouts = Whereabouts(settings.rotator, self.clock, hub)
        self._lane = Lane[Rotator](device)
        self._guard = guard
        self._lease: Lease | None = None
        self._commanded: AzEl | None = None
        self._bound_for: AzEl | None = None
        self._bound = asyncio.Event()

    @property
    def name(self) -> str:
        """Its configured name."""
        return self.settings.name

    @property
    def guarded(self) -> bool:
        """Whether the guard would stop it if the daemon fell silent."""
        return self._lease is not None and self._lease.guarded

    @property
    def scale(self) -> Scale:
        """What its rotator's scale shows for directions of the sky."""
        return self.interlock.scale

    @property
    def axes(self) -> Axes:
        """How far and how fast it may turn, in directions of the sky."""
        return self.scale.axes_in_sky(self.interlock.axes)

    @property
    def measured(self) -> Measured | None:
        """Where it pointed when last asked; None before the first answer."""
        return self._whereabouts.measured

    @property
    def commanded(self) -> AzEl | None:
        """Where it was last sent, as a direction of the sky; None once stopped or lost."""
        return None if self._commanded is None else self.scale.in_sky(self._commanded)

    # Verbs

    async def point(self, to: AzEl, *, by: str = "operator") -> None:
        """Begin to turn to a direction for an operator, past what is in the way, if need be turn by turn.

        Raises Refusal, and DeviceError if the rotator does not.
        """
        self.hold.check(by)
        await self._move(self.interlock.shown_for(to), by_time=False)
        self.hold.moved(by)

    async def park(self, *, by: str = "operator") -> None:
        """Begin to turn to where it rests. Raises as `point`."""
        self.hold.check(by)
        await self._move(self.settings.park.direction, by_time=False)
        self.hold.moved(by)

    @property
    def stowing(self) -> bool:
        """Whether it is on its way to where it is safe from the wind, or there."""
        return self.settings.stow_at in (self._bound_for, self._commanded)

    async def stow(self) -> None:
        """Begin to turn to where it is safe from the wind, whoever holds it. Raises Refusal and DeviceError."""
        await self._move(self.settings.stow_at, by_time=False)

    async def track(self, to: AzEl, *, by: str) -> None:
        """Follow a direction that depends on the time, for a contact; what is not worth a move is not sent.

        Raises as `point`.
        """
        self.hold.check(by)
        target = self.interlock.shown_for(to)
        self.interlock.check(target, by_time=True)
        if self.thrift.worth(target, self._commanded, self.clock.monotonic()):
            await self._move(target, by_time=True)

    async def stop(self, *, by: str = "operator") -> None:
        """Stop, ahead of everything; whatever contact is being worked loses the antenna, unless it asks itself.

        Always allowed. Raises DeviceError if the rotator cannot be reached; it is then stopped once it can be.
        """
        self.hold.stopped(by)
        await self._lane.stop(self._halt)

    async def brake(self) -> None:
        """Stop its motors and leave it to whoever holds it. Raises DeviceError if it cannot be reached."""
        await self._lane.stop(self._halt)

    async def measure(self) -> Measured:
        """Ask where it points, now. Raises DeviceError."""
        return await self._lane.order(self._read)

    def offset(self, azimuth_deg: float, elevation_deg: float) -> None:
        """Set what the rotator's scale shows at azimuth 0, elevation 0, until the next start. Raises Refusal."""
        for axis, angle_deg in (("azimuth", azimuth_deg), ("elevation", elevation_deg)):
            if not abs(angle_deg) <= 180:
                raise Refusal("offset", f"an {axis} offset of {angle_deg} is not within -180 to 180 degrees")
        self.interlock.scale = Scale(AzEl(azimuth_deg, elevation_deg))
        self._commanded = None

    async def vacate(self, by: str) -> None:
        """Stop for somebody who works on it; no operator has it any longer. Raises DeviceError if it cannot."""
        self.hold.free()
        await self.stop(by=by)

    async def _move(self, target: AzEl, *, by_time: bool) -> None:
        await self._lane.order(lambda rotator: self._send(rotator, target, by_time=by_time), moves=True)

    # The supervised loop

    async def work(self, rotator: Rotator) -> None:
        """Serve one connection of the rotator until it fails (raises DeviceError) or the daemon ends (stops it)."""
        with watched_over(self._guard, f"{self.name} motion", rotator) as lease:
            self._lease = lease
            try:
                await self._serve(rotator, lease)
            finally:
                self._lease = None

    async def _serve(self, rotator: Rotator, lease: Lease) -> None:
        lost = False
        self.interlock.controller = rotator.limits
        self.motion = Motion.of(self.interlock.axes, self.settings.settles_within_deg)
        try:
            with self._lane.opened():  # whoever sees it online may give orders, which wait for these two
                await exchange(self._halt(rotator))
                with suppress(Declined):  # a rotator that shows nothing can be turned all the same
                    await exchange(self._read(rotator))
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._lane.serve(rotator), name=f"{self.name}-lane")
                    tasks.create_task(self._look(), name=f"{self.name}-look")
                    tasks.create_task(self._go_on(), name=f"{self.name}-turns")
                    tasks.create_task(lease.heed("stopped"), name=f"{self.name}-guard")
        except* DeviceError:
            lost = True
            raise
        finally:
            self._commanded = self._bound_for = None
            if lost:
                self._whereabouts.publish_stale()
            else:
                await self._leave(rotator)

    async def _look(self) -> None:
        """Measure while nobody else does: now and then, and closely while it moves or should."""
        while True:
            await self.clock.sleep(_CLOSE_LOOK_S)
            if self._whereabouts.age_s >= (_CLOSE_LOOK_S if self._to_be_watched else self.settings.idle_period_s):
                try:
                    await self.measure()
                except Declined:  # it lives, and has no position to show: that is no reason to end the daemon
                    self._supervision.progress.beat(self.device.name)

    @property
    def _to_be_watched(self) -> bool:
        """Whether it is under way and no contact looks at it often enough."""
        tracked = self.hold.contact is not None and self.settings.tracking_period_s <= _FRESH_S
        return not tracked and self.motion.under_way(self.clock.monotonic())

    async def _go_on(self) -> None:
        """Send it on where one turn was not enough to come to where somebody wants it."""
        while True:
            await self._bound.wait()
            await self.clock.sleep(_TURN_LOOK_S)
            if (target := self._bound_for) is None:
                self._bound.clear()
                continue
            try:
                await self._move(target, by_time=False)
            except Refusal as no:
                self._bound_for = None
                log.warning("antenna does not turn on", antenna=self.name, rule=no.rule, reason=no.reason)

    async def _leave(self, rotator: Rotator) -> None:
        try:
            await exchange(self._halt(rotator))
        except DeviceError as error:
            log.warning("antenna could not be stopped", antenna=self.name, reason=str(error.named(self.device.name)))

    # What the lane carries out

    async def _halt(self, rotator: Rotator) -> None:
        self._commanded = self._bound_for = None
        await rotator.stop()
        self.motion.halted(self.clock.monotonic())
        if self._lease is not None:
            self._lease.release()

    async def _send(self, rotator: Rotator, target: AzEl, *, by_time: bool) -> None:
        if self.barred:
            raise Refusal("motor", f"{self.name} is not turned: {self.barred}")
        self.interlock.check(target, by_time=by_time)
        turn = self.interlock.turn(await self._start(rotator), target) if self.interlock.hindrances else target
        self._bound_for = None
        if turn != self._commanded or turn == target:
            self._commanded = None  # until the rotator has accepted, nobody knows
            if self._lease is not None:
                self._lease.arm()
            await rotator.point(turn)
            self._commanded = turn
            self.thrift.sent(self.clock.monotonic())
            self.motion.sent(turn, self.clock.monotonic())
        if turn != target and not by_time:  # whoever tracks asks again by himself
            self._bound_for = target
            self._bound.set()

    async def _start(self, rotator: Rotator) -> AzEl:
        """Where it stands, for judging a way from there; where it was sent, on each axis that has come so near."""
        measured = self.measured
        if self.feedback.blind or self.motion.frozen:
            if self.commanded is None:
                raise Refusal(
                    "feedback", f"nobody knows where {self.name} stands, so no way past what it may not look at"
                )
            return self.commanded
        if measured is None or self._whereabouts.age_s > _FRESH_S:
            measured = await self._read(rotator)
        here, sent = measured.position, self.commanded or measured.position
        return AzEl(
            sent.azimuth_deg if abs(sent.azimuth_deg - here.azimuth_deg) <= SLACK_DEG else here.azimuth_deg,
            sent.elevation_deg if abs(sent.elevation_deg - here.elevation_deg) <= SLACK_DEG else here.elevation_deg,
        )

    async def _read(self, rotator: Rotator) -> Measured:
        at, shown = await self.feedback.ask(rotator, self.motion)
        measured = Measured(at, self.scale.in_sky(shown))
        self._whereabouts.take(measured)
        if self._lease is not None and self._commanded is not None and self._near(shown, self._commanded):
            self._lease.release()  # it has come to rest; the next order arms it again
        if self.interlock.cable is not None:
            self.interlock.cable.measured(shown.azimuth_deg, self._whereabouts.measured_at_s)
        self._supervision.recovered(self.device)
        self._whereabouts.publish(self.commanded)
        return measured

    @staticmethod
    def _near(shown: AzEl, sent: AzEl) -> bool:
        away_deg = max(abs(shown.azimuth_deg - sent.azimuth_deg), abs(shown.elevation_deg - sent.elevation_deg))
        return away_deg <= _AT_REST_DEG
