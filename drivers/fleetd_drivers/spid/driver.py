"""SPID controllers as Rotators: one exchange at a time, in the model's own pace and steps.

Not here: the site's own limits and the choice of a way round, which belong to whoever plans the motion.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fleetd.clock import Clock
from fleetd.devices import AzEl, DriverSpec, RotatorLimits
from fleetd.errors import BadReply
from fleetd.link.ports import Ports
from fleetd.link.turns import Exchange, Turns
from fleetd.link.url import LinkUrl
from fleetd.link.words import LastWords
from fleetd_drivers.spid import wire
from fleetd_drivers.spid.settings import BothAxesSettings, Md01Settings, Rot1Settings, Rot2Settings


class Spid:
    """One controller on one link."""

    def __init__(self, turns: Turns, settings: Rot1Settings) -> None:
        self._turns = turns
        self._settings = settings
        self._within_s = settings.reply_timeout_ms / 1000
        self._last: wire.Position | None = None

    @property
    def limits(self) -> RotatorLimits:
        """The unit's own limits, as the settings state them; its steps are whole degrees until it has told them."""
        own = self._settings
        elevation = (own.elevation_min_deg, own.elevation_max_deg) if isinstance(own, BothAxesSettings) else (0.0, 0.0)
        pulses = min(self._last.azimuth_pulses, self._last.elevation_pulses) if self._last else 1
        return RotatorLimits(own.azimuth_min_deg, own.azimuth_max_deg, *elevation, 1 / pulses)

    async def point(self, to: AzEl, /) -> None:
        """Begin to turn, to the nearest pulse; asks first how many there are to a degree. Raises Refusal.

        A Rot1Prog or Rot2Prog does not say whether it accepts.
        """
        self.limits.admit(to)
        command = await self._move(to)
        async with self._turns.exchange("to turn", self._within_s) as exchange:
            await exchange.write(command)
            if isinstance(self._settings, Md01Settings) and self._settings.answers_moves:
                await self._reply(exchange)

    async def where(self) -> AzEl:
        """The measured direction."""
        async with self._turns.exchange("for status", self._within_s) as exchange:
            await exchange.write(wire.STATUS)
            position = await self._reply(exchange)
            at = self._checked(AzEl(position.azimuth_deg, position.elevation_deg), exchange)
        self._last = position
        return at

    async def stop(self) -> None:
        """Stop both axes, ahead of whoever else waits. The position in the answer may be off, and is not used."""
        at_once = isinstance(self._settings, Rot2Settings) and self._settings.stop_at_once
        async with self._turns.exchange("to stop", self._within_s, urgent=True, at_once=at_once) as exchange:
            await exchange.write(wire.STOP)
            await self._reply(exchange)

    def last_words(self) -> LastWords | None:
        """What stops it when the daemon no longer can."""
        return self._turns.last_words(wire.STOP)

    async def _move(self, to: AzEl) -> bytes:
        if not isinstance(self._settings, BothAxesSettings):
            return wire.turn_azimuth(to.azimuth_deg)
        if self._last is None:
            await self.where()
        last = self._last or wire.Position(0.0)
        try:
            return wire.turn(to.azimuth_deg, to.elevation_deg, last.azimuth_pulses, last.elevation_pulses)
        except ValueError as error:
            raise BadReply(f"the controller counts too many pulses to a degree: {error}") from error

    async def _reply(self, exchange: Exchange) -> wire.Position:
        decoder = wire.Decoder(azimuth_only=not isinstance(self._settings, BothAxesSettings))
        while True:
            for position in decoder.feed(await exchange.read_some()):
                return position

    def _checked(self, at: AzEl, exchange: Exchange) -> AzEl:
        return self.limits.believe(at, f"{at.azimuth_deg:g} {at.elevation_deg:g} in {exchange.heard.hex(' ')}")


@asynccontextmanager
async def connect(ports: Ports, url: LinkUrl, settings: Rot1Settings, clock: Clock) -> AsyncIterator[Spid]:
    """Open the link; nothing is sent yet. Raises LinkLost."""
    async with ports.open(url) as link:
        yield Spid(Turns(link, clock, settings.pause_ms / 1000, first_too=True), settings)


ROT1 = DriverSpec(
    name="spid-rot1",
    capability="rotator",
    summary="SPID Rot1Prog, azimuth alone in whole degrees, 1200 baud",
    schemes=("serial", "tcp"),
    settings=Rot1Settings,
    connect=connect,
)

ROT2 = DriverSpec(
    name="spid-rot2",
    capability="rotator",
    summary="SPID Rot2Prog, spoken to no more than once in two seconds, 600 baud",
    schemes=("serial", "tcp"),
    settings=Rot2Settings,
    connect=connect,
)

MD01 = DriverSpec(
    name="spid-md01",
    capability="rotator",
    summary="SPID MD-01 and MD-02, 600 to 460800 baud as set in the controller",
    schemes=("serial", "tcp"),
    settings=Md01Settings,
    connect=connect,
)
