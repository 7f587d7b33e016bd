"""An Icom radio of two receivers over CI-V: one exchange at a time, its answer told from echoes and from other talk.

Each verb selects its side first, within the same exchange, since a hand at the radio may have selected the other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

from pydantic import Field

from fleetd.clock import Clock
from fleetd.devices import DriverSpec, RigLimits, RigMode, Side
from fleetd.errors import BadReply, Declined, Refusal
from fleetd.link.ports import Ports
from fleetd.link.turns import Exchange, Turns
from fleetd.link.url import LinkUrl
from fleetd.link.words import LastWords
from fleetd.settings import Settings
from fleetd_drivers.icom_civ import wire

T = TypeVar("T")

_LIMITS = RigLimits(low_hz=100_000, high_hz=9_999_999_999, step_hz=1)


@dataclass(frozen=True, slots=True)
class Model:
    """What differs between the radios of this family."""

    address: int
    satellite_on: bytes
    data_modes: bool


MODELS: Mapping[str, Model] = {
    "ic-9700": Model(0xA2, b"\x16\x5a\x01", data_modes=True),
    "ic-9100": Model(0x7C, b"\x16\x5a\x01", data_modes=True),
    "ic-910": Model(0x60, b"\x1a\x07\x01", data_modes=False),
}


class IcomCivSettings(Settings):
    """Which radio it is, and how it is set."""

    model: Literal["ic-9700", "ic-9100", "ic-910"] = "ic-9700"
    """The radio."""
    address: Annotated[int, Field(ge=0x01, le=0xDF)] | None = None
    """Its CI-V address as a decimal number; left out: the one with which the model is delivered."""
    satellite_mode: bool = True
    """Put the radio into satellite mode on connecting: then Main receives while Sub transmits."""
    reply_timeout_ms: Annotated[int, Field(ge=20, le=5_000)] = 1000
    """How long each answer may take, in real time."""


class IcomCiv:
    """One radio on one link."""

    def __init__(self, turns: Turns, settings: IcomCivSettings) -> None:
        self._turns = turns
        self._model = MODELS[settings.model]
        self._address = settings.address or self._model.address
        self._within_s = settings.reply_timeout_ms / 1000

    @property
    def limits(self) -> RigLimits:
        """What five bytes of BCD can say; its bands are the radio's own to refuse."""
        return _LIMITS

    async def tune(self, side: Side, frequency_hz: int, /) -> None:
        """Set one side's frequency. Raises Refusal outside `limits`, Declined if the radio does not take it.

        It refuses a band on which the other side stands: then the sides are exchanged, and it is tried once more.
        """
        self.limits.admit(frequency_hz)
        wanted = wire.tune(int(frequency_hz))
        asked = f"{side} to {frequency_hz} Hz"
        if await self._said(asked, wire.SELECT[side], wanted) == wire.NG:
            if await self.keyed():
                raise Declined("the radio does not take this frequency while it transmits", asked=asked)
            await self._done(f"{asked}, sides exchanged", wire.EXCHANGE, wire.SELECT[side], wanted)

    async def tuned(self, side: Side, /) -> int:
        """The frequency that a side stands on."""
        body = await self._said(f"frequency of {side}", wire.SELECT[side], wire.ASK_FREQUENCY)
        return self._read(wire.frequency, body)

    async def set_mode(self, side: Side, mode: RigMode, /) -> None:
        """Set one side's mode. Raises Refusal for a data mode where the model has none, Declined if it says no."""
        steps = [wire.SELECT[side], wire.MODES[mode]]
        if self._model.data_modes:
            steps.append(wire.DATA_ON if mode.endswith("-data") else wire.DATA_OFF)
        elif mode.endswith("-data"):
            raise Refusal("rig-mode", f"this model has no mode {mode}")
        await self._done(f"{side} to {mode}", *steps)

    async def key(self) -> None:
        """Transmit from now on."""
        await self._done("transmit", wire.KEY)

    async def unkey(self) -> None:
        """Transmit no longer, ahead of whoever else waits."""
        await self._done("receive", wire.UNKEY, urgent=True)

    def last_words(self) -> LastWords | None:
        """What ends its transmission when the daemon no longer can."""
        return self._turns.last_words(wire.frame(self._address, wire.UNKEY))

    async def keyed(self) -> bool:
        """Whether it transmits."""
        return self._read(wire.keyed, await self._said("transmit state", wire.ASK_KEYED))

    async def prepare(self, settings: IcomCivSettings) -> None:
        """See that it is there, and put it into satellite mode if that is wished. Raises DeviceError."""
        await self.keyed()
        if settings.satellite_mode:
            await self._done("satellite mode", self._model.satellite_on)

    # The exchange

    async def _done(self, asked: str, *bodies: bytes, urgent: bool = False) -> None:
        if await self._said(asked, *bodies, urgent=urgent) == wire.NG:
            raise Declined("the radio does not take it (NG)", asked=asked, answered="fa")

    async def _said(self, asked: str, *bodies: bytes, urgent: bool = False) -> bytes:
        """Ask one after the other; the last answer, or NG at the first no."""
        answer = wire.NG
        async with self._turns.exchange(asked, self._within_s * len(bodies), urgent=urgent) as exchange:
            decoder = wire.Decoder()
            for body in bodies:
                await exchange.write(wire.frame(self._address, body))
                answer = await self._answer(exchange, decoder, body)
                if answer == wire.NG:
                    break
        return answer

    async def _answer(self, exchange: Exchange, decoder: wire.Decoder, body: bytes) -> bytes:
        """The body of the first frame that answers `body`: echoes, transceive frames and others' talk are none."""
        reads = body in (wire.ASK_FREQUENCY, wire.ASK_KEYED)
        while True:
            for frame in decoder.feed(await exchange.read_some()):
                if (frame.to, frame.sender) != (wire.CONTROLLER, self._address):
                    continue
                if frame.body == wire.NG or (frame.body.startswith(body) if reads else frame.body == wire.OK):
                    return frame.body
            if decoder.collided:
                raise BadReply("two talked at once on the CI-V bus", answered=exchange.heard[-16:].hex(" "))

    @staticmethod
    def _read(meaning: Callable[[bytes], T], body: bytes) -> T:
        if body == wire.NG:
            raise Declined("the radio does not answer that (NG)", answered="fa")
        try:
            return meaning(body)
        except ValueError as error:
            raise BadReply(f"the radio sent {error}", answered=body.hex(" ")) from error


@asynccontextmanager
async def connect(ports: Ports, url: LinkUrl, settings: IcomCivSettings, clock: Clock) -> AsyncIterator[IcomCiv]:
    """Open the link and find the radio there. Raises DeviceError."""
    async with ports.open(url) as link:
        rig = IcomCiv(Turns(link, clock, 0.0), settings)
        await rig.prepare(settings)
        yield rig


SPEC = DriverSpec(
    name="icom-civ",
    capability="rig",
    summary="Icom radios with Main and Sub over CI-V: IC-9700, IC-9100, IC-910",
    schemes=("serial", "tcp", "rfc2217"),
    settings=IcomCivSettings,
    connect=connect,
)
