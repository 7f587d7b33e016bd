"""What a site may say about telecommands to one satellite."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fleetd.downlink.framing import Callsign
from fleetd.settings import PositiveSeconds, Secret, Settings


class UplinkSettings(Settings):
    """How orders reach a satellite. All seconds are those of the clock."""

    orders: Literal["candy-tin", "tmall-international"]
    """Which reference satellite's orders it takes; the protocol is fleetd's own (docs/reference/telecommands.md)."""
    key: Secret
    """Where the key is kept that authenticates orders and answers."""
    station: Callsign
    """The station's callsign."""
    callsign: Callsign
    """The satellite's callsign."""
    baud: Annotated[int, Field(ge=100, le=10_000_000)] = 1200
    """Bits a second on the air: how long the transmitter stays on for a frame follows from it."""
    lead_s: Annotated[float, Field(ge=0, le=10)] = 0.5
    """Time beside the bits of a frame for which the transmitter stays on: the TNC's delay before, its tail behind."""
    answer_within_s: PositiveSeconds = 5.0
    """How long the satellite may take to answer an order."""
    effect_within_s: PositiveSeconds = 60.0
    """How long it may take until the effect stands in telemetry."""
    send_again: Annotated[int, Field(ge=0, le=10)] = 2
    """How often an order without an answer is sent again, under the same counter, if it is idempotent."""
    expiry_s: PositiveSeconds = 86_400.0
    """How long an order waits for a contact when whoever gave it did not say."""
    queue_length: Annotated[int, Field(ge=1, le=1_000)] = 50
    """How many orders may wait."""
