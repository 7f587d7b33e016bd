"""An MQTT broker without set-up: the machine's mosquitto, else iotcore from its wheel, on a free loopback port."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from fleetd.errors import FleetError
from fleetd_hil.demo.children import child

READY_WITHIN_S = 10.0
_SBIN = "/usr/sbin:/sbin"  # where Debian puts mosquitto, and where an ordinary user's PATH does not look


@dataclass(frozen=True, slots=True)
class RunningBroker:
    """Where the broker listens and the newest protocol that it speaks."""

    program: str
    host: str
    port: int
    protocol: str

    @property
    def url(self) -> str:
        return f"mqtt://{self.host}:{self.port}"


@contextlib.asynccontextmanager
async def broker(folder: Path) -> AsyncIterator[RunningBroker]:
    """A broker while the context lasts; its files and log lie in `folder`. Raises FleetError if there is none."""
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:{_SBIN}")
    async with _mosquitto(program, folder) if program else _iotcore() as running:
        yield running


@contextlib.asynccontextmanager
async def _mosquitto(program: str, folder: Path) -> AsyncIterator[RunningBroker]:
    port = free_port()
    settings = folder / "mosquitto.conf"
    limits = "max_inflight_messages 0\nmax_queued_messages 0\n"  # the observer must get all, however late it reads
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n{limits}")
    async with child("mosquitto", [program, "-c", str(settings)], log=folder / "mosquitto.log"):
        await _listening(port)
        yield RunningBroker("mosquitto", "127.0.0.1", port, "5")


@contextlib.asynccontextmanager
async def _iotcore() -> AsyncIterator[RunningBroker]:
    try:
        from iotcore import Broker
    except ImportError:
        raise FleetError("no MQTT broker: install mosquitto, or the extra with `pip install 'fleetd[demo]'`") from None
    port = free_port()
    serving = Broker(port=port, listen="127.0.0.1")
    await asyncio.to_thread(serving.start)
    try:
        yield RunningBroker("iotcore", "127.0.0.1", port, "3.1.1")
    finally:
        await asyncio.to_thread(serving.stop)


def free_port() -> int:
    """A TCP port of the loopback interface that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _listening(port: int) -> None:
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    return
    except TimeoutError:
        raise FleetError(f"the broker does not listen on port {port} after {READY_WITHIN_S:g} s") from None
