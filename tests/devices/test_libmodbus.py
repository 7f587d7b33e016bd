"""Modbus as libmodbus has it: our client against its server, its client against our sims; over TCP and a serial line.

The program that speaks for it is `tests/referees/modbus.c`; it is compiled here.
"""

from __future__ import annotations

import asyncio
import struct
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fleetd.clock import SystemClock
from fleetd.errors import Declined
from fleetd.link.ports import Ports
from fleetd.link.url import parse_link
from fleetd_drivers.modbus import wire
from fleetd_drivers.modbus.bus import Bus
from fleetd_drivers.modbus.line import bus_for
from fleetd_hil import catalogue
from fleetd_hil.bench import Bench
from fleetd_hil.line import Pace

pytestmark = [
    pytest.mark.peer("gcc", "socat", "/usr/include/modbus/modbus.h"),
    pytest.mark.xdist_group("libmodbus"),  # compiled once
]

SOURCE = Path(__file__).parents[1] / "referees" / "modbus.c"
UNIT, BAUD, WITHIN_S = 7, 115_200, 2.0
MEDIA = ("tcp", "rtu")


@pytest.fixture(scope="module")
def referee(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program."""
    program = tmp_path_factory.mktemp("referee") / "modbus"
    words = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-I/usr/include/modbus", str(SOURCE), "-lmodbus"]
    subprocess.run(["gcc", *words, "-o", str(program)], check=True, timeout=60)
    return program


@asynccontextmanager
async def running(*words: object) -> AsyncIterator[asyncio.StreamReader]:
    """A program while it is needed, and what it prints."""
    process = await asyncio.create_subprocess_exec(*map(str, words), stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line_of(said: asyncio.StreamReader) -> str:
    async with asyncio.timeout(10):
        return (await said.readline()).decode().strip()


@asynccontextmanager
async def crossed_ptys(folder: Path) -> AsyncIterator[tuple[Path, Path]]:
    """The two ends of a serial line."""
    ends = folder / "here", folder / "there"
    async with running("socat", *(f"pty,raw,echo=0,link={end}" for end in ends)):
        async with asyncio.timeout(10):
            while not all(end.exists() for end in ends):  # noqa: ASYNC110  # socat says nothing when it is ready
                await asyncio.sleep(0.005)
        yield ends


@asynccontextmanager
async def served(referee: Path, medium: str, folder: Path) -> AsyncIterator[tuple[Bus, asyncio.StreamReader]]:
    """Our bus to its server, and what the server says."""
    if medium == "tcp":
        async with running(referee, "serve", "tcp") as said:
            url = parse_link(f"modbus+tcp://127.0.0.1:{await line_of(said)}")
            async with bus_for(Ports(), url) as bus:
                yield bus, said
        return
    async with crossed_ptys(folder) as (here, there), running(referee, "serve", "rtu", there, BAUD, UNIT) as said:
        assert await line_of(said) == str(there)
        async with bus_for(Ports(), parse_link(f"modbus+rtu://{here.resolve()}?baud={BAUD}")) as bus:
            yield bus, said


async def asked(bus: Bus, request: wire.Request) -> bytes:
    return (await bus.ask(UNIT, request, within_s=WITHIN_S)).data


def cells(data: bytes) -> list[int]:
    return list(struct.unpack(f">{len(data) // 2}H", data))


@pytest.mark.parametrize("medium", MEDIA)
async def test_every_function_that_we_speak_is_understood(referee: Path, medium: str, tmp_path: Path) -> None:
    async with served(referee, medium, tmp_path) as (bus, said):
        assert cells(await asked(bus, wire.read("input", 5, 3))) == [16, 19, 22]
        assert await asked(bus, wire.read("discrete", 0, 10)) == bytes((0b01001001, 0b10))
        await asked(bus, wire.write_register(40, 0xBEEF))
        await asked(bus, wire.write_registers(41, [1, 2, 0xFFFF]))
        assert cells(await asked(bus, wire.read("holding", 39, 6))) == [0, 0xBEEF, 1, 2, 0xFFFF, 0]
        await asked(bus, wire.write_coil(3, True))
        await asked(bus, wire.write_coils(8, [True, False, True, True]))
        assert await asked(bus, wire.read("coil", 0, 16)) == bytes((0b1000, 0b1101))
        await asked(bus, wire.write_coil(3, False))
        assert await asked(bus, wire.read("coil", 0, 8)) == bytes((0,))
        told = [await line_of(said) for _ in range(10)]
    assert told == ["4 5", "2 0", "6 40", "16 41", "3 39", "5 3", "15 8", "1 0", "5 3", "1 0"]


@pytest.mark.parametrize("medium", MEDIA)
async def test_the_longest_frames_that_the_specification_allows(referee: Path, medium: str, tmp_path: Path) -> None:
    async with served(referee, medium, tmp_path) as (bus, _):
        assert cells(await asked(bus, wire.read("input", 0, 125))) == [3 * n + 1 for n in range(125)]
        await asked(bus, wire.write_registers(100, list(range(123))))
        assert cells(await asked(bus, wire.read("holding", 100, 123))) == list(range(123))
        await asked(bus, wire.write_coils(0, [n % 5 == 0 for n in range(1968)]))
        packed = int.from_bytes(await asked(bus, wire.read("coil", 0, 2000)), "little")
        assert [n for n in range(2000) if packed >> n & 1] == list(range(0, 1968, 5))


@pytest.mark.parametrize("medium", MEDIA)
async def test_its_exceptions_are_answers_and_the_next_question_is_answered(
    referee: Path, medium: str, tmp_path: Path
) -> None:
    async with served(referee, medium, tmp_path) as (bus, _):
        for request in (wire.read("input", 1999, 2), wire.write_register(2000, 1), wire.read("coil", 1995, 10)):
            with pytest.raises(Declined, match="illegal data address") as caught:
                await asked(bus, request)
            assert caught.value.code == 2
            assert cells(await asked(bus, wire.read("input", 1999, 1))) == [5998]


# Its client


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with Bench.open(SystemClock()) as opened:
        yield opened


async def its_words(*words: object) -> str:
    ended = await asyncio.to_thread(subprocess.run, [*map(str, words)], capture_output=True, text=True, timeout=10)
    return ended.stdout.strip()


@pytest.fixture(params=MEDIA)
async def robot(request: pytest.FixtureRequest, bench: Bench, referee: Path) -> list[object]:
    """What asks a simulated robot through libmodbus, but for the question."""
    if request.param == "tcp":
        port = await bench.tcp(catalogue.build("little-donkey", {}, 0, catalogue.Bus("tcp", 3)))
        return [referee, "ask", "tcp", port.address.rpartition(":")[2], 2]
    sim = catalogue.build("little-donkey", {}, 0, catalogue.Bus("rtu", 3))
    port = await bench.pty(sim, Pace.of(BAUD, rtu=True))
    return [referee, "ask", "rtu", port.address, BAUD, 2]


async def test_it_reads_and_stops_a_simulated_robot(robot: list[object]) -> None:
    state = (await its_words(*robot, "input", 0, 3)).split()
    assert state[0] == str(0x4C44)  # the map's identity
    assert state[2] == "1"  # idle
    assert await its_words(*robot, "coil", 0, 1) == ""
    assert (await its_words(*robot, "input", 2, 4)).split()[0] == "4"  # stopped
    await its_words(*robot, "coil", 0, 0)  # which clears nothing: nobody ends a stop from afar
    assert (await its_words(*robot, "input", 2, 4)).split()[0] == "4"


async def test_it_is_refused_what_the_map_does_not_have(robot: list[object]) -> None:
    assert "Illegal data address" in await its_words(*robot, "input", 31, 2)
    assert "Illegal data address" in await its_words(*robot, "holding", 5000, 1)
