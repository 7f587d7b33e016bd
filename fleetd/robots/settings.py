"""What a site may say about its robots: named places, and how long commands and readings live."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fleetd.settings import Name, PositiveSeconds, Settings


class Place(Settings):
    """A named place of the site, and the number of the stop by which the robots know it."""

    stop: Annotated[int, Field(ge=0, le=65_535)]
    latitude_deg: Annotated[float, Field(ge=-90, le=90)]
    longitude_deg: Annotated[float, Field(ge=-180, le=180)]


class RobotsSettings(Settings):
    """The robots of a site. All seconds are those of the daemon's clock."""

    places: dict[Name, Place] = Field(default_factory=dict)
    """Places that a command may name instead of a stop number."""

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
    """Report a reading only if it differs from the last one reported, or this long after it. Unset: report each."""
