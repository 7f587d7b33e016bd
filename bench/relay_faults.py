"""What faults cost: a broker that is away for days, kill -9, and a store file cut short. The counts are full ones.

python -m bench.relay_faults produce|drain FOLDER URL       the process that is killed
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import structlog

from bench.relay_broker import Broker
from fleetd.clock import ScaledClock, VirtualClock
from fleetd.hub import Hub
from fleetd.records import Command, Quality, Reading
from fleetd.relay.relay import Relay
from fleetd.relay.settings import RelaySettings
from fleetd.store import schema
from fleetd.store.store import Store

OUTAGE_RECORDS, OUTAGE_H, DEVICES = 1_000_000, 72, 20
KILLS = 200
PREFIX_STEP = 23  # bytes between the lengths tried
_READING = re.compile(rb'^\{"node":"bench","boot":"[^"]*","seq":(\d+),.*"device":"([^"]+)"', re.MULTILINE)
_PATIENCE = 60  # looks in vain, half a second apart
_NOW = datetime(2026, 11, 11, 12, 0, tzinfo=UTC)


@contextmanager
def heard(broker: Broker, file: Path) -> Iterator[None]:
    """Have mosquitto_sub write all that comes into a file, one JSON a line."""
    with file.open("wb") as out, (file.with_suffix(".log")).open("wb") as log:
        command = ("stdbuf", "-oL", "mosquitto_sub", "-d", "-p", str(broker.port), "-q", "1", "-t", "fleetd/#")
        with subprocess.Popen(command, stdout=out, stderr=log) as process:  # noqa: S603
            while b"Subscribed" not in file.read_bytes():
                pass
            yield
            process.kill()


def messages(file: Path) -> list[dict[str, object]]:
    """What was heard, in its order."""
    lines = file.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


async def _nobody(command: Command) -> None:
    raise RuntimeError(command)


async def _drain(store: Store, url: str) -> float:
    """Publish all that waits; returns the most memory that it took, MiB."""
    most = 0.0
    clock = ScaledClock(_NOW, datetime.now(UTC), 1.0)
    relay = Relay(RelaySettings(brokers=[url]), store, Hub(), clock, "bench", _nobody)
    task = asyncio.create_task(relay.run())
    while not relay.status().connected or relay.status().backlog:
        most = max(most, _rss_mib())
        await asyncio.sleep(0.02)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return most


def outage(folder: Path) -> dict[str, float]:
    """Records of 72 hours wait in the store; then the broker comes back."""
    return asyncio.run(_outage(folder))


async def _outage(folder: Path) -> dict[str, float]:
    clock = VirtualClock(_NOW)
    async with Store.open(folder / "outage", node="bench", clock=clock) as store:
        await store.outbox.append([_reading(0, _NOW)])
        before = _rss_mib()
        for first in range(1, OUTAGE_RECORDS, 500):
            at = _NOW + timedelta(hours=OUTAGE_H) * first / OUTAGE_RECORDS
            last = min(first + 500, OUTAGE_RECORDS)
            await store.outbox.append([_reading(number, at) for number in range(first, last)])
        with Broker(folder / "outage-broker") as broker, heard(broker, folder / "outage.txt"):
            grown = max(_rss_mib(), await _drain(store, broker.url)) - before
            seen = await _all_heard(folder / "outage.txt")
    return {
        "records": OUTAGE_RECORDS,
        "lost": OUTAGE_RECORDS - len({seq for _, seq in seen}),
        "reordered": _reordered(seen),
        "rss_growth_mib": round(grown, 1),
    }


async def _all_heard(file: Path) -> list[tuple[str, int]]:
    """Device and number of every reading, in the order in which they came, once all have, or none has for a while."""
    seen: list[tuple[str, int]] = []
    patience = 0
    with file.open("rb") as heard_so_far:
        rest = b""
        while len(seen) < OUTAGE_RECORDS and patience < _PATIENCE:
            rest += heard_so_far.read(1 << 24)
            lines, _, rest = rest.rpartition(b"\n")
            found = [(one[2].decode(), int(one[1])) for one in _READING.finditer(lines)]
            seen += found
            patience = 0 if found else patience + 1
            await asyncio.sleep(0.0 if found else 0.5)
    return seen


def _reordered(seen: list[tuple[str, int]]) -> int:
    """Readings of a device that came after a later one; what was sent twice counts where it came first."""
    latest: dict[str, int] = {}
    reordered = 0
    for device, seq in dict.fromkeys(seen):
        reordered += seq < latest.get(device, 0)
        latest[device] = max(seq, latest.get(device, 0))
    return reordered


def _reading(number: int, at: datetime) -> Reading:
    device = f"robot-{number % DEVICES:02d}"
    return Reading(at=at, device=device, quality=Quality.GOOD, values={"n": number, "pad": "x" * 76})


def _rss_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / (1 << 20)


def crash(folder: Path) -> dict[str, int]:
    """kill -9 while it stores and publishes; then what was committed is looked for."""
    draw, committed, file = random.Random(6), set[int](), folder / "crash.txt"
    with Broker(folder / "crash-broker") as broker, heard(broker, file):
        for kill in range(KILLS + 1):
            what = "produce" if kill < KILLS else "drain"
            command = [sys.executable, "-m", "bench.relay_faults", what, str(folder / "crash"), broker.url]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:  # noqa: S603
                if what == "produce":
                    committed |= _some(child.stdout, draw.randint(5, 60))
                    child.send_signal(signal.SIGKILL)
        while not {int(str(one["seq"])) for one in messages(file)} >= committed:
            pass
    texts: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    for one in messages(file):
        texts[str(one["boot"]), int(str(one["seq"]))].add(json.dumps(one))
    seqs = [seq for _, seq in texts]
    lost = len(committed - set(seqs))
    return {"kills": KILLS, "lost": lost, "duplicates": sum(len(each) - 1 for each in texts.values())}


def _some(lines: IO[str] | None, count: int) -> set[int]:
    found: set[int] = set()
    for _ in range(count):
        words = lines.readline().split() if lines else []
        found.update(range(int(words[0]), int(words[1]) + 1))
    return found


async def _produce(store: Store, url: str) -> None:
    clock = ScaledClock(_NOW, datetime.now(UTC), 20.0)
    relay = Relay(RelaySettings(brokers=[url]), store, Hub(), clock, "bench", _nobody)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(relay.run())
        number = 0
        while True:
            last = await store.outbox.append([_reading(number + at, _NOW) for at in range(5)])
            os.write(1, f"{last - 4} {last}\n".encode())
            number += 5
            await asyncio.sleep(0.001)


def prefixes(folder: Path) -> dict[str, int]:
    """A power cut may leave any prefix of the log: each must start, with all that was synced and nothing else."""
    return asyncio.run(_prefixes(folder / "prefixes"))


async def _prefixes(folder: Path) -> dict[str, int]:
    marks: list[int] = []
    clock = VirtualClock(_NOW)
    async with Store.open(folder / "live", node="bench", clock=clock) as store:
        wal = folder / "live" / f"{schema.FILE}-wal"
        for number in range(12):
            await store.outbox.append([_reading(2 * number, _NOW), _reading(2 * number + 1, _NOW)])
            marks.append(wal.stat().st_size)
        for name in (schema.FILE, wal.name):
            shutil.copy(folder / "live" / name, folder / name)
    whole = (folder / wal.name).read_bytes()
    tried = failed = missing = invented = 0
    for cut in range(0, len(whole), PREFIX_STEP):
        tried += 1
        place = folder / "cut"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        shutil.copy(folder / schema.FILE, place / schema.FILE)
        (place / wal.name).write_bytes(whole[:cut])
        synced = 2 * sum(mark <= cut for mark in marks)
        try:
            async with Store.open(place, node="bench", clock=clock) as store:
                found = [row.seq for row in await store.outbox.read(most=1000)]
        except Exception:  # noqa: BLE001  # whatever it is, it is a start that failed
            failed += 1
            continue
        missing += len(set(range(1, synced + 1)) - set(found))
        invented += len([seq for seq in found if seq > 24])
    return {"tried": tried, "failed_starts": failed, "missing": missing, "invented": invented}


async def _life(what: str, folder: str, url: str) -> None:
    clock = ScaledClock(_NOW, datetime.now(UTC), 20.0)
    async with Store.open(folder, node="bench", clock=clock) as store:
        await (_produce(store, url) if what == "produce" else _drain(store, url))


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=sys.stderr))
    asyncio.run(_life(*sys.argv[1:4]))
