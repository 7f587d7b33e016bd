"""The far ends of the benchmarks, each a process of its own: many robots on TCP that cost next to nothing, and a paced
serial line of simulated ones.

    python -m bench.farend tcp                          prints the port
    python -m bench.farend rtu BAUD UNITS [UNIT ...]    prints the pty; the units named are dead
"""

from __future__ import annotations

import asyncio
import selectors
import struct
import sys
from select import select
from typing import Any

from bench.maps import FIRST, IDENTITY, bench_map
from fleetd.clock import SystemClock
from fleetd_hil.bench import Bench
from fleetd_hil.faults import Faults
from fleetd_hil.line import Pace
from fleetd_hil.sims.modbus import ModbusSim

_MBAP = struct.Struct(">HHHBBHH")


class Robots(asyncio.Protocol):
    """One connection to a robot that drives: of its forty registers a dozen change from poll to poll."""

    def __init__(self) -> None:
        self._cells = list(bench_map().samples[0].input[FIRST])
        self._polls = 0
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        transaction, _, _, unit, function, address, count = _MBAP.unpack(data)
        if address == 0:
            cells = [IDENTITY] * count
        else:
            self._drive()
            cells = self._cells
        head = struct.pack(">HHHBBB", transaction, 0, 3 + 2 * count, unit, function, 2 * count)
        self._transport.write(head + struct.pack(f">{count}H", *cells[:count]))

    def _drive(self) -> None:
        self._polls += 1
        cells, step = self._cells, self._polls % 100
        for index, low in ((4, 4000), (5, 9000), (7, 0x9000), (9, 0xC000), (10, 5100), (11, 1200), (17, 0x3039)):
            cells[index] = low + step
        cells[20], cells[21], cells[22] = 0xFFB0 + step % 8, step, 400 + step
        cells[31], cells[35] = 100 + step, 200 + step


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
    violations: tuple[str, ...] = ()
    locked = False

    def __init__(self) -> None:
        self._cells = bench_map().samples[0].input[FIRST]

    def read(self, _table: str, address: int, count: int, _at_s: float) -> list[int]:
        """The identity below `FIRST`, the sample from there on."""
        return [IDENTITY] * count if address < FIRST else list(self._cells[address - FIRST : address - FIRST + count])

    def write(self, _table: str, _address: int, _cells: object, _at_s: float) -> None:
        """Takes all, does nothing."""


async def serve_tcp() -> None:
    """Any number of robots at one port, one a connection."""
    server = await asyncio.get_running_loop().create_server(Robots, "127.0.0.1", 0, backlog=4096)
    say(str(server.sockets[0].getsockname()[1]))
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
    if arguments[0] == "tcp":
        import uvloop

        uvloop.run(serve_tcp())
        return
    baud, units, noise, *dead = map(int, arguments[1:])
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(FineSelector())) as runner:
        runner.run(serve_rtu(baud, units, set(dead), noise))


if __name__ == "__main__":
    main(sys.argv[1:])
