"""What may be configured about alarms."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fleetd.registers.limits import Limit
from fleetd.settings import PositiveSeconds, Settings

Pattern = Annotated[str, Field(pattern=r"^[a-z0-9*?-]{1,64}$", examples=["robot-*"])]


class LimitSettings(Limit):
    """One limit of the site, for one value of one or more devices."""

    device: Pattern
    """Name of a device, or a pattern with * and ?."""
    value: Annotated[str, Field(min_length=1, max_length=64)]
    """Name of a value in the device's readings."""


class AlarmsSettings(Settings):
    """What needs attention."""

    offline_after_s: PositiveSeconds = 60.0
    """For how long a device may be away before that is an alarm."""
    late_after_s: PositiveSeconds = 60.0
    """A reading that is older than this when it comes changes no alarm."""
    map_limits: bool = True
    """Whether the limits in register maps count. One of the site's stands in for those of the same alarm in a map."""
    limits: tuple[LimitSettings, ...] = ()
    """The site's own limits."""
    latched: tuple[Annotated[str, Field(pattern=r"^[a-z0-9*?-]+/[a-z0-9*?-]+$", examples=["*/wind-high"])], ...] = ()
    """Alarms, as device/name with * and ?, that stay active until somebody acknowledges them, whoever raises them."""
