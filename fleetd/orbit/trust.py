"""Whether an element set may be believed: its identity, its physics, its epoch, and how far it moves the satellite.

Pure functions. Refused is what cannot be this satellite now; held, for a person to decide, is what could be but should
not: a jump beyond what sets of one satellite differ by, or a drag that cannot be. Everything else is accepted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from fleetd.errors import ElementsError
from fleetd.orbit.decay import first_failure
from fleetd.orbit.elementset import ElementSet
from fleetd.orbit.jump import Jump, jump_between
from fleetd.orbit.settings import SatelliteSettings

_LOW_PERIGEE_KM = 600.0
"""Below it drag is always felt, and a term that is not positive comes of a poor fit (or of engines that were fired)."""
_MOST_DRAG = 0.1
"""Largest B* (per Earth radius) of anything built: 0.6 m² of area for each kilogram, which is a sheet of foil."""
_LEO_PERIOD_S = 6_000.0
_LEO_AXIS_KM = 7_000.0
SAME_EPOCH_S = 1.0
"""Epochs closer than this are one: two formats round the same epoch differently."""


class Outcome(StrEnum):
    """What becomes of a new set."""

    ACCEPTED = "accepted"
    HELD = "held"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a set may move a satellite; the figures for a low orbit, scaled with period and size for higher ones.

    The time limit is a floor, a part that grows with the days between the epochs, and a share of what drag has done in
    these days, since air's density is what nobody can foretell. `tests/unit/test_orbit_trust.py` measures what they let
    through.
    """

    shift_s: float = 0.3
    shift_s_per_day: float = 0.15
    drag_share: float = 0.5
    aside_km: float = 2.0
    aside_km_per_day: float = 0.5
    ahead: timedelta = timedelta(days=1)
    """How far in the future an epoch may lie; publishers fit a little ahead."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a set, why in words unless it is accepted, and how far it moves the satellite where compared."""

    outcome: Outcome
    reason: str = ""
    jump: Jump | None = None


def judge(
    new: ElementSet,
    satellite: SatelliteSettings,
    in_use: ElementSet | None,
    now: datetime | None,
    limits: Limits | None = None,
) -> Verdict:
    """Judge a set for a satellite. Without `now`, as while the clock is not synchronised, its epoch is not judged."""
    limits = limits or Limits()
    if fault := _fault(new, satellite, now, limits):
        return Verdict(Outcome.REFUSED, fault)
    if doubt := _doubt(new):
        return Verdict(Outcome.HELD, doubt, _jump_if_any(in_use, new))
    if in_use is None:
        return Verdict(Outcome.ACCEPTED)
    try:
        jump = jump_between(in_use, new)
    except ElementsError:
        # What was in use is worth nothing at that time, so there is nothing to hold the new set against.
        return Verdict(Outcome.ACCEPTED)
    too_far = _too_far(jump, new, limits)
    return Verdict(Outcome.HELD if too_far else Outcome.ACCEPTED, too_far, jump)


def _fault(new: ElementSet, satellite: SatelliteSettings, now: datetime | None, limits: Limits) -> str:
    """Why it cannot be this satellite now; '' if it can."""
    if new.norad_id != satellite.norad_id:
        return f"its number is {new.norad_id}, the satellite's {satellite.norad_id}"
    if satellite.designator and new.designator != satellite.designator:
        return f"its designator is {new.designator or 'missing'}, the satellite's {satellite.designator}"
    if now is not None and new.epoch > now + limits.ahead:
        days = (new.epoch - now) / timedelta(days=1)
        return (
            f"its epoch {new.epoch:%Y-%m-%d %H:%M} lies {days:.1f} days in the future; is this machine's clock right?"
        )
    if failure := first_failure(new, new.epoch, new.epoch + timedelta(seconds=new.period_s)):
        return f"it cannot be in orbit: {failure[1]}"
    return ""


def _doubt(new: ElementSet) -> str:
    """Why its drag cannot be; '' if it can."""
    if new.bstar <= 0 and new.perigee_km < _LOW_PERIGEE_KM:
        return f"its drag term is {new.bstar:.3g}, and a satellite {new.perigee_km:.0f} km up is always slowed down"
    if abs(new.bstar) > _MOST_DRAG:
        return f"its drag term is {new.bstar:.3g}; nothing that is built has one beyond {_MOST_DRAG:g}"
    return ""


def _jump_if_any(in_use: ElementSet | None, new: ElementSet) -> Jump | None:
    try:
        return jump_between(in_use, new) if in_use else None
    except ElementsError:
        return None


def _too_far(jump: Jump, new: ElementSet, limits: Limits) -> str:
    """Which limit a jump goes beyond, in words; '' if none."""
    scale = max(1.0, new.period_s / _LEO_PERIOD_S)
    days = abs(jump.gap_days)
    for shift_s, gap_days, when in (
        (jump.aos_shift_s, days, ""),
        (jump.next_day_shift_s, days + 1, " a day later"),
    ):
        # What drag does grows with the square of time.
        drag_s = limits.drag_share * jump.drag_shift_s * (gap_days / (days + 1)) ** 2
        most_s = limits.shift_s * scale + limits.shift_s_per_day * scale * gap_days + drag_s
        if not abs(shift_s) <= most_s:
            early = "later" if shift_s > 0 else "earlier"
            return f"it moves AOS{when} by {abs(shift_s):.1f} s ({early}), more than {most_s:.1f} s"
    size = max(1.0, new.semi_major_axis_km / _LEO_AXIS_KM)
    most_km = (limits.aside_km + limits.aside_km_per_day * days) * size
    for aside_km, where in ((jump.cross_track_km, "across its track"), (jump.radial_km, "up or down")):
        if not abs(aside_km) <= most_km:
            return f"it moves the satellite {where} by {abs(aside_km):.1f} km, more than {most_km:.1f} km"
    return ""
