"""A GS-232A/B as a Rotator: paced commands, one exchange at a time, whole degrees.

Not here: the site's own limits and the choice of a way round, which belong to whoever plans the motion.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Literal

from pydantic import Field

from fleetd.clock import Clock
from fleetd.devices import AzEl, DriverSpec, RotatorLimits
from fleetd.errors import BadReply, Declined
from fleetd.link.ports import Ports
from fleetd.link.turns import Exchange, Turns
from fleetd.link.url import LinkUrl
from fleetd.link.words import LastWords
from fleetd.settings import Settings
from fleetd_drivers.gs232b import wire

_UNENDED_WAIT_S = 0.03  # real time; longer than one character at 1200 baud, so that a line end in flight arrives
_BEYOND_STOP_DEG = 15  # a controller may show itself a little past its stops; more is a garbled answer


class Gs232bSettings(Settings):
    """How this controller is built and set. Angles on its wire count from the counter-clockwise stop."""

    counterclockwise_stop_deg: Annotated[float, Field(ge=-360, le=360)] = 0.0
    """True azimuth at which the antenna stands when the controller shows 0."""
    azimuth_span_deg: Literal[360, 450] = 450
    """How far it turns from stop to stop; 450 needs a controller that is switched to it."""
    azimuth_only: bool = False
    """The unit has no elevation: it is asked with C and turned with M, and elevation is always 0."""
    answers_moves: bool = True
    """Whether moves and stops are answered with a carriage return, as the manual says; some clones stay silent."""
    reply_timeout_ms: Annotated[int, Field(ge=20, le=10_000)] = 400
    """How long an answer may take, in real time."""
    pause_after_write_ms: Annotated[int, Field(ge=0, le=5_000)] = 50
    """Least time between two commands, in the clock's time: some firmware loses what follows too soon."""


class Gs232b:
    """One controller on one link."""

    def __init__(self, turns: Turns, settings: Gs232bSettings) -> None:
        self._turns = turns
        self._settings = settings
        self._within_s = settings.reply_timeout_ms / 1000

    @property
    def limits(self) -> RotatorLimits:
        """What the wire can say; the unit's own limits may be narrower."""
        low_deg = self._settings.counterclockwise_stop_deg
        highest_deg = 0.0 if self._settings.azimuth_only else float(wire.ELEVATION_MOST)
        return RotatorLimits(low_deg, low_deg + self._settings.azimuth_span_deg, 0.0, highest_deg, 1.0)

    async def point(self, to: AzEl, /) -> None:
        """Begin to turn, to the nearest whole degree. Raises Refusal outside `limits`, Declined if the unit says no."""
        await self._tell(self._move(to))

    async def where(self) -> AzEl:
        """The measured direction, in whole degrees from the stops."""
        asked = wire.ASK_AZIMUTH if self._settings.azimuth_only else wire.ASK_BOTH
        position = await self._ask(asked)
        azimuth_deg = position.azimuth + self._settings.counterclockwise_stop_deg
        return AzEl(azimuth_deg, float(position.elevation or 0))

    async def stop(self) -> None:
        """Stop both axes, ahead of whoever else waits."""
        await self._tell(wire.STOP, urgent=True)

    def last_words(self) -> LastWords | None:
        """What stops it when the daemon no longer can."""
        return self._turns.last_words(wire.STOP)

    def _move(self, to: AzEl) -> bytes:
        limits = self.limits
        limits.admit(to)
        azimuth = min(self._settings.azimuth_span_deg, round(to.azimuth_deg - limits.azimuth_min_deg))
        if self._settings.azimuth_only:
            return wire.turn(azimuth)
        return wire.turn_both(azimuth, round(to.elevation_deg))

    async def _tell(self, command: bytes, *, urgent: bool = False) -> None:
        """Send a command that moves or stops; its answer, where the unit gives one, is yes or no."""
        async with self._turns.exchange(_words(command), self._within_s, urgent=urgent) as exchange:
            await exchange.write(command)
            refused = self._settings.answers_moves and await self._refused(exchange)
        if refused:
            raise Declined("the controller refused the command", asked=_words(command), answered="?>")

    @staticmethod
    async def _refused(exchange: Exchange) -> bool:
        decoder = wire.Decoder()
        words: set[wire.Reply] = set()
        while wire.Word.DONE not in words and wire.Word.REFUSED not in words:
            words |= set(decoder.feed(await exchange.read_some()))
        return wire.Word.REFUSED in words

    async def _ask(self, command: bytes) -> wire.Position:
        async with self._turns.exchange(_words(command), self._within_s) as exchange:
            await exchange.write(command)
            return self._checked(await self._position(exchange), exchange.heard)

    @staticmethod
    async def _position(exchange: Exchange) -> wire.Position:
        """Read on until a position has come; a refusal on the way belongs to something older, or time runs out."""
        decoder = wire.Decoder()
        while True:
            try:
                async with asyncio.timeout(_UNENDED_WAIT_S if decoder.unended() else None):
                    data = await exchange.read_some()
            except TimeoutError:
                if (position := decoder.unended()) is not None:
                    return position
                raise
            if positions := [reply for reply in decoder.feed(data) if isinstance(reply, wire.Position)]:
                return positions[-1]

    def _checked(self, position: wire.Position, heard: bytearray) -> wire.Position:
        answered = heard.decode("ascii", "backslashreplace").strip()
        if position.elevation is None and not self._settings.azimuth_only:
            raise BadReply("the controller gave no elevation; is it azimuth_only?", answered=answered)
        most = self._settings.azimuth_span_deg + _BEYOND_STOP_DEG
        if position.azimuth > most or (position.elevation or 0) > wire.ELEVATION_MOST + _BEYOND_STOP_DEG:
            raise BadReply("the controller gave an angle that it cannot have", answered=answered)
        return position


def _words(command: bytes) -> str:
    return command.decode("ascii").rstrip("\r")


@asynccontextmanager
async def connect(ports: Ports, url: LinkUrl, settings: Gs232bSettings, clock: Clock) -> AsyncIterator[Gs232b]:
    """Open the link; nothing is sent yet. Raises LinkLost."""
    async with ports.open(url) as link:
        yield Gs232b(Turns(link, clock, settings.pause_after_write_ms / 1000), settings)


SPEC = DriverSpec(
    name="gs232b",
    capability="rotator",
    summary="Yaesu GS-232A/B and controllers that speak like them, one-degree steps, azimuth with or without elevation",
    schemes=("serial", "tcp"),
    settings=Gs232bSettings,
    connect=connect,
)
