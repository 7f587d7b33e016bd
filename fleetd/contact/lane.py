"""The one lane to a rotator or a radio: orders go one by one, stops first, and an exchange once begun is finished.

Whoever gives an order may be cancelled without breaking the link in mid exchange, so that the stop which follows finds
it whole. Not here: what the orders mean, and whether they are allowed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from fleetd.contact.leaving import seen_through
from fleetd.errors import Declined, DeviceError, LinkLost, Refusal, ReplyTimeout
from fleetd.supervise import Device

T = TypeVar("T")
D = TypeVar("D")
"""The driver at the end of a lane."""

_CLOSED = "the link was closed before this was done"
_EXCHANGE_WITHIN_S = 5.0  # real time; drivers keep far shorter deadlines of their own


async def exchange(act: Coroutine[Any, Any, T]) -> T:
    """One exchange with a device, finished even if its caller is cancelled. Raises DeviceError."""
    try:
        return await seen_through(act, name="device-exchange", within_s=_EXCHANGE_WITHIN_S)
    except ReplyTimeout:
        raise
    except TimeoutError as error:
        raise LinkLost(f"the driver did not come back within {_EXCHANGE_WITHIN_S:g} s") from error


@dataclass(slots=True, eq=False)
class _Order(Generic[D, T]):
    act: Callable[[D], Coroutine[Any, Any, T]]
    moves: bool
    done: asyncio.Future[T] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def carry_out(self, driver: D) -> None:
        """Do it and tell whoever waits. Raises DeviceError when the link is no longer to be trusted."""
        try:
            answer = await exchange(self.act(driver))
        except (Refusal, Declined) as no:
            self.fail(no)
        except DeviceError as error:
            self.fail(error)
            raise
        else:
            if not self.done.done():
                self.done.set_result(answer)

    def fail(self, error: Exception) -> None:
        """Tell whoever waits that it was not done."""
        if not self.done.done():
            self.done.set_exception(error)


class Lane(Generic[D]):
    """Orders to the driver of one device, open while that is connected. Every DeviceError bears the device's name."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._open = False
        self._urgent: deque[_Order[D, Any]] = deque()
        self._ordinary: deque[_Order[D, Any]] = deque()
        self._given = asyncio.Event()

    async def order(self, act: Callable[[D], Coroutine[Any, Any, T]], *, moves: bool = False) -> T:
        """Have `act` done in its turn and return what it returned. Raises what it raised, and LinkLost."""
        return await self._give(_Order(act, moves), self._ordinary)

    async def stop(self, act: Callable[[D], Coroutine[Any, Any, T]]) -> T:
        """Have `act` done next, whatever waits; motions that wait are refused. It is done even if not waited for."""
        for order in [order for order in self._ordinary if order.moves]:
            self._ordinary.remove(order)
            order.fail(Refusal("stopped", "it was stopped before this began"))
        return await self._give(_Order(act, moves=False), self._urgent)

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Take orders while the context lasts; those left at its end fail with LinkLost."""
        self._open = True
        try:
            yield
        finally:
            self._open = False
            for left in (*self._urgent, *self._ordinary):
                left.fail(LinkLost(_CLOSED))
            self._urgent.clear()
            self._ordinary.clear()

    async def serve(self, driver: D) -> None:
        """Carry out orders until one fails. Raises DeviceError."""
        while True:
            order = await self._next()
            try:
                await order.carry_out(driver)
            finally:
                order.fail(LinkLost(_CLOSED))  # if it was cut short; what is done stays done

    async def _give(self, order: _Order[D, T], queue: deque[_Order[D, Any]]) -> T:
        if not self._open:
            raise LinkLost(f"is {self._device.state}: {self._device.reason}", device=self._device.name)
        queue.append(order)
        self._given.set()
        try:
            return await order.done
        except DeviceError as error:
            error.named(self._device.name)
            raise

    async def _next(self) -> _Order[D, Any]:
        while True:
            if self._urgent:
                return self._urgent.popleft()
            while self._ordinary:
                order = self._ordinary.popleft()
                if not order.done.cancelled():
                    return order
            self._given.clear()
            await self._given.wait()
