"""A whole fleetd as a process of its own, on sims behind real ptys and sockets: what the system tests stand on."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from brokers import Mosquitto

from fleetd.clock import ScaledClock
from fleetd_hil.demo.broker import RunningBroker
from fleetd_hil.demo.run import SCENE_BEGINS
from fleetd_hil.demo.scene import SITE_FILE, Scene, scene

PATIENCE_S = 30.0
_QUIET = timedelta(minutes=30)  # before the first pass of the demo, and after the last one before it


@dataclass
class Site:
    """The demo's site on its sims, with files of its own."""

    stage: Scene
    config: Path
    overlay: Path
    starts: int = 0

    @property
    def socket(self) -> Path:
        return self.stage.socket

    def change_overlay(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Edit the overlay in place, as an editor would."""
        overlay = yaml.safe_load(self.overlay.read_text())
        change(overlay)
        self.overlay.write_text(yaml.safe_dump(overlay))

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[Daemon]:
        """fleetd running on this site; killed at the end if the test has not ended it."""
        self.starts += 1
        log = self.stage.folder / f"fleetd-{self.starts}.log"
        words = ["--config", str(self.config), "--hil", str(self.overlay), "--clock", str(self.stage.clock)]
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(sys.executable, "-m", "fleetd", *words, stderr=errors)
        try:
            yield Daemon(process, log, self)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    def committed(self) -> int:
        """The highest number that the outbox has given out, read from the store of a daemon that is gone."""
        with sqlite3.connect(self.stage.folder / "store" / "fleetd.db") as store:
            row = store.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
        store.close()
        return int(row[0]) if row else 0


@dataclass
class Daemon:
    """One run of fleetd."""

    process: asyncio.subprocess.Process
    log_file: Path
    site: Site

    def lines(self, event: str = "") -> list[dict[str, Any]]:
        """What it has logged, or those lines that tell of `event`."""
        lines: list[dict[str, Any]] = [json.loads(line) for line in self.log_file.read_text().splitlines()]
        return [line for line in lines if not event or line["event"] == event]

    async def get(self, path: str) -> Any:
        """Ask the control API."""
        connector = aiohttp.UnixConnector(str(self.site.socket))
        async with aiohttp.ClientSession(connector=connector) as session, session.get(f"http://fleetd{path}") as answer:
            return await answer.json()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something is so; fails if fleetd ends before, or after 30 s."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                if self.process.returncode is not None:
                    raise AssertionError(f"fleetd ended with {self.process.returncode}:\n{self.log_file.read_text()}")
                await asyncio.sleep(0.02)

    async def up(self) -> None:
        """Wait until it answers."""
        await self.until(lambda: bool(self.lines("control API is there")))

    async def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        await self.process.wait()

    async def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it and return its exit code."""
        self.process.send_signal(how)
        async with asyncio.timeout(PATIENCE_S):
            return await self.process.wait()


@asynccontextmanager
async def demo_site(folder: Path, broker: Mosquitto, *, rate: float = 20.0) -> AsyncIterator[Site]:
    """The demo's sims, running, and its site file beside them."""
    clock = ScaledClock(SCENE_BEGINS - _QUIET, datetime.now(UTC), rate)
    folder.mkdir(exist_ok=True)
    running = RunningBroker("mosquitto", "127.0.0.1", broker.port, "5")
    async with scene(folder, clock, running, seed=1) as stage:
        yield Site(stage, SITE_FILE, stage.overlay)
