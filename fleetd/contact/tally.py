"""What one contact measured: planned against actual direction, and how far off that was. No I/O."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from fleetd.contact.axis import Axes, AxisPath, SkyTrack
from fleetd.contact.whereabouts import Measured
from fleetd.devices import AzEl

_LAGGING_DEG = 0.1  # a plan that is farther off than this knows that the antenna cannot keep up
_SETTLE_S = 2.0  # an antenna needs a moment to come to rest on a path that it has caught up with
_MOST_TRACK_POINTS = 600


def untracked(duration_s: float) -> dict[str, Any]:
    """What the report says of a contact that never came so far as to have a path: all of it was off the beam."""
    return {"samples": 0, "max_pointing_error_deg": None, "rms_pointing_error_deg": None, "off_beam_s": duration_s}


@dataclass(slots=True)
class Tally:
    """Samples of one contact along its `path`; `beam_width_deg` says what counts as off the beam."""

    sky: SkyTrack
    path: AxisPath
    beam_width_deg: float
    samples: int = 0
    missing: int = 0
    off_beam_s: float = 0.0
    max_error_deg: float | None = None
    track: list[tuple[float, float, float, float, float]] = field(default_factory=list)
    _able: int = 0
    _square_sum: float = 0.0
    _reached_at: datetime | None = None
    _asked_at: datetime | None = None

    @property
    def rms_error_deg(self) -> float | None:
        """Over the samples for which the antenna could keep up; None without any."""
        return math.sqrt(self._square_sum / self._able) if self._able else None

    def set_out(self, position: AzEl, at: datetime, axes: Axes) -> None:
        """The antenna begins to follow the path from `position`: until it can have reached it, it cannot keep up."""
        step = timedelta(seconds=self.path.step_s)
        when = max(at, self.path.begin)
        while when < self.path.end and axes.slew_s(position, self.path.at(when)) > (when - at).total_seconds():
            when += step
        self._reached_at = when

    def hindered(self) -> None:
        """The antenna does not follow the path at present; `set_out` says when it does again."""
        self._reached_at = None

    def lost(self, at: datetime) -> None:
        """The position could not be read: the time since it last was counts as off the beam."""
        self.hindered()
        if self._within(at):
            self.missing += 1
            self.off_beam_s += self._since_last(at)

    def take(self, measured: Measured) -> None:
        """Compare one measured position with the plan and the satellite."""
        if not self._within(measured.at):
            return
        satellite = self.sky.at(measured.at)
        error_deg = measured.position.separation_deg(AzEl(satellite.azimuth_deg, satellite.elevation_deg))
        self.samples += 1
        if self._could_keep_up(measured.at):
            self._able += 1
            self._square_sum += error_deg**2
            self.max_error_deg = max(error_deg, self.max_error_deg or 0.0)
        since_last_s = self._since_last(measured.at)
        if error_deg > self.beam_width_deg / 2:
            self.off_beam_s += since_last_s
        self._note(measured)

    def reported(self) -> dict[str, Any]:
        """What the contact's report says of it, beside what the plan foresaw."""
        return {
            "samples": self.samples,
            "samples_missing": self.missing,
            "max_pointing_error_deg": self.max_error_deg,
            "rms_pointing_error_deg": self.rms_error_deg,
            "off_beam_s": self.off_beam_s,
            "planned_off_beam_s": self.path.off_beam_s,
            "planned_max_error_deg": self.path.max_error_deg,
            "turn_rounds": self.path.turn_rounds,
            "track": self.track,
        }

    def _within(self, at: datetime) -> bool:
        return self.path.begin <= at <= self.path.end

    def _since_last(self, at: datetime) -> float:
        since, self._asked_at = self._asked_at or self.path.begin, at
        return max(0.0, (at - since).total_seconds())

    def _could_keep_up(self, at: datetime) -> bool:
        settle = timedelta(seconds=_SETTLE_S)
        if self._reached_at is None or at < self._reached_at + settle:
            return False
        return max(self.path.error_at(at), self.path.error_at(at - settle)) <= _LAGGING_DEG

    def _note(self, measured: Measured) -> None:
        after_s = (measured.at - self.path.begin).total_seconds()
        if self.track and after_s - self.track[-1][0] < self.path.duration_s / _MOST_TRACK_POINTS:
            return
        planned = self.path.at(measured.at)
        self.track.append(
            (
                round(after_s, 2),
                round(planned.azimuth_deg, 2),
                round(planned.elevation_deg, 2),
                round(measured.position.azimuth_deg, 2),
                round(measured.position.elevation_deg, 2),
            )
        )
