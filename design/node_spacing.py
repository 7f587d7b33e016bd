# ruff: noqa: INP001, T201
"""How far apart SGP4 may be run: the worst error of twelve-point interpolation against node spacing, per eccentricity.

    python design/node_spacing.py

Spacings are given as multiples of 1 / (angular speed at perigee); the rule in `fleetd.orbit.motion.step_s` picks, for
each eccentricity, about the largest one that keeps the error to some centimetres.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np

from fleetd.orbit.elementset import ElementSet
from fleetd.orbit.motion import Motions, Track, Window

ORBITS = (
    (0.0, 15.5),
    (0.05, 14.0),
    (0.1, 12.5),
    (0.2, 11.0),
    (0.4, 7.0),
    (0.6, 4.0),
    (0.74, 2.006),
    (0.9, 0.45),
    (0.0, 1.0027),
)
FACTORS = (0.15, 0.2, 0.25, 0.3, 0.35)


def worst_error_m(eccentricity: float, mean_motion: float, factor: float) -> tuple[float, float]:
    """Spacing in seconds, worst error in metres over two revolutions or a day."""
    elements = ElementSet(
        norad_id=1, name="", epoch=datetime(2026, 11, 11, tzinfo=UTC), inclination_deg=63.4, raan_deg=10.0,
        eccentricity=eccentricity, argument_of_perigee_deg=270.0, mean_anomaly_deg=5.0, mean_motion_rev_day=mean_motion,
        bstar=1e-5,
    )  # fmt: skip
    perigee_rad_s = math.tau / elements.period_s * math.sqrt(1 + eccentricity) / (1 - eccentricity) ** 1.5
    step_s = factor / perigee_rad_s
    length_s = max(86_400.0, 2 * elements.period_s)
    window, model = Window(elements.epoch, length_s), elements.satrec()
    first_s = -7 * step_s
    _, nodes_km = window.position_km(model, first_s + step_s * np.arange(int(length_s / step_s) + 15))
    after_s = np.linspace(0, length_s, 5_000)
    _, exact_km = window.position_km(model, after_s)
    found_km, _ = Motions([Track(first_s, step_s, nodes_km)]).at(np.zeros(5_000, dtype=np.intp), after_s)
    return step_s, float(np.abs(found_km - exact_km).max()) * 1e3


for eccentricity, mean_motion in ORBITS:
    cells = (worst_error_m(eccentricity, mean_motion, factor) for factor in FACTORS)
    row = "  ".join(
        f"{factor}: {step:5.0f} s {error:8.4f} m" for factor, (step, error) in zip(FACTORS, cells, strict=True)
    )
    print(f"e {eccentricity:<5} n {mean_motion:<7} {row}")
