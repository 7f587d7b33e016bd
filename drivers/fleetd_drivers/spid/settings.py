"""What the site file says of a SPID controller, model by model; the models differ in axes, pace and manners."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from fleetd.settings import Settings

Azimuth = Annotated[float, Field(ge=-180, le=540)]
Elevation = Annotated[float, Field(ge=-20, le=210)]
Milliseconds = Annotated[int, Field(ge=0, le=10_000)]


class Rot1Settings(Settings):
    """A Rot1Prog: azimuth alone."""

    azimuth_min_deg: Azimuth = -180.0
    """Its lower azimuth limit, as set in the controller."""
    azimuth_max_deg: Azimuth = 540.0
    """Its upper azimuth limit, as set in the controller."""
    reply_timeout_ms: Annotated[int, Field(ge=20, le=10_000)] = 1000
    """How long an answer may take, in real time; at 600 baud question and answer alone take 420 ms."""
    pause_ms: Milliseconds = 300
    """Least time between two commands, in the clock's time."""

    @model_validator(mode="after")
    def _azimuth_ordered(self) -> Self:
        if self.azimuth_min_deg >= self.azimuth_max_deg:
            raise ValueError("azimuth_min_deg must be below azimuth_max_deg")
        return self


class BothAxesSettings(Rot1Settings):
    """Any SPID controller that has an elevation axis, too."""

    elevation_min_deg: Elevation = -20.0
    """Its lower elevation limit, as set in the controller."""
    elevation_max_deg: Elevation = 210.0
    """Its upper elevation limit, as set in the controller."""

    @model_validator(mode="after")
    def _elevation_ordered(self) -> Self:
        if self.elevation_min_deg >= self.elevation_max_deg:
            raise ValueError("elevation_min_deg must be below elevation_max_deg")
        return self


class Rot2Settings(BothAxesSettings):
    """A Rot2Prog. Spoken to more often than once in two seconds it may lose a degree or two of its calibration."""

    pause_ms: Milliseconds = 2100
    """Least time between two commands, in the clock's time."""
    stop_at_once: bool = False
    """Whether a stop need not keep the pause: it comes up to two seconds sooner, and may cost calibration."""


class Md01Settings(BothAxesSettings):
    """An MD-01 or MD-02."""

    answers_moves: bool = True
    """Whether a move is answered with a position; false for firmware that stays silent."""
