"""Motion along one line with finite acceleration: the shared mechanics of an antenna axis and of a robot's wheels.

Each phase (speed up, cruise, brake) is solved exactly, so one step of a minute ends where a thousand small ones do. A
model may therefore sleep until somebody asks. Not here: limits, routes, motors; those are the models' own.
"""

from __future__ import annotations

import math

_TOUCH = 1e-7  # distances closer than this to a braking point count as reached, far below any device's resolution
_ARRIVED = 1e-5


class Motion:
    """A point on a line; all four quantities share one unit of length (degrees or metres) and seconds."""

    def __init__(self, position: float, acceleration: float, deceleration: float) -> None:
        self.position = position
        self.velocity = 0.0
        self.acceleration = acceleration
        self.deceleration = deceleration

    def step(self, dt_s: float, target: float | None, cruise: float) -> float:
        """Move for `dt_s` towards `target` at most at `cruise`, or brake to a standstill when it is None.

        Returns the seconds left over after coming to rest where it was told to; 0 while still moving.
        """
        left_s = dt_s
        while left_s > 0:
            phase = self._phase(target, cruise)
            if phase is None:
                return left_s
            acceleration, lasts_s, final_velocity = phase
            if lasts_s > left_s:
                self._run(acceleration, left_s)
                return 0.0
            self._run(acceleration, lasts_s)
            self.velocity = final_velocity  # exact, so that rounding cannot keep a phase from ending
            left_s -= lasts_s
            if final_velocity == 0 and target is not None and abs(target - self.position) < _ARRIVED:
                self.position = target
        return 0.0

    def halt(self) -> None:
        """Stand still at once, as against an end stop."""
        self.velocity = 0.0

    def _run(self, acceleration: float, dt_s: float) -> None:
        self.position += (self.velocity + acceleration * dt_s / 2) * dt_s
        self.velocity += acceleration * dt_s

    def _phase(self, target: float | None, cruise: float) -> tuple[float, float, float] | None:
        """What happens next: (acceleration, how long it lasts, velocity at its end), or None at rest in place."""
        if target is None or cruise <= 0:
            return self._braking()
        ahead = target - self.position
        if ahead == 0 and self.velocity == 0:
            return None
        sign = math.copysign(1.0, ahead or self.velocity)
        towards = self.velocity * sign
        spare = abs(ahead) - towards**2 / (2 * self.deceleration)
        if towards < 0 or (towards > 0 and spare <= _TOUCH):
            return self._braking()
        if towards > cruise:
            return -sign * self.deceleration, (towards - cruise) / self.deceleration, sign * cruise
        if towards < cruise:
            peak = min(cruise, self._peak(abs(ahead), towards))
            return sign * self.acceleration, (peak - towards) / self.acceleration, sign * peak
        return 0.0, spare / cruise, self.velocity

    def _peak(self, distance: float, speed: float) -> float:
        """The speed at which speeding up must turn into braking to stop just there: v²/2 (1/a + 1/d) = s + u²/2a."""
        return math.sqrt(
            (2 * distance + speed**2 / self.acceleration) / (1 / self.acceleration + 1 / self.deceleration)
        )

    def _braking(self) -> tuple[float, float, float] | None:
        if self.velocity == 0:
            return None
        slowing = -math.copysign(self.deceleration, self.velocity)
        return slowing, abs(self.velocity) / self.deceleration, 0.0
