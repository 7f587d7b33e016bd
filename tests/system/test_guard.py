"""The guard, with real processes on real ptys and sockets: the daemon is killed or hangs, and the antenna stops."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from guarded import Daemon, Stopwatch, child, guards_of

from fleetd.clock import SystemClock
from fleetd.guard.guard import Guard
from fleetd.guard.settings import GuardSettings
from fleetd.link.words import LastWords

sys.path.insert(0, str(Path(__file__).parents[1]))
from farend import Kind, far_end
from rotators import KINDS

BY_NAME = {kind.name: kind for kind in KINDS}
# A motor with a worm gear stops in half a second. What braking costs is the machine's; the guard's share precedes it.
MECHANICS = {"acceleration_deg_s2": 12.0}
SPEED_DEG_S = 6.0


class Slewing:
    """A daemon whose antenna turns."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.process = daemon.process

    async def slews(self) -> None:
        """Send it off, and wait until it turns as fast as it can."""
        await self.daemon.tell("point 300 20", "pointing")
        while self.speed_deg_s() < SPEED_DEG_S - 0.01:  # noqa: ASYNC110  # it is a machine that turns
            await asyncio.sleep(0.01)

    def azimuth_deg(self) -> float:
        self._antenna.advance(time.monotonic())
        return float(self._antenna.model.azimuth.position_deg)

    def speed_deg_s(self) -> float:
        self.azimuth_deg()
        return abs(float(self._antenna.model.azimuth._motion.velocity))

    async def stopped_after_s(self, watch: Stopwatch, within_s: float = 3.0) -> float:
        while self.speed_deg_s() > 0:
            assert watch.s < within_s, "it still turns"
            await asyncio.sleep(0.005)
        return watch.s

    @property
    def _antenna(self) -> Any:
        sim: Any = self.daemon.far.sim
        unit = sim.units[1] if getattr(sim, "units", None) else sim
        return getattr(unit, "antenna", None) or unit._antenna


@asynccontextmanager
async def daemon(kind: Kind, medium: str, lease_s: float = 0.4) -> AsyncIterator[Slewing]:
    settings = json.dumps(dict(kind.settings))
    async with (
        far_end(kind, medium, SystemClock(), MECHANICS) as far,
        child("guarded_child.py", far, settings, str(lease_s)) as made,
    ):
        yield Slewing(made)


async def killed_in_mid_slew(kind: Kind, medium: str) -> tuple[float, float]:
    """Kill -9; returns after how many seconds it stood, and how many degrees farther, on a machine of its own."""
    async with daemon(kind, medium) as made:
        await made.slews()
        at_deg, watch = made.azimuth_deg(), Stopwatch(made.process.pid)
        made.process.kill()
        stopped_s = await made.stopped_after_s(watch)
        return stopped_s, abs(made.azimuth_deg() - at_deg) - SPEED_DEG_S * watch.withheld_s


def holds(stopped_s: float, overrun_deg: float) -> bool:
    return stopped_s <= 1.0 and overrun_deg <= 3.0


ONCE = [("gs232b", "serial"), ("easycomm2", "tcp"), ("rotctld", "tcp"), ("servo-rotator", "modbus+rtu")]
REST = [
    (kind.name, medium)
    for kind in KINDS
    for medium in kind.media
    if not kind.azimuth_only and (kind.name, medium) not in ONCE
]


@pytest.mark.parametrize(("name", "medium"), ONCE)
async def test_row_15_killed_in_mid_slew_the_antenna_stops(name: str, medium: str) -> None:
    stopped = await killed_in_mid_slew(BY_NAME[name], medium)
    assert holds(*stopped), stopped


@pytest.mark.slow
@pytest.mark.parametrize(("name", "medium"), REST)
async def test_row_15_with_every_driver_and_medium(name: str, medium: str) -> None:
    stopped = await killed_in_mid_slew(BY_NAME[name], medium)
    assert holds(*stopped), stopped


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_row_15_two_hundred_kills() -> None:
    runs = [await killed_in_mid_slew(BY_NAME["gs232b"], "serial") for _ in range(200)]
    sys.stdout.write(f"stopped within {max(s for s, _ in runs):.2f} s, {max(deg for _, deg in runs):.2f} deg farther\n")
    assert all(holds(*run) for run in runs)


async def test_row_14_a_blocked_loop_is_noticed_and_the_antenna_stopped_and_taken_up_again() -> None:
    # Half a second, and what it takes to get the order to the child and its loop blocked.
    assert await hung_in_mid_slew() <= 0.5 + 0.15


async def hung_in_mid_slew() -> float:
    """Block the loop; returns after how many seconds the guard had spoken, and the daemon has come to itself again."""
    async with daemon(BY_NAME["gs232b"], "serial") as made:
        await made.slews()
        heard = made.daemon.far.heard
        heard.clear()
        blocking = asyncio.create_task(made.daemon.tell("block 2", "blocked"), name="blocking")
        watch = Stopwatch(made.process.pid)
        while not any(data.startswith(b"S") for data in heard):
            assert watch.s < 1.5, "the guard said nothing"
            await asyncio.sleep(0.005)
        acted_s = watch.s
        assert await made.stopped_after_s(watch) < 1.9
        await blocking
        spoken = next(index for index, data in enumerate(heard) if data.startswith(b"S"))
        deadline_s = time.monotonic() + 10.0
        while b"C2" not in b"".join(heard[spoken + 1 :]):  # the link is opened afresh, and the position read
            assert time.monotonic() < deadline_s, heard[spoken:]
            await asyncio.sleep(0.01)
        said, _, _ = b"".join(heard[spoken + 1 :]).partition(b"C2")
        assert b"S\r" in said, "it stops before all else"
        assert b"W" not in b"".join(heard[spoken + 1 :]), "nothing turns it before"
        return acted_s


async def test_a_daemon_that_leaves_in_good_order_needs_no_guard() -> None:
    async with daemon(BY_NAME["gs232b"], "serial") as made:
        await made.slews()
        assert made.process.stdin is not None
        made.process.stdin.close()
        await made.process.wait()
        made.daemon.far.heard.clear()
        await asyncio.sleep(0.05)
        assert made.daemon.far.heard == []
        assert made.speed_deg_s() < SPEED_DEG_S


# The guard alone


@asynccontextmanager
async def pipe() -> AsyncIterator[tuple[int, int]]:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        yield reading, writing
    finally:
        for end in (reading, writing):
            os.close(end)


def ignored(pid: int) -> int:
    """The signals that a process ignores, a bit each."""
    return int(Path(f"/proc/{pid}/status").read_text().split("SigIgn:")[1].split()[0], 16)


async def said_within(reading: int, seconds: float) -> bytes:
    os.set_blocking(reading, False)
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        try:
            return os.read(reading, 100)
        except BlockingIOError:
            await asyncio.sleep(0.005)
    return b""


async def test_a_released_lease_is_left_alone_and_an_armed_one_is_said_once() -> None:
    """The transmit lease is the same: here two leases, of which one transmits while this loop hangs."""
    async with pipe() as (quiet, quiet_end), pipe() as (loud, loud_end):
        guard = Guard(GuardSettings(lease_s=0.15))
        async with guard.on_duty(lambda _: None):
            with (
                guard.watch("dish motion", LastWords(quiet_end, b"S\r")) as motion,
                guard.watch("dish transmit", LastWords(loud_end, b"RX\r", (0.05,))) as transmit,
            ):
                motion.arm()
                motion.release()
                transmit.arm()
                await asyncio.sleep(0.05)
                begun_s = time.monotonic()
                time.sleep(0.45)  # noqa: ASYNC251  # this loop hangs
                assert await said_within(loud, 0.0 + 0.05) == b"RX\rRX\r"
                assert await asyncio.wait_for(transmit.acted(), 5.0)
                assert time.monotonic() - begun_s < 2.0
                assert await said_within(quiet, 0.02) == b""
                assert not transmit.armed


async def test_a_guard_that_is_killed_is_told_of_and_comes_back_with_what_it_knew() -> None:
    told: list[str] = []
    async with pipe() as (reading, writing):
        guard = Guard(GuardSettings(lease_s=0.15))
        async with guard.on_duty(told.append):
            with guard.watch("dish motion", LastWords(writing, b"S\r")) as lease:
                lease.arm()
                await asyncio.sleep(0.05)
                for pid in guards_of(os.getpid()):
                    os.kill(pid, signal.SIGKILL)
                end_s = time.monotonic() + 10.0
                while told != ["", "the guard process has ended; it is started afresh", ""]:
                    assert time.monotonic() < end_s, told
                    await asyncio.sleep(0.02)
                await asyncio.sleep(0.05)
                assert lease.guarded
                time.sleep(0.5)  # noqa: ASYNC251  # this loop hangs
                assert await said_within(reading, 0.05) == b"S\r"


async def test_it_is_deaf_to_the_signals_that_end_a_daemon() -> None:
    async with pipe() as (_, writing):
        guard = Guard(GuardSettings(lease_s=0.3))
        async with guard.on_duty(lambda _: None):
            with guard.watch("dish motion", LastWords(writing, b"S\r")) as lease:
                lease.arm()
                await asyncio.sleep(0.05)
                (pid,) = guards_of(os.getpid())
                while not ignored(pid) >> (signal.SIGTERM - 1) & 1:  # noqa: ASYNC110  # once it has got so far
                    await asyncio.sleep(0.01)
                for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGABRT):
                    os.kill(pid, number)
                await asyncio.sleep(0.05)
                assert guards_of(os.getpid()) == [pid]
