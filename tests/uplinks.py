"""An uplink before a simulated satellite, no radio between: what the tests of orders share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from fleetd.access.matrix import Access
from fleetd.access.settings import AccessSettings
from fleetd.clock import Clock
from fleetd.devices import TncFrame
from fleetd.downlink.uplink import Uplink
from fleetd.downlink.uplinksettings import UplinkSettings
from fleetd.downlink.xtce import XtceDecoder, XtceSettings
from fleetd.errors import DeviceError, Refusal
from fleetd.gate import FrameGate
from fleetd.hub import Hub
from fleetd.records import Command, Frame, Value
from fleetd.settings import Secret
from fleetd.store.store import Store
from fleetd.supervise import Device
from fleetd_hil.models.satellite import SatelliteModel
from fleetd_hil.sims.satellite import SatelliteSim

SATELLITE = "tmall-international"
KEY_ENV = "FLEETD_TEST_UPLINK_KEY"
KEY = "a key of this test"


class Transmit:
    """A gate that is open unless `shut` says why it is not."""

    holder = "contact-1"

    def __init__(self) -> None:
        self.shut = ""
        self.on = False
        self.fails: Exception | None = None

    def check(self) -> None:
        if self.shut:
            raise Refusal("uplink-elevation", self.shut)

    def still(self) -> None:
        if not self.on:
            raise Refusal("transmit-gate", "the transmitter is off again")

    @asynccontextmanager
    async def open(self, _by: str) -> AsyncIterator[None]:
        self.check()
        if self.fails is not None:
            raise self.fails
        self.on = True
        try:
            yield
        finally:
            self.on = False


class Far:
    """TNC and satellite in one: what is sent is on the air at once, unless `loses` says otherwise."""

    def __init__(self, clock: Clock, key: str = KEY) -> None:
        self.gate = FrameGate()
        self.clock = clock
        self.satellite = SatelliteSim(SATELLITE, SatelliteModel(), clock.now().timestamp(), key.encode())
        self.sent: list[bytes] = []
        self.loses: Callable[[bytes], bool] = lambda _frame: False
        self.mute = False
        self.fails: DeviceError | None = None
        self.down: list[bytes] = []

    async def receive(self) -> TncFrame:
        raise NotImplementedError

    async def send(self, frame: TncFrame, /) -> None:
        self.gate.check()
        if self.fails is not None:
            raise self.fails
        self.sent.append(frame.data)
        if not self.loses(frame.data):
            answers = self.satellite.hear(frame.data)
            self.down += [] if self.mute else answers

    def beacon(self) -> None:
        """The satellite tells how it is, now."""
        now_s = self.clock.now().timestamp()
        self.satellite._due_s = now_s
        self.down += self.satellite.advance(now_s, sunlit=True)


def settings(**changes: Any) -> UplinkSettings:
    given: dict[str, Any] = {"orders": SATELLITE, "key": Secret(env=KEY_ENV), "station": "GROUND-1"}
    return UplinkSettings(**{**given, "callsign": "TMALL-11", **changes})


def uplink(store: Store, clock: Clock, hub: Hub, access: Access | None = None, **changes: Any) -> Uplink:
    return Uplink(SATELLITE, settings(**changes), store, hub, clock, access or Access(AccessSettings()))


def device(far: Far) -> Device:
    @asynccontextmanager
    async def connect() -> AsyncIterator[Far]:
        yield far

    made = Device("dish-tnc", connect)
    made.driver = far
    return made


DECODER = XtceDecoder(XtceSettings(reference=SATELLITE, source="TMALL-11"))


async def deliver(far: Far, to: Uplink) -> None:
    """What came down is decoded and heard."""
    while far.down:
        data = far.down.pop(0)
        at = far.clock.now()
        frame = Frame(at=at, device="dish-tnc", data=data, satellite=SATELLITE)
        for packet in (await DECODER.decode(data)).packets:
            to.heard(frame, packet)
    await asyncio.sleep(0)


def command(number: int | str, action: str, now: datetime, *, life_s: float = 3600.0, **args: Value) -> Command:
    return Command(
        id=f"order-{number}",
        device=SATELLITE,
        action=action,
        args=args,
        issuer="uid:1000(li)",
        issued_at=now,
        expires_at=now + timedelta(seconds=life_s),
    )
