"""Supervision: one loop a device that reconnects with jitter, says a failure once, and lets bugs out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from fleetd.clock import VirtualClock
from fleetd.errors import DeviceError, LinkLost, Quarantined, ReplyTimeout
from fleetd.records import DeviceState, DeviceStatus
from fleetd.supervise import Backoff, Device, Progress, Supervision

EPOCH = datetime(2026, 11, 11, 12, tzinfo=UTC)


class Scene:
    """A supervised device whose driver fails as told."""

    def __init__(self) -> None:
        self.clock = VirtualClock(EPOCH)
        self.statuses: list[DeviceStatus] = []
        self.supervision = Supervision(self.clock, self.statuses.append, Progress(self.clock))
        self.trouble: list[Exception | None] = []
        self.closed = 0
        self.device = Device("robot-7", self.connect, Backoff(first_s=1.0, most_s=8.0))

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[str]:
        try:
            yield "driver"
        finally:
            self.closed += 1

    async def work(self, driver: str) -> None:
        trouble = self.trouble.pop(0) if self.trouble else None
        if trouble is not None:
            raise trouble
        self.supervision.recovered(self.device)
        await self.clock.sleep(1e9)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.ensure_future(self.supervision.run(self.device, self.work))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_full_jitter_never_exceeds_its_ceiling(failures: int, draw: float) -> None:
    wait_s = Backoff(first_s=0.5, most_s=30).wait_s(failures, lambda: draw)
    assert 0 <= wait_s <= min(30, 0.5 * 2.0 ** min(failures - 1, 32))


async def test_states_and_logs_of_a_failure_and_its_recovery() -> None:
    scene = Scene()
    scene.trouble = [LinkLost("gone"), ReplyTimeout("silent"), LinkLost("gone")]
    with capture_logs() as logs:
        async with scene.running():
            await scene.clock.advance(60)
            assert scene.device.online() == "driver"
    assert [status.state for status in scene.statuses] == [
        DeviceState.STALE,
        DeviceState.OFFLINE,
        DeviceState.ONLINE,
        DeviceState.OFFLINE,
    ]
    assert scene.statuses[-1].reason == "fleetd has left it"
    assert [(entry["log_level"], entry["event"]) for entry in logs] == [
        ("warning", "device failed"),
        ("debug", "device failed"),
        ("debug", "device failed"),
        ("info", "device is back"),
    ]
    assert scene.closed == 4


async def test_an_offline_device_says_why() -> None:
    scene = Scene()
    scene.trouble = [LinkLost("unplugged")] * 100
    async with scene.running():
        await scene.clock.advance(30)
        with pytest.raises(DeviceError, match="robot-7: is offline: unplugged"):
            scene.device.online()


async def test_a_device_that_its_line_is_kept_from_is_quarantined_until_a_probe_finds_it() -> None:
    scene = Scene()
    scene.trouble = [
        ReplyTimeout("silent"),
        ReplyTimeout("silent"),
        Quarantined("kept from its line"),
        ReplyTimeout("s"),
    ]
    async with scene.running():
        await scene.clock.advance(60)
    states = [status.state for status in scene.statuses]
    assert states[:4] == [DeviceState.STALE, DeviceState.OFFLINE, DeviceState.QUARANTINED, DeviceState.OFFLINE]
    assert states[4] is DeviceState.ONLINE


async def test_failures_in_a_group_count_as_one() -> None:
    scene = Scene()
    scene.trouble = [ExceptionGroup("tasks", [LinkLost("gone"), ReplyTimeout("silent")])]
    async with scene.running():
        await scene.clock.advance(0)
        assert scene.device.failures == 1
        assert scene.device.state is DeviceState.STALE


async def test_a_bug_escapes_the_loop() -> None:
    scene = Scene()
    scene.trouble = [ZeroDivisionError("a bug")]
    with pytest.raises(ZeroDivisionError):
        await scene.supervision.run(scene.device, scene.work)


async def test_a_bug_beside_a_device_error_escapes_too() -> None:
    scene = Scene()
    scene.trouble = [ExceptionGroup("tasks", [LinkLost("gone"), ZeroDivisionError("a bug")])]
    with pytest.raises(ExceptionGroup) as caught:
        await scene.supervision.run(scene.device, scene.work)
    assert caught.group_contains(ZeroDivisionError)


async def test_a_loop_that_stops_beating_is_overdue() -> None:
    clock = VirtualClock(EPOCH)
    progress = Progress(clock)
    progress.beat("robot-1", within_s=60)
    progress.beat("robot-2", within_s=600)
    await clock.advance(100)
    assert progress.overdue() == ["robot-1"]
    progress.done("robot-1")
    assert progress.overdue() == []


async def test_a_child_of_the_work_that_fails_has_it_begun_again() -> None:
    scene, begun = Scene(), 0

    async def breaking() -> None:
        await scene.clock.sleep(5)
        raise LinkLost("gone")

    async def work(_: str) -> None:
        nonlocal begun
        begun += 1
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(breaking())

    task = asyncio.ensure_future(scene.supervision.run(scene.device, work))
    for _ in range(200):
        await scene.clock.advance(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert begun > 5


async def test_a_task_that_fails_as_it_is_cancelled_ends_all_the_same() -> None:
    """As a poll does whose exchange is broken off: Python's TaskGroup tells its parent of the failure alone."""
    scene = Scene()

    cancelled = 0

    async def broken_off() -> None:
        nonlocal cancelled
        try:
            await scene.clock.sleep(1e9)
        except asyncio.CancelledError:
            cancelled += 1
            if cancelled > 1:
                raise  # it may end now, should it have begun again
            raise LinkLost("broken off") from None

    async def work(_: str) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(broken_off())

    task = asyncio.ensure_future(scene.supervision.run(scene.device, work))
    await scene.clock.advance(1)
    task.cancel()
    await scene.clock.advance(60)
    ended, _ = task.done(), task.cancel()
    assert ended
    assert scene.device.reason == "fleetd has left it"


async def test_an_impatient_end_does_not_leave_the_work_behind() -> None:
    scene, done = Scene(), asyncio.Event()

    async def work(_: str) -> None:
        try:
            await scene.clock.sleep(1e9)
        finally:
            await asyncio.shield(asyncio.ensure_future(scene.clock.sleep(5)))
            done.set()

    task = asyncio.ensure_future(scene.supervision.run(scene.device, work))
    await scene.clock.advance(1)
    task.cancel()
    await scene.clock.advance(1)
    assert not task.done()
    await scene.clock.advance(5)
    assert (task.cancelled(), done.is_set()) == (True, True)
