"""Sensors: whatever can be asked for its values, one sample a poll."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import msgspec

from fleetd.records import Value


class Sample(msgspec.Struct, frozen=True, gc=False):
    """The values of one poll. `absent` names why a value is None; `suspect` if it followed a timeout on its line."""

    values: Mapping[str, Value]
    absent: Mapping[str, str] = {}
    suspect: bool = False


class Sampling(Protocol):
    """A poll under way."""

    def give_up(self) -> None:
        """Nobody wants its sample any longer."""
        ...


@runtime_checkable
class Pollable(Protocol):
    """What can be polled without a task that waits: for fleets so large that a task's turn for each poll is felt.

    A driver need not be; then it is read by `Sensor.read` alone. One that knows by how much its numbers must differ to
    be news, where readings are told by exception, has that by name in its property `deadbands`.
    """

    def poll(self, taken: Callable[[Sample | Exception], None], /) -> Sampling:
        """Ask for a sample; `taken` is told it, or the error, once (perhaps at once), unless it is given up before."""
        ...


class LinkQuality(msgspec.Struct, frozen=True):
    """How the line to a device does. A driver that knows has it as its property `link_quality`."""

    answer_ms: float | None
    """How long the device thinks before it answers, smoothed; None before the first answer."""
    silences: int
    """Questions in a row that it has left without a usable answer."""
    bus_time_share: float
    """How much of its line's time it took over the last minute, 0 to 1."""


@runtime_checkable
class Sensor(Protocol):
    """Measures."""

    async def read(self) -> Sample:
        """Ask for one sample of everything that is polled."""
        ...
