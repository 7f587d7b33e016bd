"""Rotators: what turns an antenna, and the directions in which it is told to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from fleetd.errors import BadReply, Refusal

_BEYOND_STOP_DEG = 15.0  # a controller may show itself a little past its stops; more is a garbled answer


@dataclass(frozen=True, slots=True)
class AzEl:
    """A direction in a rotator's own frame: azimuth clockwise from north, unwrapped (370 is not 10); degrees."""

    azimuth_deg: float
    elevation_deg: float

    def separation_deg(self, other: AzEl) -> float:
        """The angle on the sky between two directions, 0 to 180 degrees (haversine; exact for small angles)."""
        e1, e2 = math.radians(self.elevation_deg), math.radians(other.elevation_deg)
        half_d_el = (e2 - e1) / 2
        half_d_az = math.radians(other.azimuth_deg - self.azimuth_deg) / 2
        h = math.sin(half_d_el) ** 2 + math.cos(e1) * math.cos(e2) * math.sin(half_d_az) ** 2
        return math.degrees(2 * math.asin(math.sqrt(min(1.0, max(0.0, h)))))


@dataclass(frozen=True, slots=True)
class RotatorLimits:
    """What a controller's wire can express; the site's own, narrower limits stand in its file."""

    azimuth_min_deg: float
    azimuth_max_deg: float
    elevation_min_deg: float
    elevation_max_deg: float
    resolution_deg: float

    def admit(self, to: AzEl) -> None:
        """Let pass what lies within. Raises Refusal for all else, NaN and infinities included."""
        for name, angle_deg, low_deg, high_deg in (
            ("azimuth", to.azimuth_deg, self.azimuth_min_deg, self.azimuth_max_deg),
            ("elevation", to.elevation_deg, self.elevation_min_deg, self.elevation_max_deg),
        ):
            if not low_deg <= angle_deg <= high_deg:
                limits = f"the controller's {low_deg:g} to {high_deg:g}"
                raise Refusal("controller-limits", f"{name} {angle_deg:g} is outside {limits}")

    def believe(self, shown: AzEl, answered: str) -> AzEl:
        """Let pass a position that the controller can have. Raises BadReply for one that lies well past its stops."""
        beyond = _BEYOND_STOP_DEG
        azimuth = self.azimuth_min_deg - beyond <= shown.azimuth_deg <= self.azimuth_max_deg + beyond
        elevation = self.elevation_min_deg - beyond <= shown.elevation_deg <= self.elevation_max_deg + beyond
        if not (azimuth and elevation):
            raise BadReply("the controller gave an angle beyond its limits; are they set right?", answered=answered)
        return shown


@runtime_checkable
class Rotator(Protocol):
    """Turns an antenna."""

    @property
    def limits(self) -> RotatorLimits: ...

    async def point(self, to: AzEl, /) -> None:
        """Begin to move towards `to`; returns once accepted. The target must lie within `limits`."""
        ...

    async def where(self) -> AzEl:
        """The measured direction."""
        ...

    async def stop(self) -> None:
        """Stop all motion now."""
        ...
