"""The motion of one axis: where it was sent, what it shows, whether it owes a movement or makes one too many. No I/O.

All angles are those of the rotator's own scale, all times those of the clock's running time, in seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_ANSWERS_S = 0.8  # from an order to the first movement, at most


@dataclass(slots=True)
class AxisMotion:
    """One axis: whether it moves as it should, is due to move and does not, or moves as it should not."""

    name: str
    slew_deg_s: float
    acceleration_deg_s2: float
    step_deg: float
    """The smallest movement that is shown."""
    settles_deg: float
    """How near to where it was sent it may come to rest."""
    target_deg: float | None = None
    shown_deg: float | None = None
    due_since_s: float | None = None
    """Since when it is due to move, and has not been seen to."""
    astray_deg: float = 0.0
    """How far it has gone on where it should not."""
    moved_at_s: float = -math.inf
    unmoved: int = 0
    """How many positions in a row have been the same while it was due to move."""
    _noted_deg: float | None = None
    _direction: int = 0
    _was_right: bool = False

    @property
    def still_s(self) -> float:
        """How long it may stand still when it is due to move: the controller answers, the motor gains speed."""
        distance_deg, acceleration = 2 * self.step_deg, self.acceleration_deg_s2
        gaining_s = self.slew_deg_s / acceleration
        if distance_deg <= self.slew_deg_s * gaining_s / 2:
            return _ANSWERS_S + math.sqrt(2 * distance_deg / acceleration)
        return _ANSWERS_S + distance_deg / self.slew_deg_s + gaining_s / 2

    @property
    def most_astray_deg(self) -> float:
        """How far it may go where it should not: to brake, to settle, and by what the scale does not show."""
        return self.slew_deg_s**2 / (2 * self.acceleration_deg_s2) + self.settles_deg / 2 + 2 * self.step_deg

    @property
    def runs_away(self) -> bool:
        """Whether, astray, it went on from where it should have stopped, rather than set out the wrong way."""
        return self._was_right

    def sent(self, to_deg: float | None, now_s: float) -> None:
        """It is to go there; None: to stand."""
        if self.target_deg is None or to_deg is None:
            self.astray_deg = 0.0
            self._was_right = to_deg is None  # told to stand, whatever goes on runs away
        self.target_deg = to_deg
        self._note_due(now_s)

    def take(self, shown_deg: float, now_s: float) -> None:
        """It stands there now."""
        self.shown_deg = shown_deg
        before = shown_deg if self._noted_deg is None else self._noted_deg
        if abs(shown_deg - before) >= self.step_deg / 2:
            self._moved(before, shown_deg - before, now_s)
            self._noted_deg = shown_deg
        elif self.due_since_s is not None:
            self.unmoved += 1
        self._noted_deg = before if self._noted_deg is None else self._noted_deg
        self._note_due(now_s)

    def start_anew(self) -> None:
        """It was turned by hand, or its scale was set: that was nobody's movement."""
        self.shown_deg = self.due_since_s = self._noted_deg = None
        self.unmoved = 0

    def _note_due(self, now_s: float) -> None:
        if self.shown_deg is None or self._owed_deg(self.shown_deg) <= self.settles_deg:
            self.due_since_s = None
            self.unmoved = 0
        elif self.due_since_s is None:
            self.due_since_s = now_s

    def _moved(self, before: float, step: float, now_s: float) -> None:
        direction = 1 if step > 0 else -1
        if direction != self._direction:
            self._direction, self.astray_deg = direction, 0.0
            self._was_right = self._arrived(before)
        self.moved_at_s = now_s
        self.due_since_s = None
        self.unmoved = 0
        if self._wanted(before) == direction:
            self._was_right, self.astray_deg = True, 0.0
        else:
            self.astray_deg += abs(step)

    def _wanted(self, here_deg: float) -> int:
        """The way that it should go from here; 0 if it should stand."""
        if self.target_deg is None or self.target_deg == here_deg:
            return 0
        return 1 if self.target_deg > here_deg else -1

    def _owed_deg(self, here_deg: float) -> float:
        return 0.0 if self.target_deg is None else abs(self.target_deg - here_deg)

    def _arrived(self, here_deg: float) -> bool:
        return self.target_deg is None or self._owed_deg(here_deg) <= self.settles_deg
