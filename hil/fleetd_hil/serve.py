"""What `fleethil serve` does: one port with a sim behind it for as long as the process lives."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from fleetd.clock import Clock
from fleetd.errors import ConfigError
from fleetd_hil import catalogue
from fleetd_hil.bench import Bench
from fleetd_hil.line import Pace
from fleetd_hil.sim import Sim

_TCP = re.compile(r"^(?P<scheme>tcp|modbus\+tcp|modbus\+rtuovertcp)://(?P<host>[^:/]+):(?P<port>\d{1,5})$")
_OTHER = re.compile(r"^(?P<name>[a-z0-9-]+)@(?P<unit>\d{1,3})$")


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for on the command line."""

    sim: str
    link: str
    count: int = 1
    others: Sequence[str] = ()
    faults: Sequence[str] = ()
    options: Sequence[str] = ()
    from_stdin: bool = False
    seed: int = 0
    baud: int = 9600
    parity: str = "N"
    lines: int = 1


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sim is to be: behind a pty, perhaps with a stable name, or at a TCP address; RTU is spoken in either."""

    scheme: str
    link: Path | None = None
    host: str = ""
    port: int = 0

    @property
    def on_pty(self) -> bool:
        """Whether it is a pseudo-terminal."""
        return self.scheme == "pty"

    @property
    def rtu(self) -> bool:
        """Whether Modbus is framed as on a serial line."""
        return self.on_pty or self.scheme == "modbus+rtuovertcp"

    def url_scheme(self, *, modbus: bool) -> str:
        """The scheme under which a device finds it."""
        if self.on_pty:
            return "modbus+rtu" if modbus else "serial"
        return ("modbus+rtuovertcp" if self.rtu else "modbus+tcp") if modbus else "tcp"


def parse_place(text: str) -> Place:
    """Read `pty`, `pty:/stable/name`, or `tcp://host:port` with port 0 for any free one. Raises ConfigError."""
    if text == "pty":
        return Place("pty")
    if text.startswith("pty:/"):
        return Place("pty", link=Path(text.removeprefix("pty:")))
    match = _TCP.match(text)
    if match is None or int(match["port"]) > 65_535:
        raise ConfigError(f"--link {text!r}: write it as pty, pty:/stable/name or tcp://127.0.0.1:0")
    return Place(match["scheme"], host=match["host"], port=int(match["port"]))


def parse_others(texts: Sequence[str]) -> dict[int, str]:
    """Sims by unit number from SIM@UNIT texts. Raises ConfigError."""
    others: dict[int, str] = {}
    for text in texts:
        match = _OTHER.match(text)
        if match is None or not 1 <= int(match["unit"]) <= 247 or int(match["unit"]) in others:
            raise ConfigError(f"--with {text!r}: write it as SIM@UNIT with a unit from 1 to 247 of its own")
        others[int(match["unit"])] = match["name"]
    return others


async def serve_until_told(order: Order, clock: Clock, say: Callable[[str], None]) -> Collection[str]:
    """Serve until SIGTERM or SIGINT; `say` one JSON line with the link, or all links, once the sim can be reached.

    Returns what the sim saw that no well-behaved driver does. Raises ConfigError.
    """
    place = parse_place(order.link)
    others = parse_others(order.others)
    options = catalogue.read_options([order.sim, *others.values()], order.options)
    bus = catalogue.Bus("rtu" if place.rtu else "tcp", order.count, others)
    if order.lines > 1 and (place.link is not None or place.port):
        raise ConfigError("--lines are reached each at a place of its own: leave it pty, or tcp://127.0.0.1:0")
    sims = [catalogue.build(order.sim, options, order.seed + line, bus) for line in range(order.lines)]
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    async with Bench.open(clock, seed=order.seed) as bench:
        links = [await _put(bench, sim, place, order) for sim in sims]
        for spec in order.faults:
            for sim in sims:
                bench.inject(sim, spec)
        more = {"links": links} if len(links) > 1 else {}
        say(json.dumps({"sim": order.sim, "link": links[0], "units": list(sims[0].units), **more}))
        async with asyncio.TaskGroup() as tasks:
            obeying = tasks.create_task(_obey(bench, sims), name="stdin") if order.from_stdin else None
            await told.wait()
            if obeying is not None:
                obeying.cancel()
    return [violation for sim in sims for violation in sim.violations]


async def _obey(bench: Bench, sims: Sequence[Sim]) -> None:
    """Take faults from standard input until it ends: each line a fault to inject, or `clear NAME`."""
    words = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(words), sys.stdin.buffer
    )
    try:
        while line := (await words.readline()).decode(errors="replace"):
            for sim in sims:
                _inject_or_clear(bench, sim, line.strip())
    finally:
        transport.close()


def _inject_or_clear(bench: Bench, sim: Sim, line: str) -> None:
    verb, _, name = line.partition(" ")
    try:
        if verb == "clear":
            sim.faults.clear(name.strip())
        elif line:
            bench.inject(sim, line)
    except ConfigError as error:
        typer.echo(f"fleethil: {error}", err=True)


async def _put(bench: Bench, sim: Sim, place: Place, order: Order) -> str:
    """Where it is reached, as a link URL."""
    if place.on_pty:
        port = await bench.pty(sim, Pace.of(order.baud, order.parity, rtu=bool(sim.units)), link=place.link)
    else:
        port = await bench.tcp(sim, host=place.host, port=place.port)
    return f"{place.url_scheme(modbus=bool(sim.units))}://{port.address}"
