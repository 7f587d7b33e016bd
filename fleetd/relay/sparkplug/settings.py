"""What may be configured about Sparkplug B."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fleetd.settings import Settings

_Level = Annotated[str, Field(pattern=r"^[^+/#\x00]{1,64}$")]


class SparkplugSettings(Settings):
    """Readings leave as Sparkplug B 3.0, on a connection of its own to the relay's brokers; all else stays JSON."""

    group: _Level
    """The group id: the first level under spBv1.0."""
    node: _Level | None = None
    """The edge node's id; the site's name if not given. Group and node are unique at the broker."""
    primary_host: _Level | None = None
    """The host application without which nothing is published; any broker that lets us in will do if not given."""
