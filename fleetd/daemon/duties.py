"""What a site does as long as it lives: the work of each room, under the name that its task bears."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

from fleetd.access.witness import Witness
from fleetd.alarms import Alarms
from fleetd.alarms.away import Away
from fleetd.alarms.limits import Limits
from fleetd.archive.archive import Archive
from fleetd.clock import Clock
from fleetd.config.site import Site
from fleetd.contact.maintenance import Maintenance
from fleetd.daemon.alongside import alongside
from fleetd.daemon.limits import limits_of
from fleetd.daemon.rooms import Rooms
from fleetd.daemon.timing import clock_watch
from fleetd.devices import Driver
from fleetd.hub import Hub
from fleetd.notify import Notifier
from fleetd.records import Severity
from fleetd.robots.fleet import Fleet
from fleetd.store.store import Store
from fleetd.supervise import Progress

log = structlog.get_logger(__name__)

Duties = dict[str, Coroutine[Any, Any, None]]


def of_fleet(site: Site, fleet: Fleet, hub: Hub, clock: Clock) -> Duties:
    """Knowing the newest reading of each robot, and telling of all of them in a line."""
    return {
        "fleet": fleet.watch(hub),
        "fleet in a line": fleet.summarise(hub, clock, site.robots.summary_s),
    }


def of_alarms(site: Site, alarms: Alarms, hub: Hub) -> Duties:
    """The book of alarms, and what is alarmed about whichever device it is."""
    limits = Limits(alarms, limits_of(site), site.alarms.late_after_s)
    return {
        "alarms": alarms.run(),
        "alarms of devices away": Away(alarms, site.alarms.offline_after_s).watch(hub),
        "alarms of limits": limits.watch(hub),
    }


def of_antennas(rooms: Rooms) -> Duties:
    """Looking after each antenna's motors, the wind around it and the frames that come down through it."""
    return {
        **{f"motors of {name}": watch.run() for name, watch in rooms.motors.items()},
        **{f"wind for {name}": watch.run() for name, watch in rooms.winds.items()},
        **{f"frames of {name}": each.keep() for name, each in rooms.receptions.items()},
    }


def of_devices(rooms: Rooms) -> Duties:
    """The supervised loop of each device that something in the site uses."""
    work: dict[str, Callable[[Driver], Coroutine[Any, Any, None]]] = {
        antenna.device.name: antenna.work for antenna in rooms.antennas.values()
    }
    work |= {radio.device.name: radio.work for radio in rooms.radios.values()}
    work |= {radio.preamp.device.name: radio.preamp.work for radio in rooms.radios.values() if radio.preamp}
    work |= {name: poller.work for name, poller in rooms.pollers.items()}
    work |= {each.device.name: each.work for each in rooms.receptions.values()}
    return {
        f"device {each.device.name}": rooms.supervision.run(each.device, work[each.device.name])
        for each in rooms.devices
        if each.device.name in work
    }


def of_house(rooms: Rooms, store: Store, hub: Hub, archive: Archive | None, notifier: Notifier) -> Duties:
    """Watching over the process itself: its promises, its audit chain, its clock, its loop."""
    clock = rooms.supervision.clock
    return {
        "watchdog": _feed_watchdog(rooms.supervision.progress, notifier),
        "audit witness": Witness(store.audit, hub, clock).run(),
        "clock": clock_watch(clock, hub, store, rooms.alarms, rooms.contacts, archive).run(),
        "loop lag": rooms.instruments.lag.run(),
        "counts": rooms.instruments.counts.watch(hub),
    }


@asynccontextmanager
async def under_maintenance(maintenance: Maintenance) -> AsyncIterator[None]:
    """What is locked is known before anything can move."""
    await maintenance.load()
    async with alongside({"maintenance": maintenance.run()}):
        yield


def guard_alarm(alarms: Alarms) -> Callable[[str], None]:
    """Raises the alarm of a guard that is away for the reason given, and clears it for ''."""

    def told(why: str) -> None:
        if why:
            alarms.raise_("fleetd", "guard", Severity.CRITICAL, why)
        else:
            alarms.clear("fleetd", "guard")

    return told


async def _feed_watchdog(progress: Progress, notifier: Notifier) -> None:
    """Tell systemd that all is well as long as every loop keeps its promises; it ends us when we fall silent."""
    period_s = (notifier.watchdog_s or 30.0) / 3
    while True:
        late = progress.overdue()
        if late:
            log.error("loops without progress; the watchdog is not fed", loops=late)
        else:
            notifier.alive()
        await asyncio.sleep(period_s)
