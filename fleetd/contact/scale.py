"""Directions of the sky and what a rotator's scale shows for them: the offset that a survey found, and whole steps."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fleetd.contact.axis import Axes
from fleetd.devices import AzEl, RotatorLimits


@dataclass(frozen=True, slots=True)
class Scale:
    """One rotator's scale: it shows `offset` when the antenna points at azimuth 0, elevation 0."""

    offset: AzEl

    def in_sky(self, shown: AzEl) -> AzEl:
        """Where the antenna points when the scale shows this."""
        return AzEl(shown.azimuth_deg - self.offset.azimuth_deg, shown.elevation_deg - self.offset.elevation_deg)

    def axes_in_sky(self, axes: Axes) -> Axes:
        """Limits on the scale as limits in the sky."""
        return replace(
            axes,
            azimuth_min_deg=axes.azimuth_min_deg - self.offset.azimuth_deg,
            azimuth_max_deg=axes.azimuth_max_deg - self.offset.azimuth_deg,
            elevation_min_deg=axes.elevation_min_deg - self.offset.elevation_deg,
            elevation_max_deg=axes.elevation_max_deg - self.offset.elevation_deg,
        )

    def shown_for(self, to: AzEl, axes: Axes, controller: RotatorLimits | None) -> AzEl:
        """What the scale shows for a direction of the sky, in the steps that the controller can take."""
        azimuth_deg = to.azimuth_deg + self.offset.azimuth_deg
        elevation_deg = to.elevation_deg + self.offset.elevation_deg
        if controller is None:
            return AzEl(azimuth_deg, elevation_deg)
        azimuth_from, elevation_from = controller.azimuth_min_deg, controller.elevation_min_deg
        step_deg = controller.resolution_deg
        return AzEl(
            _stepped(azimuth_deg, step_deg, azimuth_from, axes.azimuth_min_deg, axes.azimuth_max_deg),
            _stepped(elevation_deg, step_deg, elevation_from, axes.elevation_min_deg, axes.elevation_max_deg),
        )


def _stepped(angle_deg: float, step_deg: float, from_deg: float, low_deg: float, high_deg: float) -> float:
    """The nearest angle that a controller counting in steps from `from_deg` can take without leaving the limits.

    What is outside already stays as it is, for the interlock to refuse.
    """
    if not low_deg <= angle_deg <= high_deg:
        return angle_deg
    stepped_deg = from_deg + round((angle_deg - from_deg) / step_deg) * step_deg
    if stepped_deg > high_deg:
        stepped_deg -= step_deg
    elif stepped_deg < low_deg:
        stepped_deg += step_deg
    return stepped_deg if low_deg <= stepped_deg <= high_deg else angle_deg
