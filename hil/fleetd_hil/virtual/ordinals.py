"""Tasks and futures that are told apart by the order in which they were made.

An ordinary one's place in a set follows from its address, which differs from process to process; asyncio itself keeps
them in sets, and so do programs. The place of these follows from their number, so that what goes through a set of them
goes in the same order wherever it runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any


class OrdinalFuture(asyncio.Future[Any]):
    """A future with a number."""

    def __init__(self, ordinal: int, loop: asyncio.AbstractEventLoop) -> None:
        self._ordinal = ordinal
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self._ordinal


class OrdinalTask(asyncio.Task[Any]):
    """A task with a number."""

    def __init__(
        self,
        ordinal: int,
        work: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
        loop: asyncio.AbstractEventLoop,
        **more: Any,
    ) -> None:
        self._ordinal = ordinal  # first: it is put into a set of all tasks while it is made
        super().__init__(work, loop=loop, **more)

    def __hash__(self) -> int:
        return self._ordinal
