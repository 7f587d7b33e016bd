"""Any rotator that Hamlib drives, through its `rotctld`: one exchange at a time, each answer held to its question.

A server that says nothing, or something else, loses the link; it is opened afresh by whoever supervises the device. Not
here: the site's own limits and the choice of a way round, which belong to whoever plans the motion.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Self

from pydantic import Field, model_validator

from fleetd.clock import Clock
from fleetd.devices import AzEl, DriverSpec, RotatorLimits
from fleetd.errors import BadReply
from fleetd.link.ports import Ports
from fleetd.link.turns import Turns
from fleetd.link.url import LinkUrl
from fleetd.link.words import LastWords
from fleetd.settings import Settings
from fleetd_drivers.hamlib.net import Answer
from fleetd_drivers.hamlib.server import Server
from fleetd_drivers.rotctld import wire

_RESOLUTION_DEG = 0.01  # as commands are written; the rotator behind the server may be coarser

Azimuth = Annotated[float, Field(ge=-360, le=720)]
Elevation = Annotated[float, Field(ge=-90, le=210)]

_STATE_NAMES = (
    (("Minimum Azimuth", "min_az"), ("Maximum Azimuth", "max_az")),
    (("Minimum Elevation", "min_el"), ("Maximum Elevation", "max_el")),
)
"""What the limits are called in the answer to dump_state: in its extended form, and in its plain one."""


class RotctldSettings(Settings):
    """How the server is used."""

    asks_limits: bool = True
    """Ask the server for the rotator's limits on connecting; false takes them from the four settings below."""
    azimuth_min_deg: Azimuth = -180.0
    """The rotator's lower azimuth limit, for servers that do not tell."""
    azimuth_max_deg: Azimuth = 540.0
    """The rotator's upper azimuth limit, for servers that do not tell."""
    elevation_min_deg: Elevation = 0.0
    """The rotator's lower elevation limit, for servers that do not tell."""
    elevation_max_deg: Elevation = 180.0
    """The rotator's upper elevation limit, for servers that do not tell."""
    reply_timeout_ms: Annotated[int, Field(ge=20, le=30_000)] = 3000
    """How long an answer may take, in real time; the server asks its rotator first, and perhaps more than once."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.azimuth_min_deg >= self.azimuth_max_deg or self.elevation_min_deg > self.elevation_max_deg:
            raise ValueError("the least azimuth and elevation must be below the greatest")
        return self

    @property
    def limits(self) -> RotatorLimits:
        """The limits that are set here."""
        azimuth, elevation = (
            (self.azimuth_min_deg, self.azimuth_max_deg),
            (self.elevation_min_deg, self.elevation_max_deg),
        )
        return RotatorLimits(*azimuth, *elevation, _RESOLUTION_DEG)


class Rotctld:
    """One server on one link."""

    def __init__(self, turns: Turns, settings: RotctldSettings) -> None:
        self._server = Server("rotctld", wire.COMMANDS, turns, settings.reply_timeout_ms / 1000)
        self._limits = settings.limits

    @property
    def limits(self) -> RotatorLimits:
        """What the server says of its rotator, or what the settings say."""
        return self._limits

    async def point(self, to: AzEl, /) -> None:
        """Begin to turn. Raises Refusal outside `limits`, Declined if the server says no."""
        self.limits.admit(to)
        await self._server.ask(wire.MOVE, *wire.direction(to.azimuth_deg, to.elevation_deg))

    async def where(self) -> AzEl:
        """The measured direction, as the server tells it."""
        answer = await self._server.ask(wire.ASK_POSITION)
        return AzEl(self._number(answer, "Azimuth"), self._number(answer, "Elevation"))

    async def stop(self) -> None:
        """Stop all motion, ahead of whoever else waits. Raises Declined if the server says no."""
        await self._server.ask(wire.STOP, urgent=True)

    def last_words(self) -> LastWords | None:
        """What stops it when the daemon no longer can."""
        return self._server.last_words(wire.STOP)

    async def learn_limits(self) -> None:
        """Ask the server for the limits of its rotator. Raises DeviceError."""
        answer = await self._server.ask(wire.ASK_STATE)
        azimuth, elevation = ([self._number(answer, *names) for names in axis] for axis in _STATE_NAMES)
        self._limits = RotatorLimits(azimuth[0], azimuth[1], elevation[0], elevation[1], _RESOLUTION_DEG)

    @staticmethod
    def _number(answer: Answer, *names: str) -> float:
        found = (answer.number(name) for name in names)
        number = next((each for each in found if each is not None), math.nan)
        if not math.isfinite(number):
            raise BadReply(f"the server gave no {names[0]}", asked=answer.command, answered=", ".join(answer.lines))
        return number


@asynccontextmanager
async def connect(ports: Ports, url: LinkUrl, settings: RotctldSettings, clock: Clock) -> AsyncIterator[Rotctld]:
    """Open the link and learn the rotator's limits, unless they are set. Raises DeviceError."""
    async with ports.open(url) as link:
        rotator = Rotctld(Turns(link, clock, 0.0), settings)
        if settings.asks_limits:
            await rotator.learn_limits()
        yield rotator


SPEC = DriverSpec(
    name="rotctld",
    capability="rotator",
    summary="any rotator that Hamlib drives, through its rotctld",
    schemes=("tcp",),
    settings=RotctldSettings,
    connect=connect,
)
