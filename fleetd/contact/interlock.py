"""The one gate through which every motion of an antenna passes: point, track, pre-position and park alike.

It judges a direction on the rotator's own scale, just before it goes to the wire, and the way there: where a straight
order could look at something that it must not, the antenna is sent round it turn by turn. Stopping is no motion and
needs no leave. Not here: who may move the antenna at the moment, which is `hold`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime

import msgspec

from fleetd.clock import Clock
from fleetd.contact.axis import Axes
from fleetd.contact.clearance import Hindrance, Obstruction, next_turn
from fleetd.contact.scale import Scale
from fleetd.contact.settings import AntennaSettings
from fleetd.contact.suncone import SunCone
from fleetd.contact.wrap import CableWrap
from fleetd.devices import AzEl, RotatorLimits
from fleetd.errors import Refusal

Sun = Callable[[datetime], AzEl]
"""Where the Sun stands; raises ValueError for times at which nobody knows."""


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """People work on an antenna from `begin` to `end`; without an end, until somebody says that they are done."""

    id: str
    antenna: str
    begin: datetime
    end: datetime | None = None
    who: str
    why: str

    def covers(self, when: datetime) -> bool:
        """Whether it goes on then."""
        return self.begin <= when and (self.end is None or when < self.end)

    def meets(self, begin: datetime, end: datetime) -> bool:
        """Whether some of it lies within a stretch of time."""
        return self.begin < end and (self.end is None or begin < self.end)


class Interlock:
    """What one antenna may do now. `works`, `controller`, `scale` and `wind` change; the site's limits do not.

    `wind` says why the wind is too high, and is '' while it is not.
    """

    def __init__(self, settings: AntennaSettings, clock: Clock, sun: Sun | None = None) -> None:
        self.works: tuple[Work, ...] = ()
        self.controller: RotatorLimits | None = None
        self.wind = ""
        self.cable = None if settings.cable is None else CableWrap(settings.cable, settings.slew_deg_s.azimuth)
        self._sun = sun
        self.scale = Scale(settings.offset.direction)
        self._obstruction = Obstruction(settings.mask) if settings.mask else None
        self._settings = settings
        self._clock = clock

    @property
    def lock(self) -> Work | None:
        """The work that goes on now, if any does."""
        now = self._clock.now()
        return next((work for work in self.works if work.covers(now)), None)

    @property
    def axes(self) -> Axes:
        """How far, on the rotator's scale, and how fast it may turn: within the site's and its controller's limits."""
        azimuth, elevation = self._settings.azimuth_limits_deg, self._settings.elevation_limits_deg
        slew, acceleration = self._settings.slew_deg_s, self._settings.acceleration_deg_s2
        if (controller := self.controller) is not None:
            azimuth = _both(azimuth, (controller.azimuth_min_deg, controller.azimuth_max_deg))
            elevation = _both(elevation, (controller.elevation_min_deg, controller.elevation_max_deg))
        return Axes(
            *azimuth,
            *elevation,
            slew.azimuth,
            slew.elevation,
            acceleration.azimuth,
            acceleration.elevation,
            self._step_deg,
        )

    @property
    def hindrances(self) -> list[Hindrance]:
        """What it may not look at now."""
        found: list[Hindrance] = [] if self._obstruction is None else [self._obstruction]
        if self._settings.sun_cone_deg is not None and self._sun is not None:
            found.append(SunCone(self._settings.sun_cone_deg, self._where_the_sun_is(self._sun)))
        return found

    def _where_the_sun_is(self, sun: Sun) -> AzEl:
        try:
            return sun(self._clock.now())
        except ValueError as error:
            raise Refusal("sun-cone", f"{self._name} cannot be kept away from the Sun: {error}") from None

    def shown_for(self, to: AzEl) -> AzEl:
        """What the scale shows for a direction of the sky, in whole steps of the controller.

        Where the nearest step looks at what it must not and the direction itself does not, it is the step beside it.
        """
        shown = self.scale.shown_for(to, self.axes, self.controller)
        if self._forbidden(shown) and not any(each.at(to) for each in self.hindrances):
            for step_deg in (self._step_deg, -self._step_deg):
                beside = AzEl(shown.azimuth_deg, shown.elevation_deg + step_deg)
                if self._within(beside) and not self._forbidden(beside):
                    return beside
        return shown

    def turn(self, start: AzEl, to: AzEl) -> AzEl:
        """Where, on the scale, to send an antenna next that looks at `start` so that its scale comes to show `to`.

        That is `to` unless something is in the way. Raises Refusal when there is no way past it.
        """
        if not (hindrances := self.hindrances):
            return to
        wanted, axes = self.scale.in_sky(to), self.scale.axes_in_sky(self.axes)
        turn = next_turn(start, wanted, axes, hindrances)
        return to if turn == wanted else self._nearer_zenith(turn)

    def _nearer_zenith(self, turn: AzEl) -> AzEl:
        """What the scale shows for a turn, its elevation a whole step towards the zenith, where masks never reach."""
        shown = self.scale.shown_for(turn, self.axes, self.controller)
        short_deg = turn.elevation_deg - self.scale.in_sky(shown).elevation_deg
        if short_deg * (90 - turn.elevation_deg) <= 0:
            return shown
        nearer = AzEl(shown.azimuth_deg, shown.elevation_deg + math.copysign(self._step_deg, short_deg))
        return nearer if self._within(nearer) else shown

    def check(self, to: AzEl, *, by_time: bool) -> None:
        """Let a motion to `to` pass or raise Refusal; `by_time` if the direction depends on what time it is."""
        if (lock := self.lock) is not None:
            raise Refusal("maintenance", f"{self._name} is locked by {lock.who}: {lock.why}")
        if by_time and self._settings.require_synced_clock and not self._clock.synced:
            raise Refusal("clock", "the machine's clock is not synchronised, so nobody knows where a satellite is")
        if self.wind and to != self._settings.stow_at:
            raise Refusal("wind", f"{self._name} is stowed: {self.wind}")
        axes = self.axes
        self._check_axis("azimuth", to.azimuth_deg, axes.azimuth_min_deg, axes.azimuth_max_deg)
        self._check_axis("elevation", to.elevation_deg, axes.elevation_min_deg, axes.elevation_max_deg)
        if self.cable is not None:
            self.cable.check(to.azimuth_deg)
        look = self.scale.in_sky(to)
        for hindrance in self.hindrances:
            if why := hindrance.at(look):
                raise Refusal(hindrance.rule, f"{self._name} may not point there: {why}")

    def _check_axis(self, axis: str, angle_deg: float, low_deg: float, high_deg: float) -> None:
        if not math.isfinite(angle_deg):
            raise Refusal("not-finite", f"{axis} {angle_deg} is no direction")
        if not low_deg <= angle_deg <= high_deg:
            raise Refusal(
                f"{axis}-limits",
                f"{axis} {angle_deg:.1f} is outside the limits of {self._name}, {low_deg:g} to {high_deg:g} degrees",
            )

    @property
    def _step_deg(self) -> float:
        return self.controller.resolution_deg if self.controller else 0.0

    def _forbidden(self, shown: AzEl) -> bool:
        look = self.scale.in_sky(shown)
        return any(each.at(look) for each in self.hindrances)

    def _within(self, shown: AzEl) -> bool:
        return self.axes.elevation_min_deg <= shown.elevation_deg <= self.axes.elevation_max_deg

    @property
    def _name(self) -> str:
        return self._settings.name


def _both(site: tuple[float, float], controller: tuple[float, float]) -> tuple[float, float]:
    return max(site[0], controller[0]), min(site[1], controller[1])
