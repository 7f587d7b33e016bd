"""What a decoder is: bytes of one frame in, named parameters out; and the `DecoderSpec` by which one announces itself.

Decoders are found through the entry-point group `fleetd.decoders`, ours and third parties' alike. A decoder knows
neither station nor time of reception; it believes nothing that its own checks do not bear out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from fleetd import plugins
from fleetd.errors import FrameError
from fleetd.records import Value
from fleetd.settings import Settings

ENTRY_POINT_GROUP = "fleetd.decoders"


@dataclass(frozen=True, slots=True)
class Packet:
    """One decoded packet. `absent` gives the reason for each value that is None."""

    name: str
    values: Mapping[str, Value]
    """Engineering values."""
    raw: Mapping[str, Value] = field(default_factory=dict)
    """The same as they were sent, where a calibration makes them differ."""
    units: Mapping[str, str] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    onboard_at: datetime | None = None
    """The satellite's own time, where the packet tells it; what to make of it is the station's business."""
    apid: int | None = None
    sequence_count: int | None = None
    data: bytes = b""
    """The packet itself, its checksum taken off."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What one frame held: the packets that passed every check, and what was wrong with the others."""

    packets: Sequence[Packet] = ()
    flaws: Sequence[FrameError] = ()


class Decoder(Protocol):
    """Turns frames into packets."""

    async def decode(self, frame: bytes, /) -> Decoded:
        """Everything that one frame holds. Raises nothing that a frame could cause."""
        ...


@dataclass(frozen=True, slots=True)
class DecoderSpec:
    """How a decoder announces itself."""

    name: str
    summary: str
    settings: type[Settings]
    open: Callable[[Any], AbstractAsyncContextManager[Decoder]]
    """Called with an instance of `settings`. Raises ConfigError for a database that cannot be used."""
    check: Callable[[Any], object] = lambda _settings: None
    """Called with an instance of `settings` when a site file is read; raises ConfigError for what cannot work."""


def decoder_names() -> list[str]:
    """The names of all installed decoders, sorted."""
    return plugins.installed(ENTRY_POINT_GROUP)


def load_decoder(name: str) -> DecoderSpec:
    """The spec of an installed decoder. Raises ConfigError naming those that are there, or what is missing."""
    return plugins.load(ENTRY_POINT_GROUP, "decoder", name, DecoderSpec)
