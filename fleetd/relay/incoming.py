"""What the broker sends us, in a queue that is bounded by number and by size."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from fleetd.relay.mqtt.packets import Publish

_MOST_UNREAD, _MOST_UNREAD_BYTES = 1000, 4 << 20


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message from the broker; `retained` if it was kept there, not sent just now.

    A payload of more than some 100 KiB is cut; `size` is how long it was.
    """

    topic: str
    payload: bytes
    retained: bool
    size: int


class Unread:
    """Messages that wait for us to take them."""

    def __init__(self) -> None:
        self.refused = 0
        """How many were refused because too many waited."""
        self._messages: deque[Incoming] = deque()
        self._bytes = 0
        self._news = asyncio.Event()

    def put(self, message: Publish) -> None:
        """Take one in, or count it as refused."""
        size = len(message.payload)
        if len(self._messages) >= _MOST_UNREAD or self._bytes + size > _MOST_UNREAD_BYTES:
            self.refused += 1
            return
        self._messages.append(Incoming(message.topic, message.payload, message.retain, message.size))
        self._bytes += size
        self._news.set()

    def wake(self) -> None:
        """Let whoever waits look again: nothing more will come."""
        self._news.set()

    async def news(self) -> None:
        """Return once there is something new, or nothing more to come."""
        self._news.clear()
        await self._news.wait()

    def take(self) -> Incoming | None:
        """The oldest one; None if there is none."""
        if not self._messages:
            return None
        message = self._messages.popleft()
        self._bytes -= len(message.payload)
        return message
