"""Measured against commanded: what the motion of one antenna says of its motors and of its feedback. No I/O.

Fed with each order, each stop and each position shown, with the time of each; all angles are those of the rotator's own
scale. What is wrong is named by `Trouble`; what is done about it is the business of `motorwatch`.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from fleetd.contact.axis import Axes
from fleetd.contact.axismotion import AxisMotion
from fleetd.devices import AzEl

_WILD_SHARE = 1.5  # of what the slew rate allows; faster is no movement
_NOISY_COUNT, _NOISY_S = 3, 60.0
_LEAST_STEP_DEG = 0.2  # a scale that shows more than that trembles
_UNMOVED = 2  # one may be chance: there and back between two looks
_MOVING_S = 1.5  # after the last movement that was seen


class Trouble(StrEnum):
    """What can be wrong, under the name of its alarm."""

    STALLED = "motor-stalled"
    RUNAWAY = "motor-runaway"
    WRONG_WAY = "motor-wrong-way"
    FROZEN = "feedback-frozen"
    NOISY = "feedback-noisy"
    LOST = "feedback-lost"


@dataclass(frozen=True, slots=True)
class Finding:
    """One trouble in words, with the figure that tells and the figure that it may not pass."""

    trouble: Trouble
    text: str
    value: float | None = None
    limit: float | None = None


@dataclass(slots=True)
class Motion:
    """Both axes of one antenna."""

    azimuth: AxisMotion
    elevation: AxisMotion
    shown: AzEl | None = None
    _shown_at_s: float = -math.inf
    _wild_s: deque[float] = field(default_factory=deque)
    _doubt: AzEl | None = None
    _frozen: bool = False

    @classmethod
    def of(cls, axes: Axes, settles_deg: float) -> Motion:
        """For an antenna with these axes."""
        step_deg = max(axes.resolution_deg, _LEAST_STEP_DEG)
        return cls(
            AxisMotion("azimuth", *axes.azimuth_pace, step_deg, settles_deg),
            AxisMotion("elevation", *axes.elevation_pace, step_deg, settles_deg),
        )

    @property
    def axes(self) -> tuple[AxisMotion, AxisMotion]:
        """Azimuth and elevation, for what concerns both."""
        return self.azimuth, self.elevation

    def under_way(self, now_s: float) -> bool:
        """Whether it is due to move, or was seen to a moment ago: then it is to be watched closely."""
        return any(axis.due_since_s is not None or now_s - axis.moved_at_s < _MOVING_S for axis in self.axes)

    @property
    def frozen(self) -> bool:
        """Whether what is shown stands still although it should not."""
        return self._frozen

    @property
    def moved_at_s(self) -> float:
        """When it was last seen to move."""
        return max(axis.moved_at_s for axis in self.axes)

    def sent(self, to: AzEl, now_s: float) -> None:
        """It was sent there."""
        self.azimuth.sent(to.azimuth_deg, now_s)
        self.elevation.sent(to.elevation_deg, now_s)

    def halted(self, now_s: float) -> None:
        """It was told to stand."""
        for axis in self.axes:
            axis.sent(None, now_s)

    def forgive(self) -> None:
        """Somebody has seen to it: what went astray before counts no more."""
        for axis in self.axes:
            axis.astray_deg = 0.0

    def wild(self, shown: AzEl, now_s: float) -> bool:
        """Whether a position is farther from the last than any motor gets: to be asked for once more, and not believed.

        A second one that agrees with the first is believed: then the antenna does stand there.
        """
        if self._believable(shown, now_s):
            self._doubt = None
            return False
        self._doubt = shown
        self._wild_s.append(now_s)
        return True

    def _believable(self, shown: AzEl, now_s: float) -> bool:
        passed_s = now_s - self._shown_at_s if self.under_way(now_s) else 0.0
        known = [each for each in (self.shown, self._doubt) if each is not None]
        return not known or any(self._within_reach(each, shown, passed_s) for each in known)

    def take(self, shown: AzEl, now_s: float) -> None:
        """It shows this; call it for what is believed alone."""
        if self.shown is not None and not self._within_reach(self.shown, shown, now_s - self._shown_at_s):
            for axis in self.axes:
                axis.start_anew()
        self._frozen = self._frozen and shown == self.shown
        self.shown, self._shown_at_s = shown, now_s
        self.azimuth.take(shown.azimuth_deg, now_s)
        self.elevation.take(shown.elevation_deg, now_s)

    def findings(self, now_s: float) -> list[Finding]:
        """What is wrong now."""
        found = [self._astray(axis) for axis in self.axes if axis.astray_deg > axis.most_astray_deg]
        return [*found, *self._still(now_s), *self._noisy(now_s)]

    def _still(self, now_s: float) -> list[Finding]:
        """Axes that are due to move and do not. Both at once, to a hair: then it is the feedback that stands."""
        due = {axis.name: since_s for axis in self.axes if (since_s := axis.due_since_s) is not None}
        # Judged by what was shown, not by the time that has passed: no news is no standstill.
        late = [
            axis
            for axis in self.axes
            if axis.unmoved >= _UNMOVED and self._shown_at_s - due.get(axis.name, math.inf) >= axis.still_s
        ]
        undecided = [
            axis
            for axis in self.axes
            if axis.name in due and axis not in late and (axis.unmoved or self._stood_as_long(axis, late))
        ]
        self._frozen = self._frozen or len(late) == len(self.axes)
        if self._frozen:
            still_s = self._shown_at_s - min(due.values(), default=self._shown_at_s)
            text = f"both axes are due to move, and the position shown has not changed for {still_s:.1f} s"
            return [Finding(Trouble.FROZEN, text, round(still_s, 1), round(max(axis.still_s for axis in self.axes), 1))]
        return [] if undecided else [self._stalled(axis, now_s) for axis in late]

    @staticmethod
    def _stood_as_long(axis: AxisMotion, late: list[AxisMotion]) -> bool:
        return any(other.due_since_s is not None and axis.moved_at_s <= other.due_since_s for other in late)

    def _stalled(self, axis: AxisMotion, now_s: float) -> Finding:
        still_s = 0.0 if axis.due_since_s is None else now_s - axis.due_since_s
        text = (
            f"the {axis.name} stands still at {axis.shown_deg or 0:.1f} degrees for {still_s:.1f} s, "
            f"sent to {axis.target_deg or 0:.1f}"
        )
        return Finding(Trouble.STALLED, text, round(still_s, 1), round(axis.still_s, 1))

    def _astray(self, axis: AxisMotion) -> Finding:
        sent = "told to stand" if axis.target_deg is None else f"sent to {axis.target_deg:.1f}"
        went = "went on" if axis.runs_away else "turned the wrong way"
        text = f"the {axis.name}, {sent}, {went} by {axis.astray_deg:.1f} degrees to {axis.shown_deg or 0:.1f}"
        trouble = Trouble.RUNAWAY if axis.runs_away else Trouble.WRONG_WAY
        return Finding(trouble, text, round(axis.astray_deg, 1), round(axis.most_astray_deg, 1))

    def _noisy(self, now_s: float) -> list[Finding]:
        while self._wild_s and now_s - self._wild_s[0] > _NOISY_S:
            self._wild_s.popleft()
        if len(self._wild_s) < _NOISY_COUNT:
            return []
        text = f"{len(self._wild_s)} positions of the last {_NOISY_S:.0f} s were farther off than a motor gets"
        return [Finding(Trouble.NOISY, text, len(self._wild_s), _NOISY_COUNT)]

    def _within_reach(self, here: AzEl, there: AzEl, passed_s: float) -> bool:
        """Whether the motors could have brought it from one to the other meanwhile."""
        for axis, start, end in (
            (self.azimuth, here.azimuth_deg, there.azimuth_deg),
            (self.elevation, here.elevation_deg, there.elevation_deg),
        ):
            most_deg = _WILD_SHARE * axis.slew_deg_s * (max(passed_s, 0.0) + 1.0) + axis.settles_deg + 2 * axis.step_deg
            if abs(end - start) > most_deg:
                return False
        return True
