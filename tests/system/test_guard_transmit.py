"""The transmit lease, with real processes on real ptys and sockets: the daemon dies or hangs while it transmits."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from guarded import Daemon, Stopwatch, child

from fleetd.clock import SystemClock

sys.path.insert(0, str(Path(__file__).parents[1]))
from farend import far_end
from rigs import KINDS

OFF_WITHIN_S = 0.5


class Transmitting:
    """A daemon whose radio can be seen to transmit."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.process = daemon.process

    @property
    def keyed(self) -> bool:
        return bool(self.daemon.far.sim.model.keyed)  # type: ignore[attr-defined]

    async def off_after_s(self, watch: Stopwatch, within_s: float = 3.0) -> float:
        while self.keyed:
            assert watch.s < within_s, "it still transmits"
            await asyncio.sleep(0.002)
        return watch.s


@asynccontextmanager
async def daemon(name: str, medium: str) -> AsyncIterator[Transmitting]:
    [kind] = (kind for kind in KINDS if kind.name == name)
    async with far_end(kind, medium, SystemClock()) as far, child("keyed_child.py", far, "0.4") as made:
        yield Transmitting(made)


async def killed_while_keyed(name: str, medium: str) -> float:
    """Kill -9; returns after how many seconds the transmitter was off, on a machine of its own."""
    async with daemon(name, medium) as made:
        await made.daemon.tell("key", "keyed")
        assert made.keyed
        watch = Stopwatch(made.process.pid)
        made.process.kill()
        return await made.off_after_s(watch)


@pytest.mark.parametrize(("name", "medium"), [("icom-civ", "serial"), ("rigctld", "tcp")])
async def test_row_15_killed_while_it_transmits_the_transmitter_is_off(name: str, medium: str) -> None:
    assert await killed_while_keyed(name, medium) <= OFF_WITHIN_S


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_row_15_fifty_kills_while_it_transmits() -> None:
    took_s = [await killed_while_keyed("icom-civ", "serial") for _ in range(50)]
    sys.stdout.write(f"off within {max(took_s):.3f} s\n")
    assert max(took_s) <= OFF_WITHIN_S


async def test_a_loop_that_hangs_while_it_transmits_is_noticed() -> None:
    async with daemon("icom-civ", "serial") as made:
        await made.daemon.tell("key", "keyed")
        blocking = asyncio.create_task(made.daemon.tell("block 1.5", "blocked"), name="blocking")
        # Half a second, and what it takes to get the order to the child and its loop blocked.
        assert await made.off_after_s(Stopwatch(made.process.pid)) <= OFF_WITHIN_S + 0.15
        await blocking


async def test_what_has_been_unkeyed_is_left_alone() -> None:
    async with daemon("icom-civ", "serial") as made:
        await made.daemon.tell("key", "keyed")
        await made.daemon.tell("unkey", "unkeyed")
        made.daemon.far.heard.clear()
        made.process.kill()
        await made.process.wait()
        await asyncio.sleep(0.05)
        assert made.daemon.far.heard == []
