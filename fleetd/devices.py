"""What a device can do: one Protocol per capability, and the `DriverSpec` by which a driver announces itself.

A driver's verbs return once the device has accepted, not once it has arrived; reading never moves anything; failure is
always a DeviceError. Drivers are found through the entry-point group `fleetd.drivers`, ours and third parties' alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.metadata import entry_points
from typing import Any, Literal, Protocol, runtime_checkable

import msgspec

from fleetd.clock import Clock
from fleetd.errors import ConfigError, Refusal
from fleetd.gate import FrameGate
from fleetd.link.ports import Ports
from fleetd.link.url import LinkUrl
from fleetd.link.words import LastWords
from fleetd.records import Value
from fleetd.settings import Settings

ENTRY_POINT_GROUP = "fleetd.drivers"

Capability = Literal["rotator", "rig", "tnc", "switch", "robot", "sensor"]


@dataclass(frozen=True, slots=True)
class AzEl:
    """A direction in a rotator's own frame: azimuth clockwise from north, unwrapped (370 is not 10); degrees."""

    azimuth_deg: float
    elevation_deg: float

    def separation_deg(self, other: AzEl) -> float:
        """The angle on the sky between two directions, 0 to 180 degrees (haversine; exact for small angles)."""
        e1, e2 = math.radians(self.elevation_deg), math.radians(other.elevation_deg)
        half_d_el = (e2 - e1) / 2
        half_d_az = math.radians(other.azimuth_deg - self.azimuth_deg) / 2
        h = math.sin(half_d_el) ** 2 + math.cos(e1) * math.cos(e2) * math.sin(half_d_az) ** 2
        return math.degrees(2 * math.asin(math.sqrt(min(1.0, max(0.0, h)))))


@dataclass(frozen=True, slots=True)
class RotatorLimits:
    """What a controller's wire can express; the site's own, narrower limits stand in its file."""

    azimuth_min_deg: float
    azimuth_max_deg: float
    elevation_min_deg: float
    elevation_max_deg: float
    resolution_deg: float

    def admit(self, to: AzEl) -> None:
        """Let pass what lies within. Raises Refusal for all else, NaN and infinities included."""
        for name, angle_deg, low_deg, high_deg in (
            ("azimuth", to.azimuth_deg, self.azimuth_min_deg, self.azimuth_max_deg),
            ("elevation", to.elevation_deg, self.elevation_min_deg, self.elevation_max_deg),
        ):
            if not low_deg <= angle_deg <= high_deg:
                limits = f"the controller's {low_deg:g} to {high_deg:g}"
                raise Refusal("controller-limits", f"{name} {angle_deg:g} is outside {limits}")


@runtime_checkable
class Rotator(Protocol):
    """Turns an antenna."""

    @property
    def limits(self) -> RotatorLimits: ...

    async def point(self, to: AzEl, /) -> None:
        """Begin to move towards `to`; returns once accepted. The target must lie within `limits`."""
        ...

    async def where(self) -> AzEl:
        """The measured direction."""
        ...

    async def stop(self) -> None:
        """Stop all motion now."""
        ...


class Side(StrEnum):
    """The two receivers of a radio: what its maker calls Main and Sub, or its two VFOs."""

    MAIN = "main"
    SUB = "sub"


RigMode = Literal["lsb", "usb", "cw", "am", "fm", "usb-data", "fm-data"]


@runtime_checkable
class Guarded(Protocol):
    """A driver that knows what makes its device safe: rotators stop, radios transmit no longer."""

    def last_words(self) -> LastWords | None:
        """What somebody else is to write on its wire when the daemon no longer can; None where it cannot be said."""
        ...


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

    A driver need not be; then it is read by `Sensor.read` alone.
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


@dataclass(frozen=True, slots=True)
class TncFrame:
    """One frame as it stood on the air, less flags and checksum. `flaw` names what is known to be wrong with it."""

    data: bytes
    port: int = 0
    """The TNC's radio port, 0 to 15."""
    flaw: str = ""


@runtime_checkable
class Tnc(Protocol):
    """A terminal node controller: frames from and to the air, one radio port or several."""

    @property
    def gate(self) -> FrameGate:
        """Shut but while a contact holds it open; nothing is sent past it."""
        ...

    async def receive(self) -> TncFrame:
        """The next frame heard; waits for it, and may be cancelled without losing one."""
        ...

    async def send(self, frame: TncFrame, /) -> None:
        """Hand over one frame for the air; returns once the line has taken it. Raises Refusal if the gate does."""
        ...


Driver = Any
"""An object with the verbs of one capability."""


@dataclass(frozen=True, slots=True)
class DriverSpec:
    """How a driver announces itself: what it drives, over which links, with which settings, and how to connect it."""

    name: str
    capability: Capability
    summary: str
    schemes: tuple[str, ...]
    settings: type[Settings]
    connect: Callable[[Ports, LinkUrl, Any, Clock], AbstractAsyncContextManager[Driver]]
    """Called with an instance of `settings`; entering opens the link and yields the driver. Raises DeviceError."""
    actions: Mapping[str, ActionSpec] = field(default_factory=dict)
    """For robots: the actions known without a connection, so that a command can be judged while the robot is away."""


def driver_names() -> list[str]:
    """The names of all installed drivers, sorted."""
    return sorted(point.name for point in entry_points(group=ENTRY_POINT_GROUP))


def load_driver(name: str) -> DriverSpec:
    """The spec of an installed driver. Raises ConfigError naming those that are there, or what is missing."""
    for point in entry_points(group=ENTRY_POINT_GROUP, name=name):
        try:
            spec = point.load()
        except ImportError as error:
            raise ConfigError(f"driver {name!r} cannot be loaded: {error}; install what it needs") from error
        if not isinstance(spec, DriverSpec):
            raise ConfigError(f"driver {name!r}: {point.value} is no DriverSpec")
        return spec
    raise ConfigError(f"unknown driver {name!r}; installed are {', '.join(driver_names())}")
