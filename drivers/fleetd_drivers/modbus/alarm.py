"""A timer that goes off within a tenth of a millisecond, and costs nothing while it waits.

The event loop's own timers are good to a millisecond: epoll rounds up to the next one, uvloop to the nearest. That is
more than half of the silence between two frames at 115200 baud. Linux's timerfd is a descriptor that becomes readable
on time; decision 0011 has the figures. Where there is none, or the loop's time is not the machine's, the loop's own
timer does.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
import sys
from collections.abc import Callable
from contextlib import suppress

from fleetd.link.wiretime import on_machine_time

_CLOCK_MONOTONIC = 1
_ABSOLUTE = 1  # TFD_TIMER_ABSTIME
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC  # TFD_NONBLOCK and TFD_CLOEXEC are the same bits: timerfd_create(2)
_SPEC = struct.Struct("@qqqq")  # struct itimerspec: no repetition, then seconds and nanoseconds of the instant


class Alarm:
    """One instant at a time, at which `ring` is called. The times are those of the wire (`fleetd.link.wiretime`)."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None
        self._fd = _timerfd() if on_machine_time(self._loop) else None
        if self._fd is not None:
            self._loop.add_reader(self._fd, self._rang)

    def set(self, at: float) -> None:
        """Ring at this time, and not at the one that was set before."""
        if self._fd is None:
            self.clear()
            self._timer = self._loop.call_at(at, self._ring)
        else:
            _settime(self._fd, at)

    def clear(self) -> None:
        """Do not ring."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._fd is not None:
            _settime(self._fd, 0.0)  # which disarms it

    def close(self) -> None:
        """Give the descriptor back; it does not ring any more."""
        self.clear()
        if self._fd is not None:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = None

    def _rang(self) -> None:
        if self._fd is None:
            return
        with suppress(BlockingIOError):  # it was set anew, or cleared, since it became readable
            os.read(self._fd, 8)
            self._ring()


def _libc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    return libc if hasattr(libc, "timerfd_create") else None


_LIBC = _libc()


def _timerfd() -> int | None:
    if _LIBC is None:
        return None
    descriptor: int = _LIBC.timerfd_create(_CLOCK_MONOTONIC, _FLAGS)
    return descriptor if descriptor >= 0 else None


def _settime(descriptor: int, at: float) -> None:
    seconds = int(at)
    spec = _SPEC.pack(0, 0, seconds, int((at - seconds) * 1e9))
    if _LIBC is not None and _LIBC.timerfd_settime(descriptor, _ABSOLUTE, spec, None):
        raise OSError(ctypes.get_errno(), "timerfd_settime")
