"""`fleethil record`: between a program and a device stands a port that passes on every byte and writes it down."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, Literal

from fleetd.clock import SystemClock
from fleetd.errors import LinkLost
from fleetd.link.ports import Ports
from fleetd.link.stream import Link
from fleetd.link.url import LinkUrl, parse_link
from fleetd_hil.bench import Bench
from fleetd_hil.capture.tape import Tape, tapped
from fleetd_hil.faults import Faults
from fleetd_hil.serve import parse_place
from fleetd_hil.sim import Answer, Feed

_AGAIN_S = 0.05  # real seconds
_LOOK_S = 0.002  # real seconds in which an answer is passed on at the latest


class Through:
    """To the bench a sim, whose answers are those of the device at the other end of a link."""

    speaks_unasked: Literal[True] = True

    def __init__(self) -> None:
        self.name = "through"
        self.units: tuple[int, ...] = ()
        self.violations: deque[str] = deque()
        self.faults = Faults(())
        self._link: Link | None = None
        self._said = bytearray()
        self._hang_up = False
        self._writing: set[asyncio.Task[None]] = set()

    def attach(self) -> Feed:
        """One program's connection; what the device says goes to whichever is there."""
        self._hang_up = False

        def feed(data: bytes, _at_s: float) -> list[Answer]:
            if data and self._link is not None:
                task = asyncio.ensure_future(self._link.write(data))
                self._writing.add(task)
                task.add_done_callback(self._written)
            said, self._said = bytes(self._said), bytearray()
            hang_up, self._hang_up = self._hang_up, False
            return [Answer(said, hang_up=hang_up)] if said or hang_up else []

        return feed

    async def carry(self, link: Link) -> None:
        """Pass on until the device is gone; whoever is connected hears of that. Raises LinkLost."""
        self._link = link
        try:
            while True:
                said = await link.read_some()
                self._said += said
        finally:
            self._link, self._hang_up = None, True

    def _written(self, task: asyncio.Task[None]) -> None:
        self._writing.discard(task)
        if not task.cancelled():
            task.exception()  # a lost link is seen where it is read


async def record(
    device: str, capture: Path, at: str, head: Mapping[str, Any], faults: Sequence[str], say: Callable[[str], None]
) -> None:
    """Record until SIGTERM or SIGINT; `say` one JSON line with the link to use instead of the device's.

    A device that goes is looked for again. Raises ConfigError, or LinkLost when it cannot be reached in the beginning;
    then no capture is left.
    """
    clock, place, url = SystemClock(), parse_place(at), parse_link(device)
    tape = Tape.new(capture, clock, {**head, "link": device})
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    ports, through, begun = Ports(tapped(tape)), Through(), False
    try:
        async with AsyncExitStack() as first, Bench.open(clock, look_again_s=_LOOK_S) as bench:
            link = await first.enter_async_context(ports.open(url))
            if place.on_pty:
                port = await bench.pty(through, link=place.link)
            else:
                port = await bench.tcp(through, host=place.host, port=place.port)
            for spec in faults:
                bench.inject(through, spec)
            begun = True
            say(json.dumps({"capture": str(capture), "link": f"{place.url_scheme(modbus=False)}://{port.address}"}))
            carrying = asyncio.create_task(_carry_on(ports, url, through, link, first), name="carrying")
            await told.wait()
            carrying.cancel()
            await asyncio.gather(carrying, return_exceptions=True)
    finally:
        (tape.close if begun else tape.discard)()


async def _carry_on(ports: Ports, url: LinkUrl, through: Through, link: Link, first: AsyncExitStack) -> None:
    """Carry over the first link, and over one after the other once it is lost."""
    with suppress(LinkLost):
        await through.carry(link)
    await first.aclose()
    while True:
        with suppress(LinkLost):
            async with ports.open(url) as another:
                await through.carry(another)
        await asyncio.sleep(_AGAIN_S)
