"""The archive of a running site. A site that cannot keep one works all the same, and says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import structlog

from fleetd.archive.archive import Archive
from fleetd.clock import Clock
from fleetd.config.site import Site
from fleetd.daemon.alongside import alongside
from fleetd.errors import StoreError
from fleetd.hub import Hub

log = structlog.get_logger(__name__)


@asynccontextmanager
async def archiving(site: Site, clock: Clock, hub: Hub) -> AsyncIterator[Archive | None]:
    """Take in what the hub publishes while the context lasts; None where there is none, or it cannot be opened."""
    archive: Archive | None = None
    async with AsyncExitStack() as stack:
        if site.archive.enabled:
            try:
                archive = await stack.enter_async_context(Archive.open(Path(site.store.path), clock, site.archive))
            except StoreError as error:
                log.error("there is no archive", reason=str(error))
            else:
                await stack.enter_async_context(alongside({"archive": archive.run(hub)}))
        yield archive
