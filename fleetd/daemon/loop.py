"""The event loop that the daemon runs on, and how its process treats memory: measured choices, in one place."""

from __future__ import annotations

import asyncio
import ctypes
import gc
from collections.abc import Callable
from importlib.util import find_spec

_YOUNG, _MIDDLE, _OLD = 50_000, 20, 50
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h of glibc
_LARGE_BYTES = 256 << 10


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where it is installed; None for asyncio's own."""
    if find_spec("uvloop") is None:
        return None
    import uvloop

    return uvloop.new_event_loop


def spare_the_collector() -> None:
    """Collect rarely: a poll leaves a few hundred objects behind, none of them in a cycle, and each is freed by itself.

    What has been imported by now is never looked at again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)


def give_memory_back() -> None:
    """Have what a plan took for a moment returned to the system, with glibc; others do so by themselves or not at all.

    By itself it keeps up to eight heaps a core for threads, each as large as what it held once, and after the first
    large array that is freed it puts those that come into the heaps, too.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 2)
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_TRIM_THRESHOLD, 4 * _LARGE_BYTES)
