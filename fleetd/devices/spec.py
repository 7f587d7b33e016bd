"""How a driver announces itself, and how an installed one is found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from fleetd import plugins
from fleetd.clock import Clock
from fleetd.devices.robot import ActionSpec
from fleetd.link.ports import Ports
from fleetd.link.url import LinkUrl
from fleetd.link.words import LastWords
from fleetd.settings import Settings

ENTRY_POINT_GROUP = "fleetd.drivers"


Capability = Literal["rotator", "rig", "tnc", "switch", "robot", "sensor"]


Driver = Any
"""An object with the verbs of one capability."""


@runtime_checkable
class Guarded(Protocol):
    """A driver that knows what makes its device safe: rotators stop, radios transmit no longer."""

    def last_words(self) -> LastWords | None:
        """What somebody else is to write on its wire when the daemon no longer can; None where it cannot be said."""
        ...


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
    return plugins.installed(ENTRY_POINT_GROUP)


def load_driver(name: str) -> DriverSpec:
    """The spec of an installed driver. Raises ConfigError naming those that are there, or what is missing."""
    return plugins.load(ENTRY_POINT_GROUP, "driver", name, DriverSpec)
