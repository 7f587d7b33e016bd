"""Where a scenario is played: in one process and in virtual time, or with a daemon of its own, ptys and sockets.

The far ends, the broker and the observer are the same on both; what differs is how the daemon lives and dies, and what
its links are made of.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import yaml

from fleetd.clock import Clock, ScaledClock
from fleetd.config.site import DeviceSettings, Site, load_site
from fleetd.daemon.house import live
from fleetd.daemon.orders import Leave, Order
from fleetd.errors import FleetError
from fleetd.guard.settings import GuardSettings
from fleetd.marks import draw_marks_from
from fleetd.notify import Notifier
from fleetd_hil.bench import LOOK_AGAIN_S, Bench
from fleetd_hil.demo.broker import free_port
from fleetd_hil.demo.children import child, end
from fleetd_hil.line import Pace
from fleetd_hil.scenario.world import World
from fleetd_hil.virtual.broker import MemoryBroker
from fleetd_hil.virtual.loop import LoopClock, VirtualLoop

_READY_WITHIN_S = 30.0
_VIRTUAL_LOOK_S = 0.25
_LEAD = timedelta(seconds=8)  # real time in which processes come up before the story begins
_RAM = Path("/dev/shm")  # noqa: S108  # a RAM disk, where a store's syncs cost nothing; a folder of our own in it


class Stage(Protocol):
    """What a player needs of it."""

    @property
    def clock(self) -> Clock: ...

    @property
    def broker(self) -> MemoryBroker: ...

    @property
    def elements(self) -> dict[str, list[str]]: ...

    async def place(self, world: World) -> None:
        """Put the sims behind ports, and write the overlay that leads to them."""
        ...

    async def begin(self) -> None:
        """Start the daemon, and return once it is up."""
        ...

    async def leave(self) -> None:
        """End it in good order."""
        ...

    def gone(self) -> str:
        """Why the daemon is not there though nobody ended it; '' if all is well."""
        ...

    async def power_cut(self) -> None:
        """It is gone in mid sentence; what was on disk stays."""
        ...

    async def post(self, path: str, body: dict[str, Any]) -> tuple[int, str]:
        """Ask its control API; returns the HTTP status, and the rule by which it was refused or ''."""
        ...

    def put(self, source: Path, name: str) -> None:
        """Make a file beside the site file what `source` is."""
        ...

    def step_clock(self, by_s: float) -> None:
        """Set its civil time."""
        ...

    def trust_clock(self, synced: bool) -> None:
        """Whether its civil time may be trusted."""
        ...


class _Common:
    clock: Any

    def __init__(self, folder: Path, site_file: Path, clock: Clock, broker: MemoryBroker, bench: Bench) -> None:
        self.folder = folder
        self.site_file = site_file
        self.clock = clock
        self.broker = broker
        self.bench = bench
        self.overlay = folder / "overlay.yaml"
        self.socket = folder / "control.sock"
        self.store = folder / "store"
        self.elements: dict[str, list[str]] = {}
        """Other sources of elements than the site's, by satellite."""

    def write_overlay(self, devices: dict[str, Any], broker: str) -> None:
        surroundings = {
            "store": {"path": str(self.store)},
            "control": {"socket": str(self.socket)},
            "relay": {"brokers": [broker], "protocol": "5"},
        }
        satellites = {name: {"elements": sources} for name, sources in self.elements.items()}
        overlay = {"devices": devices, "satellites": satellites, **surroundings}
        self.overlay.write_text(yaml.safe_dump(overlay, sort_keys=False))

    def site(self) -> Site:
        return load_site(self.site_file, self.overlay)

    def put(self, source: Path, name: str) -> None:
        there = self.site_file.parent / name
        shutil.copyfile(source, there.with_suffix(".new"))
        there.with_suffix(".new").replace(there)

    async def post(self, path: str, body: dict[str, Any]) -> tuple[int, str]:
        connector = aiohttp.UnixConnector(str(self.socket))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.post(f"http://fleetd{path}", data=json.dumps(body).encode()) as answer,
        ):
            said = await answer.json()
            return answer.status, str(said.get("rule", "")) if isinstance(said, dict) else ""


class VirtualStage(_Common):
    """On a `VirtualLoop`: the daemon is a task, its network memory, its store on a RAM disk where there is one."""

    clock: LoopClock

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, folder: Path, site_file: Path, start: datetime, seed: int) -> AsyncIterator[VirtualStage]:
        """A stage while the context lasts; the daemon is ended with it."""
        random.seed(seed)  # back-offs are drawn from the common generator
        draw_marks_from(random.Random(seed).randbytes)
        clock, broker = LoopClock(start), MemoryBroker(1883)
        await broker.come()
        async with Bench.open(clock, seed=seed, look_again_s=_VIRTUAL_LOOK_S) as bench:
            stage = cls(folder, site_file, clock, broker, bench)
            try:
                yield stage
            finally:
                await stage._lose()

    def __init__(self, *common: Any) -> None:
        super().__init__(*common)
        self._life: asyncio.Task[Order] | None = None
        self._leave = asyncio.Event()
        loop = asyncio.get_running_loop()
        if not isinstance(loop, VirtualLoop):
            raise TypeError("virtual time needs a VirtualLoop")
        self._loop = loop

    async def place(self, world: World) -> None:
        devices: dict[str, Any] = {}
        for link, sim in world.lines.items():
            port = await self.bench.tcp(sim, host="memory")
            for seat in (seat for seat in world.seats.values() if seat.sim is sim):
                scheme = _OVER_TCP.get(link.partition("://")[0], "tcp")
                devices[seat.device.name] = {"link": f"{scheme}://{port.address}"}
        self.write_overlay(devices, "mqtt://broker:1883")

    async def begin(self) -> None:
        # Links of memory have no descriptor that a process beside us could hold.
        site, up = self.site().model_copy(update={"guard": GuardSettings(enabled=False)}), asyncio.Event()
        self._leave = asyncio.Event()

        async def told() -> Order:
            await self._leave.wait()
            return Leave("the scenario says so")

        self._life = asyncio.create_task(live(site, self.clock, told, _Heard(up)), name="fleetd")
        waiting = asyncio.create_task(up.wait())
        await asyncio.wait({waiting, self._life}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._life.done():
            await self._life

    async def leave(self) -> None:
        self._leave.set()
        if self._life is not None:
            await self._life
            self._life = None

    async def post(self, path: str, body: dict[str, Any]) -> tuple[int, str]:
        if self._life is not None and self._life.done():
            await self._life  # what it died of says more than that nobody answers
        return await super().post(path, body)

    def gone(self) -> str:
        life = self._life
        if life is None or not life.done():
            return ""
        if life.cancelled():
            return "fleetd ended: it was cancelled"
        error = life.exception()
        return f"fleetd ended: {innermost(error) if error else life.result()}"

    async def power_cut(self) -> None:
        # All on one loop: nothing happens between these lines, and what the dying tasks still say reaches nobody.
        kept = self.folder / "kept"
        shutil.copytree(self.store, kept, ignore=shutil.ignore_patterns("*.lock"))
        network = self._loop.network
        network.cut()
        await self._lose()
        network.mend()
        shutil.rmtree(self.store)
        kept.rename(self.store)

    async def _lose(self) -> None:
        if self._life is not None:
            life, self._life = self._life, None
            life.cancel()
            await asyncio.wait({life})

    def step_clock(self, by_s: float) -> None:
        self.clock.step(by_s)

    def trust_clock(self, synced: bool) -> None:
        self.clock.synced = synced


_OVER_TCP = {
    "modbus+tcp": "modbus+tcp",
    "modbus+rtu": "modbus+rtuovertcp",
    "modbus+rtuovertcp": "modbus+rtuovertcp",
}


class _Heard(Notifier):
    """Tells the stage, instead of systemd, that the daemon is up."""

    def __init__(self, up: asyncio.Event) -> None:
        super().__init__()
        self._up = up

    def ready(self, status: str) -> None:
        super().ready(status)
        self._up.set()


class ProcessStage(_Common):
    """With `fleetd` as a process of its own on an accelerated clock, ptys for serial lines and sockets for the rest."""

    clock: ScaledClock

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, folder: Path, site_file: Path, clock: ScaledClock, port: int, seed: int
    ) -> AsyncIterator[ProcessStage]:
        """A stage while the context lasts; the daemon is ended with it."""
        broker = MemoryBroker(port, host="127.0.0.1")
        await broker.come()
        try:
            async with Bench.open(clock, seed=seed, look_again_s=LOOK_AGAIN_S) as bench:
                stage = cls(folder, site_file, clock, broker, bench)
                async with contextlib.AsyncExitStack() as stack:
                    stage._stack = stack
                    yield stage
        finally:
            broker.go()

    def __init__(self, *common: Any) -> None:
        super().__init__(*common)
        self._stack = contextlib.AsyncExitStack()
        self._process: asyncio.subprocess.Process | None = None

    async def place(self, world: World) -> None:
        devices: dict[str, Any] = {}
        for link, sim in world.lines.items():
            first = next(seat.device for seat in world.seats.values() if seat.sim is sim)
            address = await self._port(first, link, sim)
            for seat in (seat for seat in world.seats.values() if seat.sim is sim):
                devices[seat.device.name] = {"link": address + ("?" + seat.device.link.partition("?")[2]).rstrip("?")}
        self.write_overlay(devices, f"mqtt://127.0.0.1:{self.broker.port}")

    async def _port(self, device: DeviceSettings, link: str, sim: Any) -> str:
        scheme = link.partition("://")[0]
        if scheme in ("serial", "modbus+rtu"):
            pace = Pace.of(device.url.end.baud, rtu=scheme == "modbus+rtu")  # type: ignore[union-attr]  # a serial line
            return f"{scheme}://{(await self.bench.pty(sim, pace)).address}"
        return f"{scheme}://{(await self.bench.tcp(sim)).address}"

    async def begin(self) -> None:
        words = ["-m", "fleetd", "--config", self.site_file, "--hil", self.overlay, "--clock", self.clock]
        log = self.folder / "fleetd.log"
        command = [sys.executable, *map(str, words)]
        self._process = await self._stack.enter_async_context(child("fleetd", command, log=log))
        async with asyncio.timeout(_READY_WITHIN_S):
            while not self.socket.exists():
                if self._process.returncode is not None:
                    raise FleetError(f"fleetd ended with {self._process.returncode}; see {log}")
                await asyncio.sleep(0.05)

    async def leave(self) -> None:
        if self._process is not None:
            await end(self._process)

    def gone(self) -> str:
        if self._process is None or self._process.returncode is None:
            return ""
        return f"fleetd ended with {self._process.returncode}; see {self.folder / 'fleetd.log'}"

    async def power_cut(self) -> None:
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
        self.socket.unlink(missing_ok=True)

    def step_clock(self, by_s: float) -> None:
        raise FleetError(f"a clock step of {by_s:g} s needs virtual time: leave --processes out")

    def trust_clock(self, synced: bool) -> None:
        raise FleetError(f"to make the clock {'' if synced else 'un'}trusted needs virtual time: leave --processes out")


def scratch_folder(*, virtual: bool) -> Path:
    """A fresh folder for a stage; whoever asked for it removes it."""
    return Path(tempfile.mkdtemp(prefix="fleethil-", dir=_RAM if virtual and _RAM.is_dir() else None))


@contextlib.asynccontextmanager
async def open_stage(
    folder: Path, site_file: Path, start: datetime, seed: int, rate: float | None
) -> AsyncIterator[Stage]:
    """A stage in virtual time, or with a `rate` one of real processes, whose running time is zero at `start`."""
    if rate is None:
        async with VirtualStage.open(folder, site_file, start, seed) as stage:
            yield stage
        return
    clock = ScaledClock(start, datetime.now(UTC) + _LEAD, rate)
    async with ProcessStage.open(folder, site_file, clock, free_port(), seed) as real:
        yield real


def innermost(error: BaseException) -> BaseException:
    """What went wrong first, out of the groups that tasks wrap it in."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
