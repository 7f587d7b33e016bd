"""The far ends of the benchmarks, each a process of its own: many robots on TCP that cost next to nothing, and a paced
serial line of simulated ones.

    python -m bench.farend tcp [ADDRESSES]                    prints the port, and a line for each stop that is written
    python -m bench.farend hung                               prints the port of something that hears and never answers
    python -m bench.farend rtu BAUD UNITS NOISE [UNIT ...]    prints the pty; the units named are dead
"""

from __future__ import annotations

import asyncio
import selectors
import struct
import sys
import time
from select import select
from typing import Any

from bench.maps import FIRST, IDENTITY, bench_map
from fleetd.clock import SystemClock
from fleetd_hil.bench import Bench
from fleetd_hil.faults import Faults
from fleetd_hil.line import Pace
from fleetd_hil.sims.modbus import Conduct, ModbusSim

_MBAP = struct.Struct(">HHHBBHH")
_READS = (3, 4)
_STOP = 5  # the only coil that is written
_STOP_LATCHED = 5  # the register whose lowest bit says so


class Robots(asyncio.Protocol):
    """One connection to a robot that drives: of its forty registers a dozen change from poll to poll."""

    def __init__(self) -> None:
        self._cells = [IDENTITY] * FIRST + list(bench_map().samples[0].input[FIRST])
        self._polls = 0
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        while data:
            size = 6 + data[5]
            self._answer(data[:size])
            data = data[size:]

    def _answer(self, request: bytes) -> None:
        transaction, _, _, unit, function, address, count = _MBAP.unpack_from(request)
        if function not in _READS:
            self._taken(function)
            self._transport.write(struct.pack(">HHH", transaction, 0, 6) + request[6:12])
            return
        if address == FIRST:
            self._drive()
        head = struct.pack(">HHHBBB", transaction, 0, 3 + 2 * count, unit, function, 2 * count)
        self._transport.write(head + struct.pack(f">{count}H", *self._cells[address : address + count]))

    def _taken(self, function: int) -> None:
        if function == _STOP:
            say(f"{time.monotonic():.6f}")
            self._cells[_STOP_LATCHED] |= 1

    def _drive(self) -> None:
        self._polls += 1
        cells, step = self._cells, self._polls % 100
        for address, low in ((6, 4000), (7, 9000), (12, 5100), (13, 1200), (19, 0x3039)):
            cells[address] = low + step
        cells[9] = cells[11] = 0x1000 + 400 * step  # some four metres a second
        cells[22], cells[23], cells[24] = 0xFFB0 + step % 8, step, 400 + step
        cells[33], cells[37] = 100 + step, 200 + step


_AWAKE_S = 0.0004


class FineSelector(selectors.EpollSelector):
    """Is on time to some ten microseconds, by not sleeping through the last of them: a line is never late."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Like EpollSelector.select."""
        if timeout is not None and 0 < timeout < 0.05:
            if timeout > _AWAKE_S:
                select([self.fileno()], [], [], timeout - _AWAKE_S)
            timeout = 0
        return super().select(timeout)


class Cells:
    """A unit that holds the benchmark's forty registers and needs no time to think."""

    turnaround_s = 0.0

    def __init__(self) -> None:
        self.conduct = Conduct()
        self._cells = bench_map().samples[0].input[FIRST]

    def read(self, _table: str, address: int, count: int, _at_s: float) -> list[int]:
        """The identity below `FIRST`, the sample from there on."""
        return [IDENTITY] * count if address < FIRST else list(self._cells[address - FIRST : address - FIRST + count])

    def write(self, _table: str, _address: int, _cells: object, _at_s: float) -> None:
        """Takes all, does nothing."""


def address_of(number: int) -> str:
    """The loopback address of the `number`-th of many robots that have one each."""
    return f"127.{1 + number // 250}.{number % 250 + 1}.1"


async def serve_tcp(protocol: type[asyncio.Protocol], addresses: int) -> None:
    """Any number of them at one port of 127.0.0.1, one a connection, and of so many other addresses."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.1", 0, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    if addresses:
        await loop.create_server(protocol, [address_of(number) for number in range(addresses)], port)
    say(str(port))
    await asyncio.Event().wait()


async def serve_rtu(baud: int, units: int, dead: set[int], noise: int) -> None:
    """Robots on one serial line, whose bytes take the time that they need at this baud rate."""
    sim = ModbusSim("robots", {unit: Cells() for unit in range(1, units + 1) if unit not in dead}, Faults(()), "rtu")
    async with Bench.open(SystemClock()) as bench:
        port = await bench.pty(sim, Pace.of(baud, rtu=True))
        if noise:
            bench.inject(sim, f"noise={noise}")
        say(port.address)
        await asyncio.Event().wait()


def say(text: str) -> None:
    """One line to whoever started this process."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> None:
    """Serve until killed."""
    if arguments[0] in ("tcp", "hung"):
        import uvloop

        uvloop.run(serve_tcp(Robots if arguments[0] == "tcp" else asyncio.Protocol, sum(map(int, arguments[1:]))))
        return
    baud, units, noise, *dead = map(int, arguments[1:])
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(FineSelector())) as runner:
        runner.run(serve_rtu(baud, units, set(dead), noise))


if __name__ == "__main__":
    main(sys.argv[1:])
