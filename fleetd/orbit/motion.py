"""The motion of satellites over the ground through one window: SGP4 run on sparse nodes, read anywhere between them.

SGP4 is the costly part of a pass search, so it runs only every few minutes and sixteen-point interpolation of the
Earth-fixed positions fills in, to about a centimetre. Velocities are the derivative of those positions: SGP4's own
velocity is not, and would put a culmination milliseconds off.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleetd.errors import Refusal
from fleetd.orbit.earth import DAY_S, Floats, julian_date, sidereal_rad, time_range, to_ground
from fleetd.orbit.elementset import ElementSet, sgp4_error

Ints = NDArray[np.intp]
Flags = NDArray[np.bool_]

POINTS = 16
_BEFORE = POINTS // 2 - 1  # nodes of a stencil before the interval that it serves
_PAD = POINTS // 2 + 1  # nodes beyond each end of the window, so that stencils stay centred inside it
_LONGEST_STEP_S = 1_200.0
_SHORTEST_STEP_S = 10.0
_STEP_RATIO = 2**0.125  # steps are rounded down to powers of this, so that satellites share grids
_EDGE_S = 1e-3  # to which the instant of a failure is found
_SHORTEST_STRETCH_S = 1.0  # of working elements that is worth a search
_LOW_PERIGEE_KM = 200.0


def lagrange(points: int) -> Floats:
    """Row p, column j: the coefficient of x**p in the polynomial that is 1 at node j and 0 at the others.

    x is counted in steps from the middle of so many nodes. Worked in fractions, so exact to the last bit.
    """
    nodes = [Fraction(2 * j - (points - 1), 2) for j in range(points)]
    columns = []
    for j, own in enumerate(nodes):
        polynomial = [Fraction(1)]
        for other in nodes[:j] + nodes[j + 1 :]:
            shifted = [Fraction(0), *polynomial]
            scaled = [other * c for c in polynomial] + [Fraction(0)]
            polynomial = [(a - b) / (own - other) for a, b in zip(shifted, scaled, strict=True)]
        columns.append([float(c) for c in polynomial])
    return np.array(columns).T


_BASIS = lagrange(POINTS)
_SLOPE = np.arange(1, POINTS)[:, None] * _BASIS[1:]


def step_s(elements: ElementSet) -> float:
    """Node spacing that keeps interpolation to about a centimetre (`design/node_spacing.py` shows the errors).

    It follows the angular speed at perigee, and is shorter the more eccentric the orbit is.
    """
    e = elements.eccentricity
    perigee_rad_s = math.tau / elements.period_s * math.sqrt(1 + e) / (1 - e) ** 1.5
    wanted = min((0.215 + 0.205 * math.exp(-e / 0.1)) / perigee_rad_s, _LONGEST_STEP_S)
    return float(max(_STEP_RATIO ** math.floor(math.log(wanted, _STEP_RATIO)), _SHORTEST_STEP_S))


@dataclass(frozen=True, slots=True)
class Track:
    """One satellite's nodes: Earth-fixed kilometres, the first `first_s` after the window opens, then each `step_s`.

    `valid_s` is when SGP4 first fails, with `failure` in its words; infinity and '' where it does not.
    """

    first_s: float
    step_s: float
    nodes_km: Floats
    valid_s: float = math.inf
    failure: str = ""


class Window:
    """A stretch of time from `start`, and the sidereal angles of the grids used in it; one for all satellites."""

    def __init__(self, start: datetime, length_s: float) -> None:
        """Raises Refusal where the Earth's rotation is not known at that time."""
        first, last = time_range()
        if start < first or start + timedelta(seconds=length_s) > last:
            raise Refusal("time-range", f"passes can be computed from {first:%Y-%m-%d} to {last:%Y-%m-%d}")
        self.start = start
        self.length_s = length_s
        self._day, self._fraction = julian_date(start)
        self._grids: dict[float, tuple[Floats, Floats, Floats]] = {}

    def track(self, elements: ElementSet) -> Track:
        """Run SGP4 through the window."""
        step = step_s(elements)
        model = elements.satrec()
        days, fractions, sidereal = self._grid(step)
        errors, teme_km, _ = model.sgp4_array(days, fractions)
        after_s = (np.arange(len(days)) - _PAD) * step
        if not errors.any() and elements.perigee_km < _LOW_PERIGEE_KM:
            # Between two nodes a low perigee can dip into the ground, which is how SGP4 says "decayed".
            after_s = np.arange(after_s[0], after_s[-1], step / 16)
            errors, _ = self.position_km(model, after_s)
        if errors.any():
            return self._failing_track(model, step / 2, after_s, errors)
        return Track(-_PAD * step, step, to_ground(teme_km, sidereal))

    def position_km(self, model: Any, after_s: Floats) -> tuple[NDArray[np.uint8], Floats]:
        """SGP4 itself at any instants: its error numbers, and Earth-fixed positions."""
        fractions = self._fraction + after_s / DAY_S
        errors, teme_km, _ = model.sgp4_array(np.full(len(after_s), self._day), fractions)
        return errors, to_ground(teme_km, sidereal_rad(self._day, fractions))

    def sidereal(self, after_s: Floats) -> Floats:
        """Sidereal angles at instants of the window."""
        return sidereal_rad(self._day, self._fraction + after_s / DAY_S)

    def _grid(self, step: float) -> tuple[Floats, Floats, Floats]:
        if step not in self._grids:
            count = math.ceil(self.length_s / step) + 1 + 2 * _PAD
            fractions = self._fraction + (np.arange(count) - _PAD) * (step / DAY_S)
            self._grids[step] = np.full(count, self._day), fractions, sidereal_rad(self._day, fractions)
        return self._grids[step]

    def _failing_track(self, model: Any, step: float, after_s: Floats, errors: NDArray[np.uint8]) -> Track:
        """The stretch around the opening on which SGP4 works, at half the step, as its last stencils are one-sided."""
        opening_error = int(self.position_km(model, np.zeros(1))[0][0])
        if opening_error:
            return Track(0.0, step, np.empty((0, 3)), 0.0, sgp4_error(opening_error))
        bad_s = after_s[errors != 0]
        earlier, later = bad_s[bad_s < 0][-1:], bad_s[bad_s > 0][:1]
        begin_s, end_s = float(after_s[0]), float(after_s[-1])
        if len(earlier):
            begin_s = self._edge_s(model, float(after_s[after_s > earlier[0]].min(initial=0.0)), float(earlier[0]))
        if len(later):
            end_s = self._edge_s(model, float(after_s[after_s < later[0]].max(initial=0.0)), float(later[0]))
        if end_s - begin_s < _SHORTEST_STRETCH_S:
            return Track(0.0, step, np.empty((0, 3)), 0.0, sgp4_error(int(errors[errors != 0][0])))
        step = min(step, (end_s - begin_s) / (2 * POINTS))
        count = int((end_s - begin_s) / step) + 1
        first_s = end_s - (count - 1) * step
        _, nodes_km = self.position_km(model, first_s + np.arange(count) * step)
        if not len(later):
            return Track(first_s, step, nodes_km)
        return Track(first_s, step, nodes_km, end_s, sgp4_error(int(errors[after_s == later[0]][0])))

    def _edge_s(self, model: Any, good_s: float, bad_s: float) -> float:
        """The last instant before SGP4 fails between a good and a bad one, to a millisecond, on the good side."""
        while abs(bad_s - good_s) > _EDGE_S:
            middle_s = (good_s + bad_s) / 2
            errors, _ = self.position_km(model, np.array([middle_s]))
            good_s, bad_s = (good_s, middle_s) if errors[0] else (middle_s, bad_s)
        return good_s


class Motions:
    """The tracks of several satellites, read together: all queries of a kind in one sweep."""

    def __init__(self, tracks: Sequence[Track]) -> None:
        counts = np.array([len(track.nodes_km) for track in tracks], dtype=np.intp)
        self._base = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.intp)
        self._last = np.maximum(counts - POINTS, 0)
        self._first_s = np.array([track.first_s for track in tracks])
        self._step_s = np.array([track.step_s for track in tracks])
        # A stencil's worth of nothing at the end: there may be no other nodes where all elements fail.
        nodes = np.concatenate([*(track.nodes_km for track in tracks), np.zeros((POINTS, 3))])
        self._stencils = np.lib.stride_tricks.sliding_window_view(nodes, POINTS, axis=0)

    def at(self, satellite: Ints, after_s: Floats) -> tuple[Floats, Floats]:
        """Earth-fixed positions (km) and their derivatives (km/s) of numbered satellites at instants of the window."""
        step = self._step_s[satellite]
        steps = (after_s - self._first_s[satellite]) / step
        stencil = np.clip(np.floor(steps).astype(np.intp) - _BEFORE, 0, self._last[satellite])
        x = steps - stencil - (POINTS - 1) / 2
        powers = np.ones((POINTS, len(x)))
        np.multiply.accumulate(np.broadcast_to(x, (POINTS - 1, len(x))), axis=0, out=powers[1:])
        nodes = self._stencils[self._base[satellite] + stencil]
        position = np.matmul(nodes, (powers.T @ _BASIS)[:, :, None])[:, :, 0]
        velocity = np.matmul(nodes, (powers[:-1].T @ _SLOPE)[:, :, None])[:, :, 0] / step[:, None]
        return position, velocity
