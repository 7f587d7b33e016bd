"""Any radio that Hamlib drives, through its `rigctld`: one exchange at a time, each answer held to its question.

A server in VFO mode (`rigctld -o`) is told which receiver each command is for. One without is worked as most satellite
programs do: its current VFO receives, and the transmit half of a split transmits.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Literal

from pydantic import Field

from fleetd.clock import Clock
from fleetd.devices import DriverSpec, RigLimits, RigMode, Side
from fleetd.errors import BadReply
from fleetd.link.ports import Ports
from fleetd.link.turns import Turns
from fleetd.link.url import LinkUrl
from fleetd.link.words import LastWords
from fleetd.settings import Settings
from fleetd_drivers.hamlib.net import Answer
from fleetd_drivers.hamlib.server import Server
from fleetd_drivers.rigctld import wire

_LIMITS = RigLimits(low_hz=100_000, high_hz=300_000_000_000, step_hz=1)

Vfo = Literal["Main", "Sub", "VFOA", "VFOB"]


class RigctldSettings(Settings):
    """How the server is used."""

    main: Vfo = "Main"
    """What the server calls the side that fleetd calls main."""
    sub: Vfo = "Sub"
    """What the server calls the side that fleetd calls sub; without VFO mode, the VFO that transmits in split."""
    reply_timeout_ms: Annotated[int, Field(ge=20, le=30_000)] = 3000
    """How long an answer may take, in real time; the server asks its radio first, and perhaps more than once."""


class Rigctld:
    """One server on one link."""

    def __init__(self, turns: Turns, settings: RigctldSettings) -> None:
        self._turns = turns
        self._settings = settings
        self._within_s = settings.reply_timeout_ms / 1000
        self._server = Server("rigctld", wire.COMMANDS, turns, self._within_s)
        self._vfo_mode = False
        self._split = False

    @property
    def limits(self) -> RigLimits:
        """What the wire can say; the bands of the radio behind the server are the server's to refuse."""
        return _LIMITS

    async def tune(self, side: Side, frequency_hz: int, /) -> None:
        """Set one side's frequency. Raises Refusal outside `limits`, Declined if the server says no."""
        self.limits.admit(frequency_hz)
        await self._side(side, wire.TUNE, wire.SPLIT_TUNE, str(int(frequency_hz)))

    async def tuned(self, side: Side, /) -> int:
        """The frequency that one side stands on, as the server tells it."""
        answer = await self._side(side, wire.ASK_TUNED, wire.ASK_SPLIT_TUNED)
        number = answer.number("Frequency")
        number = answer.number("TX Frequency") if number is None else number
        # A radio whose frequency the server does not know is told as nan, or as the least number there is.
        if number is None or not self.limits.low_hz <= number <= self.limits.high_hz:
            raise BadReply("the server gave no frequency", asked=answer.command, answered=", ".join(answer.lines))
        return round(number)

    async def set_mode(self, side: Side, mode: RigMode, /) -> None:
        """Set one side's mode with its normal pass band. Raises Declined if the server says no."""
        await self._side(side, wire.SET_MODE, wire.SPLIT_MODE, *wire.mode(mode))

    async def key(self) -> None:
        """Transmit from now on. Raises Declined where the server was not told how (ptt_type)."""
        await self._server.ask(wire.PTT, *self._named("currVFO"), "1")

    async def unkey(self) -> None:
        """Transmit no longer, ahead of whoever else waits."""
        await self._server.ask(wire.PTT, *self._named("currVFO"), "0", urgent=True)

    async def keyed(self) -> bool:
        """Whether it transmits, as the server tells it."""
        answer = await self._server.ask(wire.ASK_PTT, *self._named("currVFO"))
        number = answer.number("PTT")
        if number not in (0, 1, 2, 3):
            raise BadReply("the server does not say whether it transmits", answered=", ".join(answer.lines))
        return number != 0

    def last_words(self) -> LastWords | None:
        """What ends its transmission when the daemon no longer can."""
        return self._server.last_words(wire.PTT, *self._named("currVFO"), "0")

    async def learn_vfo_mode(self) -> None:
        """Ask the server whether it wants a VFO named in each command. Raises DeviceError."""
        async with self._turns.exchange("chk_vfo", self._within_s) as exchange:
            await exchange.write(wire.ASK_VFO_MODE)
            known: bool | None = None
            while known is None:
                await exchange.read_some()
                try:
                    known = wire.vfo_mode(bytes(exchange.heard))
                except ValueError as error:
                    raise BadReply(f"the server sent {error}; is it rigctld?") from error
        self._vfo_mode = known

    async def _side(self, side: Side, command: str, in_split: str, *arguments: str) -> Answer:
        if self._vfo_mode:
            name = self._settings.main if side is Side.MAIN else self._settings.sub
            return await self._server.ask(command, name, *arguments)
        if side is Side.MAIN:
            return await self._server.ask(command, *arguments)
        if not self._split:
            await self._server.ask(wire.SPLIT, "1", self._settings.sub)
            self._split = True
        return await self._server.ask(in_split, *arguments)

    def _named(self, vfo: str) -> tuple[str, ...]:
        return (vfo,) if self._vfo_mode else ()


@asynccontextmanager
async def connect(ports: Ports, url: LinkUrl, settings: RigctldSettings, clock: Clock) -> AsyncIterator[Rigctld]:
    """Open the link and learn in which form the server wants its commands. Raises DeviceError."""
    async with ports.open(url) as link:
        rig = Rigctld(Turns(link, clock, 0.0), settings)
        await rig.learn_vfo_mode()
        yield rig


SPEC = DriverSpec(
    name="rigctld",
    capability="rig",
    summary="any radio that Hamlib drives, through its rigctld",
    schemes=("tcp",),
    settings=RigctldSettings,
    connect=connect,
)
