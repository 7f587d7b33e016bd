"""One site, alive: every room begun in its order, and kept running until an order comes.

The rooms are begun from the ground up and left from the top down: no new requests, contacts ended with their antennas
stopped, devices left, and last the relay, which by then has heard of all of it.
"""

from __future__ import annotations

import asyncio

import msgspec
import structlog

from fleetd.archive.archive import Archive
from fleetd.clock import Clock
from fleetd.config.site import Site
from fleetd.contact.contacts import Contacts
from fleetd.control.house import House
from fleetd.control.server import serving
from fleetd.daemon import duties
from fleetd.daemon.alongside import alongside
from fleetd.daemon.archiving import archiving
from fleetd.daemon.downlinks import downlinks
from fleetd.daemon.mastered import Mastered
from fleetd.daemon.orders import NextOrder, Order, Reload
from fleetd.daemon.relaying import relay_of
from fleetd.daemon.rooms import Rooms, build
from fleetd.faces.port import Behind, serve_faces
from fleetd.hub import Hub
from fleetd.notify import Notifier
from fleetd.relay.relay import Relay
from fleetd.robots.dispatch import Dispatch
from fleetd.robots.journal import Journal
from fleetd.store.store import Store

log = structlog.get_logger(__name__)

_IDLE_LOOK_S = 1.0


async def live(site: Site, clock: Clock, next_order: NextOrder, notifier: Notifier) -> Order:
    """Run the site until an order comes, leave everything safe, and return the order.

    Raises StoreError or ConfigError when the store, the socket or the elements cannot be had.
    """
    hub = Hub()
    async with (
        Store.open(site.store.path, node=site.site, clock=clock, settings=site.store) as store,
        downlinks(site, store.folder, clock) as frames,
    ):
        rooms = build(site, clock, hub, store, frames)
        await _restore(rooms)
        dispatching: asyncio.Future[Dispatch] = asyncio.get_running_loop().create_future()
        mastered = Mastered(site, rooms.fleet, dispatching, clock)
        relay = await relay_of(site, rooms, hub, store, dispatching, mastered.guests)
        journal = Journal(store, hub, clock)
        try:
            async with (
                archiving(site, clock, hub) as archive,
                mastered.living(hub),
                alongside({"relay": relay.run()}),
                alongside(duties.of_fleet(site, rooms.fleet, hub, clock) | duties.of_alarms(site, rooms.alarms, hub)),
                rooms.elements.begun(),
                duties.under_maintenance(rooms.maintenance),
                rooms.guard.on_duty(duties.guard_alarm(rooms.alarms)),
                alongside(duties.of_antennas(rooms)),
                alongside({f"orders for {name}": each.sweep() for name, each in rooms.uplinks.items()}),
                alongside(duties.of_devices(rooms)),
                Dispatch.open(site.robots, rooms.fleet, journal, rooms.access) as dispatch,
                alongside({"contacts": rooms.contacts.run(), "elements": rooms.elements.run()}),
                alongside(duties.of_house(rooms, store, hub, archive, notifier)),
                serving(_house(site, hub, store, rooms, relay, dispatch, archive), site.control),
                serve_faces(site.faces, Behind(rooms.antennas, rooms.radios, store.audit)),
            ):
                dispatching.set_result(dispatch)
                notifier.ready(f"{site.site}: {len(site.satellites)} satellites, {len(site.devices)} devices")
                order = await _decide(next_order, rooms.contacts)
                log.info("leaving", order=type(order).__name__)
        finally:
            log.info("relay rests", **msgspec.to_builtins(relay.status()))
    return order


async def _restore(rooms: Rooms) -> None:
    """What an earlier run has left: alarms that stand, orders that wait."""
    await rooms.alarms.restore()
    for uplink in rooms.uplinks.values():
        await uplink.restore()


def _house(
    site: Site, hub: Hub, store: Store, rooms: Rooms, relay: Relay, dispatch: Dispatch, archive: Archive | None
) -> House:
    return House(
        site=site.site,
        clock=rooms.supervision.clock,
        hub=hub,
        store=store,
        access=rooms.access,
        relay=relay,
        fleet=rooms.fleet,
        dispatch=dispatch,
        antennas=rooms.antennas,
        radios=rooms.radios,
        contacts=rooms.contacts,
        maintenance=rooms.maintenance,
        alarms=rooms.alarms,
        elements=rooms.elements,
        devices=rooms.devices,
        archive=archive,
        desk=rooms.desk,
        uplinks=rooms.uplinks,
        instruments=rooms.instruments,
    )


async def _decide(next_order: NextOrder, contacts: Contacts) -> Order:
    """The next order that can be followed now: a reload waits for the end of a running contact, leaving does not."""
    order = await next_order()
    while isinstance(order, Reload) and (running := [each.id for each in contacts.booked if each.state == "running"]):
        log.info("the new configuration waits for a contact to end", contact=running[0])
        newer = asyncio.ensure_future(next_order())
        try:
            while any(each.state == "running" for each in contacts.booked) and not newer.done():
                await asyncio.wait({newer}, timeout=_IDLE_LOOK_S)
            if newer.done():
                order = newer.result()
        finally:
            newer.cancel()
    return order
