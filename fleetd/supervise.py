"""One visible reconnect loop per device.

Connect, work until the device fails, say so once, wait a random while, again. Expected failures stay inside the loop so
that siblings live; a bug escapes it and ends the process, which systemd starts afresh.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import structlog

from fleetd.clock import Clock
from fleetd.devices import Driver
from fleetd.errors import DeviceError, FleetError, Quarantined
from fleetd.records import DeviceState, DeviceStatus
from fleetd.slots import Slots

log = structlog.get_logger(__name__)

_ERRORS_KEPT = 5


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full jitter: a wait drawn evenly from zero to a ceiling that doubles with each failure in a row."""

    first_s: float = 0.5
    most_s: float = 30.0

    def wait_s(self, failures: int, draw: Callable[[], float] = random.random) -> float:
        """How long to wait after `failures` (at least 1) in a row; `draw` returns 0 to 1."""
        return draw() * min(self.most_s, self.first_s * 2.0 ** min(failures - 1, 32))


@dataclass(slots=True)
class Progress:
    """When each supervised loop last showed life, for the watchdog. A loop vouches for its own longest silence."""

    clock: Clock
    _due: dict[str, float] = field(default_factory=dict)

    def beat(self, loop: str, *, within_s: float = 60.0) -> None:
        """This loop lives, and will beat again within `within_s`.

        On an accelerated clock these are real seconds: what is watched for is a hung loop, not a scene that races.
        """
        self._due[loop] = self.clock.monotonic() + within_s * max(1.0, self.clock.rate)

    def done(self, loop: str) -> None:
        """This loop has ended on purpose."""
        self._due.pop(loop, None)

    def overdue(self) -> list[str]:
        """The loops that promised to beat and did not."""
        now = self.clock.monotonic()
        return sorted(loop for loop, due in self._due.items() if due < now)


class PastError(msgspec.Struct, frozen=True):
    """When a device failed, and how."""

    at: datetime
    text: str


@dataclass(slots=True)
class Device:
    """A configured, supervised device and where it stands."""

    name: str
    connect: Callable[[], AbstractAsyncContextManager[Driver]]
    backoff: Backoff = field(default_factory=Backoff)
    state: DeviceState = DeviceState.OFFLINE
    reason: str = "not connected yet"
    failures: int = 0
    errors: list[PastError] = field(default_factory=list)
    """What went wrong last, the newest at the end; few of them."""
    driver: Driver | None = None

    def online(self) -> Driver:
        """The connected driver. Raises DeviceError saying why there is none."""
        if self.driver is None:
            raise DeviceError(f"is {self.state}: {self.reason}", device=self.name)
        return self.driver


@dataclass(frozen=True, slots=True)
class Supervision:
    """What all supervised loops share: time, where status goes, and the watchdog's list."""

    clock: Clock
    publish: Callable[[DeviceStatus], None]
    progress: Progress
    slots: Slots = field(init=False)
    """Where loops wait that keep to the same grid of instants."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "slots", Slots(self.clock))

    async def run(self, device: Device, work: Callable[[Driver], Awaitable[None]]) -> None:
        """Keep `device` connected and `work(driver)` running for ever; returns only by cancellation or a bug.

        `work` calls `recovered` after each exchange that succeeded.
        """
        try:
            while True:
                try:
                    await attempt(self._connected(device, work), f"connection of {device.name}")
                except* DeviceError as group:
                    self.failed(device, _first(group).named(device.name))
                await self._pause(device)
        finally:
            self.progress.done(device.name)
            self._enter(device, DeviceState.OFFLINE, "fleetd has left it")

    @staticmethod
    async def _connected(device: Device, work: Callable[[Driver], Awaitable[None]]) -> None:
        try:
            async with device.connect() as driver:
                device.driver = driver
                await work(driver)
        finally:
            device.driver = None

    def recovered(self, device: Device) -> None:
        """An exchange with the device succeeded: online from now on, the back-off starts over."""
        self.progress.beat(device.name)
        if device.state is DeviceState.ONLINE:
            return
        if device.failures:
            log.info("device is back", device=device.name, after_failures=device.failures)
        device.failures = 0
        self._enter(device, DeviceState.ONLINE, "")

    def failed(self, device: Device, error: DeviceError) -> None:
        """The connection or an exchange failed; the first of a row is a warning, its repeats are debug."""
        device.failures += 1
        device.errors = [*device.errors[1 - _ERRORS_KEPT :], PastError(self.clock.now(), str(error))]
        say = log.warning if device.failures == 1 else log.debug
        say("device failed", device=device.name, reason=str(error), failures=device.failures)
        self._enter(device, _state_after(device, error), error.reason)

    def _enter(self, device: Device, state: DeviceState, reason: str) -> None:
        device.reason = reason
        if device.state is state:
            return
        device.state = state
        status = DeviceStatus(
            at=self.clock.now(),
            clock_synced=self.clock.synced,
            device=device.name,
            state=state,
            reason=reason,
        )
        self.publish(status)

    async def _pause(self, device: Device) -> None:
        wait_s = device.backoff.wait_s(max(1, device.failures))
        self.progress.beat(device.name, within_s=wait_s + 60.0)
        await self.clock.sleep(wait_s)


async def attempt(work: Coroutine[Any, Any, None], name: str) -> None:
    """Await work that may fail, for a loop that outlives its failures: a cancellation is never lost to one.

    A TaskGroup of Python before 3.13 raises nothing but the failure of a child that fails in the turn in which its
    parent is cancelled, and leaves no trace of the cancellation (CPython's issue 116720). A task of its own takes that.
    """
    task, cancelled = asyncio.create_task(work, name=name), False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:  # once, or more often: each is for the work
            cancelled = True
            task.cancel()
    if cancelled and (task.cancelled() or task.exception() is None or _expected(task.exception())):
        raise asyncio.CancelledError
    task.result()


def _expected(error: BaseException | None) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_expected(each) for each in error.exceptions)
    return isinstance(error, FleetError)


def _state_after(device: Device, error: DeviceError) -> DeviceState:
    if isinstance(error, Quarantined):
        return DeviceState.QUARANTINED
    return DeviceState.STALE if device.failures == 1 else DeviceState.OFFLINE


def _first(group: BaseExceptionGroup[DeviceError]) -> DeviceError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if not isinstance(error, DeviceError):
        raise TypeError(f"{error!r} in a group of device errors")
    return error
