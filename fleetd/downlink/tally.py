"""What one contact brought down, counted as it comes. No I/O."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from fleetd.downlink.ccsds import Sequence
from fleetd.downlink.decoder import Decoded

CHECKSUM = "checksum"


@dataclass(slots=True)
class FrameTally:
    """The frames of one contact, from `begun_at` on."""

    begun_at: datetime
    frames: int = 0
    packets: int = 0
    flaws: Counter[str] = field(default_factory=Counter)
    """What was wrong with how many, by rule."""
    first_at: datetime | None = None
    last_at: datetime | None = None
    longest_silence_s: float = 0.0
    sequence: Sequence = field(default_factory=Sequence)
    clock_told: bool = False

    @property
    def checksum_errors(self) -> int:
        """Packets whose checksum did not fit."""
        return self.flaws[CHECKSUM]

    @property
    def bad(self) -> int:
        """Frames and packets that could not be believed, whatever the reason."""
        return self.flaws.total()

    def arrived(self, at: datetime) -> None:
        """A frame came off the air."""
        self.silence_until(at)
        self.frames += 1
        self.first_at = self.first_at or at
        self.last_at = at

    def silence_until(self, at: datetime) -> None:
        """Nothing has come since the last frame, or the beginning."""
        since = self.last_at or self.begun_at
        self.longest_silence_s = max(self.longest_silence_s, (at - since).total_seconds())

    def decoded(self, decoded: Decoded) -> None:
        """What a frame held."""
        for flaw in decoded.flaws:
            self.flaws[flaw.rule] += 1
        for packet in decoded.packets:
            self.packets += 1
            if packet.apid is not None and packet.sequence_count is not None:
                self.sequence.take(packet.apid, packet.sequence_count)
