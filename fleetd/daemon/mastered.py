"""The robots that a master control speaks with by VDA 5050, where the site has such."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from fleetd.clock import Clock
from fleetd.config.site import Site
from fleetd.daemon.alongside import alongside
from fleetd.hub import Hub
from fleetd.relay.guest import Guest
from fleetd.robots.dispatch import Dispatch
from fleetd.robots.fleet import Fleet
from fleetd.vda5050.errands import Errands
from fleetd.vda5050.reaper import ReaperProcess
from fleetd.vda5050.speaker import Speaker
from fleetd.vda5050.state import Origin
from fleetd.vda5050.vehicle import Vehicle, World


class Mastered:
    """The relay's guests, and what they live on: none for a site that says nothing of VDA 5050."""

    def __init__(self, site: Site, fleet: Fleet, dispatching: asyncio.Future[Dispatch], clock: Clock) -> None:
        self.guests: Sequence[Guest] = ()
        self._speaker: Speaker | None = None
        settings = site.vda5050
        if settings is None:
            return
        origin = Origin(site.station.latitude_deg, site.station.longitude_deg, settings.map_id)
        world = World(settings, site.robots.places, origin, Errands(dispatching, clock), clock)
        vehicles = {serial: Vehicle(fleet.member(name), serial, world) for name, serial in settings.robots.items()}
        self._reaper = ReaperProcess(Path(site.store.path), site.relay, f"fleetd-{site.site}-reaper")
        self._speaker = Speaker(vehicles, world, self._reaper)
        self.guests = (self._speaker,)

    @asynccontextmanager
    async def living(self, hub: Hub) -> AsyncIterator[None]:
        """Orders worked, and the reaper on watch, while the context lasts."""
        if self._speaker is None:
            yield
            return
        async with (
            self._reaper.watching(self._speaker.broken()),
            alongside({"vda5050": self._speaker.run(hub)}),
        ):
            yield
