"""Where a scenario is played: in one process and in virtual time, or with a daemon of its own, ptys and sockets.

The far ends, the broker and the observer are the same on both; what differs is how the daemon lives and dies, and what
its links are made of: see `virtualstage` and `processstage`. Here stands what a player needs of either, and what both
have.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import yaml

from fleetd.clock import Clock
from fleetd.config.site import Site, load_site
from fleetd_hil.bench import Bench
from fleetd_hil.scenario.world import World
from fleetd_hil.virtual.broker import MemoryBroker


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


class Premises:
    """The files of one stage: what the daemon is given, where it keeps its store, and where it is asked."""

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
