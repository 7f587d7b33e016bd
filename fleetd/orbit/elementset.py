"""One set of mean orbital elements, as a publisher states it, and whether it can be true.

The numbers are those of the SGP4 theory (Hoots and Roehrich, Spacetrack Report 3) in the units of the OMM standard
(CCSDS 502.0). How they are read from files is the business of `tle` and `omm`; how far a good set may be trusted as it
ages is decided elsewhere.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fleetd.errors import ElementsError

MAX_NORAD_ID = 999_999_999
_MAX_SGP4_ID = 339_999  # the last number that the sgp4 library can hold (Alpha-5 "Z9999")
_EARTH_RADIUS_KM = 6378.135  # of WGS72, the model behind all published elements
_MU_KM3_S2 = 398_600.8  # of WGS72
_OLDEST, _NEWEST = datetime(1980, 1, 1, tzinfo=UTC), datetime(2057, 1, 1, tzinfo=UTC)
_SGP4_EPOCH = datetime(1949, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ElementSet:
    """Mean elements of one satellite at one epoch; angles in degrees, mean motion in revolutions a day.

    `norad_id` has up to nine digits, `designator` is the international one ("2018-081A", or ""), `source` says where
    the set stands ("file:line"), `hash` is the same for the same orbit however it was written down.
    """

    norad_id: int
    name: str
    epoch: datetime
    inclination_deg: float
    raan_deg: float
    eccentricity: float
    argument_of_perigee_deg: float
    mean_anomaly_deg: float
    mean_motion_rev_day: float
    bstar: float
    mean_motion_dot: float = 0.0
    mean_motion_ddot: float = 0.0
    designator: str = ""
    comment: str = ""
    source: str = ""
    hash: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Raises ElementsError, beginning with `source`, where the numbers cannot be those of a satellite."""
        for fault in _faults(self):
            raise ElementsError(f"{self.source or 'elements'}: {fault}")
        object.__setattr__(self, "hash", _hash(self))

    @property
    def perigee_km(self) -> float:
        """Height of the mean perigee above the equatorial radius."""
        return self.semi_major_axis_km * (1 - self.eccentricity) - _EARTH_RADIUS_KM

    @property
    def semi_major_axis_km(self) -> float:
        """From the mean motion by Kepler's third law."""
        return float((_MU_KM3_S2 / (self.mean_motion_rev_day * math.tau / 86_400) ** 2) ** (1 / 3))

    @property
    def period_s(self) -> float:
        """Seconds a revolution."""
        return 86_400 / self.mean_motion_rev_day

    def age_days(self, at: datetime) -> float:
        """Days since the epoch; negative before it."""
        return (at - self.epoch).total_seconds() / 86_400

    def satrec(self) -> Any:
        """The `sgp4.api.Satrec` of this set (WGS72, improved mode); its id is 0 where the library cannot hold ours."""
        from sgp4.api import WGS72, Satrec

        model = Satrec()
        model.sgp4init(
            WGS72,
            "i",
            self.norad_id if self.norad_id <= _MAX_SGP4_ID else 0,
            (self.epoch - _SGP4_EPOCH).total_seconds() / 86_400,
            self.bstar,
            self.mean_motion_dot * math.tau / 1440**2,
            self.mean_motion_ddot * math.tau / 1440**3,
            self.eccentricity,
            math.radians(self.argument_of_perigee_deg),
            math.radians(self.inclination_deg),
            math.radians(self.mean_anomaly_deg),
            self.mean_motion_rev_day * math.tau / 1440,
            math.radians(self.raan_deg),
        )
        return model

    def skyfield(self, timescale: Any) -> Any:
        """The same orbit as a Skyfield `EarthSatellite`, for comparing."""
        from skyfield.api import EarthSatellite

        return EarthSatellite.from_satrec(self.satrec(), timescale)


def _faults(elements: ElementSet) -> list[str]:
    """What cannot be, each with what would be right; later checks need the earlier ones to have passed."""
    numbers = {
        "inclination": elements.inclination_deg,
        "right ascension of the node": elements.raan_deg,
        "eccentricity": elements.eccentricity,
        "argument of perigee": elements.argument_of_perigee_deg,
        "mean anomaly": elements.mean_anomaly_deg,
        "mean motion": elements.mean_motion_rev_day,
        "BSTAR": elements.bstar,
        "first derivative of mean motion": elements.mean_motion_dot,
        "second derivative of mean motion": elements.mean_motion_ddot,
    }
    broken = [
        f"{name} is {value}, a finite number is needed" for name, value in numbers.items() if not math.isfinite(value)
    ]
    return broken or [*_identity_faults(elements), *_range_faults(elements)] or _orbit_faults(elements)


def _identity_faults(elements: ElementSet) -> list[str]:
    faults = []
    if not 1 <= elements.norad_id <= MAX_NORAD_ID:
        faults.append(f"catalogue number is {elements.norad_id}, 1 to {MAX_NORAD_ID} are possible")
    if elements.epoch.tzinfo is None:
        faults.append("epoch has no zone; element epochs are UTC")
    elif not _OLDEST <= elements.epoch < _NEWEST:
        faults.append(
            f"epoch is {elements.epoch:%Y-%m-%d}, a year from {_OLDEST.year} to {_NEWEST.year - 1} is expected"
        )
    return faults


def _range_faults(elements: ElementSet) -> list[str]:
    ranges = (
        ("eccentricity", elements.eccentricity, 0.0, 0.999_999_9, "an orbit's is at least 0 and below 1"),
        ("inclination", elements.inclination_deg, 0.0, 180.0, "degrees from 0 to 180 are possible"),
        ("right ascension of the node", elements.raan_deg, 0.0, 360.0, "degrees from 0 to 360 are possible"),
        ("argument of perigee", elements.argument_of_perigee_deg, 0.0, 360.0, "degrees from 0 to 360 are possible"),
        ("mean anomaly", elements.mean_anomaly_deg, 0.0, 360.0, "degrees from 0 to 360 are possible"),
        ("mean motion", elements.mean_motion_rev_day, 0.01, 18.0, "0.01 to 18 revolutions a day are possible"),
    )
    return [f"{name} is {value:g}, {right}" for name, value, low, high, right in ranges if not low <= value <= high]


def _orbit_faults(elements: ElementSet) -> list[str]:
    if elements.perigee_km < 0:
        return [f"perigee is {-elements.perigee_km:.0f} km under the ground: mean motion and eccentricity do not fit"]
    model = elements.satrec()
    error, _, _ = model.sgp4(model.jdsatepoch, model.jdsatepochF)
    return [f"SGP4 fails at the epoch itself: {sgp4_error(error)}"] if error else []


def sgp4_error(code: int) -> str:
    """The words for an error number of SGP4."""
    from sgp4.api import SGP4_ERRORS

    return str(SGP4_ERRORS.get(code, f"error {code}"))


def _hash(elements: ElementSet) -> str:
    """Twelve hexadecimal digits over what moves the satellite: id, epoch to the microsecond, and the elements."""
    facts = (
        elements.norad_id,
        elements.epoch.astimezone(UTC).isoformat(timespec="microseconds"),
        *(
            repr(float(value))
            for value in (
                elements.inclination_deg,
                elements.raan_deg,
                elements.eccentricity,
                elements.argument_of_perigee_deg,
                elements.mean_anomaly_deg,
                elements.mean_motion_rev_day,
                elements.bstar,
            )
        ),
    )
    return hashlib.sha256("|".join(map(str, facts)).encode()).hexdigest()[:12]
