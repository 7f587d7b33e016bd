"""Tasks that live as long as a context: begun in order, ended in order, their bugs never lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def alongside(work: Mapping[str, Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run each coroutine as a task of that name while the context lasts, then cancel them and wait until they are done.

    Entered once each has taken its first step. If one fails the body is cancelled and the failure raised in a group.
    """
    async with asyncio.TaskGroup() as tasks:
        started = [tasks.create_task(coroutine, name=name) for name, coroutine in work.items()]
        await asyncio.sleep(0)
        try:
            yield
        finally:
            for task in started:
                task.cancel()
