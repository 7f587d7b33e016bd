"""One sim at one port for as long as the process lives: what `fleethil serve` does."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from fleetd.clock import Clock
from fleetd.errors import ConfigError
from fleetd_hil.bench import Bench
from fleetd_hil.line import Pace
from fleetd_hil.sim import Sim


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sim is to be reached: a pty, perhaps under a stable name, or a TCP address."""

    scheme: str
    link: Path | None = None
    host: str = ""
    port: int = 0


_TCP = re.compile(r"^(?P<scheme>tcp|modbus\+tcp|modbus\+rtuovertcp)://(?P<host>[^:/]+):(?P<port>\d{1,5})$")


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


@dataclass(frozen=True, slots=True)
class Serving:
    """A sim, where it is to be, how it is reached there, and what is to go wrong."""

    sim: Sim
    place: Place
    scheme: str
    pace: Pace
    faults: Sequence[str] = ()
    seed: int = 0


async def serve(serving: Serving, clock: Clock, described: dict[str, object]) -> None:
    """Serve until SIGTERM or SIGINT. Prints `described` with the link as one JSON line once the sim can be reached."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with Bench.open(clock, seed=serving.seed) as bench:
        place = serving.place
        if place.scheme == "pty":
            port = await bench.pty(serving.sim, serving.pace, link=place.link)
        else:
            port = await bench.tcp(serving.sim, serving.pace, host=place.host, port=place.port)
        for spec in serving.faults:
            bench.inject(serving.sim, spec)
        typer.echo(json.dumps({**described, "link": f"{serving.scheme}://{port.address}"}))
        await ended.wait()
    for violation in serving.sim.violations:
        typer.echo(f"{serving.sim.name}: violation: {violation}", err=True)
