"""The reaper: a small process that says CONNECTIONBROKEN for each robot when fleetd has died.

An MQTT connection carries one last will, and that is the site's; here are as many as there are robots. It watches a
pipe from the daemon. A pipe that ends after the word `bye` ends the watch; one that just ends is a death, and only then
does it connect to a broker. SIGTERM it passes over: systemd sends it to what is left of a service whose main process
has died.

    python -m fleetd.vda5050.reaper      first line: a `Watch` as JSON; it answers `ready` when no earlier one is left
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import structlog

from fleetd.errors import FleetError
from fleetd.relay.failures import UplinkLost
from fleetd.relay.settings import RelaySettings, parse_broker
from fleetd.relay.topics import Message
from fleetd.relay.uplink import Uplink

log = structlog.get_logger(__name__)

BYE, READY = b"bye\n", b"ready\n"
LOCK = "vda5050-reaper.lock"
_MOST_BYTES = 16 << 20  # of one line: a thousand robots take half a megabyte
_TRY_FOR_S = 15.0
_TRY_AGAIN_S = 0.5
_LOOK_AGAIN_S = 0.05


class Watch(msgspec.Struct, frozen=True):
    """What the reaper is told: how to reach the brokers, what to say there, and where the lock of its kind is."""

    relay: dict[str, Any]
    client_id: str
    lock: str
    last_words: list[tuple[str, str]]
    """Topics and payloads, all retained."""


class ReaperProcess:
    """The daemon's end of it."""

    def __init__(self, folder: Path, relay: RelaySettings, client_id: str) -> None:
        self._lock = folder / LOCK
        self._relay = relay
        self._client_id = client_id
        self._is_ready = asyncio.Event()

    async def ready(self) -> None:
        """Return once it is on watch, and none of an earlier run is."""
        await self._is_ready.wait()

    @asynccontextmanager
    async def watching(self, last_words: Sequence[Message]) -> AsyncIterator[None]:
        """On watch while the context lasts; leaving it in any way but by death says `bye`."""
        watch = Watch(
            relay=self._relay.model_dump(mode="json"),
            client_id=self._client_id,
            lock=str(self._lock),
            last_words=[(message.topic, message.payload.decode()) for message in last_words],
        )
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "fleetd.vda5050.reaper"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the reaper has no pipes")
        try:
            process.stdin.write(msgspec.json.encode(watch) + b"\n")
            async with asyncio.TaskGroup() as tasks:
                waiting = tasks.create_task(self._hear(process.stdout), name="vda5050 reaper")
                yield
                waiting.cancel()
        finally:
            with suppress(ConnectionError):
                process.stdin.write(BYE)
                process.stdin.close()
            await asyncio.shield(process.wait())

    async def _hear(self, output: asyncio.StreamReader) -> None:
        if await output.readline() == READY:
            self._is_ready.set()
            return
        log.error("the VDA 5050 reaper did not come up; robots' last words would not be said")
        self._is_ready.set()


def main() -> None:
    """Watch, and reap if need be."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    stdin = sys.stdin.buffer
    line = stdin.readline(_MOST_BYTES)
    if not line.endswith(b"\n"):
        return  # the daemon died before it could say anything
    watch = msgspec.json.decode(line, type=Watch)
    with Path(watch.lock).open("w", encoding="ascii") as lock:
        if not _locked(lock.fileno(), stdin.fileno()):
            return
        sys.stdout.buffer.write(READY)
        sys.stdout.buffer.flush()
        if BYE not in iter(stdin.readline, b""):
            asyncio.run(reap(watch))


def _locked(lock: int, stdin: int) -> bool:
    """Take the lock of our kind once an earlier reaper has done its work; False if the daemon goes meanwhile."""
    os.set_blocking(stdin, False)
    try:
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            with suppress(BlockingIOError):
                if os.read(stdin, 64) in (b"", BYE):
                    return False
            time.sleep(_LOOK_AGAIN_S)
    finally:
        os.set_blocking(stdin, True)


async def reap(watch: Watch) -> None:
    """Say all last words at the first broker that takes them, trying for a while."""
    settings = RelaySettings.model_validate(watch.relay)
    words = [Message(topic, payload.encode(), retain=True) for topic, payload in watch.last_words]
    with suppress(TimeoutError):
        async with asyncio.timeout(_TRY_FOR_S):
            while True:
                for url in settings.brokers:
                    try:
                        await _say(settings, url, watch.client_id, words)
                    except FleetError as error:
                        log.warning("last words are not said yet", reason=str(error))
                    else:
                        return
                await asyncio.sleep(_TRY_AGAIN_S)


async def _say(settings: RelaySettings, url: str, client_id: str, words: Sequence[Message]) -> None:
    async with Uplink.connect(parse_broker(url), settings, client_id, words[0]) as uplink:
        for message in words:
            await uplink.deliver(message)
        with suppress(UplinkLost):
            await uplink.leave()


if __name__ == "__main__":
    main()
