"""The rotctld client against its sim and against Hamlib's own server, which nobody here wrote."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from farend import EagerClock, connected
from rotators import KINDS, on_bench

from fleetd.clock import SystemClock
from fleetd.devices import AzEl, Rotator
from fleetd.errors import BadReply, Declined, LinkLost, Refusal, ReplyTimeout
from fleetd_drivers.rotctld.driver import SPEC, RotctldSettings
from fleetd_hil.models.rotator import RotatorBuild, RotatorModel
from fleetd_hil.sims.rotctld import RotctldSim

[KIND] = (kind for kind in KINDS if kind.name == "rotctld")


async def test_the_limits_are_the_servers_own() -> None:
    options = {"azimuth_max_deg": 400.0, "elevation_max_deg": 90.0}
    async with on_bench(KIND, "tcp", EagerClock(), {}, options) as seat:
        limits = seat.limits
        assert (limits.azimuth_min_deg, limits.azimuth_max_deg) == (0.0, 400.0)
        assert (limits.elevation_min_deg, limits.elevation_max_deg) == (0.0, 90.0)
    async with on_bench(KIND, "tcp", EagerClock(), {"asks_limits": False, "azimuth_max_deg": 360}, options) as seat:
        assert (seat.limits.azimuth_min_deg, seat.limits.azimuth_max_deg) == (-180.0, 360.0)
        assert seat.bench.heard == []


async def test_a_server_that_says_no_has_declined_and_the_link_stays() -> None:
    async with on_bench(KIND, "tcp", EagerClock(), {"asks_limits": False}) as seat:
        with pytest.raises(Declined, match=r"beyond the device's limits, asked \S+set_pos -90.00 10.00, got RPRT -1"):
            await seat.driver.point(AzEl(-90.0, 10.0))
        seat.bench.break_("timeouts=2")
        outcomes = []
        for _ in range(4):
            try:
                outcomes.append(await seat.driver.where())
            except Declined as no:
                outcomes.append(no.code)  # type: ignore[arg-type]
        assert outcomes.count(5) == 2
        assert outcomes.count(AzEl(100.0, 20.0)) == 2


async def test_a_server_that_is_silent_loses_the_link() -> None:
    async with on_bench(KIND, "tcp", SystemClock(), KIND.quick) as seat:
        seat.bench.break_("mute")
        with pytest.raises(ReplyTimeout, match=r"no answer within 0.08 s, asked \+.get_pos"):
            await seat.driver.where()
        with pytest.raises(LinkLost):
            await seat.driver.where()


async def test_a_server_that_hangs_up_is_lost_at_once() -> None:
    async with on_bench(KIND, "tcp", SystemClock(), {}) as seat:
        seat.bench.break_("io-error")
        async with asyncio.timeout(1.0):
            with pytest.raises(LinkLost, match="closed by the other side"):
                await seat.driver.where()


async def test_an_answer_in_two_segments_is_one() -> None:
    async with on_bench(KIND, "tcp", SystemClock(), {}) as seat:
        seat.bench.break_("split=0.02")
        assert await seat.driver.where() == AzEl(100.0, 20.0)
        await seat.driver.point(AzEl(120.0, 30.0))


@asynccontextmanager
async def facing(*answers: bytes) -> AsyncIterator[Rotator]:
    """A client that faces a scripted server: the n-th command gets the n-th answer, the last one again and again."""
    asked = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        try:
            while await reader.readline():
                writer.write(answers[min(asked, len(answers) - 1)])
                asked += 1
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        async with connected(KIND, f"tcp://{host}:{port}", KIND.quick, SystemClock()) as driver:
            yield driver


POSITION = b"get_pos:\nAzimuth: 10.00\nElevation: 20.00\nRPRT 0\n"


async def test_the_answer_to_another_question_is_passed_over() -> None:
    async with facing(b"set_pos: 1 2\nRPRT -1\n" + POSITION) as driver:
        assert await driver.where() == AzEl(10.0, 20.0)
    async with facing(POSITION + b"stop:\nRPRT 0\n") as driver:
        await driver.stop()


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (b"10.00\n20.00\nRPRT 0\n", "does not say what it answers to; is it rotctld.*got 10.00, 20.00, RPRT 0$"),
        (b"get_pos:\nAzimuth: 10.00\nRPRT 0\n", "gave no Elevation, asked get_pos, got Azimuth: 10.00$"),
        (b"get_pos:\nAzimuth: nan\nElevation: 1.0\nRPRT 0\n", "gave no Azimuth"),
        (b"get_pos:\nAzimuth: ten\nElevation: 1.0\nRPRT 0\n", "gave no Azimuth"),
        (b"x" * 1000, "a line of more than 512 bytes"),
    ],
)
async def test_what_is_no_answer_is_said_to_be_none(answer: bytes, complaint: str) -> None:
    async with facing(answer) as driver:
        with pytest.raises(BadReply, match=complaint):
            await driver.where()


async def test_a_server_without_limits_says_how_to_set_them() -> None:
    spec_settings = RotctldSettings(reply_timeout_ms=80)
    assert spec_settings.asks_limits
    with pytest.raises(ValueError, match="must be below the greatest"):
        RotctldSettings(azimuth_min_deg=10.0, azimuth_max_deg=5.0)
    assert SPEC.schemes == ("tcp",)


# Hamlib's own server


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def hamlibs_server(*words: str) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """A real rotctld with its dummy rotator on a free port, ended by its pid."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        "rotctld", "-m", "1", "-T", "127.0.0.1", "-t", str(port), *words, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield f"tcp://127.0.0.1:{port}", process
    finally:
        if process.returncode is None:
            os.kill(process.pid, signal.SIGKILL)
        await process.wait()


@asynccontextmanager
async def once_it_listens(url: str) -> AsyncIterator[Rotator]:
    for _ in range(200):
        try:
            async with connected(KIND, url, {}, SystemClock()) as driver:
                yield driver
                return
        except LinkLost as error:
            if "refused" not in str(error).lower() and "connect" not in str(error).lower():
                raise
            await asyncio.sleep(0.02)
    pytest.fail("rotctld does not listen")


@pytest.mark.peer("rotctld")
async def test_hamlibs_server_is_read_turned_and_stopped() -> None:
    async with hamlibs_server() as (url, _), once_it_listens(url) as driver:
        limits = driver.limits
        assert (limits.azimuth_min_deg, limits.azimuth_max_deg) == (-180.0, 450.0)
        assert (limits.elevation_min_deg, limits.elevation_max_deg) == (0.0, 90.0)
        start = await driver.where()
        await driver.point(AzEl(3.0, 2.0))
        moved = start
        for _ in range(200):
            await asyncio.sleep(0.02)
            if (moved := await driver.where()) != start:
                break
        assert moved.azimuth_deg > start.azimuth_deg
        await driver.stop()
        stood = await driver.where()
        await asyncio.sleep(0.05)
        assert await driver.where() == stood
        with pytest.raises(Refusal):
            await driver.point(AzEl(float("nan"), 2.0))  # which the server itself would take
        with pytest.raises(Refusal):
            await driver.point(AzEl(0.0, 91.0))
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(driver.where()) for _ in range(20)]
        assert all(task.result() == stood for task in asked)


@pytest.mark.peer("rotctld")
async def test_hamlibs_server_that_dies_is_lost_and_named() -> None:
    async with hamlibs_server() as (url, process), once_it_listens(url) as driver:
        await driver.where()
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
        with pytest.raises(LinkLost):
            await driver.where()


# The sim


def ask(sim: RotctldSim, line: bytes, at_s: float = 0.0) -> bytes:
    return b"".join(answer.data for answer in sim.attach()(line, at_s))


def standing() -> RotctldSim:
    return RotctldSim(RotatorModel(RotatorBuild(start_azimuth_deg=120.0, start_elevation_deg=20.5)))


def test_the_sim_answers_as_rotctld_does() -> None:
    # Captured from Debian's rotctld 4.5.4 with its dummy rotator.
    assert ask(standing(), b"+\\get_pos\n") == b"get_pos:\nAzimuth: 120.00\nElevation: 20.50\nRPRT 0\n"
    assert ask(standing(), b"p\n") == b"120.00\n20.50\n"
    assert ask(standing(), b"P 120 20\n") == b"RPRT 0\n"
    assert ask(standing(), b"+P 120 20\n") == b"set_pos: 120 20\nRPRT 0\n"
    assert ask(standing(), b"+S\n") == b"stop:\nRPRT 0\n"
    assert ask(standing(), b"+\\set_pos 500 3\n") == b"set_pos: 500 3\nRPRT -1\n"
    assert b"Minimum Azimuth: 0.000000\nMaximum Azimuth: 450.000000\n" in ask(standing(), b"+\\dump_state\n")
    assert ask(standing(), b"bogus\n") == b""


def test_two_clients_do_not_mix_their_lines() -> None:
    sim = standing()
    one, other = sim.attach(), sim.attach()
    assert list(one(b"+\\get", 0.0)) == []
    assert b"".join(answer.data for answer in other(b"p\n", 0.0)) == b"120.00\n20.50\n"
    assert b"".join(answer.data for answer in one(b"_pos\n", 0.0)).startswith(b"get_pos:\n")
