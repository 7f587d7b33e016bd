"""From a bracket to the instant: Newton steps with curvature, many events at once, each kept within its bracket.

Two kinds of event are sought: extremes of the elevation (summits and valleys) and crossings of a mask elevation. Both
are zeros of a smooth function whose slope has a known sign there; a step that leaves the bracket gives way to halving.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from fleetd.orbit.earth import Floats
from fleetd.orbit.motion import Ints, Motions, acceleration
from fleetd.orbit.station import Station

_MOST_ROUNDS = 60
_NARROW_S = 1e-6
# A step below these is the last: its own error is then some 1e-5 s (summits converge by Newton, crossings by Halley).
_LAST_SUMMIT_STEP_S = 0.02
_LAST_CROSSING_STEP_S = 0.2


class Places:
    """Stations as arrays, one a row; Earth-fixed kilometres."""

    def __init__(self, stations: Sequence[Station]) -> None:
        self.position_km = np.array([station.position_km for station in stations])
        self.up = np.array([station.up for station in stations])
        self.east = np.array([station.east for station in stations])
        self.north = np.array([station.north for station in stations])

    def __len__(self) -> int:
        return len(self.up)


@dataclass(frozen=True, slots=True)
class Brackets:
    """Stretches of time that hold one event each, in seconds; `slope` is the sign of the sought function's there."""

    satellite: Ints
    station: Ints
    low_s: Floats
    high_s: Floats
    guess_s: Floats
    slope: Floats

    def __len__(self) -> int:
        return len(self.satellite)

    def __getitem__(self, rows: Any) -> Brackets:
        return Brackets(*(getattr(self, field.name)[rows] for field in fields(Brackets)))

    @staticmethod
    def join(parts: Sequence[Brackets]) -> Brackets:
        """All brackets of all parts, in that order."""
        nobody, never = np.empty(0, dtype=np.intp), np.empty(0)
        parts = [Brackets(nobody, nobody, never, never, never, never), *parts]
        names = [field.name for field in fields(Brackets)]
        return Brackets(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True, slots=True)
class Instants:
    """Moments, one a row: seconds after the window's opening, and the ray from station to satellite in km."""

    after_s: Floats
    ray_km: Floats

    def __getitem__(self, rows: Any) -> Instants:
        return Instants(self.after_s[rows], self.ray_km[rows])

    @staticmethod
    def join(parts: Sequence[Instants]) -> Instants:
        """All moments of all parts, in that order."""
        return Instants(
            np.concatenate([part.after_s for part in parts]), np.concatenate([part.ray_km for part in parts])
        )


# From rays, their first and second derivatives and the stations' up: the function sought, and the step to its zero.
_Step = Callable[[Floats, Floats, Floats, Floats, Floats], tuple[Floats, Floats]]


class Scene:
    """Satellites and stations together: where events are looked for."""

    def __init__(self, motions: Motions, places: Places) -> None:
        self.motions = motions
        self.places = places

    def rays(self, satellite: Ints, station: Ints, after_s: Floats) -> Instants:
        """The rays at given moments."""
        position_km, _ = self.motions.at(satellite, after_s)
        return Instants(after_s, position_km - self.places.position_km[station])

    def sine(self, station: Ints, ray_km: Floats) -> Floats:
        """Sine of the elevation of rays."""
        height_km = _dot(self.places.up[station], ray_km)
        result: Floats = height_km / np.sqrt(_dot(ray_km, ray_km))
        return result

    def extremes(self, brackets: Brackets) -> Instants:
        """Where the elevation is highest (slope -1) or lowest (slope +1)."""
        return self._solve(brackets, _step_to_extreme, _LAST_SUMMIT_STEP_S)

    def crossings(self, brackets: Brackets, mask_sine: float) -> Instants:
        """Where the elevation passes the mask upwards (slope +1) or downwards (slope -1)."""

        def step(ray: Floats, speed: Floats, pull: Floats, up: Floats, slope: Floats) -> tuple[Floats, Floats]:
            return _step_to_mask(ray, speed, pull, up, slope, mask_sine)

        return self._solve(brackets, step, _LAST_CROSSING_STEP_S)

    def _solve(self, brackets: Brackets, step_to: _Step, last_step_s: float) -> Instants:
        after_s, low_s, high_s = brackets.guess_s.copy(), brackets.low_s.copy(), brackets.high_s.copy()
        ray_km = np.zeros((len(brackets), 3))
        left = np.arange(len(brackets))
        for _ in range(_MOST_ROUNDS):
            if not len(left):
                break
            satellite, station, slope, now_s = (
                brackets.satellite[left], brackets.station[left], brackets.slope[left], after_s[left],
            )  # fmt: skip
            position, speed = self.motions.at(satellite, now_s)
            ray = position - self.places.position_km[station]
            pull = acceleration(position, speed)
            value, step_s = step_to(ray, speed, pull, self.places.up[station], slope)
            later = value * slope < 0
            low = low_s[left] = np.where(later, now_s, low_s[left])
            high = high_s[left] = np.where(later, high_s[left], now_s)
            done = (np.abs(step_s) < last_step_s) | (high - low < _NARROW_S)
            step_s = np.where(done & np.isnan(step_s), 0.0, step_s)
            next_s = now_s + step_s
            inside = (next_s > low) & (next_s < high)
            step_s = np.where(done | inside, step_s, (low + high) / 2 - now_s)
            after_s[left] = now_s + step_s
            ray_km[left] = ray + step_s[:, None] * (speed + (step_s / 2)[:, None] * pull)
            left = left[~done]
        return Instants(after_s, ray_km)


def _dot(a: Floats, b: Floats) -> Floats:
    result: Floats = np.einsum("ij,ij->i", a, b)
    return result


def _step_to_extreme(ray: Floats, speed: Floats, pull: Floats, up: Floats, slope: Floats) -> tuple[Floats, Floats]:
    """Newton's step for the numerator of the derivative of sin(elevation) = height / range."""
    height, height_1, height_2 = _dot(up, ray), _dot(up, speed), _dot(up, pull)
    range2, along = _dot(ray, ray), _dot(ray, speed)
    value = height_1 * range2 - height * along
    derivative = height_2 * range2 + height_1 * along - height * (_dot(speed, speed) + _dot(ray, pull))
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.where(derivative * slope > 0, -value / derivative, np.nan)
    return value, step


def _step_to_mask(
    ray: Floats, speed: Floats, pull: Floats, up: Floats, slope: Floats, mask_sine: float
) -> tuple[Floats, Floats]:
    """Halley's step, by the quadratic's own root, for height - sin(mask) range."""
    value, first, second = _dot(up, ray), _dot(up, speed), _dot(up, pull)
    if mask_sine:
        distance = np.sqrt(_dot(ray, ray))
        distance_1 = _dot(ray, speed) / distance
        distance_2 = (_dot(speed, speed) + _dot(ray, pull) - distance_1**2) / distance
        value = value - mask_sine * distance
        first = first - mask_sine * distance_1
        second = second - mask_sine * distance_2
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(first**2 - 2 * value * second)
        return value, -2 * value / (first + slope * root)
