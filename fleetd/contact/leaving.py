"""Leaving is safe: what must be finished is finished, even if whoever began it is cancelled meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def seen_through(act: Coroutine[Any, Any, T], *, name: str, within_s: float) -> T:
    """Run `act` to its end and return what it returns; a cancellation meanwhile is delivered afterwards.

    After `within_s` real seconds the act itself is cancelled and TimeoutError raised.
    """
    task = asyncio.create_task(_boxed(act, within_s), name=name)  # outlives no one: it is awaited right here
    interrupted: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as cancelled:
            interrupted = cancelled
    if interrupted is not None:
        raise interrupted from task.exception()
    return task.result()


async def _boxed(act: Coroutine[Any, Any, T], within_s: float) -> T:
    async with asyncio.timeout(within_s):
        return await act
