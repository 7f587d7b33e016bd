"""Opens a bus from a link URL; all devices with the same URL share one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fleetd.errors import ConfigError
from fleetd.link.ports import Ports
from fleetd.link.url import LinkUrl
from fleetd_drivers.modbus.bus import Bus
from fleetd_drivers.modbus.rtu import RtuBus
from fleetd_drivers.modbus.tcp import TcpBus

SCHEMES = ("modbus+tcp", "modbus+rtu", "modbus+rtuovertcp")


def bus_for(ports: Ports, url: LinkUrl) -> AbstractAsyncContextManager[Bus]:
    """The bus behind `url`: opened for its first user, closed after its last. Entering raises LinkLost."""
    if url.scheme not in SCHEMES:
        raise ConfigError(f"link {url}: {url.scheme} is no Modbus line; use {', '.join(SCHEMES)}")
    return ports.share(url, lambda: _opened(ports, url))


@asynccontextmanager
async def _opened(ports: Ports, url: LinkUrl) -> AsyncIterator[Bus]:
    make: type[Bus] = TcpBus if url.scheme == "modbus+tcp" else RtuBus
    async with ports.connect(url, lambda: make(url)) as bus:
        try:
            yield bus
        finally:
            await bus.close()
