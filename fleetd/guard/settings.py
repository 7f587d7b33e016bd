"""What may be said about the guard."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fleetd.settings import Settings


class GuardSettings(Settings):
    """The process that stops antennas and transmitters when the daemon no longer can."""

    enabled: bool = True
    """Without the guard nothing stops an antenna or a transmitter when the daemon dies in the middle of a motion."""
    lease_s: Annotated[float, Field(ge=0.1, le=10)] = 0.4
    """How long the daemon may be silent, in real seconds, before the guard acts. It speaks four times as often."""
