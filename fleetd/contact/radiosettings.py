"""What a site may say about the radio at an antenna, and about how it is worked through a contact."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fleetd.devices import Side
from fleetd.settings import Name, Settings

Milliseconds = Annotated[int, Field(ge=0, le=5_000)]


class RadioSettings(Settings):
    """How the radio of one antenna is worked. All seconds are those of the clock."""

    downlink_side: Side = Side.MAIN
    """The side that receives the satellite: main or sub."""
    uplink_side: Side = Side.SUB
    """The side on which the radio transmits: main or sub, and not the one that receives."""
    doppler_step_hz: Annotated[int, Field(ge=1, le=100_000)] = 10
    """The frequency is written in whole steps of this, and only when it changes a step."""
    doppler_period_s: Annotated[float, Field(ge=0.05, le=10)] = 0.5
    """How often the Doppler shift is worked out anew."""
    write_while_keyed: bool = False
    """The radio takes a new uplink frequency while it transmits; many do not, or change the wrong side."""
    keyed_by: Literal["rig", "tnc"] = "rig"
    """Who makes the radio transmit: fleetd over the radio's own wire, or the TNC by its PTT line."""
    preamp: Name | None = None
    """Name of the device, a switch, that bypasses the mast preamplifier while it is on; on before each transmission."""
    preamp_settle_ms: Milliseconds = 50
    """How long the bypass relay settles before the transmitter is keyed, and the transmitter before it is taken off."""

    @model_validator(mode="after")
    def _two_sides(self) -> Self:
        if self.downlink_side == self.uplink_side:
            raise ValueError(f"downlink_side and uplink_side are both {self.uplink_side}: each needs its own")
        return self
