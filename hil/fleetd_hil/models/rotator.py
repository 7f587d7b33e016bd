"""An azimuth-elevation rotator: two axes with a finite slew rate, acceleration and end stops, and how they can fail.

Azimuth is counted from the counter-clockwise stop and is not wrapped: 370 is one turn and ten degrees. Not here: what a
controller makes of commands, and how it words a position.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fleetd_hil.models.motion import Motion


@dataclass(frozen=True, slots=True)
class AxisBuild:
    """How one axis is built: its end stops in degrees, its slew rate in deg/s and its acceleration in deg/s²."""

    low_deg: float
    high_deg: float
    slew_deg_s: float
    acceleration_deg_s2: float


@dataclass(frozen=True, slots=True)
class RotatorBuild:
    """A rotator of the G-5500 class: one turn in a minute, 450 degrees of azimuth, 180 of elevation."""

    azimuth: AxisBuild = field(default_factory=lambda: AxisBuild(0.0, 450.0, 6.0, 6.0))
    elevation: AxisBuild = field(default_factory=lambda: AxisBuild(0.0, 180.0, 3.0, 3.0))
    start_azimuth_deg: float = 0.0
    start_elevation_deg: float = 0.0


class Axis:
    """One motor and its scale. `seized`, `reversed`, `welded` and `overshoot_deg` break it, at any time."""

    def __init__(self, build: AxisBuild, start_deg: float) -> None:
        self.build = build
        self.speed_share = 1.0
        self.seized = False
        self.reversed = False
        self.overshoot_deg = 0.0
        self.welded = False
        self._motion = Motion(start_deg, build.acceleration_deg_s2, build.acceleration_deg_s2)
        self._target_deg: float | None = None
        self._via_deg: float | None = None

    @property
    def position_deg(self) -> float:
        """Where the axis really is, in degrees from its lower stop's scale."""
        return self._motion.position

    @property
    def moving(self) -> bool:
        """Whether it turns at this instant."""
        return self._motion.velocity != 0

    @property
    def velocity_deg_s(self) -> float:
        """How fast it turns, up counting positive."""
        return self._motion.velocity

    def go(self, to_deg: float) -> None:
        """Head for `to_deg`; the end stops bound it."""
        self._target_deg = self._within(to_deg)
        self._via_deg = None
        if self.overshoot_deg and self._target_deg != self.position_deg:
            beyond = self.overshoot_deg if self._target_deg > self.position_deg else -self.overshoot_deg
            self._via_deg = self._within(self._target_deg + beyond)

    def jog(self, direction: int) -> None:
        """Turn up (1) or down (-1) until told otherwise or stopped by the end."""
        self.go(self.build.high_deg if direction > 0 else self.build.low_deg)

    def stop(self) -> None:
        """Brake to a standstill."""
        self._target_deg = self._via_deg = None

    def step(self, dt_s: float) -> None:
        """Let `dt_s` seconds pass. Every aim lies between the end stops, and the axis brakes in time for it."""
        if self.seized:
            self._motion.halt()
            return
        cruise = self.build.slew_deg_s * self.speed_share
        if self._via_deg is not None and not self.reversed:
            dt_s = self._motion.step(dt_s, self._via_deg, cruise)
            if dt_s == 0:
                return
            self._via_deg = None
        self._motion.step(dt_s, self._aim_deg(), cruise)

    def _aim_deg(self) -> float | None:
        if self.welded and self.moving:
            return self.build.high_deg if self._motion.velocity > 0 else self.build.low_deg
        if not self.reversed or self._target_deg is None or self._target_deg == self.position_deg:
            return self._target_deg
        return self.build.low_deg if self._target_deg > self.position_deg else self.build.high_deg

    def _within(self, angle_deg: float) -> float:
        return min(self.build.high_deg, max(self.build.low_deg, angle_deg))


class RotatorModel:
    """Both axes."""

    def __init__(self, build: RotatorBuild | None = None) -> None:
        build = build or RotatorBuild()
        self.azimuth = Axis(build.azimuth, build.start_azimuth_deg)
        self.elevation = Axis(build.elevation, build.start_elevation_deg)

    @property
    def axes(self) -> tuple[Axis, Axis]:
        """Azimuth and elevation, for what concerns both."""
        return self.azimuth, self.elevation

    def step(self, dt_s: float) -> None:
        """Let `dt_s` seconds pass for both axes."""
        for axis in self.axes:
            axis.step(dt_s)
