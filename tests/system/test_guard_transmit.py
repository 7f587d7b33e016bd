"""The transmit lease, with real processes on real ptys and sockets: the daemon dies or hangs while it transmits."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fleetd.clock import SystemClock

sys.path.insert(0, str(Path(__file__).parents[1]))
from rigs import KINDS
from rotators import Far, far_end

CHILD = Path(__file__).with_name("keyed_child.py")
OFF_WITHIN_S = 0.5


@dataclass
class Daemon:
    """The child, and the radio at its far end."""

    process: asyncio.subprocess.Process
    far: Far

    async def tell(self, words: str, until: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{words}\n".encode())
        return await self.hear(until)

    async def hear(self, until: str) -> dict[str, Any]:
        assert self.process.stdout is not None
        while True:
            line = await asyncio.wait_for(self.process.stdout.readline(), 20)
            assert line, "the child has ended"
            said: dict[str, Any] = json.loads(line) if line.startswith(b"{") else {}
            if until in said:
                return said

    @property
    def keyed(self) -> bool:
        return bool(self.far.sim.model.keyed)  # type: ignore[attr-defined]

    async def off_after_s(self, since_s: float, within_s: float = 3.0) -> float:
        while self.keyed:
            assert time.monotonic() - since_s < within_s, "it still transmits"
            await asyncio.sleep(0.002)
        return time.monotonic() - since_s


@asynccontextmanager
async def daemon(name: str, medium: str) -> AsyncIterator[Daemon]:
    [kind] = (kind for kind in KINDS if kind.name == name)
    async with far_end(kind, medium, SystemClock()) as far:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(CHILD), name, far.url, "0.4"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        made = Daemon(process, far)
        try:
            assert (await made.hear("ready"))["guarded"]
            yield made
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()  # which closes its pipes, too


async def killed_while_keyed(name: str, medium: str) -> float:
    """Kill -9; returns after how many seconds the transmitter was off."""
    async with daemon(name, medium) as made:
        await made.tell("key", "keyed")
        assert made.keyed
        since_s = time.monotonic()
        made.process.kill()
        return await made.off_after_s(since_s)


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
        await made.tell("key", "keyed")
        blocking = asyncio.create_task(made.tell("block 1.5", "blocked"), name="blocking")
        # Half a second, and what it takes to get the order to the child and its loop blocked.
        assert await made.off_after_s(time.monotonic()) <= OFF_WITHIN_S + 0.15
        await blocking


async def test_what_has_been_unkeyed_is_left_alone() -> None:
    async with daemon("icom-civ", "serial") as made:
        await made.tell("key", "keyed")
        await made.tell("unkey", "unkeyed")
        made.far.heard.clear()
        made.process.kill()
        await made.process.wait()
        await asyncio.sleep(0.05)
        assert made.far.heard == []
