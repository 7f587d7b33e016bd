"""Series of element sets of one satellite, made as publishers make them: fitted to where it was seen to be.

The truth is an SGP4 orbit that runs ahead or behind as the air's density wanders about its mean; each set is a least
squares fit of SGP4 to a day and a half of noisy positions before its epoch. A poor fit has few, bad positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from fleetd.errors import ElementsError
from fleetd.orbit.elementset import ElementSet

Floats = NDArray[np.float64]
_DAY_S = 86_400.0
_STEP_S = 600.0
_FITTED = ("mean_motion_rev_day", "mean_anomaly_deg", "inclination_deg", "raan_deg", "e_cos", "e_sin", "bstar")
_STEPS = (1e-6, 1e-4, 1e-4, 1e-4, 1e-6, 1e-6, 1e-6)


@dataclass(frozen=True)
class Truth:
    """Where the satellite really is: `orbit`, ahead of it by `ahead_s` (a knot each ten minutes from its epoch)."""

    orbit: ElementSet
    ahead_s: Floats

    def place_km(self, when: datetime, after_s: Floats) -> Floats:
        since_s = (when - self.orbit.epoch).total_seconds() + after_s
        ahead_s = np.interp(since_s, np.arange(len(self.ahead_s)) * _STEP_S, self.ahead_s)
        return run(self.orbit, self.orbit.epoch, since_s + ahead_s)


def truth(orbit: ElementSet, days: float, unrest: float, seed: int) -> Truth:
    """Density wanders by the share `unrest` (one sigma), forgetting itself over two days."""
    draw = np.random.default_rng(seed)
    count = int(days * _DAY_S / _STEP_S) + 1
    keep = np.exp(-_STEP_S / (2 * _DAY_S))
    wander = np.zeros(count)
    for number in range(1, count):
        wander[number] = keep * wander[number - 1] + np.sqrt(1 - keep**2) * unrest * draw.standard_normal()
    return Truth(orbit, np.cumsum(np.cumsum(wander * _drag_s_s2(orbit)) * _STEP_S) * _STEP_S)


def run(elements: ElementSet, when: datetime, after_s: Floats) -> Floats:
    model = elements.satrec()
    fraction = model.jdsatepochF + ((when - elements.epoch).total_seconds() + after_s) / _DAY_S
    errors, place_km, _ = model.sgp4_array(np.full(len(after_s), model.jdsatepoch), fraction)
    assert not errors.any()
    return np.asarray(place_km)


def fit(real: Truth, epoch: datetime, seed: int, *, noise_km: float = 0.3, hours: float = 36.0, points: int = 90,
        bias_km: Sequence[float] = (0.0, 0.0)) -> ElementSet:  # fmt: skip
    """A set fitted to positions in the `hours` before `epoch`; `bias_km` are along-track errors of its two halves."""
    draw = np.random.default_rng(seed)
    after_s = np.sort(draw.uniform(-hours * 3600, 0.0, points))
    seen_km = real.place_km(epoch, after_s) + noise_km * draw.standard_normal((points, 3))
    along = real.place_km(epoch, after_s + 0.5) - real.place_km(epoch, after_s - 0.5)
    along /= np.linalg.norm(along, axis=1)[:, None]
    seen_km += along * np.where(after_s < -hours * 1800, bias_km[0], bias_km[1])[:, None]
    guess = _carried(real.orbit, epoch)
    free = range(7 if real.orbit.bstar else 6)  # where no drag is felt, none can be fitted
    for _ in range(6):
        base = run(_with(guess, np.zeros(7)), epoch, after_s)
        slopes = np.column_stack(
            [(run(_with(guess, _one(k)), epoch, after_s) - base).ravel() / _STEPS[k] for k in free]
        )
        scale = np.linalg.norm(slopes, axis=0)
        change, *_ = np.linalg.lstsq(slopes / scale, (seen_km - base).ravel(), rcond=None)
        guess = _with(guess, np.append(change / scale, [0.0] * (7 - len(free))))
    return guess


def series(real: Truth, days: Sequence[float], seed: int) -> list[ElementSet]:
    """Good sets at these days after the truth's epoch."""
    return [fit(real, real.orbit.epoch + timedelta(days=day), seed * 1_000 + n) for n, day in enumerate(days)]


def _drag_s_s2(orbit: ElementSet) -> float:
    """By how much drag speeds the satellite up: seconds ahead, per second and second."""
    after_s = np.array([0.0, 5 * _DAY_S])
    with_drag, without = (run(each, orbit.epoch, after_s) for each in (orbit, replace(orbit, bstar=0.0)))
    later = run(replace(orbit, bstar=0.0), orbit.epoch, after_s + 1.0)
    speed = (later - without)[1]
    ahead_s = float((with_drag - without)[1] @ speed / (speed @ speed))
    return 2 * ahead_s / float(after_s[1]) ** 2


def _carried(orbit: ElementSet, epoch: datetime) -> ElementSet:
    """A first guess at another epoch: what SGP4's own secular rates make of the elements."""
    model = orbit.satrec()
    minutes = (epoch - orbit.epoch).total_seconds() / 60
    model.sgp4_tsince(minutes)
    return replace(
        orbit,
        epoch=epoch,
        mean_motion_rev_day=float(model.nm) * 1440 / (2 * np.pi),
        eccentricity=float(model.em),
        raan_deg=float(np.degrees(model.Om)) % 360,
        argument_of_perigee_deg=float(np.degrees(model.om)) % 360,
        mean_anomaly_deg=float(np.degrees(model.mm)) % 360,
    )


def _one(which: int) -> Floats:
    change = np.zeros(7)
    change[which] = _STEPS[which]
    return change


def _with(elements: ElementSet, change: Floats) -> ElementSet:
    """Elements changed in coordinates that stay smooth for a circular orbit: the anomaly counts from the node."""
    given = dict(zip(_FITTED, change.tolist(), strict=True))
    perigee = np.radians(elements.argument_of_perigee_deg)
    e_cos = elements.eccentricity * np.cos(perigee) + given["e_cos"]
    e_sin = elements.eccentricity * np.sin(perigee) + given["e_sin"]
    turned = np.degrees(np.arctan2(e_sin, e_cos))
    shift = turned - elements.argument_of_perigee_deg
    try:
        return replace(
            elements,
            eccentricity=float(np.hypot(e_cos, e_sin)),
            argument_of_perigee_deg=float(turned % 360),
            mean_anomaly_deg=float((elements.mean_anomaly_deg + given["mean_anomaly_deg"] - shift) % 360),
            mean_motion_rev_day=elements.mean_motion_rev_day + given["mean_motion_rev_day"],
            inclination_deg=elements.inclination_deg + given["inclination_deg"],
            raan_deg=float((elements.raan_deg + given["raan_deg"]) % 360),
            bstar=elements.bstar + given["bstar"],
        )
    except ElementsError as error:
        raise AssertionError(f"the fit ran away: {error}") from error
