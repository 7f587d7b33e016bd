"""The rigctld client against its sim's quirks and against Hamlib's own server, which nobody here wrote."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from farend import EagerClock, connected
from rigs import KINDS, NO_VFO, on_bench

from fleetd.clock import SystemClock
from fleetd.devices import Rig, Side
from fleetd.errors import BadReply, Declined, LinkLost, ReplyTimeout
from fleetd_drivers.hamlib.net import Answer, Decoder
from fleetd_drivers.rigctld import wire

[KIND] = (kind for kind in KINDS if kind.name == "rigctld")

# Captured from Debian's rigctld 4.5.4 with its dummy radio (-m 1), the second of each with -o.
CAPTURED = [
    (b"get_freq:\nFrequency: 145800000\nRPRT 0\n", Answer("get_freq", ("Frequency: 145800000",), 0)),
    (b"get_freq: Sub\nFrequency: 435000000\nRPRT 0\n", Answer("get_freq", ("Frequency: 435000000",), 0)),
    (b"set_freq: 145800000\nRPRT 0\n", Answer("set_freq", (), 0)),
    (b"set_freq: Main 145800000\nRPRT 0\n", Answer("set_freq", (), 0)),
    (b"get_split_freq:\nTX Frequency: 435000000\nRPRT 0\n", Answer("get_split_freq", ("TX Frequency: 435000000",), 0)),
    (b"get_ptt: currVFO\nPTT: 1\nRPRT 0\n", Answer("get_ptt", ("PTT: 1",), 0)),
    (b"set_split_vfo: VFOA 1 VFOB\nRPRT 0\n", Answer("set_split_vfo", (), 0)),
    (b"get_freq: Main\nRPRT -1\n", Answer("get_freq", (), -1)),
]


@pytest.mark.parametrize(("data", "answer"), CAPTURED)
def test_captured_answers(data: bytes, answer: Answer) -> None:
    assert list(Decoder(wire.COMMANDS).feed(data)) == [answer]


def test_whether_vfo_mode_is_on_is_told_without_a_report() -> None:
    assert wire.vfo_mode(b"ChkVFO: 0\n") is False  # captured, as the next
    assert wire.vfo_mode(b"ChkVFO: 1\n") is True
    assert wire.vfo_mode(b"ChkVFO: 1") is None
    for other in (b"RPRT -4\n", b"ChkVFO: 2\n", b"hello\n"):
        with pytest.raises(ValueError, match="in answer to chk_vfo"):
            wire.vfo_mode(other)


async def test_in_vfo_mode_each_command_names_its_vfo() -> None:
    async with on_bench(KIND, "tcp", EagerClock(), {"sub": "VFOB"}) as desk:
        await desk.driver.tune(Side.SUB, 145_900_000)
        await desk.driver.unkey()
        wrote = b"".join(desk.bench.heard)
        assert wrote == b"+\\chk_vfo\n+\\set_freq VFOB 145900000\n+\\set_ptt currVFO 0\n"


async def test_without_vfo_mode_sub_is_the_transmit_half_of_a_split() -> None:
    async with on_bench(KIND, "tcp", EagerClock(), {}, NO_VFO) as desk:
        await desk.driver.tune(Side.MAIN, 435_100_000)
        await desk.driver.tune(Side.SUB, 145_900_000)
        await desk.driver.set_mode(Side.SUB, "fm")
        wrote = b"".join(desk.bench.heard)
        assert wrote == (
            b"+\\chk_vfo\n+\\set_freq 435100000\n"
            b"+\\set_split_vfo 1 Sub\n+\\set_split_freq 145900000\n+\\set_split_mode FM 0\n"
        )
        assert not desk.bench.sim.violations


async def test_a_server_that_says_no_has_declined_and_the_link_stays() -> None:
    async with on_bench(KIND, "tcp", EagerClock(), {}) as desk:
        desk.bench.break_("timeouts=2")
        outcomes = []
        for _ in range(4):
            try:
                outcomes.append(await desk.driver.tuned(Side.MAIN))
            except Declined as no:
                outcomes.append(no.code or 0)
        assert sorted(outcomes) == [5, 5, 435_000_000, 435_000_000]


async def test_a_server_that_is_silent_or_hangs_up_loses_the_link() -> None:
    async with on_bench(KIND, "tcp", SystemClock(), KIND.quick) as desk:
        desk.bench.break_("mute")
        with pytest.raises(ReplyTimeout, match=r"no answer within 0.08 s, asked \+.get_ptt currVFO"):
            await desk.driver.keyed()
    async with on_bench(KIND, "tcp", SystemClock(), {}) as desk:
        desk.bench.break_("io-error")
        with pytest.raises(LinkLost, match="closed by the other side"):
            await desk.driver.keyed()


async def test_what_is_no_rigctld_is_told() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"SSH-2.0-OpenSSH\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        url = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(BadReply, match="is it rigctld"):
            async with connected(KIND, url, {}, SystemClock()):
                pass


# Hamlib's own server


@asynccontextmanager
async def hamlibs_server(*words: str) -> AsyncIterator[Rig]:
    """A real rigctld with its dummy radio on a free port, ended by its pid, and our driver at it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *("rigctld", "-m", "1", "-T", "127.0.0.1", "-t", str(port), "--set-conf=ptt_type=RIG", *words),
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            try:
                async with connected(KIND, f"tcp://127.0.0.1:{port}", {}, SystemClock()) as driver:
                    yield driver
                    return
            except LinkLost as error:
                if "connect" not in str(error).lower() and "refused" not in str(error).lower():
                    raise
                await asyncio.sleep(0.02)
        pytest.fail("rigctld does not listen")
    finally:
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()


@pytest.mark.peer("rigctld")
@pytest.mark.parametrize("words", [(), ("-o",)], ids=["plain", "vfo-mode"])
async def test_hamlibs_server_is_tuned_and_keyed(words: tuple[str, ...]) -> None:
    async with hamlibs_server(*words) as driver:
        await driver.tune(Side.MAIN, 437_525_000)
        await driver.tune(Side.SUB, 145_900_010)
        assert await driver.tuned(Side.MAIN) == 437_525_000
        assert await driver.tuned(Side.SUB) == 145_900_010
        await driver.set_mode(Side.MAIN, "usb")
        await driver.set_mode(Side.SUB, "fm")
        assert await driver.keyed() is False
        await driver.key()
        assert await driver.keyed() is True
        await driver.unkey()
        assert await driver.keyed() is False
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(driver.tuned(Side.MAIN)) for _ in range(10)]
        assert {task.result() for task in asked} == {437_525_000}
