"""`Guest`: whoever speaks other topics than ours over the relay's connection, and is told what comes in on them.

What a guest says is its own business: it does not pass the outbox, and a broker that is away does not hear it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fleetd.relay.incoming import Incoming
from fleetd.relay.uplink import Uplink


class Guest(Protocol):
    """One more speaker on the connection."""

    @property
    def filters(self) -> Sequence[str]:
        """What to subscribe to, beside our own command topics."""
        ...

    def take(self, incoming: Incoming) -> bool:
        """A message from the broker; whether it was meant for this guest."""
        ...

    async def attend(self, uplink: Uplink) -> None:
        """Speak over a new connection, for as long as it lasts; one message at QoS 1 at a time, no more."""
        ...

    async def farewell(self, uplink: Uplink) -> None:
        """Last words before the connection is ended in good order."""
        ...
