"""Rigs: radios of a station, and the switches beside them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol, runtime_checkable

from fleetd.errors import Refusal


class Side(StrEnum):
    """The two receivers of a radio: what its maker calls Main and Sub, or its two VFOs."""

    MAIN = "main"
    SUB = "sub"


RigMode = Literal["lsb", "usb", "cw", "am", "fm", "usb-data", "fm-data"]


@dataclass(frozen=True, slots=True)
class RigLimits:
    """What a radio's wire can express, in whole Hz; the bands that the radio itself has are its own to refuse."""

    low_hz: int
    high_hz: int
    step_hz: int
    """The finest step in which it is tuned."""

    def admit(self, frequency_hz: int) -> None:
        """Let pass what lies within and is whole. Raises Refusal for all else, NaN and infinities included."""
        if not self.low_hz <= frequency_hz <= self.high_hz:
            limits = f"the radio's {self.low_hz} to {self.high_hz} Hz"
            raise Refusal("rig-limits", f"frequency {frequency_hz} Hz is outside {limits}")
        if frequency_hz != int(frequency_hz):
            raise Refusal("rig-limits", f"frequency {frequency_hz} Hz is no whole number")


@runtime_checkable
class Rig(Protocol):
    """Receives and transmits. Each verb names its side; only `key` makes it transmit."""

    @property
    def limits(self) -> RigLimits: ...

    async def tune(self, side: Side, frequency_hz: int, /) -> None:
        """Set one side's frequency; returns once accepted. It must lie within `limits`."""
        ...

    async def tuned(self, side: Side, /) -> int:
        """The frequency that a side stands on, in Hz, as the radio tells it."""
        ...

    async def set_mode(self, side: Side, mode: RigMode, /) -> None:
        """Set one side's mode. Raises Refusal for one that the radio does not have."""
        ...

    async def key(self) -> None:
        """Transmit from now on."""
        ...

    async def unkey(self) -> None:
        """Transmit no longer, ahead of whatever else waits."""
        ...

    async def keyed(self) -> bool:
        """Whether it transmits, as the radio tells it."""
        ...


@runtime_checkable
class Switch(Protocol):
    """One output that is on or off, such as the relay that bypasses a mast preamplifier."""

    async def turn(self, *, on: bool) -> None:
        """Set it; returns once the device has accepted."""
        ...

    async def is_on(self) -> bool:
        """What the device says of it: a contact of the relay where there is one, else the output."""
        ...
