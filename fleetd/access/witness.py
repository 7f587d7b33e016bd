"""Publishing the audit chain's head: whoever keeps what was published finds a chain that was rewritten as a whole."""

from __future__ import annotations

import structlog

from fleetd.clock import Clock
from fleetd.errors import StoreError
from fleetd.hub import Hub
from fleetd.records import Event
from fleetd.store.audit import Audit

log = structlog.get_logger(__name__)

PERIOD_S = 60.0
HEAD = "audit-head"


class Witness:
    """Publishes the newest number and hash once a minute, as the event `audit-head`."""

    def __init__(self, audit: Audit, hub: Hub, clock: Clock) -> None:
        self._audit = audit
        self._hub = hub
        self._clock = clock

    async def run(self) -> None:
        """For ever, beginning now."""
        while True:
            try:
                head = await self._audit.head()
            except StoreError as error:
                log.warning("the head of the audit chain cannot be read", reason=str(error))
            else:
                self._hub.publish(
                    Event(
                        at=self._clock.now(),
                        clock_synced=self._clock.synced,
                        source="audit",
                        name=HEAD,
                        text=f"entry {head.number} of the audit chain has the hash {head.hash}",
                        detail={"number": head.number, "hash": head.hash},
                    )
                )
            await self._clock.sleep(PERIOD_S)
