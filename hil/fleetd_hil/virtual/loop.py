"""An asyncio event loop whose time is not the machine's: when there is nothing left to do, it jumps to the next timer.

Everything that sleeps on such a loop, deadlines included, sleeps in virtual time, so a day passes in the time that its
work takes, and the same work is done in the same order every time. What would leave the loop is kept on it: work for
threads is done in line, TCP connections go through memory (`network`). Real descriptors are still served, without
waiting for them: use them only between ends that live on this loop.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections import deque
from collections.abc import Callable, Mapping, Sized
from concurrent.futures import Executor
from contextvars import Context
from datetime import datetime, timedelta
from typing import Any, TypeVar, TypeVarTuple

from fleetd.clock import Sleeping
from fleetd_hil.virtual.calls import Call
from fleetd_hil.virtual.network import Network
from fleetd_hil.virtual.ordinals import OrdinalFuture, OrdinalTask

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

_STUCK_S = 2.0  # real seconds after which a world in which nothing can happen any more is given up
_FEW_CANCELLED = 100  # timers that are not worth sweeping out


class Overdue(Exception):
    """The world took more real time than it was given, or nothing can happen in it any more."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """Make it, then hand it to `asyncio.Runner(loop_factory=…)`. `within_s` bounds the real time that it may run."""

    def __init__(self, within_s: float = 600.0) -> None:
        self._now_s = 0.0
        self._ordinals = itertools.count()
        self._timers: list[tuple[float, int, Call]] = []
        self._swept = self._sweep  # bound once, not for each call
        self._cancelled = 0
        self._still = 1  # descriptors at which nothing can happen by itself: the loop's own, and listening ones
        super().__init__()
        self._descriptors: Sized = self._selector.get_map()  # type: ignore[attr-defined]
        self.set_task_factory(self._numbered)
        self.network = Network(self)
        self._give_up_at_s = time.monotonic() + within_s
        self._within_s = within_s

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now_s

    wire_time = time
    """Bytes travel in no other time here: see `fleetd.link.wiretime`."""

    # Turns, and what is kept for later ones: in order of time, and then as it was asked for

    def call_soon(  # type: ignore[override]  # a Call is what a Handle is
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> Call:
        """As ever."""
        call = Call(self, callback, args, context)
        self._ready.append(call)  # type: ignore[attr-defined]
        return call

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> Call:
        """As ever; of two calls at one instant, the one that was asked for first is first."""
        call = Call(self, callback, args, context, when, self._swept)
        heapq.heappush(self._timers, (when, next(self._ordinals), call))
        return call

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> Call:
        """As ever."""
        return self.call_at(self._now_s + delay, callback, *args, context=context)

    def _sweep(self) -> None:
        """One more has been cancelled before its time."""
        self._cancelled += 1
        if self._cancelled > _FEW_CANCELLED and 2 * self._cancelled > len(self._timers):
            self._timers = [entry for entry in self._timers if not entry[2].cancelled()]
            heapq.heapify(self._timers)
            self._cancelled = 0

    def _run_once(self) -> None:
        ready: deque[Call] = self._ready  # type: ignore[attr-defined]
        if not ready and not self._stopping:  # type: ignore[attr-defined]
            if len(self._descriptors) > self._still or not self._timers:
                self._look_at_descriptors()
            if not ready:
                self._go_on(ready)
        for _ in range(len(ready)):
            call = ready.popleft()
            if not call._cancelled:  # noqa: SLF001  # as the loop's own turn does
                call._run()  # noqa: SLF001

    def _look_at_descriptors(self) -> None:
        """Before time passes; where nobody waits for it to pass, something must come from there."""
        found = self._selector.select(0 if self._timers else _STUCK_S)  # type: ignore[attr-defined]
        if not found and not self._timers:
            raise Overdue("nothing can happen in this world any more: everybody waits for somebody else")
        self._process_events(found)  # type: ignore[attr-defined]

    def _go_on(self, ready: deque[Call]) -> None:
        """Time passes up to the next call that is due."""
        timers = self._timers
        if time.monotonic() > self._give_up_at_s:
            raise Overdue(f"this took more than {self._within_s:g} s of real time, at {self._now_s:.1f} s of its own")
        while timers and not ready:
            self._now_s = max(self._now_s, timers[0][0])
            while timers and timers[0][0] <= self._now_s:
                call = heapq.heappop(timers)[2]
                if call.take_up():
                    ready.append(call)
                else:
                    self._cancelled -= 1

    def _start_serving(self, *arguments: Any, **more: Any) -> None:
        """Who connects to it from here has a descriptor of his own, which is one too many to be still."""
        self._still += 1
        super()._start_serving(*arguments, **more)  # type: ignore[misc]

    def _stop_serving(self, sock: Any) -> None:
        self._still -= 1
        super()._stop_serving(sock)  # type: ignore[misc]

    # Tasks and futures

    def create_future(self) -> asyncio.Future[Any]:
        """One whose place in a set is the same in every process."""
        return OrdinalFuture(next(self._ordinals), self)

    def _numbered(self, _loop: asyncio.AbstractEventLoop, work: Any, **more: Any) -> asyncio.Task[Any]:
        return OrdinalTask(next(self._ordinals), work, self, **more)

    # What would leave the loop

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

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> Call:
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
        if delay_s <= 0:
            await asyncio.sleep(0)
            return
        woken = self._loop.create_future()
        timer = self._loop.call_at(self._loop.time() + delay_s, _wake, woken)
        try:
            await woken
        except asyncio.CancelledError:
            timer.cancel()
            raise

    def call_at(self, due_s: float, act: Callable[[], None]) -> None:
        """Call `act` once `monotonic()` has reached `due_s`."""
        self._loop.call_at(due_s, act)


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)


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
