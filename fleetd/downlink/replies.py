"""`Replies`: what one satellite has said since the last order left, and the wait for more of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from fleetd.clock import Clock
from fleetd.downlink import telecommand
from fleetd.downlink.decoder import Packet
from fleetd.downlink.telecommand import Answer
from fleetd.records import Frame, Value

LAST_COMMAND = "last_command"
"""The parameter in which a satellite tells the counter of the last order that it took."""


class Replies:
    """Answers by counter, telemetry by parameter. `key` authenticates answers; seconds are the clock's."""

    def __init__(self, key: bytes, clock: Clock) -> None:
        self._key = key
        self._clock = clock
        self._news = asyncio.Event()
        self._answers: dict[int, Answer] = {}
        self._telemetry: dict[str, Value] = {}
        self._since = clock.now()

    def hear(self, frame: Frame, packet: Packet) -> None:
        """One decoded packet of this satellite. Raises FrameError for an answer that is not authentic."""
        if packet.apid == telecommand.ANSWERS_APID:
            answer = telecommand.read_answer(packet.data, self._key)
            self._answers[answer.counter] = answer
        elif frame.at >= self._since:  # what was said before the last order left knows nothing of it
            self._telemetry.update(packet.values)
        self.wake()

    def begin_anew(self) -> None:
        """What telemetry showed before counts no more."""
        self._since = self._clock.now()
        self._telemetry.clear()

    async def answer(self, counter: int, within_s: float) -> Answer | None:
        """The satellite's word on an order, or None if its window closes without one."""
        until_s = self._clock.monotonic() + within_s
        while counter not in self._answers:
            if (left_s := until_s - self._clock.monotonic()) <= 0 or not await self.wait(left_s):
                return self._answers.get(counter)
        return self._answers[counter]

    def taken(self, counter: int) -> bool:
        """Whether telemetry shows that an order was the last one taken."""
        return self._telemetry.get(LAST_COMMAND) == counter

    async def last_taken(self, within_s: float) -> int | None:
        """The counter of the last order that the satellite took, or None if it does not tell in time."""
        await self._until(lambda: LAST_COMMAND in self._telemetry, within_s)
        last = self._telemetry.get(LAST_COMMAND)
        return last if isinstance(last, int) else None

    async def missing(self, wanted: Mapping[str, Value], within_s: float) -> dict[str, Value]:
        """Wait until telemetry shows all these values; what it does not show in time."""
        await self._until(lambda: not self._missing(wanted), within_s)
        return self._missing(wanted)

    def _missing(self, wanted: Mapping[str, Value]) -> dict[str, Value]:
        return {name: value for name, value in wanted.items() if self._telemetry.get(name) != value}

    async def _until(self, shown: Callable[[], bool], within_s: float) -> None:
        until_s = self._clock.monotonic() + within_s
        while not shown() and (left_s := until_s - self._clock.monotonic()) > 0:
            await self.wait(left_s)

    def wake(self) -> None:
        """There is news, from the satellite or from whoever gives orders."""
        self._news.set()

    async def wait(self, within_s: float | None) -> bool:
        """Wait for news, at most so long; whether there is any."""
        self._news.clear()
        if within_s is None:
            await self._news.wait()
            return True
        waking = asyncio.ensure_future(self._clock.sleep(within_s))
        news = asyncio.ensure_future(self._news.wait())
        try:
            await asyncio.wait({waking, news}, return_when=asyncio.FIRST_COMPLETED)
            return news.done()
        finally:
            for each in (waking, news):
                each.cancel()
