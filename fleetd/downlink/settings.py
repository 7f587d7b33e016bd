"""What a site may say about frames: how each satellite's are decoded, and how long they are kept."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, WithJsonSchema, model_validator

from fleetd.downlink.decoder import DecoderSpec, load_decoder
from fleetd.downlink.uplinksettings import UplinkSettings
from fleetd.orbit.settings import SatelliteSettings
from fleetd.settings import Name, Settings


class DecoderSettings(Settings):
    """Which decoder reads a satellite's frames, and how it is set."""

    name: Name
    """Name of an installed decoder: xtce, external, or a third party's."""
    settings: Annotated[Any, WithJsonSchema({"type": "object"})] = Field(default_factory=dict)
    """The decoder's own settings; in a loaded site an instance of the decoder's `Settings` model."""

    @property
    def spec(self) -> DecoderSpec:
        """The decoder, loaded. Raises ConfigError when it is not installed."""
        return load_decoder(self.name)


class WorkedSatellite(SatelliteSettings):
    """A satellite, and how what it sends is read."""

    decoder: DecoderSettings | None = None
    """How its frames become parameters; without one they are archived and published raw."""
    uplink: UplinkSettings | None = None
    """How it is given orders; without this it is given none. Needs a decoder, which tells whether they were obeyed."""

    @model_validator(mode="after")
    def _obeys_visibly(self) -> Self:
        if self.uplink is not None and self.decoder is None:
            raise ValueError("uplink: needs a decoder, for only telemetry tells whether an order was obeyed")
        return self


class DownlinkSettings(Settings):
    """Frames off the air."""

    keep_frames_days: Annotated[float, Field(gt=0, le=36_500)] = 365.0
    """How long raw frames stay in the archive, in days."""
    clock_off_s: Annotated[float, Field(gt=0, le=1e9)] = 60.0
    """A satellite whose clock is farther off ours than this, in seconds, is told of once a contact."""
