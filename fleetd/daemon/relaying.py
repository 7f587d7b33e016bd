"""The relay of a site, with what travels over its brokers beside plain records: commands, Sparkplug B, discovery."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from fleetd.clock import Clock
from fleetd.config.founddevices import map_of
from fleetd.config.site import Site
from fleetd.contact.contacts import Contacts
from fleetd.daemon.rooms import Rooms
from fleetd.hub import Hub
from fleetd.records import Command
from fleetd.relay.guest import Guest
from fleetd.relay.homeassistant import Discovery
from fleetd.relay.relay import Relay
from fleetd.relay.signed import Signatures
from fleetd.relay.sparkplug.edge import Edge
from fleetd.relay.sparkplug.metrics import metrics_of
from fleetd.relay.sparkplug.node import Kind
from fleetd.robots.dispatch import Dispatch
from fleetd.store.store import Store


async def relay_of(
    site: Site, rooms: Rooms, hub: Hub, store: Store, dispatching: asyncio.Future[Dispatch], guests: Sequence[Guest]
) -> Relay:
    """The relay, not yet running; commands that arrive before `dispatching` is done wait for it. Raises StoreError."""
    clock = rooms.supervision.clock
    return Relay(
        site.relay,
        store,
        hub,
        clock,
        site.site,
        _to_whom_it_concerns(rooms, dispatching),
        await Signatures.known(site.site, rooms.access, store.counters, clock),
        [*guests, *_discovery(site)],
        _edge(site, clock, hub, store, rooms.contacts),
        _whether_working(rooms.contacts),
    )


def _to_whom_it_concerns(rooms: Rooms, dispatching: asyncio.Future[Dispatch]) -> Callable[[Command], Awaitable[None]]:
    """Orders for a satellite go to its uplink, all other commands to the robots."""

    async def on_command(command: Command) -> None:
        if (uplink := rooms.uplinks.get(command.device)) is not None:
            await uplink.submit(command)
            return
        await (await asyncio.shield(dispatching)).submit_all(command)

    return on_command


def _edge(site: Site, clock: Clock, hub: Hub, store: Store, contacts: Contacts) -> Edge | None:
    """Readings as Sparkplug B, where the site wants them; maps tell the metrics before there are values."""
    if site.relay.sparkplug is None:
        return None
    known, working = _known_values(site), _whether_working(contacts)
    return Edge(site.relay, site.relay.sparkplug, store, hub, clock, site.site, known, working)


def _discovery(site: Site) -> list[Discovery]:
    """Values announced to Home Assistant, where the site wants them."""
    chosen = site.relay.home_assistant
    return [] if chosen is None else [Discovery(site.site, chosen, _known_values(site))]


def _known_values(site: Site) -> dict[str, dict[str, Kind]]:
    maps = {device.name: map_of(device.settings) for device in site.devices}
    return {name: metrics_of(register_map) for name, register_map in maps.items() if register_map is not None}


def _whether_working(contacts: Contacts) -> Callable[[], bool]:
    return lambda: contacts.working
