"""What a site may say about what endangers an antenna: wind, its own cables, and people at work on it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from fleetd.clock import parse_utc
from fleetd.errors import ConfigError
from fleetd.settings import Name, PositiveSeconds, Settings

WIND = "wind_gust_m_s"
"""What a wind sensor measures, unless the site says otherwise."""


class WindSettings(Settings):
    """From which wind on the antenna is stowed, and when that is over. No reading for a while counts as high wind."""

    sensor: Name
    """Name of the device that measures the wind."""
    value: str = WIND
    """Which of its values counts; where the sensor has a register map, one of the numbers there."""
    limit: Annotated[float, Field(gt=0)]
    """Above this the antenna is stowed; in the unit of the value."""
    calm: Annotated[float, Field(ge=0)] | None = None
    """At or below this it counts as calm again; four fifths of the limit where it is left out."""
    calm_for_s: PositiveSeconds = 600.0
    """How long it has to be calm without a break before the antenna moves again."""
    unknown_after_s: PositiveSeconds = 60.0
    """How long the sensor may be silent, or give no value, before the wind counts as high."""

    @property
    def calm_at(self) -> float:
        """At or below this it counts as calm."""
        return 0.8 * self.limit if self.calm is None else self.calm

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if self.calm_at > self.limit:
            raise ValueError(f"calm: {self.calm_at:g} is above the limit, {self.limit:g}")
        return self


class CableSettings(Settings):
    """How far the cables along the axis may be wound up."""

    neutral_azimuth_deg: Annotated[float, Field(ge=-720, le=720)] = 0.0
    """What the scale shows when they hang free."""
    most_turns: Annotated[float, Field(gt=0, le=10)]
    """By how many turns they may be wound up to either side."""


def _time(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse_utc(value)
    except ConfigError as error:
        raise ValueError(str(error)) from None


Time = Annotated[datetime, BeforeValidator(_time)]


class MaintenanceSettings(Settings):
    """A stretch of time in which people work on the antenna: no contact is booked on it, and it does not move."""

    begin: Time
    """When it begins, such as 2026-12-01T08:00:00Z."""
    end: Time
    """When it ends."""
    why: Annotated[str, Field(min_length=1, max_length=200)]
    """What is done."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.begin < self.end:
            raise ValueError("it must begin before it ends")
        return self
