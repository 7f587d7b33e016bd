"""What the process is told from outside: leave (SIGTERM, SIGINT) or live on as another site (SIGHUP)."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from fleetd.config.site import Site
from fleetd.errors import ConfigError
from fleetd.notify import Notifier

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Leave:
    """End the process in good order."""

    reason: str


@dataclass(frozen=True, slots=True)
class Reload:
    """Live on as this site."""

    site: Site


Order = Leave | Reload
NextOrder = Callable[[], Awaitable[Order]]


class Orders:
    """Signals, turned into orders one at a time; to leave overtakes all else."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[signal.Signals] = asyncio.Queue()

    @classmethod
    @asynccontextmanager
    async def heard(cls) -> AsyncIterator[Orders]:
        """Listen for the signals while the context lasts."""
        orders, loop = cls(), asyncio.get_running_loop()
        heard = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        for number in heard:
            loop.add_signal_handler(number, orders._queue.put_nowait, number)
        try:
            yield orders
        finally:
            for number in heard:
                loop.remove_signal_handler(number)

    def follow(self, notifier: Notifier, read_site: Callable[[], Site]) -> NextOrder:
        """A function that waits for the next order that can be followed.

        A site file that is wrong by now is refused with every reason, and life goes on as it was.
        """

        async def next_order() -> Order:
            while (number := await self._queue.get()) is signal.SIGHUP:
                notifier.reloading()
                try:
                    return Reload(await asyncio.to_thread(read_site))
                except ConfigError as error:
                    for problem in error.problems:
                        log.error("reload refused, the old configuration stays", reason=problem)
                    notifier.ready("reload refused: the old configuration stays")
            notifier.stopping()
            return Leave(number.name)

        return next_order
