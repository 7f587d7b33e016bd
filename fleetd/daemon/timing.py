"""What a running site does about its clock: events, plans looked at anew, and records put right."""

from __future__ import annotations

import structlog

from fleetd.alarms import Alarms
from fleetd.archive.archive import Archive
from fleetd.clock import Clock
from fleetd.clockwatch import ClockWatch
from fleetd.contact.contacts import Contacts
from fleetd.errors import StoreError
from fleetd.hub import Hub
from fleetd.records import Event
from fleetd.store.store import Store

log = structlog.get_logger(__name__)

_RANGES_NAMED = 100


def clock_watch(
    clock: Clock, hub: Hub, store: Store, alarms: Alarms, contacts: Contacts, archive: Archive | None
) -> ClockWatch:
    """The watch over a site's clock, with everything that hears of it."""

    async def put_right(ahead_us: int) -> None:
        try:
            await _retime(ahead_us, clock, hub, store)
            if archive is not None:
                await archive.retime(ahead_us)
        except StoreError as error:
            log.warning("records cannot be given their right time", reason=str(error))

    return ClockWatch(clock, hub.publish, alarms, moved=[contacts.clock_moved], synced=[put_right])


async def _retime(ahead_us: int, clock: Clock, hub: Hub, store: Store) -> None:
    """Put records in the outbox right, and publish by how much those are off that went out before."""
    changed, shifts = await store.outbox.retime(ahead_us)
    if not shifts:
        return
    count = sum(shift.last - shift.first + 1 for shift in shifts)
    text = (
        f"about {count} records were made before the clock was right; {changed} of them waited here and have their "
        "time now; add the shifts to the times of the others, which say clock_synced: false"
    )
    detail = {"retimed": changed, "shifts": [shift._asdict() for shift in shifts[:_RANGES_NAMED]]}
    hub.publish(Event.now(clock, "clock", "records-retimed", text, detail=detail))
