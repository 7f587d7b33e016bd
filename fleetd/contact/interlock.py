"""The one gate through which every motion of an antenna passes: point, track, pre-position and park alike.

It judges a direction on the rotator's own scale, just before it goes to the wire. Stopping is no motion and needs no
leave. Not here: who may move the antenna at the moment, which is `hold`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fleetd.clock import Clock
from fleetd.contact.axis import Axes
from fleetd.contact.settings import AntennaSettings
from fleetd.devices import AzEl, RotatorLimits
from fleetd.errors import Refusal


@dataclass(frozen=True, slots=True)
class MaintenanceLock:
    """Somebody works on the antenna."""

    who: str
    why: str


class Interlock:
    """What one antenna may do now. `lock` and `controller` change; the site's limits do not."""

    def __init__(self, settings: AntennaSettings, clock: Clock) -> None:
        self.lock: MaintenanceLock | None = None
        self.controller: RotatorLimits | None = None
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

    def check(self, to: AzEl, *, by_time: bool) -> None:
        """Let a motion to `to` pass or raise Refusal; `by_time` if the direction depends on what time it is."""
        if self.lock is not None:
            raise Refusal("maintenance", f"{self._name} is locked by {self.lock.who}: {self.lock.why}")
        if by_time and self._settings.require_synced_clock and not self._clock.synced:
            raise Refusal("clock", "the machine's clock is not synchronised, so nobody knows where a satellite is")
        axes = self.axes
        self._check_axis("azimuth", to.azimuth_deg, axes.azimuth_min_deg, axes.azimuth_max_deg)
        self._check_axis("elevation", to.elevation_deg, axes.elevation_min_deg, axes.elevation_max_deg)

    def _check_axis(self, axis: str, angle_deg: float, low_deg: float, high_deg: float) -> None:
        if not math.isfinite(angle_deg):
            raise Refusal("not-finite", f"{axis} {angle_deg} is no direction")
        if not low_deg <= angle_deg <= high_deg:
            raise Refusal(
                f"{axis}-limits",
                f"{axis} {angle_deg:.1f} is outside the limits of {self._name}, {low_deg:g} to {high_deg:g} degrees",
            )

    @property
    def _name(self) -> str:
        return self._settings.name


def _both(site: tuple[float, float], controller: tuple[float, float]) -> tuple[float, float]:
    return max(site[0], controller[0]), min(site[1], controller[1])
