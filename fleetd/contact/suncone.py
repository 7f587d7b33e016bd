"""A cone round the Sun that an antenna may not look into: at its focus the Sun's heat melts what is mounted there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fleetd.contact.axis import Angles
from fleetd.contact.clearance import looks_at
from fleetd.devices import AzEl

_STEP_DEG = 0.25  # between two looks along a way; the cone reaches a hundredth of a degree in between at most
_OUTWARD_DEG = 1e-6


@dataclass(frozen=True, slots=True)
class SunCone:
    """Everything less than `cone_deg` from the centre of the Sun."""

    cone_deg: float
    sun: AzEl

    @property
    def rule(self) -> str:
        return "sun-cone"

    def at(self, to: AzEl, /) -> str:
        """Why it may not look there."""
        away_deg = looks_at(to).separation_deg(self.sun)
        if away_deg >= self.cone_deg:
            return ""
        return (
            f"azimuth {to.azimuth_deg:.1f}, elevation {to.elevation_deg:.1f} is {away_deg:.1f} degrees from the Sun, "
            f"which stands at azimuth {self.sun.azimuth_deg:.1f}, elevation {self.sun.elevation_deg:.1f}; "
            f"at least {self.cone_deg:g} are kept"
        )

    def lets_pass(self, start: AzEl, end: AzEl, /) -> bool:
        """Whether no way within the rectangle comes near; a turn of one axis may lead out of the cone.

        The distance to the Sun has no minimum inside the rectangle but at the Sun itself: its edges tell the rest.
        """
        corners = [start, AzEl(end.azimuth_deg, start.elevation_deg), end, AzEl(start.azimuth_deg, end.elevation_deg)]
        if start.azimuth_deg == end.azimuth_deg or start.elevation_deg == end.elevation_deg:
            return self._leads_out(self._away_deg(start, end))
        edges = zip(corners, [*corners[1:], corners[0]], strict=True)
        return not self._meets(start, end) and all(
            self._away_deg(one, other).min() >= self.cone_deg for one, other in edges
        )

    def levels(self, start: AzEl, end: AzEl, /) -> tuple[float, float]:  # noqa: ARG002  # it moves; all are tried
        return -math.inf, math.inf

    def _leads_out(self, away_deg: Angles) -> bool:
        """Whether a turn only goes away from the Sun until it is outside the cone, and stays outside then."""
        outside = np.flatnonzero(away_deg >= self.cone_deg)
        if not len(outside):
            return False
        first = int(outside[0])
        return len(outside) == len(away_deg) - first and bool((np.diff(away_deg[: first + 1]) > -_OUTWARD_DEG).all())

    def _away_deg(self, start: AzEl, end: AzEl) -> Angles:
        """How far from the Sun it looks all along a straight turn."""
        span_deg = max(abs(end.azimuth_deg - start.azimuth_deg), abs(end.elevation_deg - start.elevation_deg))
        share = np.linspace(0.0, 1.0, max(2, math.ceil(span_deg / _STEP_DEG) + 1))
        azimuth = np.radians(start.azimuth_deg + share * (end.azimuth_deg - start.azimuth_deg) - self.sun.azimuth_deg)
        elevation = np.radians(start.elevation_deg + share * (end.elevation_deg - start.elevation_deg))
        height = math.radians(self.sun.elevation_deg)
        # Leaning over needs no case of its own: the cosine of an elevation beyond 90 turns the azimuth round.
        h = np.sin((elevation - height) / 2) ** 2 + np.cos(elevation) * math.cos(height) * np.sin(azimuth / 2) ** 2
        return np.asarray(np.degrees(2 * np.arcsin(np.sqrt(np.clip(h, 0, 1)))))

    def _meets(self, start: AzEl, end: AzEl) -> bool:
        """Whether the Sun itself is somewhere in the rectangle, seen upright or leaning over."""
        low_deg, high_deg = sorted((start.elevation_deg, end.elevation_deg))
        first_deg, last_deg = sorted((start.azimuth_deg, end.azimuth_deg))
        for azimuth_deg, elevation_deg in (
            (self.sun.azimuth_deg, self.sun.elevation_deg),
            (self.sun.azimuth_deg + 180, 180 - self.sun.elevation_deg),
        ):
            turned_deg = azimuth_deg + 360 * math.ceil((first_deg - azimuth_deg) / 360)
            if low_deg <= elevation_deg <= high_deg and turned_deg <= last_deg:
                return True
        return False
