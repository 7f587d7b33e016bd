"""`Guard`: the daemon's side of it. It starts the process, tells it what to watch, and beats four times a lease.

A lease is armed while something moves or transmits. When the guard has acted, the lease says so for good: whoever holds
it ends its link, for what the guard wrote is answered out of turn. A guard that ends is started afresh and told
everything once more. It is no certified safety function.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog

from fleetd.devices import Guarded
from fleetd.errors import LinkLost
from fleetd.guard.settings import GuardSettings
from fleetd.link.words import LastWords

log = structlog.get_logger(__name__)

_AGAIN_S = 1.0
_END_WITHIN_S = 5.0
_MOST_BYTES = 65_536


class Lease:
    """One device watched over: armed from before it moves or transmits until it is known to be safe."""

    def __init__(self, guard: Guard | None, number: int, name: str, words: LastWords | None) -> None:
        self.armed = False
        self._acted: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._guard = guard
        self._number = number
        self._name = name
        self._words = words

    @property
    def guarded(self) -> bool:
        """Whether there is somebody to act: a guard, and words that the driver gave it."""
        return self._guard is not None and self._words is not None and self._guard.there

    def arm(self) -> None:
        """From now on a silence of the daemon ends in the device's last words."""
        self._set(armed=True)

    def release(self) -> None:
        """It is safe by itself."""
        self._set(armed=False)

    async def acted(self) -> str:
        """Return why, once the guard has acted."""
        return await asyncio.shield(self._acted)

    async def heed(self, deed: str) -> None:
        """Raise LinkLost once the guard has acted: the link is of no use, the answer to that came out of turn."""
        raise LinkLost(f"the guard has {deed} it: {await self.acted()}")

    def has_acted(self, why: str) -> None:
        """The guard says that it has acted."""
        self.armed = False
        if not self._acted.done():
            self._acted.set_result(why)

    def _set(self, *, armed: bool) -> None:
        if self._words is not None and self._guard is not None and armed != self.armed:
            self.armed = armed
            self._guard.tell({"do": "arm" if armed else "release", "number": self._number})

    def announce(self) -> None:
        """Tell the guard of it, with a descriptor of its own for the wire."""
        words = self._words
        if words is None or self._guard is None:
            return
        message = {
            "do": "watch", "number": self._number, "name": self._name, "data": words.data.hex(),
            "again_after_s": words.again_after_s, "armed": self.armed,
        }  # fmt: skip
        self._guard.tell(message, words.descriptor)


class Guard:
    """The guard's process and the leases that it watches."""

    def __init__(self, settings: GuardSettings) -> None:
        self._settings = settings
        self._numbers = itertools.count(1)
        self._leases: dict[int, Lease] = {}
        self._line: socket.socket | None = None
        self._gone = asyncio.Event()

    @asynccontextmanager
    async def on_duty(self, told: Callable[[str], None]) -> AsyncIterator[None]:
        """There while the context lasts; `told` hears why its process is gone, and '' when it is there again."""
        if not self._settings.enabled:
            yield
            return
        async with asyncio.TaskGroup() as tasks:
            begun = asyncio.Event()
            serving = tasks.create_task(self._serve(begun, told), name="guard")
            await begun.wait()
            try:
                yield
            finally:
                serving.cancel()

    @property
    def there(self) -> bool:
        """Whether its process listens."""
        return self._line is not None

    @contextmanager
    def watch(self, name: str, words: LastWords | None) -> Iterator[Lease]:
        """Watch over one device while its link is open. Without words there is a lease that nobody keeps."""
        number = next(self._numbers)
        lease = self._leases[number] = Lease(self, number, name, words)
        lease.announce()
        try:
            yield lease
        finally:
            del self._leases[number]
            self.tell({"do": "forget", "number": number})

    def tell(self, message: dict[str, object], descriptor: int | None = None) -> None:
        """Send one message, never waiting. A guard that takes none is as good as gone, and is started afresh."""
        if self._line is None:
            return
        data = json.dumps(message).encode()
        try:
            if descriptor is None:
                self._line.send(data)
            else:
                socket.send_fds(self._line, [data], [descriptor])
        except OSError as error:
            self._drop(f"the guard takes no messages: {error.strerror}")

    # Its process

    async def _serve(self, begun: asyncio.Event, told: Callable[[str], None]) -> None:
        while True:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with ours:
                ours.setblocking(False)
                with theirs:
                    process = await asyncio.create_subprocess_exec(
                        *(sys.executable, "-m", "fleetd.guard.process", str(theirs.fileno())),
                        str(self._settings.lease_s),
                        stdin=asyncio.subprocess.DEVNULL,
                        stdout=asyncio.subprocess.DEVNULL,
                        pass_fds=[theirs.fileno()],
                        env={key: value for key, value in os.environ.items() if key != "NOTIFY_SOCKET"},
                    )
                try:
                    await self._speak(ours, begun, told)
                finally:
                    self._line = None
                    ours.close()
                    await self._ended(process)
            await asyncio.sleep(_AGAIN_S)

    async def _speak(self, line: socket.socket, begun: asyncio.Event, told: Callable[[str], None]) -> None:
        """Beat, and hear what it has to say, until it is gone."""
        self._line = line
        self._gone.clear()
        for lease in self._leases.values():
            lease.announce()
        told("")
        begun.set()
        loop = asyncio.get_running_loop()
        loop.add_reader(line, self._hear, line)
        try:
            while not self._gone.is_set():
                self.tell({"do": "beat"})
                await asyncio.sleep(self._settings.lease_s / 4)
            told("the guard process has ended; it is started afresh")
        finally:
            loop.remove_reader(line)

    def _hear(self, line: socket.socket) -> None:
        try:
            data = line.recv(_MOST_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._gone.set()
            asyncio.get_running_loop().remove_reader(line)
            return
        said = json.loads(data)
        lease = self._leases.get(said["number"])
        why = f"{said['why']}{', but ' + said['failure'] if said['failure'] else ''}"
        log.critical("the guard has acted", device=lease._name if lease else "?", why=why)  # noqa: SLF001
        if lease is not None:
            lease.has_acted(why)

    def _drop(self, why: str) -> None:
        log.error("the guard is given up", reason=why)
        self._line = None
        self._gone.set()

    @staticmethod
    async def _ended(process: asyncio.subprocess.Process) -> None:
        """It ends by itself once its line is closed and the last words are said."""
        try:
            async with asyncio.timeout(_END_WITHIN_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


@contextmanager
def watched_over(guard: Guard | None, name: str, driver: object) -> Iterator[Lease]:
    """Watch over a driver's device while its link is open. Without a guard, or last words, nobody keeps the lease."""
    words = driver.last_words() if isinstance(driver, Guarded) else None
    if guard is None:
        yield Lease(None, 0, name, words)
        return
    with guard.watch(name, words) as lease:
        yield lease
