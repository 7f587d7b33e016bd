"""Publishing the audit chain's head: whoever keeps what was published finds a chain that was rewritten as a whole."""

from __future__ import annotations

import structlog

from fleetd.clock import Clock
from fleetd.errors import StoreError
from fleetd.hub import Hub
from fleetd.records import Event
from fleetd.store.audit import Audit, Head

log = structlog.get_logger(__name__)

PERIOD_S = 60.0
HEAD = "audit-head"


class Witness:
    """Publishes the newest number and hash as the event `audit-head`: at once, then each minute if they have changed.

    A head that stayed tells a verifier nothing that it did not know.
    """

    def __init__(self, audit: Audit, hub: Hub, clock: Clock) -> None:
        self._audit = audit
        self._hub = hub
        self._clock = clock

    async def run(self) -> None:
        """For ever, beginning now."""
        told: Head | None = None
        while True:
            try:
                head = await self._audit.head()
            except StoreError as error:
                log.warning("the head of the audit chain cannot be read", reason=str(error))
            else:
                if head != told:
                    self._tell(head)
                    told = head
            await self._clock.sleep(PERIOD_S)

    def _tell(self, head: Head) -> None:
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
