"""An EasyComm II or III controller as a Rotator: one exchange at a time, tenths of a degree.

Not here: the site's own limits and the choice of a way round, which belong to whoever plans the motion.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fleetd.clock import Clock
from fleetd.devices import AzEl, DriverSpec, RotatorLimits
from fleetd.errors import Declined
from fleetd.link.ports import Ports
from fleetd.link.turns import Turns
from fleetd.link.url import LinkUrl
from fleetd.link.words import LastWords
from fleetd.settings import Settings
from fleetd_drivers.easycomm import wire

Angle = Annotated[float, Field(ge=-360, le=720)]


class EasycommSettings(Settings):
    """How this controller is built and set. EasyComm itself knows no limits: state those of the unit."""

    azimuth_min_deg: Angle = 0.0
    """Its lower azimuth stop, as it counts itself."""
    azimuth_max_deg: Angle = 360.0
    """Its upper azimuth stop, as it counts itself."""
    elevation_min_deg: Annotated[float, Field(ge=-90, le=180)] = 0.0
    """Its lower elevation stop."""
    elevation_max_deg: Annotated[float, Field(ge=-90, le=180)] = 180.0
    """Its upper elevation stop."""
    azimuth_only: bool = False
    """The unit has no elevation: only AZ is asked and told, and elevation is always 0."""
    asks: Literal["together", "apart"] = "together"
    """Whether azimuth and elevation are asked in one line, or in a line each as some firmware wants it."""
    reply_timeout_ms: Annotated[int, Field(ge=20, le=10_000)] = 400
    """How long an answer may take, in real time."""
    pause_ms: Annotated[int, Field(ge=0, le=5_000)] = 0
    """Least time between two commands, in the clock's time, for firmware that needs it."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.azimuth_min_deg >= self.azimuth_max_deg:
            raise ValueError("azimuth_min_deg must be below azimuth_max_deg")
        if not self.azimuth_only and self.elevation_min_deg >= self.elevation_max_deg:
            raise ValueError("elevation_min_deg must be below elevation_max_deg")
        return self


class Easycomm3Settings(EasycommSettings):
    """A controller that also knows the commands of EasyComm III."""

    reads_status: bool = True
    """Ask `GS` after each move, so that a unit in error is known to have declined; false for firmware without GS."""


class Easycomm:
    """One controller on one link."""

    def __init__(self, turns: Turns, settings: EasycommSettings) -> None:
        self._turns = turns
        self._settings = settings

    @property
    def limits(self) -> RotatorLimits:
        """The unit's own limits, as the settings state them."""
        own = self._settings
        elevation = (0.0, 0.0) if own.azimuth_only else (own.elevation_min_deg, own.elevation_max_deg)
        return RotatorLimits(own.azimuth_min_deg, own.azimuth_max_deg, *elevation, wire.RESOLUTION_DEG)

    async def point(self, to: AzEl, /) -> None:
        """Begin to turn; the unit does not say whether it does. Raises Refusal outside `limits`."""
        self.limits.admit(to)
        await self._tell(wire.turn(to.azimuth_deg, None if self._settings.azimuth_only else to.elevation_deg))

    async def where(self) -> AzEl:
        """The measured direction."""
        if self._settings.azimuth_only:
            return self._checked(AzEl((await self._ask([wire.ASK_AZIMUTH], ("AZ",)))["AZ"], 0.0))
        apart = self._settings.asks == "apart"
        questions = [wire.ASK_AZIMUTH, wire.ASK_ELEVATION] if apart else [wire.ASK_BOTH]
        said = await self._ask(questions, ("AZ", "EL"))
        return self._checked(AzEl(said["AZ"], said["EL"]))

    async def stop(self) -> None:
        """Stop both axes, ahead of whoever else waits; the unit does not say whether it does."""
        await self._tell(wire.STOP, urgent=True)

    def last_words(self) -> LastWords | None:
        """What stops it when the daemon no longer can."""
        return self._turns.last_words(wire.STOP)

    async def _tell(self, command: bytes, *, urgent: bool = False) -> None:
        async with self._turns.exchange(_words(command), self._within_s, urgent=urgent) as exchange:
            await exchange.write(command)

    async def _ask(self, questions: Collection[bytes], wanted: Collection[str]) -> Mapping[str, float]:
        """Put the questions one by one and read on until each wanted value has come, the newest of each."""
        decoder = wire.Decoder()
        said: dict[str, float] = {}
        async with self._turns.exchange(_words(b"".join(questions)), self._within_s) as exchange:
            for number, question in enumerate(questions, 1):
                await exchange.write(question)
                due = list(wanted)[: number * len(wanted) // len(questions)]
                while not all(name in said for name in due):
                    said |= {each.name: each.value for each in decoder.feed(await exchange.read_some())}
        return said

    def _checked(self, at: AzEl) -> AzEl:
        return self.limits.believe(at, f"AZ{at.azimuth_deg:g} EL{at.elevation_deg:g}")

    @property
    def _within_s(self) -> float:
        return self._settings.reply_timeout_ms / 1000


class Easycomm3(Easycomm):
    """A controller that can be asked how it is."""

    def __init__(self, turns: Turns, settings: Easycomm3Settings) -> None:
        super().__init__(turns, settings)
        self._reads_status = settings.reads_status

    async def point(self, to: AzEl, /) -> None:
        """Begin to turn. Raises Refusal outside `limits`, Declined if the unit then says that it stands in error."""
        await super().point(to)
        if not self._reads_status:
            return
        status = int((await self._ask([wire.ASK_STATUS], ("GS",)))["GS"])
        if status & wire.STATUS_ERROR:
            code = int((await self._ask([wire.ASK_ERROR], ("GE",)))["GE"])
            reason = f"the controller stands in error {code}; what it means is in its firmware's manual"
            raise Declined(reason, code=code, asked="GS", answered=f"GS{status}")


def _words(command: bytes) -> str:
    return " ".join(command.decode("ascii").split())


@asynccontextmanager
async def connect(ports: Ports, url: LinkUrl, settings: EasycommSettings, clock: Clock) -> AsyncIterator[Easycomm]:
    """Open the link to an EasyComm II unit; nothing is sent yet. Raises LinkLost."""
    async with ports.open(url) as link:
        yield Easycomm(Turns(link, clock, settings.pause_ms / 1000), settings)


@asynccontextmanager
async def connect_3(ports: Ports, url: LinkUrl, settings: Easycomm3Settings, clock: Clock) -> AsyncIterator[Easycomm3]:
    """Open the link to an EasyComm III unit; nothing is sent yet. Raises LinkLost."""
    async with ports.open(url) as link:
        yield Easycomm3(Turns(link, clock, settings.pause_ms / 1000), settings)


SPEC_2 = DriverSpec(
    name="easycomm2",
    capability="rotator",
    summary="EasyComm II controllers, home-built and bought, tenths of a degree",
    schemes=("serial", "tcp"),
    settings=EasycommSettings,
    connect=connect,
)

SPEC_3 = DriverSpec(
    name="easycomm3",
    capability="rotator",
    summary="EasyComm III controllers, tenths of a degree, asked for their status after each move",
    schemes=("serial", "tcp"),
    settings=Easycomm3Settings,
    connect=connect_3,
)
