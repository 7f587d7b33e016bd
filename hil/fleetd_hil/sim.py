"""What every sim is to the bench: something that takes bytes and gives answers, each with the time it needs.

A sim does no I/O and reads no clock: it is told the running scene time with the bytes, and brings its models up to it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from fleetd_hil.faults import Faults


@dataclass(frozen=True, slots=True)
class Answer:
    """Bytes that the device sends `after_s` scene seconds after the last byte of the question.

    A server may hang up after them; a serial device has no way to.
    """

    data: bytes
    after_s: float = 0.0
    hang_up: bool = False


Feed = Callable[[bytes, float], Iterable[Answer]]
"""Takes what arrived and the running scene time in seconds; partial frames are kept for the next call."""


class SimDied(Exception):
    """A sim raised what no sim may: it has a bug, and nothing that it shows from then on means anything."""

    def __init__(self, name: str, error: BaseException) -> None:
        super().__init__(f"the sim {name} died: {type(error).__name__}: {error}")


class Sim(Protocol):
    """The far end of a wire."""

    name: str
    faults: Faults

    @property
    def units(self) -> Collection[int]:
        """The Modbus unit numbers behind this wire; none where the wire knows no such thing."""
        ...

    @property
    def violations(self) -> Collection[str]:
        """The latest of what no well-behaved driver would have sent."""
        ...

    def attach(self) -> Feed:
        """The device's ear for one connection."""
        ...


@runtime_checkable
class Speaker(Sim, Protocol):
    """A sim that says things unasked: each ear of it is also given no bytes at all, some fifty times a second."""

    speaks_unasked: Literal[True]
