"""The GS-232B driver on lines that are bad in its own ways; test_rotators_hostile has those of every rotator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from fleetd.clock import SystemClock
from fleetd.devices import AzEl
from fleetd.errors import DeviceError, LinkLost, ReplyTimeout
from fleetd.link.ports import Ports
from fleetd.link.url import parse_link
from fleetd_drivers.gs232b.driver import SPEC, Gs232b, Gs232bSettings
from fleetd_hil.bench import Bench
from fleetd_hil.models.rotator import AxisBuild, RotatorBuild, RotatorModel
from fleetd_hil.sims.gs232b import Gs232bSim

QUICK = RotatorBuild(AxisBuild(0.0, 450.0, 4000.0, 400_000.0), AxisBuild(0.0, 180.0, 2000.0, 400_000.0), 123.0, 45.0)
HERE = AzEl(123.0, 45.0)
SETTINGS = Gs232bSettings(pause_after_write_ms=0, reply_timeout_ms=60)


@asynccontextmanager
async def driven(*faults: str, settings: Gs232bSettings = SETTINGS) -> AsyncIterator[tuple[Gs232b, Bench, Gs232bSim]]:
    clock, sim = SystemClock(), Gs232bSim(RotatorModel(QUICK))
    async with Bench.open(clock) as bench:
        port = await bench.tcp(sim)
        for fault in faults:
            bench.inject(sim, fault)
        async with SPEC.connect(Ports(), parse_link(f"tcp://{port.address}"), settings, clock) as driver:
            yield driver, bench, sim


async def arrives(driver: Gs232b, at: AzEl) -> bool:
    for _ in range(100):
        if await driver.where() == at:
            return True
        await asyncio.sleep(0.01)
    return False


Answering = Callable[[bytes], list[bytes | float]]


@asynccontextmanager
async def facing(answering: Answering) -> AsyncIterator[Gs232b]:
    """A driver that faces a scripted far end: for each command a list of bytes to send and seconds to wait."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                for step in answering(await reader.readuntil(b"\r")):
                    if isinstance(step, float):
                        await asyncio.sleep(step)
                    else:
                        writer.write(step)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        async with SPEC.connect(Ports(), parse_link(f"tcp://{host}:{port}"), SETTINGS, SystemClock()) as driver:
            yield driver


@pytest.mark.parametrize(
    "faults", [("trickle=0.001",), ("prompt",), ("no-lf",), ("trickle=0.001", "prompt"), ("noise",), ("extra-cr",)]
)
async def test_odd_but_honest_lines_are_understood(faults: tuple[str, ...]) -> None:
    async with driven(*faults, settings=Gs232bSettings(pause_after_write_ms=0)) as (driver, _, _):
        assert await driver.where() == HERE
        await driver.point(AzEl(10.0, 20.0))
        assert await arrives(driver, AzEl(10.0, 20.0))
        await driver.stop()


@pytest.mark.parametrize("fault", ["no-cr", "no-end"])
async def test_units_that_end_their_answers_with_nothing(fault: str) -> None:
    settings = Gs232bSettings(pause_after_write_ms=0, answers_moves=False)
    async with driven(fault, settings=settings) as (driver, _, _):
        await driver.point(AzEl(10.0, 20.0))
        assert await arrives(driver, AzEl(10.0, 20.0))


@pytest.mark.parametrize("fault", ["drop", "stall", "delay=0.2", "garble=1"])
async def test_silence_and_rubbish_end_the_link(fault: str) -> None:
    async with driven(fault) as (driver, _, _):
        await asyncio.sleep(0.03)  # the bench has to see a stall
        with pytest.raises(DeviceError):
            await driver.where()
        with pytest.raises(LinkLost, match="closed after a failed exchange"):
            await driver.where()


async def test_a_late_answer_is_never_taken_for_the_next() -> None:
    asked: list[bytes] = []

    def late_at_first(command: bytes) -> list[bytes | float]:
        asked.append(command)
        return [0.08, b"AZ=001  EL=001\r\n"] if len(asked) == 1 else [b"AZ=002  EL=002\r\n"]

    async with facing(late_at_first) as driver:
        with pytest.raises(ReplyTimeout, match=r"no answer within 0\.06 s, asked C2"):
            await driver.where()
        await asyncio.sleep(0.04)
        with pytest.raises(LinkLost):
            await driver.where()
    assert asked == [b"C2\r"]


async def test_what_comes_unasked_is_dropped() -> None:
    unasked = b"AZ=009  EL=009\r\n?>\r\n\r\n"
    async with facing(lambda command: [0.005, b"AZ=002  EL=002\r\n", 0.001, unasked]) as driver:
        await driver.where()
        await asyncio.sleep(0.01)
        assert (await driver.where()).azimuth_deg == 2.0


async def test_garbage_before_the_answer_is_passed_over() -> None:
    async with facing(lambda command: [b"\xff\xfe?", 0.005, b"\x00>\r\nAZ=1", 0.005, b"23  EL=045\r\n"]) as driver:
        assert await driver.where() == HERE


async def test_an_old_refusal_does_not_pass_for_this_answer() -> None:
    async with facing(lambda command: [b"?>\r\n", 0.005, b"AZ=123  EL=045\r\n"]) as driver:
        assert await driver.where() == HERE


async def test_a_refusal_after_a_line_end_is_still_a_refusal() -> None:
    async with facing(lambda command: [b"\r\n?>\r\n"]) as driver:
        with pytest.raises(DeviceError, match="refused the command"):
            await driver.point(AzEl(10.0, 10.0))


async def test_impossible_angles_are_no_position() -> None:
    async with facing(lambda command: [b"AZ=999  EL=045\r\n"]) as driver:
        with pytest.raises(DeviceError, match="an angle that it cannot have, asked C2, got AZ=999  EL=045"):
            await driver.where()


async def test_a_stray_byte_before_each_of_256_answers() -> None:
    good = 0
    numbers = iter(range(256))
    async with facing(lambda command: [bytes([next(numbers)]) + b"AZ=123  EL=045\r\n"]) as driver:
        for _ in range(256):
            good += await driver.where() == HERE
    assert good == 256
