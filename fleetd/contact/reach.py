"""Which elevations an antenna may take at each azimuth, upright and leaning over, and which of them is the best aim.

Limits and mask in one. Leaning over, an antenna looks the opposite way and the mask there is what counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleetd.contact.axis import Angles, Axes, Flags
from fleetd.orbit.horizon import HorizonMask


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """What of the sky an antenna with these axes may look at."""

    axes: Axes
    mask: HorizonMask | None = None

    @property
    def postures(self) -> tuple[bool, ...]:
        """Whether it leans over: never, or either way."""
        return (False, True) if self.axes.elevation_max_deg > 90 else (False,)

    def elevations(self, azimuth_deg: Angles) -> tuple[Angles, Angles]:
        """The lowest and the highest elevation allowed at each azimuth of the axis."""
        low = np.full_like(azimuth_deg, self.axes.elevation_min_deg)
        high = np.full_like(azimuth_deg, self.axes.elevation_max_deg)
        if self.mask is not None:
            low = np.maximum(low, self._hidden_below(azimuth_deg))
            high = np.minimum(high, 180 - self._hidden_below(azimuth_deg + 180))
        return low, np.maximum(low, high)

    def looks(self, azimuth_deg: Angles, over: Flags) -> tuple[Angles, Angles]:
        """The lowest and the highest elevation looked at from each azimuth, upright or, where `over`, leaning over."""
        low, high = self.elevations(azimuth_deg)
        least = np.where(over, np.maximum(180 - high, self.axes.elevation_min_deg - 180), low)
        most = np.minimum(np.where(over, 180 - low, high), 90)
        return np.minimum(least, most), most

    def _hidden_below(self, azimuth_deg: Angles) -> Angles:
        """The mask, with room for the half step by which a controller may stand beside a direction."""
        mask, beside = self.mask, self.axes.resolution_deg / 2
        if mask is None:
            return np.full_like(azimuth_deg, -90.0)
        around = [mask.elevation_deg(azimuth_deg + each) for each in (-beside, 0.0, beside)]
        return np.asarray(np.minimum(np.maximum.reduce(around) + beside, 90))


def best_look(apart_deg: Angles, satellite_deg: Angles, low_deg: Angles, high_deg: Angles) -> Angles:
    """The elevation, within bounds, that comes nearest to a satellite whose azimuth is `apart_deg` beside one's own."""
    up, level = np.sin(np.radians(satellite_deg)), np.cos(np.radians(satellite_deg)) * np.cos(np.radians(apart_deg))
    nearest = np.where(level > 0, np.degrees(np.arctan2(up, np.maximum(level, 0))), np.where(up >= 0, 90.0, -90.0))
    return np.asarray(np.clip(nearest, low_deg, high_deg))
