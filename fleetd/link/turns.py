"""`Turns`: one exchange at a time over one link, each no sooner than the device can bear.

For wires whose answers do not say what was asked. A stop goes before whoever else waits; what has been written is
waited for. Not here: what the bytes mean, and when an answer is whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fleetd.clock import Clock
from fleetd.errors import ReplyTimeout
from fleetd.link.stream import Link
from fleetd.link.words import LastWords

_AFTER_PAUSE_S = 0.1


class Exchange:
    """One question and what has been heard since."""

    def __init__(self, link: Link, clock: Clock) -> None:
        self.heard = bytearray()
        self.asked_at_s = float("-inf")
        self._link = link
        self._clock = clock

    async def write(self, data: bytes) -> None:
        """Ask. Raises LinkLost."""
        await self._link.write(data)
        self.asked_at_s = self._clock.monotonic()

    async def read_some(self) -> bytes:
        """What has arrived, at least one byte. Raises LinkLost."""
        data = await self._link.read_some()
        self.heard += data
        return data


class Turns:
    """Who talks when. At least `pause_s` of the clock's time lies between the last words and the next exchange.

    With `first_too` it is kept before the first one: for a device that must not be spoken to too soon after what was
    said over a link before this one, which nobody here knows of.
    """

    def __init__(self, link: Link, clock: Clock, pause_s: float, *, first_too: bool = False) -> None:
        self._link = link
        self._clock = clock
        self._pause_s = pause_s
        self._turn = asyncio.Lock()
        self._urgent = 0
        self._free_at_s = clock.monotonic() + pause_s if first_too else float("-inf")

    def last_words(self, data: bytes) -> LastWords | None:
        """What to write when the daemon no longer can, at once and after the pause that the device may need."""
        return self._link.last_words(data, self._pause_s + _AFTER_PAUSE_S)

    @asynccontextmanager
    async def exchange(
        self, asked: str, within_s: float, *, urgent: bool = False, at_once: bool = False
    ) -> AsyncIterator[Exchange]:
        """One exchange, when its turn has come: it fails, runs out of time and ends the link as `Link.exchange` says.

        An `urgent` one comes before all that are not and have not begun; `at_once` it does not keep the pause either.
        What arrived unasked before it is dropped.
        """
        self._urgent += urgent
        begun = False
        try:
            while not begun:
                if not at_once:
                    await self._clock.sleep(self._free_at_s - self._clock.monotonic())
                async with self._turn:
                    if not at_once and self._clock.monotonic() < self._free_at_s:
                        continue  # somebody else was quicker
                    if self._urgent and not urgent:
                        continue
                    begun = True
                    self._urgent -= urgent
                    async with self._begun(asked, within_s) as exchange:
                        yield exchange
        finally:
            if not begun:
                self._urgent -= urgent

    @asynccontextmanager
    async def _begun(self, asked: str, within_s: float) -> AsyncIterator[Exchange]:
        exchange = Exchange(self._link, self._clock)
        self._link.discard()
        try:
            async with self._link.exchange(asked, within_s):
                yield exchange
        except ReplyTimeout as silence:
            silence.answered = exchange.heard.hex(" ") or silence.answered
            raise
        finally:
            self._free_at_s = max(self._free_at_s, exchange.asked_at_s + self._pause_s)
