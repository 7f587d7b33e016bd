"""The event loop that the daemon runs on, and how its process treats memory: measured choices, in one place."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from importlib.util import find_spec

_YOUNG, _MIDDLE, _OLD = 50_000, 20, 50


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
