"""A KISS TNC, over a serial line or TCP, as a Tnc.

KISS answers nothing: a frame counts as handed over once the line has taken it. Not here: what stands in the frames.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Self

import structlog
from pydantic import Field, model_validator

from fleetd.clock import Clock
from fleetd.devices import DriverSpec, TncFrame
from fleetd.errors import Refusal, ReplyTimeout
from fleetd.gate import FrameGate
from fleetd.link.ports import Ports
from fleetd.link.stream import Link
from fleetd.link.url import LinkUrl
from fleetd.settings import Settings
from fleetd_drivers.kiss import wire
from fleetd_drivers.kiss.wire import Frame, Kind

log = structlog.get_logger(__name__)

Port = Annotated[int, Field(ge=0, le=wire.HIGHEST_PORT)]
TensOfMs = Annotated[int, Field(ge=0, le=2550, multiple_of=10)]


class KissSettings(Settings):
    """Which of the TNC's ports are used, and how it transmits. What is not set stays as the TNC has it."""

    ports: Annotated[list[Port], Field(min_length=1, default_factory=lambda: [0])]
    """Radio ports to listen to and to send on; frames of others are passed over."""
    longest_frame_bytes: Annotated[int, Field(ge=32, le=65_536)] = 4096
    """Frames longer than this are dropped as noise."""
    tx_delay_ms: TensOfMs | None = None
    """From keying the transmitter to the first bit, in steps of 10 ms."""
    persistence: Annotated[int, Field(ge=0, le=255)] | None = None
    """(persistence + 1) / 256 is the chance to transmit in a free slot; 255 at once."""
    slot_time_ms: TensOfMs | None = None
    """How long a slot is, in steps of 10 ms."""
    tx_tail_ms: TensOfMs | None = None
    """From the last bit to releasing the transmitter, in steps of 10 ms."""
    full_duplex: bool | None = None
    """Whether to transmit without listening first; right where up and down are on two bands."""
    write_timeout_ms: Annotated[int, Field(ge=20, le=60_000)] = 5_000
    """How long the line may take to accept a frame, in real time."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(set(self.ports)) != len(self.ports):
            raise ValueError("ports: each at most once")
        return self


class Kiss:
    """One TNC on one link."""

    def __init__(self, link: Link, settings: KissSettings) -> None:
        self.gate = FrameGate()
        self.ignored = 0
        """Frames that were no data, or of ports that are not used."""
        self._link = link
        self._settings = settings
        self._decoder = wire.Decoder(settings.longest_frame_bytes)
        self._heard: deque[TncFrame] = deque()
        self._told = 0

    async def begin(self) -> None:
        """Close a frame that an earlier program left half sent, and set what is to be set. Raises LinkLost."""
        await self._write(wire.CLOSE_HALF_FRAME)
        for port in self._settings.ports:
            for kind, value in _parameters(self._settings):
                await self._write(wire.encode(Frame(port, kind, bytes((value,)))))

    async def receive(self) -> TncFrame:
        """The next frame of a used port. Raises LinkLost."""
        while not self._heard:
            for frame in self._decoder.feed(await self._link.read_some()):
                self._take(frame)
            self._tell_overlong()
        return self._heard.popleft()

    async def send(self, frame: TncFrame, /) -> None:
        """Hand over a frame. Raises Refusal for what the gate or the settings forbid, else DeviceError."""
        if frame.port not in self._settings.ports:
            raise Refusal("tnc-port", f"port {frame.port} is not among the TNC's ports {self._settings.ports}")
        if not 0 < len(frame.data) <= self._settings.longest_frame_bytes:
            most = self._settings.longest_frame_bytes
            raise Refusal("frame-length", f"a frame of {len(frame.data)} bytes is not within 1 to {most}")
        self.gate.check()
        await self._write(wire.encode(Frame(frame.port, Kind.DATA, frame.data)))

    def _take(self, frame: Frame) -> None:
        if frame.kind != Kind.DATA or frame.port not in self._settings.ports or not frame.data:
            self.ignored += 1
            return
        self._heard.append(TncFrame(frame.data, frame.port, "" if frame.whole else "a KISS escape in it means nothing"))

    def _tell_overlong(self) -> None:
        if self._decoder.overlong > self._told:
            self._told = self._decoder.overlong
            log.debug("overlong frames dropped", count=self._told, most=self._settings.longest_frame_bytes)

    async def _write(self, data: bytes) -> None:
        """All of it or, where this is cancelled or runs out of time, nothing. Raises DeviceError."""
        within_s = self._settings.write_timeout_ms / 1000
        try:
            async with asyncio.timeout(within_s):
                await self._link.write(data)
        except TimeoutError as error:
            await self._link.close()
            raise ReplyTimeout(f"the line took nothing for {within_s:g} s") from error


def _parameters(settings: KissSettings) -> Iterator[tuple[Kind, int]]:
    for kind, value, unit in (
        (Kind.TX_DELAY, settings.tx_delay_ms, 10),
        (Kind.PERSISTENCE, settings.persistence, 1),
        (Kind.SLOT_TIME, settings.slot_time_ms, 10),
        (Kind.TX_TAIL, settings.tx_tail_ms, 10),
        (Kind.FULL_DUPLEX, settings.full_duplex, 1),
    ):
        if value is not None:
            yield kind, int(value) // unit


@asynccontextmanager
async def connect(ports: Ports, url: LinkUrl, settings: KissSettings, _clock: Clock) -> AsyncIterator[Kiss]:
    """Open the link and set the TNC's parameters; its gate is shut. Raises DeviceError."""
    async with ports.open(url) as link:
        tnc = Kiss(link, settings)
        await tnc.begin()
        yield tnc


SPEC = DriverSpec(
    name="kiss",
    capability="tnc",
    summary="TNCs that speak KISS, Dire Wolf and other sound modems over TCP included",
    schemes=("serial", "tcp"),
    settings=KissSettings,
    connect=connect,
)
