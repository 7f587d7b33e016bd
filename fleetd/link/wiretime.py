"""The time in which bytes travel: the machine's running time, to the nanosecond, whatever a `Clock` says.

The event loop's own is no good for it: uvloop's is that of its last turn, in whole milliseconds. A loop that lives in
another time than the machine has a `wire_time` of its own, and then bytes travel in that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from fleetd.clock import SystemClock


def wire_time(loop: asyncio.AbstractEventLoop) -> Callable[[], float]:
    """What tells the time of the wire on a loop, in seconds from an arbitrary start."""
    own: Callable[[], float] = getattr(loop, "wire_time", time.monotonic)
    return own


def on_machine_time(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether the time of the wire is the machine's, so that the kernel's timers keep it."""
    return not hasattr(loop, "wire_time")


class WireClock(SystemClock):
    """A clock by which deadlines on the wire are kept; its running time is that of the wire."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._time = wire_time(loop)

    def monotonic(self) -> float:
        return self._time()
