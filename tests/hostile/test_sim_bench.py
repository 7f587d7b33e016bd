"""The bench breaks lines as the field does: cables pulled, far ends hung, bytes lost, doubled, late and damaged."""

from __future__ import annotations

import asyncio
import os
import random
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleetd.clock import SystemClock, VirtualClock
from fleetd.errors import LinkLost
from fleetd.link.ports import Ports
from fleetd.link.stream import Link
from fleetd.link.url import parse_link
from fleetd_hil import catalogue
from fleetd_hil.bench import Bench
from fleetd_hil.line import FAULTS, Pace, Stand
from fleetd_hil.models.rotator import RotatorBuild, RotatorModel
from fleetd_hil.ports import Port
from fleetd_hil.sims.framing import rtu_frame
from fleetd_hil.sims.gs232b import Gs232bSim

HERE = b"AZ=010  EL=020\r\n"


@asynccontextmanager
async def rig(medium: str, tmp_path: Path) -> AsyncIterator[tuple[Bench, Gs232bSim, Port, str]]:
    """A rotator on a bench, and the URL at which it is reached."""
    sim = Gs232bSim(RotatorModel(RotatorBuild(start_azimuth_deg=10, start_elevation_deg=20)))
    async with Bench.open(SystemClock(), seed=1) as bench:
        if medium == "pty":
            port = await bench.pty(sim, link=tmp_path / "rotator")
            yield bench, sim, port, f"serial://{port.address}"
        else:
            port = await bench.tcp(sim)
            yield bench, sim, port, f"tcp://{port.address}"


async def ask(link: Link, question: bytes = b"C2\r") -> bytes:
    async with link.exchange("C2", 2.0):
        await link.write(question)
        return await link.read_until(b"\n")


async def gather(link: Link, size: int, question: bytes = b"C2\r") -> bytes:
    async with link.exchange("C2", 2.0):
        await link.write(question)
        return await link.read_exactly(size)


def terminal(link: str) -> str:
    """The terminal that a stable name points to, or the name itself when it points nowhere."""
    return str(Path(link.removeprefix("serial://")).resolve())


both = pytest.mark.parametrize("medium", ["pty", "tcp"])


@both
async def test_unplugged_is_seen_and_replugged_works_again(medium: str, tmp_path: Path) -> None:
    async with rig(medium, tmp_path) as (bench, sim, _, url):
        ports = Ports()
        async with ports.open(parse_link(url)) as link:
            assert await ask(link) == HERE
            before = terminal(url)
            bench.inject(sim, "unplug")
            with pytest.raises(LinkLost):
                await asyncio.wait_for(link.read_some(), 2)
        with pytest.raises(LinkLost):
            async with ports.open(parse_link(url)):
                pass
        sim.faults.clear("unplug")
        async with asyncio.timeout(2):
            while True:
                try:
                    async with ports.open(parse_link(url)) as link:
                        assert await ask(link) == HERE
                        break
                except LinkLost:
                    await asyncio.sleep(0.01)
        if medium == "pty":
            assert terminal(url) != before  # back under another number


async def test_a_pulled_pty_reads_as_end_of_file_for_ever(tmp_path: Path) -> None:
    async with rig("pty", tmp_path) as (bench, sim, port, _):
        slave = os.open(port.address, os.O_RDWR | os.O_NOCTTY)
        try:
            tty.setraw(slave)
            bench.inject(sim, "unplug")
            async with asyncio.timeout(2):
                while terminal(port.address) != port.address:  # noqa: ASYNC110  # nothing announces that it is gone
                    await asyncio.sleep(0.005)
            assert [os.read(slave, 10) for _ in range(3)] == [b"", b"", b""]
            with pytest.raises(OSError, match="Input/output error"):
                os.write(slave, b"C2\r")
        finally:
            os.close(slave)


@both
async def test_a_stalled_far_end_answers_when_it_wakes(medium: str, tmp_path: Path) -> None:
    async with rig(medium, tmp_path) as (bench, sim, _, url), Ports().open(parse_link(url)) as link:
        assert await ask(link) == HERE
        bench.inject(sim, "stall")
        await link.write(b"C2\r")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(link.read_some(), 0.05)
        sim.faults.clear("stall")
        async with asyncio.timeout(2):
            assert await link.read_until(b"\n") == HERE


@both
async def test_a_stalled_far_end_does_not_read_for_ever(medium: str, tmp_path: Path) -> None:
    async with rig(medium, tmp_path) as (bench, sim, _, url), Ports().open(parse_link(url)) as link:
        assert await ask(link) == HERE
        bench.inject(sim, "stall")
        await asyncio.sleep(0.04)
        blocked = asyncio.ensure_future(_flood(link))
        _, pending = await asyncio.wait([blocked], timeout=0.2)
        assert pending
        blocked.cancel()
        await asyncio.wait([blocked])


async def _flood(link: Link) -> None:
    for _ in range(1000):
        await link.write(b"\r" * 65_536)


@both
@pytest.mark.parametrize(
    ("fault", "heard"),
    [
        ("echo", b"C2\r" + HERE),
        ("trickle=0.0001", HERE),
        ("delay=0.02", HERE),
        ("garble=0", HERE),
    ],
)
async def test_line_faults_byte_for_byte(medium: str, fault: str, heard: bytes, tmp_path: Path) -> None:
    async with rig(medium, tmp_path) as (bench, sim, _, url), Ports().open(parse_link(url)) as link:
        bench.inject(sim, fault)
        assert await gather(link, len(heard)) == heard


@both
async def test_a_foreign_answer_is_the_last_one_again(medium: str, tmp_path: Path) -> None:
    async with rig(medium, tmp_path) as (bench, sim, _, url), Ports().open(parse_link(url)) as link:
        assert await ask(link, b"C\r") == b"AZ=010\r\n"
        bench.inject(sim, "foreign")
        assert await gather(link, 8 + len(HERE)) == b"AZ=010\r\n" + HERE


async def test_noise_and_garbling_damage_what_is_sent(tmp_path: Path) -> None:
    async with rig("tcp", tmp_path) as (bench, sim, _, url), Ports().open(parse_link(url)) as link:
        bench.inject(sim, "noise=3")
        assert (await gather(link, 3 + len(HERE)))[3:] == HERE
        sim.faults.clear("noise")
        bench.inject(sim, "garble=1")
        garbled = await gather(link, len(HERE))
        assert all(ours != theirs for ours, theirs in zip(HERE, garbled, strict=True))


async def test_dropped_answers_never_come(tmp_path: Path) -> None:
    async with rig("tcp", tmp_path) as (bench, sim, _, url), Ports().open(parse_link(url)) as link:
        bench.inject(sim, "drop")
        await link.write(b"C2\r")
        await asyncio.sleep(0.04)
        sim.faults.clear("drop")
        assert await ask(link, b"C\r") == b"AZ=010\r\n"


@pytest.mark.parametrize("fault", ["garble=0", "delay=0.03"], ids=["unread", "too late"])
async def test_what_was_said_to_a_closed_port_is_gone(fault: str, tmp_path: Path) -> None:
    async with rig("pty", tmp_path) as (bench, sim, port, _):
        bench.inject(sim, fault)
        slave = os.open(port.address, os.O_RDWR | os.O_NOCTTY)
        os.write(slave, b"C2\r")
        await asyncio.sleep(0.025)
        os.close(slave)
        await asyncio.sleep(0.045)
        slave = os.open(port.address, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            with pytest.raises(BlockingIOError):
                os.read(slave, 100)
        finally:
            os.close(slave)


async def test_a_slow_line_takes_its_time_in_scene_seconds() -> None:
    clock = SystemClock()
    async with Bench.open(clock) as bench:
        port = await bench.pty(Gs232bSim(), Pace.of(4800))
        async with Ports().open(parse_link(f"serial://{port.address}")) as link:
            await ask(link)
            before_s = clock.monotonic()
            assert await ask(link) == b"AZ=000  EL=000\r\n"
            assert clock.monotonic() - before_s >= 19 * 10 / 4800  # 3 characters there, 16 back, 10 bits each


async def test_a_device_that_thinks_takes_longer() -> None:
    clock = SystemClock()
    sim = catalogue.build("little-donkey", {"turnaround_s": 0.03}, 0, catalogue.Bus("rtu"))
    async with Bench.open(clock) as bench:
        port = await bench.tcp(sim)
        async with Ports().open(parse_link(f"tcp://{port.address}")) as link, link.exchange("a register", 2.0):
            before_s = clock.monotonic()
            await link.write(rtu_frame(1, bytes.fromhex("04 00 00 00 01")))
            assert await link.read_exactly(7) == rtu_frame(1, bytes.fromhex("04 02 4C 44"))
            assert clock.monotonic() - before_s >= 0.03


@both
async def test_closing_the_bench_ends_the_line(medium: str, tmp_path: Path) -> None:
    async with rig(medium, tmp_path) as (bench, sim, _, url):
        bench.inject(sim, "delay=1000")
        context = Ports().open(parse_link(url))
        link = await context.__aenter__()
        await link.write(b"C2\r")
        await asyncio.sleep(0.03)
    try:
        with pytest.raises(LinkLost):
            await asyncio.wait_for(link.read_some(), 2)
    finally:
        await context.__aexit__(None, None, None)


async def test_an_error_in_the_body_comes_out_bare() -> None:
    with pytest.raises(ZeroDivisionError):
        async with Bench.open(SystemClock()):
            _ = 1 / 0


def test_a_port_is_watched_only_while_something_may_still_happen_to_it() -> None:
    clock, sim = VirtualClock(datetime(2026, 11, 11, tzinfo=UTC)), Gs232bSim(RotatorModel(RotatorBuild()))
    sim.faults.learn(FAULTS)
    stand = Stand(sim, clock, Pace(), random.Random(0), lambda _: None)
    assert not stand.lively
    sim.faults.inject("garble=0.5+3600", 0.0)  # of what is said, not of the port
    assert not stand.lively
    sim.faults.inject("unplug@60+30", 0.0)
    assert stand.lively
    assert not sim.faults.lie_ahead(("unplug",), 90.0)
    sim.faults.clear("unplug")
    assert not stand.lively
