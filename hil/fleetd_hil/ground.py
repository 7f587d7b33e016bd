"""One simulated ground station under a simulated sky: rotator, radio and TNC as they are wired, and satellites above.

Unlike a sim of one device these must share a world: the TNC hears what the antenna points at and the radio is tuned to.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from fleetd.clock import Clock
from fleetd.errors import ConfigError
from fleetd.orbit.elements import read_elements
from fleetd.orbit.station import Station
from fleetd_hil.air import Air, Flying, Ground, Orbit
from fleetd_hil.bench import Bench
from fleetd_hil.line import Pace
from fleetd_hil.models.rig import RigModel
from fleetd_hil.models.satellite import SatelliteModel
from fleetd_hil.sims.gs232b import Gs232bSim
from fleetd_hil.sims.icom_civ import IcomCivSim
from fleetd_hil.sims.kiss import KissSim
from fleetd_hil.sims.satellite import Kind, SatelliteSim

_TICK_S = 0.02  # real seconds
KEY = b"the reference satellites' key, which everybody knows"
"""Of simulated satellites alone."""


@dataclass(frozen=True, slots=True)
class Sky:
    """What flies over which station; `satellites` are (kind, element file, downlink Hz, uplink Hz)."""

    station: Station
    satellites: Sequence[tuple[Kind, Path, int, int]]


def parse_satellite(text: str) -> tuple[Kind, Path, int, int]:
    """Read KIND:ELEMENTS:DOWNLINK_HZ:UPLINK_HZ. Raises ConfigError."""
    kind, _, rest = text.partition(":")
    path, _, tail = rest.partition(":")
    down, _, up = tail.partition(":")
    if kind not in ("candy-tin", "tmall-international") or not (path and down.isdecimal() and up.isdecimal()):
        raise ConfigError(f"--satellite {text!r}: write it as tmall-international:ELEMENTS.json:DOWNLINK_HZ:UPLINK_HZ")
    return kind, Path(path), int(down), int(up)  # type: ignore[return-value]  # mypy does not narrow by `in`


def parse_station(text: str) -> Station:
    """Read LAT,LON,ALT_M. Raises ConfigError."""
    try:
        latitude_deg, longitude_deg, altitude_m = map(float, text.split(","))
    except ValueError:
        raise ConfigError(f"--station {text!r}: write it as LATITUDE,LONGITUDE,METRES") from None
    return Station("simulated", latitude_deg, longitude_deg, altitude_m)


class GroundStation:
    """The three sims and the air that joins them, beginning at a civil time that is running time zero's."""

    def __init__(self, sky: Sky, civil: Callable[[float], datetime], begins: datetime) -> None:
        self.rotator = Gs232bSim()
        self.rig = IcomCivSim(RigModel())
        self.tnc = KissSim()
        ground = Ground(sky.station, self.rotator.model, self.rig.model, self.tnc, refresh=self.rotator.advance)
        flying = []
        for kind, path, downlink_hz, uplink_hz in sky.satellites:
            orbit = Orbit(read_elements(path)[0])
            sim = SatelliteSim(kind, SatelliteModel(), begins.timestamp(), KEY)
            flying.append(Flying(sim, orbit, downlink_hz, uplink_hz))
        self.air = Air(flying, [ground], civil)


async def serve_ground(sky: Sky, clock: Clock, report: Path | None, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; `say` one JSON line with the three links once they can be reached.

    What became of every frame is kept in the file `report`. Raises ConfigError.
    """
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    begins = clock.now()
    zero = begins - timedelta(seconds=clock.monotonic())
    ground = GroundStation(sky, lambda at_s: zero + timedelta(seconds=at_s), begins)
    async with Bench.open(clock) as bench:
        rotator = await bench.pty(ground.rotator, Pace.of(9600))
        rig = await bench.pty(ground.rig, Pace.of(19_200))
        tnc = await bench.tcp(ground.tnc)
        links = {
            "rotator": f"serial://{rotator.address}",
            "rig": f"serial://{rig.address}",
            "tnc": f"tcp://{tnc.address}",
        }
        say(json.dumps({"sim": "ground", "links": links}))
        async with asyncio.TaskGroup() as tasks:
            air = tasks.create_task(_let_time_pass(ground.air, clock, report), name="air")
            await told.wait()
            air.cancel()


async def _let_time_pass(air: Air, clock: Clock, report: Path | None) -> None:
    """Satellites send whether or not anybody is connected."""
    before: dict[str, Any] = {}
    while True:
        air.advance(clock.monotonic())
        if report is not None and (now := air.report()) != before:
            before = now
            fresh = report.with_suffix(".new")
            fresh.write_text(json.dumps(now))
            fresh.replace(report)
        await asyncio.sleep(_TICK_S)
