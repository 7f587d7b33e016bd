"""The stage of the demo: simulated devices as processes of their own, and the overlay that says where they are."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from fleetd.clock import ScaledClock
from fleetd_hil.demo.broker import RunningBroker
from fleetd_hil.demo.children import child, first_json_line

SITE_FILE = Path(__file__).parent.parent / "configs" / "demo.yaml"
ROBOTS_ON_TCP = 20
ROBOTS_ON_RTU = 3
WEATHER_UNIT = 10

# At twenty times the speed a busy machine's hiccup of a quarter of a second is five seconds of silence in the scene,
# at which a robot would rightly stop; the demo is about other things.
PATIENT = ("--options", "heartbeat_timeout_s=60")

STATION = "30.27,120.15,20"
SATELLITES = (
    f"candy-tin:{SITE_FILE.parent / 'elements' / 'candy-tin.json'}:437225000:145925000",
    f"tmall-international:{SITE_FILE.parent / 'elements' / 'tmall-international.json'}:437525000:145950000",
)

SIMS: Mapping[str, tuple[str, ...]] = {
    "robots": ("little-donkey", "--link", "tcp://127.0.0.1:0", "--count", str(ROBOTS_ON_TCP), *PATIENT),
    "bus": (
        *("little-donkey", "--link", "pty", "--baud", "19200", "--count", str(ROBOTS_ON_RTU)),
        *("--with", f"weather-station@{WEATHER_UNIT}", *PATIENT),
    ),
}


GUST_BEGINS = datetime(2026, 11, 11, 3, 14, 20, tzinfo=UTC)  # the first pass is over, the second not yet prepared
GUST_LASTS_S = 90


@dataclass(frozen=True, slots=True)
class Scene:
    """Where everything is, once it runs."""

    folder: Path
    clock: ScaledClock
    broker: RunningBroker
    links: Mapping[str, str]

    @property
    def socket(self) -> Path:
        return self.folder / "control.sock"

    @property
    def air(self) -> Path:
        """What the sky knows of every frame."""
        return self.folder / "air.json"

    @property
    def overlay(self) -> Path:
        return self.folder / "overlay.yaml"


@contextlib.asynccontextmanager
async def scene(folder: Path, clock: ScaledClock, broker: RunningBroker, seed: int) -> AsyncIterator[Scene]:
    """All sims of the demo running on `clock`, and an overlay for `fleetd --hil` in `folder`."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(name: str, words: tuple[str, ...]) -> dict[str, Any]:
            log = folder / f"sim-{name}.log"
            command = [sys.executable, "-m", "fleetd_hil.cli", *words, "--clock", str(clock)]
            process = await stack.enter_async_context(child(f"sim {name}", command, log=log))
            return await first_json_line(f"sim {name}", process, log)

        over = tuple(word for satellite in SATELLITES for word in ("--satellite", satellite))
        ground = ("ground", *over, "--station", STATION, "--report", str(folder / "air.json"))
        commands = {name: ("serve", *words, "--seed", str(seed)) for name, words in SIMS.items()} | {"ground": ground}
        commands["bus"] += _gust(clock)
        # All are let come up before one that failed is spoken of, so that each is there to be ended.
        started = await asyncio.gather(*(start(*each) for each in commands.items()), return_exceptions=True)
        links: dict[str, str] = {}
        for name, ready in zip(commands, started, strict=True):
            if isinstance(ready, BaseException):
                raise ready
            links |= ready["links"] if name == "ground" else {name: ready["link"]}
        built = Scene(folder, clock, broker, links)
        built.overlay.write_text(yaml.safe_dump(overlay(built), sort_keys=False))
        yield built


def _gust(clock: ScaledClock) -> tuple[str, str]:
    """A storm between the passes, as the sim takes it: counted from now."""
    after_s = max(0.0, (GUST_BEGINS - clock.now()).total_seconds())
    return "--fault", f"gale/{WEATHER_UNIT}@{after_s:.0f}+{GUST_LASTS_S}"


def overlay(built: Scene) -> dict[str, Any]:
    """What stands in place of the site's own links and surroundings."""
    devices: dict[str, Any] = {
        "dish-rotator": {"link": built.links["rotator"]},
        "dish-rig": {"link": built.links["rig"]},
        "dish-tnc": {"link": built.links["tnc"]},
        "weather": {"link": built.links["bus"]},
    }
    for number in range(1, ROBOTS_ON_TCP + 1):
        devices[f"robot-{number:02d}"] = {"link": built.links["robots"], "settings": {"unit": number}}
    for number in range(1, ROBOTS_ON_RTU + 1):
        devices[f"robot-{ROBOTS_ON_TCP + number:02d}"] = {"link": built.links["bus"], "settings": {"unit": number}}
    return {
        "devices": devices,
        "store": {"path": str(built.folder / "store")},
        "control": {"socket": str(built.socket)},
        "relay": {"brokers": [built.broker.url], "protocol": built.broker.protocol},
    }
