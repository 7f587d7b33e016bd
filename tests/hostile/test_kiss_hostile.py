"""The KISS driver on bad lines: whatever stands between frames, the frames themselves come through, and only they."""

from __future__ import annotations

import asyncio
import random

import pytest
from tncs import CLOCK, WITHIN_S, on_bench

from fleetd.devices import TncFrame
from fleetd.link.ports import Ports
from fleetd.link.url import parse_link
from fleetd_drivers.kiss.driver import Kiss, KissSettings, connect

media = pytest.mark.parametrize("medium", ["serial", "tcp"])
FRAMES = [b"first \xc0\xdb frame", b"second frame", b"third frame" * 20]


@media
@pytest.mark.parametrize("fault", ["shared-fend", "half-frame", "banner", "runs", "trickle=0.0002"])
async def test_every_frame_comes_through(medium: str, fault: str) -> None:
    async with on_bench(medium) as seat:
        seat.bench.inject(seat.sim, fault)
        seat.hear(*FRAMES)
        heard: list[bytes] = []
        while FRAMES[-1] not in heard:
            heard.append((await seat.next()).data)
        # Half a frame with a delimiter behind it cannot be told from a frame here: checksums inside it will tell.
        assert [data for data in heard if data in FRAMES] == FRAMES
        assert fault == "half-frame" or heard == FRAMES


@media
async def test_a_senseless_escape_is_a_flaw_and_no_end(medium: str) -> None:
    async with on_bench(medium) as seat:
        seat.bench.inject(seat.sim, "bad-escape")
        seat.hear(b"damaged frame")
        assert (await seat.next()).flaw == "a KISS escape in it means nothing"
        seat.sim.faults.clear("bad-escape")
        seat.hear(b"whole frame")
        assert await seat.next() == TncFrame(b"whole frame")


@media
async def test_a_flood_before_a_frame_is_dropped(medium: str) -> None:
    async with on_bench(medium) as seat:
        seat.bench.inject(seat.sim, "overlong=70000")
        seat.hear(b"behind the flood")
        heard = await seat.next()
        assert heard.data == b"behind the flood"
        assert seat.driver._decoder.noise_bytes >= 70_000


@media
async def test_frames_marked_by_smack_are_another_port(medium: str) -> None:
    async with on_bench(medium) as seat:
        seat.bench.inject(seat.sim, "smack")
        seat.hear(b"with a checksum that KISS does not have")
        seat.sim.faults.clear("smack")
        seat.hear(b"plain")
        assert await seat.next() == TncFrame(b"plain")
        assert seat.driver.ignored == 1


async def test_64_kib_of_noise_end_nothing() -> None:
    """A far end that speaks anything but KISS: all of it is passed over or counted, and the first frame is heard."""
    noise = random.Random(7).randbytes(64 * 1024)

    async def far_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(noise + b"\xc0\xc0\x00a frame\xc0")
        await writer.drain()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(far_end, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        url = parse_link(f"tcp://127.0.0.1:{port}")
        async with connect(Ports(), url, KissSettings(), CLOCK) as driver, asyncio.timeout(WITHIN_S):
            assert (await last_of(driver)) == TncFrame(b"a frame")


async def last_of(driver: Kiss) -> TncFrame:
    while True:
        frame = await driver.receive()
        if frame.data == b"a frame":
            return frame
