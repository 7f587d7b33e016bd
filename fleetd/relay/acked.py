"""`Acked`: rows that a broker has acknowledged, on their way out of the outbox: many are deleted in one commit."""

from __future__ import annotations

import asyncio

import structlog

from fleetd.clock import Clock
from fleetd.errors import StoreError
from fleetd.store.outbox import Outbox

log = structlog.get_logger(__name__)

GATHER_S = 0.02  # real time in which acknowledgements gather
_STORE_RETRY_S = 1.0


class Acked:
    """The numbers of rows that need not be sent again; true while there are any."""

    def __init__(self, outbox: Outbox, clock: Clock) -> None:
        self.seqs: set[int] = set()
        """Those not deleted yet."""
        self._outbox = outbox
        self._clock = clock
        self._some = asyncio.Event()

    def __bool__(self) -> bool:
        return bool(self.seqs)

    def add(self, seq: int) -> None:
        """A row has been acknowledged."""
        self.seqs.add(seq)
        self._some.set()

    async def settle(self) -> None:
        """Delete what was acknowledged. Raises StoreError, and then nothing is forgotten."""
        done = sorted(self.seqs)
        if done:
            await self._outbox.delete(done)
            self.seqs.difference_update(done)
            self._outbox.claims.release(done)

    async def keep_settling(self) -> None:
        """Delete for ever, soon after each acknowledgement; a disk that does not take it is tried again."""
        while True:
            await self._some.wait()
            await asyncio.sleep(GATHER_S)
            self._some.clear()
            try:
                await self.settle()
            except StoreError as error:
                log.debug("acknowledged records cannot be deleted yet", reason=str(error))
                await self._clock.sleep(_STORE_RETRY_S)
                self._some.set()
