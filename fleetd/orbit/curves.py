"""Height and range of satellites over stations as polynomials of time, and the instants at which events happen on them.

A curve is one satellite over one station around one interval between two nodes: the height above the station's tangent
plane and the square of the range, each through as many nodes around as the orbit itself would be, and as exactly. Time
runs in steps, 0 at the interval's first node and 1 at its last. Many curves are worked on at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np

from fleetd.orbit.earth import Floats
from fleetd.orbit.motion import POINTS, Ints, lagrange

_BASIS = lagrange(POINTS)
_LAST_STEP = 1e-4  # of an interval: Newton's next step would be some 1e-8
_NARROW = 1e-9  # of an interval: halved as far as this, a bracket is an instant
_FEW = (
    0.5  # of the curves at work: while more than these are unfinished, leaving the others out costs more than it saves
)
_MOST_ROUNDS = 60


@dataclass(frozen=True, slots=True)
class Curves:
    """One curve a row (the last axis of the coefficients, whose first is the power)."""

    satellite: Ints
    station: Ints
    start_s: Floats
    """When x is 0, in seconds after the window's opening."""
    step_s: Floats
    middle: Floats
    """The x about which the powers are taken."""
    height: Floats
    range2: Floats
    """Empty where the mask is the horizon and only crossings are sought, which need no range then."""

    def __len__(self) -> int:
        return len(self.satellite)

    def __getitem__(self, rows: Any) -> Curves:
        return Curves(*(getattr(self, field.name)[..., rows] for field in fields(Curves)))

    @staticmethod
    def join(parts: Sequence[Curves]) -> Curves:
        """All curves of all parts, in that order."""
        if not parts:
            nobody, never, flat = np.empty(0, dtype=np.intp), np.empty(0), np.empty((POINTS, 0))
            return Curves(nobody, nobody, never, never, never, flat, flat)
        return Curves(
            *(np.concatenate([getattr(part, field.name) for part in parts], axis=-1) for field in fields(Curves))
        )

    def after_s(self, x: Floats) -> Floats:
        """Seconds after the window's opening."""
        return self.start_s + x * self.step_s

    def sine(self, x: Floats) -> Floats:
        """Sine of the elevation."""
        offset = x - self.middle
        result: Floats = _value(self.height, offset) / np.sqrt(_value(self.range2, offset))
        return result

    def crossing(self, low: Floats, high: Floats, slope: Floats, mask_sine: float) -> Floats:
        """Where the elevation passes the mask, once, between low and high; upwards where slope is 1, down where -1."""
        return _zero(self, low, high, slope, _Excess(mask_sine))

    def extreme(self, low: Floats, high: Floats, slope: Floats) -> Floats:
        """Where the elevation is highest (slope -1) or lowest (slope 1) between low and high."""
        return _zero(self, low, high, slope, _Turning())


def powers(numbers: Floats, start: Ints) -> Floats:
    """The polynomials through as many numbers as a stencil has from each start on: one a column, power by power."""
    # A window at every number, without copying any: `sliding_window_view` does the same, but takes its time.
    windows: Floats = np.ndarray((len(numbers) - POINTS + 1, POINTS), float, numbers, strides=numbers.strides * 2)
    found: Floats = _BASIS @ windows[start].T
    return found


class _Function(Protocol):
    """What is sought the zero of."""

    def value(self, curves: Curves, x: Floats) -> Floats: ...

    def slope(self, curves: Curves, x: Floats) -> tuple[Floats, Floats]:
        """Value and slope."""
        ...


class _Excess:
    """Height above the tangent plane less what the mask asks for at that range; without a mask the height alone."""

    def __init__(self, mask_sine: float) -> None:
        self._mask_sine = mask_sine

    def value(self, curves: Curves, x: Floats) -> Floats:
        height = _value(curves.height, x - curves.middle)
        if self._mask_sine:
            height = height - self._mask_sine * np.sqrt(_value(curves.range2, x - curves.middle))
        return height

    def slope(self, curves: Curves, x: Floats) -> tuple[Floats, Floats]:
        height, height_1 = _slope(curves.height, x - curves.middle)
        if self._mask_sine:
            square, square_1 = _slope(curves.range2, x - curves.middle)
            distance = np.sqrt(square)
            height -= self._mask_sine * distance
            height_1 -= self._mask_sine * square_1 / (2 * distance)
        return height, height_1


class _Turning:
    """Twice the numerator of the derivative of height / range."""

    @staticmethod
    def value(curves: Curves, x: Floats) -> Floats:
        height, height_1 = _slope(curves.height, x - curves.middle)
        square, square_1 = _slope(curves.range2, x - curves.middle)
        result: Floats = 2 * height_1 * square - height * square_1
        return result

    @staticmethod
    def slope(curves: Curves, x: Floats) -> tuple[Floats, Floats]:
        height, height_1, height_2 = _curvature(curves.height, x - curves.middle)
        square, square_1, square_2 = _curvature(curves.range2, x - curves.middle)
        return (
            2 * height_1 * square - height * square_1,
            2 * height_2 * square + height_1 * square_1 - height * square_2,
        )


def _zero(curves: Curves, low: Floats, high: Floats, slope: Floats, function: _Function) -> Floats:
    """Newton's method from the chord's zero; a step that leaves the bracket gives way to halving it."""
    at_low, at_high = function.value(curves, low), function.value(curves, high)
    part = np.divide(at_low, at_low - at_high, out=np.full_like(low, 0.5), where=at_low * at_high < 0)
    x = low + part * (high - low)
    low, high = low.copy(), high.copy()
    working, left = curves, np.arange(len(x))
    for _ in range(_MOST_ROUNDS):
        now, begin, end = x[left], low[left], high[left]
        value, first = function.slope(working, now)
        later = value * slope[left] < 0
        begin, end = np.where(later, now, begin), np.where(later, end, now)
        with np.errstate(divide="ignore", invalid="ignore"):
            following = now - value / first
        outside = ~((begin <= following) & (following <= end))
        following = np.where(outside, (begin + end) / 2, following)
        unfinished = np.abs(following - now) > np.where(outside, _NARROW, _LAST_STEP)
        x[left], low[left], high[left] = following, begin, end
        if not unfinished.any():
            break
        if np.count_nonzero(unfinished) < _FEW * len(now):
            left = left[unfinished]
            working = curves[left]
    return x


# Horner's rule, in place: temporary arrays would cost as much as the arithmetic.


def _value(powers: Floats, x: Floats) -> Floats:
    value: Floats = powers[-1] * x
    for power in powers[-2:0:-1]:
        value += power
        value *= x
    value += powers[0]
    return value


def _slope(powers: Floats, x: Floats) -> tuple[Floats, Floats]:
    slope, value = powers[-1].copy(), powers[-1] * x
    value += powers[-2]
    for power in powers[-3::-1]:
        slope *= x
        slope += value
        value *= x
        value += power
    return value, slope


def _curvature(powers: Floats, x: Floats) -> tuple[Floats, Floats, Floats]:
    curve, slope, value = np.zeros_like(x), powers[-1].copy(), powers[-1] * x
    value += powers[-2]
    for power in powers[-3::-1]:
        curve *= x
        curve += slope
        slope *= x
        slope += value
        value *= x
        value += power
    curve *= 2
    return value, slope, curve
