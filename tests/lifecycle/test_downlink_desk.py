"""Frames looked at, and a day of them decoded anew: other parameters, the same times."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from framesof import beacon, frame, housekeeping

from fleetd.clock import VirtualClock
from fleetd.downlink.decoder import Decoder
from fleetd.downlink.desk import Desk
from fleetd.downlink.dissect import dissect
from fleetd.downlink.xtce import SHIPPED, XtceDecoder, XtceSettings
from fleetd.errors import Refusal
from fleetd.hub import Hub, Subscription
from fleetd.records import Frame, Telemetry
from fleetd.store.frames import FrameArchive, FrameWish

T = datetime(2026, 11, 29, 6, 0, tzinfo=UTC)
SATELLITE = "tmall-international"


def decoder(database: Path | None = None) -> XtceDecoder:
    chosen = {"database": database} if database else {"reference": SATELLITE}
    return XtceDecoder(XtceSettings(**chosen))  # type: ignore[arg-type]


@asynccontextmanager
async def desk(folder: Path, using: Decoder) -> AsyncIterator[tuple[Desk, FrameArchive, Subscription]]:
    hub = Hub()
    async with FrameArchive.open(folder, VirtualClock(T), 365.0) as archive:
        with hub.subscribe("test", Telemetry, capacity=100_000) as records:
            yield Desk(archive, {SATELLITE: using}, hub, {}), archive, records


def told(records: Subscription) -> list[Telemetry]:
    found = list(records._queue)
    records._queue.clear()
    return [record for record in found if isinstance(record, Telemetry)]


def frames_of_a_day() -> list[Frame]:
    """One each half minute of four passes: 288, with every eighth damaged."""
    found = []
    for number in range(288):
        data = bytearray(frame(beacon(number, battery_mv=7000 + number), housekeeping(number)))
        if number % 8 == 7:
            data[30] ^= 0x10
        at = T + timedelta(hours=6 * (number // 72), seconds=30 * (number % 72))
        found.append(Frame(at=at, device="dish-tnc", data=bytes(data), satellite=SATELLITE, contact=f"c{number // 72}"))
    return found


async def test_a_day_through_a_changed_decoder(tmp_path: Path) -> None:
    """The first database took the battery's millivolts for centivolts; the second is right. Restarted between them."""
    text = (SHIPPED / f"{SATELLITE}.xml").read_text()
    wrong = tmp_path / "wrong.xml"
    wrong.write_text(text.replace('coefficient="0.001"', 'coefficient="0.0001"').replace('minInclusive="2.5"', ""))
    async with desk(tmp_path, decoder(wrong)) as (sat_desk, archive, records):
        await archive.append(frames_of_a_day())
        await sat_desk.replay(FrameWish(since=T))
        before = [each for each in told(records) if each.packet == "beacon"]
    async with desk(tmp_path, decoder()) as (sat_desk, _, records):
        brought = await sat_desk.replay(FrameWish(since=T))
        after = [each for each in told(records) if each.packet == "beacon"]
    assert (brought.frames, brought.undecoded, brought.flaws) == (288, 0, {"checksum": 36})
    assert [each.values["battery_v"] for each in before] == [round(0.7 + n / 1e4, 4) for n in range(288) if n % 8 != 7]
    assert [each.values["battery_v"] for each in after] == [round(7.0 + n / 1e3, 3) for n in range(288) if n % 8 != 7]
    assert [each.at for each in after] == [each.at for n, each in enumerate(frames_of_a_day()) if n % 8 != 7]
    assert [each.frame for each in after] == [n + 1 for n in range(288) if n % 8 != 7]
    assert all(each.replayed for each in after)


async def test_a_replay_of_a_part(tmp_path: Path) -> None:
    async with desk(tmp_path, decoder()) as (sat_desk, archive, _):
        await archive.append(frames_of_a_day())
        hours = [await sat_desk.replay(FrameWish(since=T + timedelta(hours=6), until=T + timedelta(hours=12)))]
        contact = await sat_desk.replay(FrameWish(contact="c3"))
        nobody = await sat_desk.replay(FrameWish(satellite="candy-tin"))
        assert (hours[0].frames, contact.frames, nobody.frames) == (72, 72, 0)


async def test_frames_are_found_again(tmp_path: Path) -> None:
    async with desk(tmp_path, decoder()) as (sat_desk, archive, _):
        await archive.append(frames_of_a_day())
        assert [each.number for each in await sat_desk.newest(3)] == [286, 287, 288]
        assert [each.number for each in await sat_desk.frames(FrameWish(contact="c1"), 2)] == [73, 74]
        shown = await sat_desk.show(9)
        assert [each.packet for each in shown.readings] == ["beacon", "housekeeping"]
        assert not shown.flaws
        assert (await sat_desk.show(8)).flaws[0].startswith("checksum: crc32 says")
        with pytest.raises(Refusal, match="no frame 289"):
            await sat_desk.show(289)


async def test_a_flipped_bit_in_the_archive_is_seen(tmp_path: Path) -> None:
    async with desk(tmp_path, decoder()) as (_, archive, _):
        await archive.append(frames_of_a_day()[:3])
        flip = """UPDATE frame SET body = CAST(replace(body, '"port"', '"porT"') AS BLOB) WHERE number = 2"""
        await archive._writer.run(lambda connection: connection.execute(flip).rowcount)
        assert [each.number for each in await archive.read(FrameWish())] == [1, 3]
        assert archive.damaged == 1


async def test_an_archive_that_cannot_be_read_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "frames.db").write_bytes(b"this is no database, and never was one" * 100)
    async with desk(tmp_path, decoder()) as (_, archive, _):
        await archive.append(frames_of_a_day()[:1])
    assert [path.name for path in tmp_path.glob("frames-damaged-*")] == ["frames-damaged-20261129T060000.db"]


async def test_old_frames_go(tmp_path: Path) -> None:
    async with desk(tmp_path, decoder()) as (_, archive, _):
        await archive.append(frames_of_a_day())
    async with FrameArchive.open(tmp_path, VirtualClock(T + timedelta(days=2)), 1.5) as archive:
        assert {each.contact for each in await archive.read(FrameWish())} == {"c2", "c3"}
        (added,) = await archive.append(frames_of_a_day()[:1])
        assert added.number == 289  # numbers are never given twice


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (
            frame(beacon()),
            ["destination", "source", "control", "protocol", "packet header", "packet data"],
        ),
        (frame(beacon()[:-1]), ["destination", "source", "control", "protocol", "information"]),
        (b"noise", ["frame"]),
        (b"", []),
    ],
    ids=["whole", "cut", "noise", "nothing"],
)
def test_fields_are_named_and_none_is_left_out(data: bytes, names: list[str]) -> None:
    fields = dissect(data)
    assert [each.name for each in fields] == names
    assert b"".join(each.data for each in fields) == data
    assert [each.at for each in fields] == [sum(len(f.data) for f in fields[:n]) for n in range(len(fields))]
