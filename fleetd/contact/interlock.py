"""The one gate through which every motion of an antenna passes: point, track, pre-position and park alike.

It judges a direction on the rotator's own scale, just before it goes to the wire, and the way there: where a straight
order could look at something that it must not, the antenna is sent round it turn by turn. Stopping is no motion and
needs no leave. Not here: who may move the antenna at the moment, which is `hold`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fleetd.clock import Clock
from fleetd.contact.axis import Axes
from fleetd.contact.clearance import Hindrance, Obstruction, next_turn
from fleetd.contact.scale import Scale
from fleetd.contact.settings import AntennaSettings
from fleetd.devices import AzEl, RotatorLimits
from fleetd.errors import Refusal


@dataclass(frozen=True, slots=True)
class MaintenanceLock:
    """Somebody works on the antenna."""

    who: str
    why: str


class Interlock:
    """What one antenna may do now. `lock`, `controller` and `scale` change; the site's limits do not."""

    def __init__(self, settings: AntennaSettings, clock: Clock) -> None:
        self.lock: MaintenanceLock | None = None
        self.controller: RotatorLimits | None = None
        self.scale = Scale(settings.offset.direction)
        self._obstruction = Obstruction(settings.mask) if settings.mask else None
        self._settings = settings
        self._clock = clock

    @property
    def axes(self) -> Axes:
        """How far, on the rotator's scale, and how fast it may turn: within the site's and its controller's limits."""
        azimuth, elevation = self._settings.azimuth_limits_deg, self._settings.elevation_limits_deg
        slew = self._settings.slew_deg_s
        if (controller := self.controller) is not None:
            azimuth = _both(azimuth, (controller.azimuth_min_deg, controller.azimuth_max_deg))
            elevation = _both(elevation, (controller.elevation_min_deg, controller.elevation_max_deg))
        return Axes(*azimuth, *elevation, slew.azimuth, slew.elevation)

    @property
    def hindrances(self) -> list[Hindrance]:
        """What it may not look at."""
        return [] if self._obstruction is None else [self._obstruction]

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
        if self.lock is not None:
            raise Refusal("maintenance", f"{self._name} is locked by {self.lock.who}: {self.lock.why}")
        if by_time and self._settings.require_synced_clock and not self._clock.synced:
            raise Refusal("clock", "the machine's clock is not synchronised, so nobody knows where a satellite is")
        axes = self.axes
        self._check_axis("azimuth", to.azimuth_deg, axes.azimuth_min_deg, axes.azimuth_max_deg)
        self._check_axis("elevation", to.elevation_deg, axes.elevation_min_deg, axes.elevation_max_deg)
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
