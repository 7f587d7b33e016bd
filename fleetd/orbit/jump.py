"""How far a new element set moves a satellite from where the one in use had it.

Both are run with SGP4 at the same instants, through one revolution from the new epoch and through one a day later: a
poor fit may agree at its own epoch and run away from there. Which differences are too large is `trust`'s business.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fleetd.errors import ElementsError
from fleetd.orbit.earth import DAY_S, Floats, julian_date
from fleetd.orbit.elementset import ElementSet

_SAMPLES = 12
_NEWTON_STEPS = 6


@dataclass(frozen=True, slots=True)
class Jump:
    """A new set against an old one. Of each figure, the largest within a revolution, with its sign.

    Positive is later (the old set's AOS comes first), ahead, along the orbit's normal, and outward.
    """

    gap_days: float
    """From the old epoch to the new one."""
    aos_shift_s: float
    """By how much the satellite passes every place later than the old set had it."""
    next_day_shift_s: float
    """The same a day after the new epoch."""
    along_track_km: float
    cross_track_km: float
    radial_km: float
    drag_shift_s: float
    """By how much drag, as the old set has it, has sped the satellite up until a day after the new epoch."""


def jump_between(old: ElementSet, new: ElementSet) -> Jump:
    """Compare two sets of one satellite. Raises ElementsError where the old one cannot be run that far."""
    near_s = np.arange(_SAMPLES) * (new.period_s / _SAMPLES)
    after_s = np.concatenate([near_s, near_s + DAY_S])
    epoch = julian_date(new.epoch)
    new_model, old_model = new.satrec(), old.satrec()
    delay_s, aside_km = _delay(old_model, new_model, new.period_s, epoch, after_s)
    # Without drag the old satellite would be late by what drag has sped it up.
    drag_s, _ = _delay(replace(old, bstar=0.0).satrec(), old_model, old.period_s, epoch, after_s)
    speed_km_s = math.tau * new.semi_major_axis_km / new.period_s
    at_epoch_s = _largest(delay_s[:_SAMPLES])
    return Jump(
        gap_days=(new.epoch - old.epoch).total_seconds() / DAY_S,
        aos_shift_s=at_epoch_s,
        next_day_shift_s=_largest(delay_s[_SAMPLES:]),
        along_track_km=-at_epoch_s * speed_km_s,
        cross_track_km=_largest(aside_km[:, 0]),
        radial_km=_largest(aside_km[:, 1]),
        drag_shift_s=abs(_largest(drag_s)),
    )


def _delay(
    before: Any, after: Any, period_s: float, epoch: tuple[float, float], after_s: Floats
) -> tuple[Floats, Floats]:
    """By how many seconds `after` is later than `before` at each instant, and what remains: across and outward, km."""
    place_km, speed_km_s = _run(after, epoch, after_s)
    normal = np.cross(place_km, speed_km_s)
    normal /= np.linalg.norm(normal, axis=1)[:, None]
    outward = place_km / np.linalg.norm(place_km, axis=1)[:, None]
    forward = np.cross(normal, outward)
    there_km, _ = _run(before, epoch, after_s)
    angle = np.arctan2((there_km * forward).sum(axis=1), (there_km * outward).sum(axis=1))
    delay_s = angle * (period_s / math.tau)
    for _ in range(_NEWTON_STEPS):
        there_km, there_km_s = _run(before, epoch, after_s - delay_s)
        apart_km = there_km - place_km
        delay_s += (apart_km * there_km_s).sum(axis=1) / (there_km_s * there_km_s).sum(axis=1)
    there_km, _ = _run(before, epoch, after_s - delay_s)
    apart_km = place_km - there_km
    return delay_s, np.column_stack([(apart_km * normal).sum(axis=1), (apart_km * outward).sum(axis=1)])


def _run(model: Any, epoch: tuple[float, float], after_s: Floats) -> tuple[Floats, Floats]:
    day, fraction = epoch
    errors, place_km, speed_km_s = model.sgp4_array(np.full(len(after_s), day), fraction + after_s / DAY_S)
    if errors.any() or not np.isfinite(place_km).all():
        raise ElementsError("SGP4 fails within a day of the new epoch")
    return place_km, speed_km_s


def _largest(values: Floats) -> float:
    return float(values[np.argmax(np.abs(values))])
