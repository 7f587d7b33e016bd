"""From a TNC to the hub: archived before decoded, stamped with the circumstances, counted, never in the way."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from framesof import beacon, frame

from fleetd.clock import VirtualClock
from fleetd.devices import TncFrame
from fleetd.downlink.decoder import Decoded, Decoder
from fleetd.downlink.reception import Reception
from fleetd.downlink.scene import Circumstances
from fleetd.downlink.settings import DownlinkSettings
from fleetd.downlink.xtce import XtceDecoder, XtceSettings
from fleetd.errors import LinkLost, StoreError
from fleetd.gate import FrameGate
from fleetd.hub import Hub, Subscription
from fleetd.records import AnyRecord, Event, Frame, Telemetry
from fleetd.store.frames import FrameArchive, FrameWish
from fleetd.store.rows import draft
from fleetd.supervise import Device, Progress, Supervision

T = datetime(2026, 11, 29, 6, 0, tzinfo=UTC)
AROUND = Circumstances(123.4, 45.6, 0.7, -8123.5, {"downlink_hz": 437_500_000})


class Air:
    """A TNC in memory."""

    def __init__(self) -> None:
        self.gate = FrameGate()
        self.heard: asyncio.Queue[TncFrame | LinkLost] = asyncio.Queue()

    async def receive(self) -> TncFrame:
        heard = await self.heard.get()
        if isinstance(heard, LinkLost):
            raise heard
        return heard

    async def send(self, frame: TncFrame, /) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Pass:
    """A contact that goes on."""

    contact: str = "tmall-20261129T060000Z"
    satellite: str = "tmall-international"
    antenna: str = "dish"

    def circumstances(self) -> Circumstances:
        return AROUND


@dataclass
class Bench:
    """What a test needs of it."""

    clock: VirtualClock
    air: Air
    reception: Reception
    archive: FrameArchive
    records: Subscription
    seen: list[AnyRecord] = field(default_factory=list)

    async def hear(self, *frames: bytes, flaw: str = "") -> None:
        for data in frames:
            self.air.heard.put_nowait(TncFrame(data, flaw=flaw))
        async with asyncio.timeout(10):
            while not self.air.heard.empty():  # noqa: ASYNC110  # the reception's own pace is meant
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            await self.reception._waiting.join()

    def of(self, kind: type) -> list[AnyRecord]:
        while len(self.records):
            self.seen.append(self.records._queue.popleft())
        return [record for record in self.seen if isinstance(record, kind)]

    def events(self) -> list[str]:
        return [record.name for record in self.of(Event) if isinstance(record, Event)]


@asynccontextmanager
async def bench(folder: Path, decoders: Mapping[str, Decoder] | None = None) -> AsyncIterator[Bench]:
    clock, hub, air = VirtualClock(T), Hub(), Air()

    @asynccontextmanager
    async def connect() -> AsyncIterator[Air]:
        yield air

    device = Device("dish-tnc", connect)
    supervision = Supervision(clock, hub.publish, Progress(clock))
    known = {"tmall-international": XtceDecoder(XtceSettings(reference="tmall-international", source="TMALL-11"))}
    async with FrameArchive.open(folder, clock, 365.0) as archive:
        reception = Reception(
            device, supervision, hub, archive, known if decoders is None else decoders, DownlinkSettings()
        )
        with hub.subscribe("test", Frame, Telemetry, Event) as records:
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(supervision.run(device, reception.work)),
                    tasks.create_task(reception.keep()),
                ]
                await asyncio.sleep(0)
                try:
                    yield Bench(clock, air, reception, archive, records)
                finally:
                    for task in running:
                        task.cancel()


async def test_a_frame_in_a_contact_is_archived_with_its_circumstances_and_decoded(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        data = frame(beacon(5, at_s=T.timestamp() + 1.5))
        with made.reception.contact(Pass()):
            await made.hear(data)
        wanted = Frame(
            at=T,
            device="dish-tnc",
            data=data,
            number=1,
            contact="tmall-20261129T060000Z",
            satellite="tmall-international",
            antenna="dish",
            azimuth_deg=123.4,
            elevation_deg=45.6,
            pointing_error_deg=0.7,
            doppler_hz=-8123.5,
            radio={"downlink_hz": 437_500_000},
        )
        assert await made.archive.read(FrameWish()) == [wanted]
        assert made.of(Frame) == [wanted]
        (reading,) = made.of(Telemetry)
        assert isinstance(reading, Telemetry)
        assert (reading.device, reading.at, reading.frame, reading.packet) == ("tmall-international", T, 1, "beacon")
        assert reading.values["battery_v"] == 7.89
        assert reading.onboard_ahead_s == 1.5
        assert b'"battery_v":7.89' in draft(reading).body
        assert made.events() == []


async def test_it_is_in_the_archive_before_a_decoder_sees_it(tmp_path: Path) -> None:
    looked: list[int] = []

    class Looks:
        async def decode(self, data: bytes, /) -> Decoded:
            with sqlite3.connect(tmp_path / "frames.db") as connection:
                (count,) = connection.execute("SELECT count(*) FROM frame").fetchone()
            connection.close()
            looked.append(count)
            return Decoded()

    async with bench(tmp_path, {"tmall-international": Looks()}) as made:
        with made.reception.contact(Pass()):
            await made.hear(frame(beacon(1)))
            await made.hear(frame(beacon(2)))
    assert looked == [1, 2]


async def test_outside_a_contact_a_frame_is_kept_and_belongs_to_nobody(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        await made.hear(frame(beacon()))
        (kept,) = await made.archive.read(FrameWish())
        assert (kept.satellite, kept.contact, kept.elevation_deg) == ("", "", None)
        assert made.of(Telemetry) == []


async def test_a_contact_counts_what_came(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        with made.reception.contact(Pass()) as tally:
            await made.clock.advance(20.0)
            await made.hear(frame(beacon(5)), frame(beacon(6)))
            await made.clock.advance(70.0)
            damaged = bytearray(frame(beacon(7)))
            damaged[-1] ^= 1
            await made.hear(bytes(damaged), frame(beacon(9)), b"noise")
            await made.hear(b"whatever", flaw="a KISS escape in it means nothing")
            await made.clock.advance(5.0)
        assert (tally.frames, tally.packets, tally.checksum_errors, tally.bad) == (6, 3, 1, 3)
        assert (tally.sequence.missing, tally.longest_silence_s) == (2, 70.0)
        assert (tally.first_at, tally.last_at) == (T + timedelta(seconds=20), T + timedelta(seconds=90))
        assert dict(tally.flaws) == {"checksum": 1, "ax25-short": 1, "flawed": 1}
        assert len(await made.archive.read(FrameWish())) == 6


async def test_a_satellite_clock_in_1970_is_told_once_a_contact(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        for _ in range(2):
            with made.reception.contact(Pass()):
                await made.hear(frame(beacon(1, at_s=5)), frame(beacon(2, at_s=6)))
        assert made.events() == ["satellite-clock-off", "satellite-clock-off"]
        readings = made.of(Telemetry)
        assert all(isinstance(each, Telemetry) and each.at == T and each.values["uptime_s"] for each in readings)


async def test_a_decoder_with_a_bug_stops_nothing(tmp_path: Path) -> None:
    class Fails:
        async def decode(self, data: bytes, /) -> Decoded:
            raise ZeroDivisionError("division by zero")

    async with bench(tmp_path, {"tmall-international": Fails()}) as made:
        with made.reception.contact(Pass()) as tally:
            await made.hear(frame(beacon()), frame(beacon()))
        assert (tally.frames, dict(tally.flaws)) == (2, {"decoder-failed": 2})


async def test_a_disk_that_takes_no_frames_stops_nothing_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(tmp_path) as made:

        async def full(_frames: object) -> list[Frame]:
            raise StoreError("the store does not take writes: disk full")

        monkeypatch.setattr(made.archive, "append", full)
        with made.reception.contact(Pass()):
            await made.hear(frame(beacon(1)), frame(beacon(2)))
        assert len(made.of(Telemetry)) == 2
        assert made.events() == ["frames-not-archived"]
        assert made.reception.unstored == 2


async def test_a_lost_tnc_is_connected_again_and_the_contact_goes_on(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        with made.reception.contact(Pass()) as tally:
            made.air.heard.put_nowait(LinkLost("unplugged"))
            await until(lambda: made.reception.device.state == "stale")
            await made.clock.advance(60.0)
            await made.hear(frame(beacon(1)))
        assert tally.frames == 1
        assert made.reception.device.state == "online"


async def test_what_has_come_is_kept_when_the_daemon_ends(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        for number in range(50):
            made.air.heard.put_nowait(TncFrame(frame(beacon(number))))
        await until(made.air.heard.empty)
        await asyncio.sleep(0)
    async with FrameArchive.open(tmp_path, VirtualClock(T), 365.0) as archive:
        assert len(await archive.read(FrameWish())) == 50


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not done():  # noqa: ASYNC110  # whatever it is, it has no event
            await asyncio.sleep(0.001)
