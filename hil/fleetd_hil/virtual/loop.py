"""An asyncio event loop whose time is not the machine's: when there is nothing left to do, it jumps to the next timer.

Everything that sleeps on such a loop, deadlines included, sleeps in virtual time, so a day passes in the time that its
work takes, and the same work is done in the same order every time. What would leave the loop is kept on it: work for
threads is done in line, TCP connections go through memory (`network`). Real descriptors are still served, without
waiting for them: use them only between ends that live on this loop.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextvars import Context
from datetime import datetime, timedelta
from typing import Any, TypeVar, TypeVarTuple

from fleetd.clock import Sleeping
from fleetd_hil.virtual.network import Network

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

_STUCK_S = 2.0  # real seconds after which a world in which nothing can happen any more is given up


class Overdue(Exception):
    """The world took more real time than it was given, or nothing can happen in it any more."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """Make it, then hand it to `asyncio.Runner(loop_factory=…)`. `within_s` bounds the real time that it may run."""

    def __init__(self, within_s: float = 600.0) -> None:
        super().__init__(_Jumping(self._jump))
        self.network = Network(self)
        self._elapsed_s = 0.0
        self._give_up_at_s = time.monotonic() + within_s
        self._within_s = within_s

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._elapsed_s

    def _jump(self, by_s: float) -> None:
        if time.monotonic() > self._give_up_at_s:
            raise Overdue(
                f"this took more than {self._within_s:g} s of real time, at {self._elapsed_s:.1f} s of its own"
            )
        self._elapsed_s += by_s

    def run_in_executor(
        self,
        executor: Executor | None,  # noqa: ARG002  # nobody else is there to do it
        func: Callable[[*_Ts], _T],
        *args: *_Ts,
    ) -> asyncio.Future[_T]:
        """Carry it out on the loop, at the end of this turn: what was handed in together is done together."""
        done: asyncio.Future[_T] = self.create_future()
        self.call_soon(_carry_out, done, func, args)
        return done

    def call_soon_threadsafe(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """There are no threads to be safe from."""
        return self.call_soon(callback, *args, context=context)

    async def create_connection(self, protocol_factory: Any, host: Any = None, port: Any = None, **more: Any) -> Any:
        """Through memory, unless a socket is handed in."""
        if more.get("sock") is not None:
            return await super().create_connection(protocol_factory, host, port, **more)
        if more.get("ssl"):
            raise OSError("the virtual network carries no TLS")
        return await self.network.connect(protocol_factory, host, port)

    async def create_server(self, protocol_factory: Any, host: Any = None, port: Any = None, **more: Any) -> Any:
        """In memory, unless a socket is handed in."""
        if more.get("sock") is not None:
            return await super().create_server(protocol_factory, host, port, **more)
        return self.network.listen(protocol_factory, host, port)


class LoopClock(Sleeping):
    """A `fleetd.clock.Clock` that shows the time of the running loop, `start` being its zero."""

    rate = 1.0

    def __init__(self, start: datetime) -> None:
        self.synced = True
        self._start = start
        self._loop = asyncio.get_running_loop()

    def __str__(self) -> str:
        return "virtual"

    def now(self) -> datetime:
        """Civil time."""
        return self._start + timedelta(seconds=self._loop.time())

    def monotonic(self) -> float:
        """Running time."""
        return self._loop.time()

    def step(self, by_s: float) -> None:
        """Set civil time alone, as a badly set or corrected clock does."""
        self._start += timedelta(seconds=by_s)

    async def sleep(self, delay_s: float) -> None:
        """Return after so many seconds."""
        await asyncio.sleep(max(0.0, delay_s))

    def call_at(self, due_s: float, act: Callable[[], None]) -> None:
        """Call `act` once `monotonic()` has reached `due_s`."""
        self._loop.call_at(due_s, act)


class _Jumping(selectors.DefaultSelector):
    """Never waits: what is ready is ready, else time passes."""

    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """The descriptors that are ready now."""
        if timeout == 0:
            return []  # somebody has something to do: descriptors are looked at before time passes
        if ready := super().select(0):
            return ready
        if timeout is None:
            ready = super().select(_STUCK_S)
            if not ready:
                raise Overdue("nothing can happen in this world any more: everybody waits for somebody else")
            return ready
        self._jump(timeout)
        return []


def _carry_out(done: asyncio.Future[Any], func: Callable[..., Any], args: Mapping[int, Any] | tuple[Any, ...]) -> None:
    if done.cancelled():
        return
    try:
        result = func(*args)
    except Exception as error:  # noqa: BLE001  # it is the waiter's, as it would be from a thread
        if not done.cancelled():
            done.set_exception(error)
    else:
        if not done.cancelled():
            done.set_result(result)
