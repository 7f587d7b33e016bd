"""Until when a set's satellite can be up: SGP4 goes on giving passes of what has burned up long ago.

Its own error may vanish again later, and before it comes the orbit may lie in the atmosphere for days. So what counts
is the first failure after the epoch, and nothing after it is believed.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from fleetd.orbit.earth import DAY_S, Floats, julian_date
from fleetd.orbit.elementset import ElementSet, sgp4_error

LOWEST_PERIGEE_KM = 100.0
"""No satellite comes round once more from such a perigee: air ends the orbit of anything below about 120 km."""
_EARTH_RADIUS_KM = 6378.137
_MU_KM3_S2 = 398_600.8  # of WGS72, as SGP4's own
_SAMPLES = 16  # a revolution
_MOST_STEP_S = 1_800.0


def first_failure(elements: ElementSet, start: datetime, end: datetime) -> tuple[datetime, str] | None:
    """When in the stretch SGP4 first fails or the perigee lies in the atmosphere, and in which words; None if never."""
    length_s = (end - start).total_seconds()
    step_s = min(elements.period_s / _SAMPLES, _MOST_STEP_S)
    after_s = np.arange(0.0, max(length_s, 0.0) + step_s, step_s)
    day, fraction = julian_date(start)
    errors, place_km, speed_km_s = elements.satrec().sgp4_array(np.full(len(after_s), day), fraction + after_s / DAY_S)
    errors[np.isnan(place_km).any(axis=1) & (errors == 0)] = 6
    sound = errors == 0
    perigee_km = np.full(len(after_s), np.inf)
    perigee_km[sound] = _perigee_km(place_km[sound], speed_km_s[sound])
    bad = np.flatnonzero(~sound | (perigee_km < LOWEST_PERIGEE_KM))
    if not len(bad):
        return None
    first = int(bad[0])
    when = start + timedelta(seconds=float(after_s[first]))
    if errors[first]:
        return when, f"SGP4 fails: {sgp4_error(int(errors[first]))}"
    return when, f"its perigee is {perigee_km[first]:.0f} km up, in the atmosphere"


def _perigee_km(place_km: Floats, speed_km_s: Floats) -> Floats:
    """Height of the perigee of the osculating orbit above the equator's radius."""
    distance = np.linalg.norm(place_km, axis=1)
    speed2 = (speed_km_s * speed_km_s).sum(axis=1)
    moment2 = (np.cross(place_km, speed_km_s) ** 2).sum(axis=1)
    inverse_axis = 2 / distance - speed2 / _MU_KM3_S2
    eccentricity = np.sqrt(np.maximum(0.0, 1 - moment2 / _MU_KM3_S2 * inverse_axis))
    height: Floats = moment2 / _MU_KM3_S2 / (1 + eccentricity) - _EARTH_RADIUS_KM
    return height
