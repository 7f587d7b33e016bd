"""Three ways to follow a pass, each of which says once a second where to send the antenna.

- `Planned` is fleetd: the path of the whole pass, and the daemon's own rule of what to send when.
- `NearestAlias` decides sample by sample: the shortest way from where the antenna stands, and where that would cross a
  stop, the other way round. So do rotator controllers that know of overlap (AdaSzi/Rotator, RotatorFW/docs).
- `FixedFlip` is the rule of the SatNOGS client (satnogsclient/observer/worker.py, SATNOGS_ROT_FLIP_ANGLE 75): where the
  pass culminates at 75 degrees or more, both angles are mirrored at the culmination from there on; azimuths are sent as
  0 to 360. On a rotator that cannot lean over it never flips.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Protocol

from bench.flyovers import STEP_S, ZENITH_DEG, Flyover
from fleetd.contact.axis import Around, Pace
from fleetd.contact.course import plan_axis_path
from fleetd.contact.pursuit import aim
from fleetd.devices import AzEl

FLIP_ANGLE_DEG = 75.0
PERIOD_S = 1.0
BEAM_WIDTH_DEG = 6.0


class Tracker(Protocol):
    """Where to wait for the satellite, and where to send the antenna at each step of the pass."""

    @property
    def start(self) -> AzEl: ...

    def target(self, step: int, stands: AzEl, /) -> AzEl: ...


class Planned:
    """fleetd."""

    def __init__(self, over: Flyover) -> None:
        began = time.process_time()
        self.path = plan_axis_path(
            over.sky, over.begin, over.end, over.axes,
            beam_width_deg=BEAM_WIDTH_DEG, mask=over.mask, around=Around(over.start), pace=Pace(interval_s=PERIOD_S),
        )  # fmt: skip
        self.plan_ms = 1e3 * (time.process_time() - began)
        self._axes = over.axes

    @property
    def start(self) -> AzEl:
        return self.path.start

    def target(self, step: int, stands: AzEl, /) -> AzEl:  # noqa: ARG002  # it knows where it should stand
        return aim(self.path, self.path.begin + timedelta(seconds=step * STEP_S), PERIOD_S, self._axes)


class NearestAlias:
    """The shortest way from where it stands, or else the other way round."""

    def __init__(self, over: Flyover) -> None:
        self._over = over
        self.start = self.target(0, over.start)

    def target(self, step: int, stands: AzEl, /) -> AzEl:
        axes = self._over.axes
        way_deg = (float(self._over.azimuth_deg[step]) - stands.azimuth_deg + 180) % 360 - 180
        azimuth_deg = stands.azimuth_deg + way_deg
        if azimuth_deg < axes.azimuth_min_deg:
            azimuth_deg += 360
        if azimuth_deg > axes.azimuth_max_deg:
            azimuth_deg -= 360
        return AzEl(azimuth_deg, max(0.0, float(self._over.elevation_deg[step])))


class FixedFlip:
    """Mirrored at the culmination if that is at 75 degrees or more."""

    def __init__(self, over: Flyover) -> None:
        self._over = over
        self._culmination = int(over.elevation_deg.argmax())
        self._flips = over.elevation_deg.max() >= FLIP_ANGLE_DEG and over.axes.elevation_max_deg > ZENITH_DEG
        self.start = self.target(0, over.start)

    def target(self, step: int, stands: AzEl, /) -> AzEl:  # noqa: ARG002  # it does not ask
        azimuth_deg, elevation_deg = float(self._over.azimuth_deg[step]), float(self._over.elevation_deg[step])
        elevation_deg = max(0.0, elevation_deg)
        if self._flips and step >= self._culmination:
            top = self._culmination
            azimuth_deg = 2 * float(self._over.azimuth_deg[top]) - azimuth_deg
            elevation_deg = 2 * float(self._over.elevation_deg[top]) - elevation_deg
        return AzEl(azimuth_deg % 360, elevation_deg % 360)
