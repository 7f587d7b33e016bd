"""Work that goes on beside the body of a context, and ends with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """Run `work` as a task of that name while the context lasts, then cancel it and wait until it is done.

    If it fails the body is cancelled, and its failure raised in place of the cancellation; a failure of the body comes
    first. Neither is wrapped in a group.
    """
    failures: list[Exception] = []
    try:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(work, name=name)
            try:
                yield
            except Exception as error:  # noqa: BLE001  # raised again below, where no group wraps it
                failures.append(error)
            finally:
                task.cancel()
    except* Exception as group:  # noqa: BLE001
        failures += group.exceptions
    if failures:
        raise failures[0]
