"""Dire Wolf as the referee: its demodulator and its AX.25 decoder judge ours, over audio and KISS as in the field."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import socket
import subprocess
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import afsk
import pytest
from tncs import connected

from fleetd.clock import SystemClock
from fleetd.devices import TncFrame
from fleetd.downlink import ax25
from fleetd.downlink.ax25 import Address, Digipeater, UiFrame, Use
from fleetd_drivers.kiss.driver import Kiss
from fleetd_hil.bench import Bench
from fleetd_hil.sim import Feed
from fleetd_hil.sims.kiss import KissSim

pytestmark = pytest.mark.xdist_group("direwolf")
WITHIN_S = 20.0

FRAMES = [
    UiFrame(Address("CQ"), Address("TMALL", 11), b"beacon 1"),
    UiFrame(Address("GROUND", 1), Address("CANDY", 15), bytes(range(256)), source_bit=True, destination_bit=False),
    UiFrame(
        Address("CQ"), Address("TMALL"), b"\xc0\xdb\xc0\xdc\xdb", (Digipeater(Address("RELAY", 2), repeated=True),)
    ),
    UiFrame(Address("OLD"), Address("N0CALL", 7), b"bits alike", destination_bit=False),
    UiFrame(Address("OLD"), Address("N0CALL", 7), b"both set", source_bit=True),
    UiFrame(Address("CQ"), Address("TMALL", 11), b"\xff" * 60),  # nothing but stuffed bits
]


def test_the_test_transmitter_knows_its_checksum() -> None:
    assert afsk.fcs(b"123456789") == 0x906E
    # The frame and checksum that Dire Wolf 1.6 was seen to make of CQ < N0CALL-1 "Hi".
    assert afsk.fcs(bytes.fromhex("86a240404040e09c6086829898 6303f04869".replace(" ", ""))).to_bytes(2, "little") == (
        bytes.fromhex("d799")
    )


@pytest.mark.peer("atest")
def test_direwolfs_decoder_reads_what_ours_encoded(tmp_path: Path) -> None:
    """Its own word on addresses, C bits, digipeaters, protocol and content."""
    afsk.write_wave(tmp_path / "air.wav", [ax25.encode(frame) for frame in FRAMES])
    heard = subprocess.run(["atest", "-h", str(tmp_path / "air.wav")], capture_output=True, check=True, timeout=60)
    said = re.sub(r"\x1b\[[0-9;]*[mJ]", "", heard.stdout.decode("latin-1"))
    assert f"{len(FRAMES)} packets decoded" in said
    blocks = said.split("U frame UI:")[1:]
    for frame, block in zip(FRAMES, blocks, strict=True):
        assert f"p/f={int(frame.poll)}, No layer 3 protocol implemented." in block
        for role, address, bit in (
            ("dest", frame.destination, frame.destination_bit),
            ("source", frame.source, frame.source_bit),
        ):
            assert re.search(rf"{role} +{address.callsign} +{address.ssid} c/r={int(bit)} res=3", block), block
        for number, each in enumerate(frame.digipeaters, 1):
            wanted = rf"digi {number} +{each.address.callsign} +{each.address.ssid} +h={int(each.repeated)} res=3"
            assert re.search(wanted, block), block
        assert _dumped(block) == ax25.encode(frame)


@pytest.mark.peer("gen_packets", "direwolf")
async def test_our_decoder_reads_what_direwolf_demodulated(tmp_path: Path) -> None:
    """Audio that Dire Wolf made itself, and audio of ours, heard by Dire Wolf, brought over KISS to our driver."""
    text = tmp_path / "packets.txt"
    text.write_bytes(b"N0SAT>APRS:hello world\nCANDY-11>CQ,RELAY-1*:\xc0\xdb over KISS\n")
    wav = tmp_path / "packets.wav"
    subprocess.run(["gen_packets", "-o", str(wav), str(text)], capture_output=True, check=True, timeout=60)
    audio = wav.read_bytes()[44:] + afsk.samples([ax25.encode(frame) for frame in FRAMES]).tobytes()
    async with direwolf(tmp_path) as (process, driver):
        assert process.stdin is not None
        process.stdin.write(audio + bytes(2 * afsk.RATE))
        await process.stdin.drain()
        heard = [ax25.decode((await _next(driver)).data) for _ in range(2 + len(FRAMES))]
    assert heard[0] == UiFrame(Address("APRS"), Address("N0SAT"), b"hello world\n", source_bit=True)
    relay = (Digipeater(Address("RELAY", 1), repeated=True),)
    assert heard[1] == UiFrame(Address("CQ"), Address("CANDY", 11), b"\xc0\xdb over KISS\n", relay, source_bit=True)
    assert heard[2:] == FRAMES
    assert {frame.use for frame in heard} == set(Use)


@pytest.mark.peer("direwolf")
async def test_direwolf_transmits_what_we_send_and_names_it(tmp_path: Path) -> None:
    frame = UiFrame(Address("TMALL", 11), Address("GROUND", 1), b"up we go", pid=ax25.NO_LAYER_3)
    async with direwolf(tmp_path) as (process, driver):
        with driver.gate.opened("contact-1", lambda: None):
            await driver.send(TncFrame(ax25.encode(frame)))
        assert process.stdout is not None
        async with asyncio.timeout(WITHIN_S):
            feeding = asyncio.ensure_future(_silence(process))
            try:
                while b"[0L] GROUND-1>TMALL-11:up we go" not in (line := await process.stdout.readline()):
                    assert line, "Dire Wolf ended"
            finally:
                feeding.cancel()


@pytest.mark.peer("kissutil")
async def test_direwolfs_kiss_client_hears_and_sends_through_our_tnc() -> None:
    """`kissutil` takes our sim for a TNC: what it hears is shown in its words, what it is given goes on the air."""
    sim, clock, connected_once = KissSim(), SystemClock(), asyncio.Event()
    attach = sim.attach

    def attached() -> Feed:
        connected_once.set()
        return attach()

    sim.attach = attached  # type: ignore[method-assign]
    async with Bench.open(clock) as bench:
        host, _, port = (await bench.tcp(sim)).address.rpartition(":")
        process = await asyncio.create_subprocess_exec(
            *("kissutil", "-h", host, "-p", port),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            async with asyncio.timeout(WITHIN_S):
                await connected_once.wait()
                sim.hear(ax25.encode(FRAMES[0]), clock.monotonic())
                while b"[0] TMALL-11>CQ:beacon 1" not in (line := await process.stdout.readline()):
                    assert line, "kissutil ended"
                # Only now: what it is given before it is connected, it loses.
                process.stdin.write(b"[0] GROUND-1>TMALL-11:up we go\n")
                await process.stdin.drain()
                while not sim.sent:  # noqa: ASYNC110  # a sim has no event for it
                    await asyncio.sleep(0.01)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.communicate()
        [(on_port, frame)] = sim.sent
        assert (on_port, ax25.decode(frame).info) == (0, b"up we go")
        assert not sim.violations


async def _silence(process: asyncio.subprocess.Process) -> None:
    """Dire Wolf's clock is its audio."""
    assert process.stdin is not None
    while True:
        process.stdin.write(bytes(afsk.RATE // 10 * 2))
        await process.stdin.drain()
        await asyncio.sleep(0.02)


async def _next(driver: Kiss) -> TncFrame:
    async with asyncio.timeout(WITHIN_S):
        return await driver.receive()


def _dumped(block: str) -> bytes:
    """The frame out of Dire Wolf's dump in hexadecimal."""
    lines: Sequence[str] = re.findall(r"^ +[0-9a-f]{3}: +((?:[0-9a-f]{2} ?)+) ", block, re.MULTILINE)
    return bytes.fromhex("".join(lines))


@contextlib.asynccontextmanager
async def direwolf(folder: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, Kiss]]:
    """Dire Wolf with audio from its standard input, and our driver connected to it."""
    port = _free_port()
    config = folder / "direwolf.conf"
    config.write_text(
        f"ADEVICE - null\nARATE {afsk.RATE}\nACHANNELS 1\nCHANNEL 0\nMYCALL N0CALL\nMODEM 1200\n"
        f"KISSPORT {port}\nAGWPORT 0\n"
    )
    process = await asyncio.create_subprocess_exec(
        *("direwolf", "-t", "0", "-q", "hd", "-c", str(config), "-"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=folder,
    )
    try:
        await _listening(port)
        async with connected(f"tcp://127.0.0.1:{port}", {}) as driver:
            await asyncio.sleep(0.05)
            yield process, driver
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def _listening(port: int) -> None:
    async with asyncio.timeout(WITHIN_S):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                await writer.wait_closed()
                return
            await asyncio.sleep(0.02)


def _free_port() -> int:
    """Dire Wolf takes none above 49151, where the kernel would look first."""
    for port in random.Random().sample(range(20_000, 32_000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("0.0.0.0", port))
            return port
    pytest.fail("no port is free")
