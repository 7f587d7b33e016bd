"""A radio of two receivers: what each stands on, and whether it transmits. Pure; no wire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Side = Literal["main", "sub"]
Band = tuple[int, int]


@dataclass(slots=True)
class Receiver:
    """One receiver: its frequency in Hz and its mode, by the wire's own name or number."""

    frequency_hz: int
    mode: str = "FM"


@dataclass(slots=True)
class RigModel:
    """`bands` are those it has, in Hz; both receivers never stand in the same one where `bands_apart`."""

    bands: tuple[Band, ...] = ((144_000_000, 148_000_000), (430_000_000, 450_000_000), (1_240_000_000, 1_300_000_000))
    bands_apart: bool = True
    main: Receiver = field(default_factory=lambda: Receiver(435_000_000))
    sub: Receiver = field(default_factory=lambda: Receiver(145_000_000))
    keyed: bool = False
    """Whether it transmits."""
    asked: bool = False
    """Whether it was last told to; a key that sticks transmits unasked."""
    on_key: Callable[[], None] = lambda: None
    """Told whenever it is told to transmit."""

    def side(self, side: Side) -> Receiver:
        """One of its receivers."""
        return self.main if side == "main" else self.sub

    def tune(self, side: Side, frequency_hz: int) -> bool:
        """Tune one receiver; False, and nothing done, where the radio cannot."""
        band = self._band(frequency_hz)
        other = self.sub if side == "main" else self.main
        if band is None or (self.bands_apart and band == self._band(other.frequency_hz)):
            return False
        self.side(side).frequency_hz = frequency_hz
        return True

    def key(self, on: bool) -> None:
        """Transmit, or transmit no more."""
        self.keyed = self.asked = on
        if on:
            self.on_key()

    def exchange(self) -> None:
        """Swap what the two receivers stand on."""
        self.main, self.sub = self.sub, self.main

    def _band(self, frequency_hz: int) -> Band | None:
        return next((band for band in self.bands if band[0] <= frequency_hz <= band[1]), None)
