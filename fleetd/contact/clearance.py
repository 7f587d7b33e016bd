"""What stands in an antenna's way, and the way past it: pure functions of directions of the sky.

The two motors turn at once, each at a pace of its own, so that a straight order may pass through any direction of the
rectangle that its two ends span. Where something in there is in the way, the order is taken apart into turns of one
axis at a time: to an elevation at which the azimuth can be crossed, across, and to the elevation wanted. Leaning over
beyond 90 degrees an antenna looks the other way; what counts is always where it looks.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fleetd.contact.axis import Axes
from fleetd.devices import AzEl
from fleetd.errors import Refusal
from fleetd.orbit.horizon import HorizonMask

SLACK_DEG = 1.0
"""By so much an antenna may be shown, or stand after a turn, beside where it was sent."""

_LEVELS_DEG = 5.0  # how finely elevations are tried at which to cross
_HAIR_DEG = 1e-9


class Hindrance(Protocol):
    """Something that an antenna may not look at."""

    @property
    def rule(self) -> str:
        """The stable word of its refusals."""
        ...

    def at(self, to: AzEl, /) -> str:
        """Why it may not look there, in words with the figures; '' if it may."""
        ...

    def lets_pass(self, start: AzEl, end: AzEl, /) -> bool:
        """Whether the antenna may turn from one to the other in whatever order its motors get there.

        Whoever stands where he may not look is let out, by the shortest way or by a turn in elevation.
        """
        ...

    def levels(self, start: AzEl, end: AzEl, /) -> tuple[float, float]:
        """The lowest and the highest elevation at which all azimuths from one to the other can be crossed, if any."""
        ...


def looks_at(to: AzEl) -> AzEl:
    """Where the antenna looks: azimuth 0 to below 360, elevation up to 90."""
    if to.elevation_deg > 90:
        return AzEl((to.azimuth_deg + 180) % 360, 180 - to.elevation_deg)
    return AzEl(to.azimuth_deg % 360, to.elevation_deg)


@dataclass(frozen=True, slots=True)
class Obstruction:
    """A mask of hills, masts and walls. At each azimuth there is one stretch of elevations clear of it, or none."""

    mask: HorizonMask

    @property
    def rule(self) -> str:
        return "mask"

    def at(self, to: AzEl, /) -> str:
        """Why it may not look there."""
        look = looks_at(to)
        least_deg = self._reaches(look.azimuth_deg, look.azimuth_deg)
        if look.elevation_deg >= least_deg - _HAIR_DEG:
            return ""
        leaning = f" (leaning over, it looks at azimuth {look.azimuth_deg:.1f}, elevation {look.elevation_deg:.1f})"
        return (
            f"azimuth {to.azimuth_deg:.1f}, elevation {to.elevation_deg:.1f}"
            f"{leaning if to.elevation_deg > 90 else ''} is below the mask there, {least_deg:.1f} degrees"
        )

    def lets_pass(self, start: AzEl, end: AzEl, /) -> bool:
        """Whether the whole rectangle is clear; a turn in elevation alone, whether its end is."""
        low_deg, high_deg = self.levels(start, end)
        if start.azimuth_deg == end.azimuth_deg:
            return low_deg - _HAIR_DEG <= end.elevation_deg <= high_deg + _HAIR_DEG
        near_deg = min(max(start.elevation_deg, low_deg), high_deg)
        if abs(near_deg - start.elevation_deg) > SLACK_DEG:
            return False
        return low_deg - _HAIR_DEG <= end.elevation_deg <= high_deg + _HAIR_DEG

    def levels(self, start: AzEl, end: AzEl, /) -> tuple[float, float]:
        """Above the mask on the way, and below its mirror image where the antenna leans over."""
        first, last = sorted((start.azimuth_deg, end.azimuth_deg))
        return self._reaches(first, last), 180 - self._reaches(first + 180, last + 180)

    def _reaches(self, first_deg: float, last_deg: float) -> float:
        """The highest that the mask reaches from one azimuth to another; straight lines are highest at their ends."""
        corners = [first_deg, last_deg]
        if last_deg > first_deg:
            for azimuth_deg, _ in self.mask.points:
                corner = azimuth_deg + 360 * math.ceil((first_deg - azimuth_deg) / 360)
                corners += [corner] if corner < last_deg else []
        return float(self.mask.elevation_deg(np.array(corners)).max())


def next_turn(start: AzEl, to: AzEl, axes: Axes, hindrances: Sequence[Hindrance]) -> AzEl:
    """Where to send an antenna that stands at `start` so that it comes to `to` past all hindrances.

    That is `to` itself where nothing is in the way. Raises Refusal, under the rule of what is in the way, when there is
    no way past it within the limits.
    """
    if all(each.lets_pass(start, to) for each in hindrances):
        return to
    for way in sorted(_ways(start, to, axes, hindrances), key=lambda way: _effort(way, axes)):
        if _open(way, hindrances):
            return next(turn for turn in way[1:] if turn != start)
    rule, what = _blocker(start, to, axes, hindrances)
    raise Refusal(
        rule,
        f"there is no way from azimuth {start.azimuth_deg:.1f}, elevation {start.elevation_deg:.1f} to azimuth "
        f"{to.azimuth_deg:.1f}, elevation {to.elevation_deg:.1f} that keeps clear of {what}",
    )


def _effort(way: Sequence[AzEl], axes: Axes) -> tuple[float, int]:
    """Seconds, to the millisecond, and among equals the number of turns."""
    return round(sum(axes.slew_s(*leg) for leg in itertools.pairwise(way)), 3), len(dict.fromkeys(way))


def _ways(start: AzEl, to: AzEl, axes: Axes, hindrances: Sequence[Hindrance]) -> Iterator[list[AzEl]]:
    """Elevation, azimuth, elevation: crossing at every elevation that is worth a try."""
    spans = [each.levels(start, to) for each in hindrances]
    low_deg = max(axes.elevation_min_deg, *(low for low, _ in spans))
    high_deg = min(axes.elevation_max_deg, *(high for _, high in spans))
    if low_deg > high_deg:
        return
    wanted = (start.elevation_deg, to.elevation_deg, *np.arange(low_deg, high_deg, _LEVELS_DEG).tolist(), high_deg)
    for level_deg in dict.fromkeys(min(max(each, low_deg), high_deg) for each in wanted):
        yield [start, AzEl(start.azimuth_deg, level_deg), AzEl(to.azimuth_deg, level_deg), to]


def _open(way: Sequence[AzEl], hindrances: Sequence[Hindrance]) -> bool:
    return all(each.lets_pass(*leg) for leg in itertools.pairwise(way) if leg[0] != leg[1] for each in hindrances)


def _blocker(start: AzEl, to: AzEl, axes: Axes, hindrances: Sequence[Hindrance]) -> tuple[str, str]:
    """The rule and the name of what is in the way: the one that alone leaves no way, or all of them."""
    for each in hindrances:
        if not any(_open(way, [each]) for way in _ways(start, to, axes, [each])):
            return each.rule, f"the {each.rule}"
    return hindrances[0].rule, " and ".join(f"the {each.rule}" for each in hindrances)
