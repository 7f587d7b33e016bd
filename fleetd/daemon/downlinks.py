"""The frames of a site: their archive, the decoder of each satellite, and a reception at each TNC of an antenna."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fleetd.clock import Clock
from fleetd.config.site import Site
from fleetd.downlink.decoder import Decoder
from fleetd.downlink.reception import Reception
from fleetd.hub import Hub
from fleetd.store.frames import FrameArchive
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
