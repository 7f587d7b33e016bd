"""`make bench-downlink`: what a frame costs from KISS bytes to committed readings, and what damage gets through.

Three parts. CPU time of the whole process, the store's threads included, for frames that come as fast as they are
taken; a million damaged packets shown to the decoder; one simulated pass, everything that the air let through against
what the archive and the hub have. Written to build/bench-downlink.json and docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import platform
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.page import publish
from fleetd.clock import Clock, SystemClock
from fleetd.devices import AzEl
from fleetd.downlink.reception import Reception
from fleetd.downlink.scene import Circumstances
from fleetd.downlink.settings import DownlinkSettings
from fleetd.downlink.xtce import XtceDecoder, XtceSettings
from fleetd.hub import Hub
from fleetd.orbit.elements import read_elements
from fleetd.orbit.station import Station
from fleetd.records import Frame, Reading
from fleetd.store.frames import FrameArchive
from fleetd.store.store import Store
from fleetd.supervise import Device, Progress, Supervision
from fleetd_drivers.kiss import wire
from fleetd_drivers.kiss.driver import Kiss, KissSettings
from fleetd_hil.air import Air, Flying, Ground
from fleetd_hil.models.rig import RigModel
from fleetd_hil.models.rotator import RotatorModel
from fleetd_hil.models.satellite import SatelliteBuild, SatelliteModel
from fleetd_hil.sims.kiss import KissSim
from fleetd_hil.sims.satellite import SatelliteSim

SATELLITE = "tmall-international"
ELEMENTS = Path(__file__).parents[1] / "configs" / "elements" / "tmall-international.json"
PASS = datetime(2026, 11, 11, 3, 19, 40, tzinfo=UTC), 420.0
CHUNK = 1024
SEED = 2026


@dataclass
class Memory:
    """A link whose bytes are there already; `done` once all have been read."""

    chunks: Iterator[bytes]
    done: asyncio.Event

    async def read_some(self, _most: int = 65_536) -> bytes:
        for chunk in self.chunks:
            await asyncio.sleep(0)
            return chunk
        self.done.set()
        await asyncio.Event().wait()
        return b""


class Steered(Ground):
    """An antenna that points where it is told at once."""

    aim = AzEl(0.0, 90.0)

    @property
    def direction(self) -> AzEl:
        return self.aim


@dataclass(frozen=True)
class Scene:
    """A contact that goes on."""

    contact: str = "bench"
    satellite: str = SATELLITE
    antenna: str = "dish"

    def circumstances(self) -> Circumstances:
        return Circumstances(123.45, 45.67, 0.71, -8123.5, {"main_hz": 437_516_880})


@dataclass
class Taken:
    """What was committed."""

    frames: int = 0
    readings: int = 0


@asynccontextmanager
async def pipeline(folder: Path, clock: Clock, chunks: Iterator[bytes]) -> AsyncIterator[tuple[Taken, Memory]]:
    """KISS driver, reception, archive and outbox as in the daemon; the relay's own loop in small."""
    hub, taken = Hub(), Taken()
    memory = Memory(chunks, asyncio.Event())
    tnc = Kiss(memory, KissSettings())  # type: ignore[arg-type]
    device = Device("dish-tnc", lambda: _never())
    supervision = Supervision(clock, hub.publish, Progress(clock))
    decoder = XtceDecoder(XtceSettings(reference=SATELLITE, source="TMALL-11"))
    async with (
        Store.open(folder, node="bench", clock=clock) as store,
        FrameArchive.open(folder, clock, 365.0) as archive,
    ):
        reception = Reception(device, supervision, hub, archive, {SATELLITE: decoder}, DownlinkSettings())
        with hub.subscribe("bench", Frame, Reading, capacity=1_000_000) as feed, reception.contact(Scene()):

            async def commit() -> None:
                while True:
                    records = await feed.get_batch(500)
                    await store.outbox.append(records)
                    frames = sum(isinstance(record, Frame) for record in records)
                    taken.frames += frames
                    taken.readings += len(records) - frames

            tasks = [asyncio.create_task(work) for work in (reception.work(tnc), reception.keep(), commit())]
            try:
                yield taken, memory
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


def _never() -> Any:
    raise NotImplementedError


def kiss_stream(count: int) -> tuple[bytes, int]:
    """As many frames as the reference satellite sends them, back to back; and how many packets are in them."""
    model = SatelliteModel(SatelliteBuild(beacon_period_s=1.0))
    sim = SatelliteSim(SATELLITE, model, PASS[0].timestamp(), b"bench")
    out, packets = bytearray(), 0
    for number in range(count):
        (frame,) = sim.advance(sim.due_s, sunlit=True)
        out += wire.encode(wire.Frame(0, wire.Kind.DATA, frame))
        packets += 3 if number % 3 == 2 else 1
    return bytes(out), packets


async def pace(count: int) -> dict[str, float]:
    """CPU time from bytes to committed readings."""
    data, packets = kiss_stream(count)
    chunks = (data[at : at + CHUNK] for at in range(0, len(data), CHUNK))
    with tempfile.TemporaryDirectory() as folder:
        async with pipeline(Path(folder), SystemClock(), chunks) as (taken, memory):
            began_cpu, began = time.process_time(), time.monotonic()
            await memory.done.wait()
            while taken.readings < packets or taken.frames < count:
                await asyncio.sleep(0.001)
            cpu_s, wall_s = time.process_time() - began_cpu, time.monotonic() - began
    return {"frames_per_s": count / cpu_s, "cpu_us_per_frame": cpu_s / count * 1e6, "wall_frames_per_s": count / wall_s}


async def damage(count: int) -> int:
    """How many of so many damaged packets, each differing from what was sent, are believed."""
    draw = random.Random(SEED)
    decoder = XtceDecoder(XtceSettings(reference=SATELLITE, source="TMALL-11"))
    sim = SatelliteSim(SATELLITE, SatelliteModel(SatelliteBuild(beacon_period_s=1.0)), PASS[0].timestamp(), b"bench")
    whole = [frame for _ in range(60) for frame in sim.advance(sim.due_s, sunlit=True)]
    head = 16  # the AX.25 header, which the packet's checksum does not cover
    accepted = 0
    for number in range(count):
        sent = whole[number % len(whole)]
        data = bytearray(sent)
        for _ in range(draw.choice((1, 1, 2, 3, 8, 40))):
            data[draw.randrange(head, len(data))] ^= 1 << draw.randrange(8)
        if draw.random() < 0.1:
            del data[draw.randrange(head + 1, len(data)) :]
        if bytes(data) == sent:
            data[head] ^= 1
        accepted += await believed(decoder, bytes(data), sent)
    return accepted


async def believed(decoder: XtceDecoder, data: bytes, sent: bytes) -> int:
    """Whether a packet is accepted that was not sent; of a frame with three, those that are whole may be."""
    packets = (await decoder.decode(data)).packets
    return sum(packet.data not in sent for packet in packets)


async def one_pass(folder: Path) -> tuple[int, int]:
    """Frames that the air let through in one simulated pass, and how many of them are archived and were published."""
    start, lasts_s = PASS
    station = Station("hangzhou", 30.27, 120.15, 20.0)
    rig, tnc = RigModel(), KissSim()
    model = SatelliteModel(SatelliteBuild(beacon_period_s=0.1))
    sim = SatelliteSim(SATELLITE, model, start.timestamp(), b"bench")
    flying = Flying(sim, read_elements(ELEMENTS)[0], 437_525_000, 145_950_000)
    ground = Steered(station, RotatorModel(), rig, tnc)
    air = Air([flying], ground, lambda at_s: start + timedelta(seconds=at_s))
    feed = tnc.attach()

    def said() -> Iterator[bytes]:
        draw = random.Random(SEED)
        for second in range(int(lasts_s)):
            when = start + timedelta(seconds=second)
            look = flying.look(station, when)
            # An antenna that lags now and then, and a radio that is sometimes a second late.
            ground.aim = AzEl(look.azimuth_deg + draw.gauss(0.0, 1.5), look.elevation_deg)
            if draw.random() < 0.9:
                rig.main.frequency_hz = round(437_525_000 * (1 - look.range_rate_km_s / 299_792.458))
            air.advance(float(second))
            yield from (answer.data for answer in feed(b"", float(second)))

    async with pipeline(folder, SystemClock(), said()) as (taken, memory):
        await memory.done.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                while taken.frames < flying.count.heard:
                    await asyncio.sleep(0.01)
        return flying.count.heard, taken.frames


async def run(frames: int, damaged: int) -> dict[str, Any]:
    say(f"pace: {frames} frames ...")
    rounds = [await pace(frames) for _ in range(3)]
    best = sorted(rounds, key=lambda each: each["cpu_us_per_frame"])[1]
    say(f"damage: {damaged} packets ...")
    accepted = await damage(damaged)
    say("one pass ...")
    with tempfile.TemporaryDirectory() as folder:
        heard, taken = await one_pass(Path(folder))
    return {
        "frames_per_s": round(best["frames_per_s"]),
        "cpu_us_per_frame": round(best["cpu_us_per_frame"], 1),
        "corrupt_accepted_of_1e6": accepted if damaged == 1_000_000 else None,
        "lost_in_contact": heard - taken,
        "damaged": damaged,
        "damaged_accepted": accepted,
        "heard_in_contact": heard,
        "frames": frames,
    }


def section(result: dict[str, Any]) -> str:
    """The figures for people."""
    python = platform.python_version()
    lost, heard = result["lost_in_contact"], result["heard_in_contact"]
    return f"""From KISS bytes to committed readings (raw frame archived, frame and readings in the outbox), in CPU time
of the whole process, CPython {python}; the median of three rounds of {result["frames"]:,} frames:
**{result["frames_per_s"]:,} frames a second of one core, {result["cpu_us_per_frame"]:g} µs a frame**.

Of {result["damaged"]:,} damaged packets (bits flipped, bytes cut, within what the CRC-32 covers)
**{result["damaged_accepted"]}** were believed. In one simulated pass, with an antenna that wavers and a radio that is
sometimes late, **{lost}** of the {heard:,} frames that came while pointed and tuned were lost."""


def say(text: str) -> None:
    """A line of progress."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> None:
    """The benchmark as a program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=30_000, help="in each round of the pace")
    parser.add_argument("--damaged", type=int, default=1_000_000, help="packets shown to the decoder")
    chosen = parser.parse_args(arguments)
    result = asyncio.run(run(chosen.frames, chosen.damaged))
    say(str(publish("downlink", result, section(result))))


if __name__ == "__main__":
    main()
