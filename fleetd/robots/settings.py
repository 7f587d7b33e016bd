"""What a site may say about its robots: named places, areas, and how long commands and readings live."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fleetd.settings import Name, PositiveSeconds, Settings


class Place(Settings):
    """A named place of the site, and the number of the stop by which the robots know it."""

    stop: Annotated[int, Field(ge=0, le=65_535)]
    latitude_deg: Annotated[float, Field(ge=-90, le=90)]
    longitude_deg: Annotated[float, Field(ge=-180, le=180)]


Corner = tuple[Annotated[float, Field(ge=-90, le=90)], Annotated[float, Field(ge=-180, le=180)]]
"""Latitude and longitude, degrees."""


class Zone(Settings):
    """An area on the ground. That a robot crosses its border is an event, a warning where it is on the wrong side."""

    corners: Annotated[tuple[Corner, ...], Field(min_length=3, max_length=1000)]
    """[latitude, longitude] of each corner in order; the last is joined with the first."""
    kind: Literal["keep-in", "keep-out", "note"] = "note"
    """Whether robots belong inside, belong outside, or may be on either side."""
    margin_m: Annotated[float, Field(ge=0, le=1000)] = 3.0
    """A robot has crossed once it is this far beyond the border: an unsteady position is not told each second."""
    refuses: tuple[str, ...] = ()
    """Actions that a robot is not told on the wrong side: within the zone, or outside one of the kind keep-in.
    A stop is never refused."""


class RobotsSettings(Settings):
    """The robots of a site. All seconds are those of the daemon's clock."""

    places: dict[Name, Place] = Field(default_factory=dict)
    """Places that a command may name instead of a stop number."""

    zones: dict[Name, Zone] = Field(default_factory=dict)
    """Areas whose borders matter."""

    summary_s: PositiveSeconds = 60.0
    """How often, at most, it is told how many robots are online, stopped, and doing what; only if that has changed."""

    groups: dict[Name, tuple[Name, ...]] = Field(default_factory=dict)
    """Groups of robots; a command to a group is one to each of them. The group `all` is every robot of the site."""

    command_expiry_s: PositiveSeconds = 30.0
    """How long a command stays valid when whoever sent it did not say."""

    longest_expiry_s: PositiveSeconds = 3600.0
    """A command that asks to stay valid for longer than this is refused."""

    clock_skew_s: PositiveSeconds = 60.0
    """A command issued further in the future than this is refused: one of the two clocks is wrong."""

    recall_window_s: PositiveSeconds = 60.0
    """How long after its expiry a command whose outcome is not known is asked after, until it counts as unknown."""

    queue_length: Annotated[int, Field(ge=1, le=10_000)] = 100
    """How many commands may wait for one robot; a stop never waits behind them."""

    max_silence_s: PositiveSeconds | None = None
    """Report a reading only if it differs from the last one reported by more than the deadbands of its register map, or
    this long after it; alarms are judged by what is reported. Unset: report each."""
