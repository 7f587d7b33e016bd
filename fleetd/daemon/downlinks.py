"""The frames of a site: their archive, the decoder of each satellite, and a reception at each TNC of an antenna."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fleetd.access.matrix import Access
from fleetd.clock import Clock
from fleetd.config.site import Site
from fleetd.downlink.decoder import Decoder
from fleetd.downlink.reception import Reception
from fleetd.downlink.uplink import Uplink
from fleetd.hub import Hub
from fleetd.store.frames import FrameArchive
from fleetd.store.store import Store
from fleetd.supervise import Device, Supervision


@dataclass(frozen=True, slots=True)
class Downlinks:
    """What frames need of the site, open."""

    site: Site
    archive: FrameArchive
    decoders: Mapping[str, Decoder]
    """By satellite."""

    def receptions(self, devices: Mapping[str, Device], supervision: Supervision, hub: Hub) -> dict[str, Reception]:
        """Where the frames of each antenna with a TNC arrive, by the antenna's name."""
        return {
            antenna.name: Reception(
                devices[antenna.tnc], supervision, hub, self.archive, self.decoders, self.site.downlink
            )
            for antenna in self.site.antennas
            if antenna.tnc is not None
        }

    def uplinks(
        self, receptions: Iterable[Reception], store: Store, hub: Hub, clock: Clock, access: Access
    ) -> dict[str, Uplink]:
        """The orders for each satellite that takes any, hearing what all receptions hear. Raises ConfigError."""
        made = {
            satellite.name: Uplink(satellite.name, satellite.uplink, store, hub, clock, access)
            for satellite in self.site.satellites
            if satellite.uplink is not None
        }
        for reception in receptions:
            reception.listeners += [uplink.heard for uplink in made.values()]
        return made


@asynccontextmanager
async def downlinks(site: Site, folder: Path, clock: Clock) -> AsyncIterator[Downlinks]:
    """Archive and decoders of a site while the context lasts. Raises StoreError and ConfigError."""
    async with AsyncExitStack() as stack:
        archive = await stack.enter_async_context(FrameArchive.open(folder, clock, site.downlink.keep_frames_days))
        decoders = {
            satellite.name: await stack.enter_async_context(satellite.decoder.spec.open(satellite.decoder.settings))
            for satellite in site.satellites
            if satellite.decoder is not None
        }
        yield Downlinks(site, archive, decoders)
