"""How long a stop takes, from its publication on MQTT to the write that reaches the robot: the whole daemon, a broker,
hundreds of robots polled once a second, and one bus that hears and never answers, with stops waiting for it.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiomqtt
import yaml

from bench.farend import address_of
from bench.relay_broker import Broker

SITE, HUNG_UNITS, READY_WITHIN_S, PAUSE_S = "bench", 5, 90.0, 0.1
ROOT = Path(__file__).parents[1]


def site_file(folder: Path, broker: Broker, robots: int, living: str, hung: str) -> Path:
    """A site of so many robots, each with a connection of its own, and a few behind one hung gateway."""
    devices = [
        {
            "name": f"robot-{number:03d}",
            "driver": "little-donkey",
            "link": f"modbus+tcp://{address_of(number)}:{living}",
            "settings": {"unit": 1, "poll_s": 1.0},
        }
        for number in range(robots)
    ] + [
        {
            "name": f"hung-{unit}",
            "driver": "little-donkey",
            "link": f"modbus+tcp://127.0.0.1:{hung}",
            "settings": {"unit": unit, "poll_s": 1.0},
        }
        for unit in range(1, HUNG_UNITS + 1)
    ]
    site = {
        "site": SITE,
        "station": {"latitude_deg": 30.27, "longitude_deg": 120.15, "altitude_m": 20.0},
        "store": {"path": str(folder / "store")},
        "control": {"socket": str(folder / "control.sock")},
        "relay": {"brokers": [broker.url]},
        "devices": devices,
    }
    file = folder / "site.yaml"
    file.write_text(yaml.safe_dump(site), encoding="utf-8")
    return file


@contextmanager
def daemon(config: Path, before: Sequence[str] = ()) -> Iterator[int]:
    """fleetd on this site, its pid; ended by force: what it leaves behind is thrown away. `before` is put before it."""
    command = [*before, sys.executable, "-m", "fleetd", "--config", str(config)]
    log = (config.parent / "fleetd.log").open("wb")
    with log, subprocess.Popen(command, stderr=log, cwd=ROOT) as process:  # noqa: S603
        try:
            yield process.pid
        finally:
            process.kill()


@asynccontextmanager
async def far_end(*words: object) -> AsyncIterator[tuple[str, asyncio.StreamReader]]:
    """A far end in a process of its own: its port, and the lines that it prints after that."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.farend", *map(str, words), stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    if process.stdout is None:
        raise RuntimeError("the far end has no output")
    try:
        yield (await process.stdout.readline()).decode().strip(), process.stdout
    finally:
        process.kill()
        await process.wait()


async def online(mqtt: aiomqtt.Client, robots: int) -> None:
    """Wait until all robots but those of the hung bus are online."""
    await mqtt.subscribe(f"fleetd/{SITE}/+/status", qos=1)
    up: set[str] = set()
    async with asyncio.timeout(READY_WITHIN_S):
        async for message in mqtt.messages:
            body = json.loads(message.payload)  # type: ignore[arg-type]
            (up.add if body["state"] == "online" else up.discard)(body.get("device", ""))
            if len(up) >= robots:
                return


@dataclass
class UnderWay:
    """A daemon, its robots polled, one bus hung and stops waiting for it."""

    folder: Path
    pid: int
    robots: int
    mqtt: aiomqtt.Client
    writes: asyncio.StreamReader
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    async def stop_ms(self, stops: int) -> dict[str, float]:
        """p99 and maximum over so many stops, each of another robot, in milliseconds."""
        chosen = self.chance.sample(range(self.robots), stops)
        took_ms = sorted([await timed(self.mqtt, f"robot-{number:03d}", self.writes) for number in chosen])
        return {"p99": round(took_ms[int(0.99 * len(took_ms))], 1), "max": round(took_ms[-1], 1)}


@asynccontextmanager
async def under_way(robots: int, before: Sequence[str] = ()) -> AsyncIterator[UnderWay]:
    """All of it while the context lasts; `before` is put before the daemon's command, after its store was made."""
    with TemporaryDirectory() as name, Broker(Path(name)) as broker:
        async with far_end("tcp", robots) as (living, writes), far_end("hung") as (hung, _):
            config = site_file(Path(name), broker, robots, living, hung)
            (config.parent / "store").mkdir()
            with daemon(config, [word.format(store=config.parent / "store") for word in before]) as pid:
                async with aiomqtt.Client("127.0.0.1", broker.port) as mqtt:
                    await online(mqtt, robots)
                    for unit in range(1, HUNG_UNITS + 1):
                        await stop(mqtt, f"hung-{unit}")
                    yield UnderWay(config.parent, pid, robots, mqtt, writes)


async def stop_ms(robots: int, stops: int) -> dict[str, float]:
    """p99 and maximum over so many stops, each of another robot, in milliseconds."""
    async with under_way(robots) as fleet:
        return await fleet.stop_ms(stops)


async def timed(mqtt: aiomqtt.Client, robot: str, writes: asyncio.StreamReader) -> float:
    """Milliseconds from one stop's publication to its write."""
    await asyncio.sleep(PAUSE_S * random.random())
    begin_s = time.monotonic()
    await stop(mqtt, robot)
    async with asyncio.timeout(10):
        written_s = float(await writes.readline())
    return (written_s - begin_s) * 1000


async def stop(mqtt: aiomqtt.Client, robot: str) -> None:
    """Publish a stop as any program does."""
    command: dict[str, Any] = {"id": f"stop-{os.urandom(6).hex()}", "action": "stop", "issuer": "bench"}
    await mqtt.publish(f"fleetd/{SITE}/{robot}/command", json.dumps(command), qos=1)
