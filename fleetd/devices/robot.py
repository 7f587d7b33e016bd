"""Robots: what moves by itself, and what it can be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from fleetd.devices.sensor import Sampling, Sensor
from fleetd.records import Value


@dataclass(frozen=True, slots=True)
class ArgumentSpec:
    """One argument of an action: a whole or real number within limits, both ends allowed."""

    name: str
    minimum: float
    maximum: float
    whole: bool
    unit: str = ""
    help: str = ""


@dataclass(frozen=True, slots=True)
class InterlockSpec:
    """What the newest reading must show of each of `values` before an action is sent; what is absent shows nothing."""

    name: str
    values: tuple[str, ...]
    why: str
    one_of: tuple[Value, ...] = ()
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """One thing that a robot can be told to do."""

    name: str
    help: str
    arguments: tuple[ArgumentSpec, ...] = ()
    hazardous: bool = False
    interlocks: tuple[InterlockSpec, ...] = ()
    harmless_when: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    """A hazardous action is not, while the newest reading shows one of these for each of these values."""


class Outcome:
    """What a robot's read-back says of a command: three words, one meaning each."""

    DONE: Literal["done"] = "done"
    REFUSED: Literal["refused"] = "refused"
    UNSEEN: Literal["unseen"] = "unseen"  # the robot has not taken this command number


@dataclass(frozen=True, slots=True)
class ReadBack:
    """A robot's own word on one command number."""

    outcome: Literal["done", "refused", "unseen"]
    reason: str = ""


@runtime_checkable
class Beating(Protocol):
    """What can be shown that its supervisor lives without a task that waits, as `Pollable` can be polled without one.

    A driver need not be; then it is shown by `Robot.heartbeat` alone.
    """

    def beat(self, told: Callable[[Exception | None], None], /) -> Sampling:
        """One heartbeat; `told` hears None, or the error, once (perhaps at once), unless it is given up before."""
        ...


@runtime_checkable
class Robot(Sensor, Protocol):
    """Moves by itself, and can be told to."""

    @property
    def actions(self) -> Mapping[str, ActionSpec]:
        """The actions that this robot takes, by name."""
        ...

    async def perform(self, number: int, action: str, args: Mapping[str, Value], /) -> ReadBack:
        """Write one command under its number (1 to 4294967295) and read back what the robot made of it.

        A number that the robot has taken before has no second effect. Raises DeviceError when the outcome is not known.
        """
        ...

    async def recall(self, number: int, /) -> ReadBack:
        """Ask what became of a command number, writing nothing."""
        ...

    async def stop(self) -> None:
        """Demand a stop ahead of everything else on the line, and read it back."""
        ...

    async def heartbeat(self) -> None:
        """Tell the robot that its supervisor is alive; silence makes it stop by itself."""
        ...
