"""What a durable record costs on its way to a broker, against clients that keep nothing. One run, one mosquitto.

    python -m bench.relay [ROUNDS]      writes build/bench-relay.json and its section of docs/reference/benchmarks.md

Each contestant is a process of its own and publishes 200-byte records at QoS 1; rounds are interleaved, figures are
medians. fleetd's records go hub -> outbox (committed) -> broker, and count when they are acknowledged and deleted.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.page import publish
from bench.relay_broker import Broker
from bench.relay_faults import crash, outage, prefixes

ROUNDS = 5
RECORDS = 40_000
CONTESTANTS = ("fleetd", "aiomqtt", "mosquitto_pub", "limit")


def race(broker: Broker, who: str, *words: str) -> dict[str, float]:
    """One contestant, once: records a second and microseconds of CPU a record, or what it prints of itself."""
    if who == "mosquitto_pub":
        return _mosquitto_pub(broker)
    command = [sys.executable, "-m", "bench.relay_clients", who, str(broker.port), str(RECORDS), *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def _mosquitto_pub(broker: Broker) -> dict[str, float]:
    lines = b"".join(b"%0200d\n" % number for number in range(RECORDS))
    before, began = os.times(), time.perf_counter()
    subprocess.run(  # noqa: S603
        ["mosquitto_pub", "-p", str(broker.port), "-q", "1", "-t", "bench/record", "-l"], input=lines, check=True
    )
    took_s, after = time.perf_counter() - began, os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return {"records_per_s": RECORDS / took_s, "cpu_us": cpu_s / RECORDS * 1e6}


def measure(rounds: int) -> dict[str, Any]:
    """All figures."""
    seen: dict[str, list[dict[str, float]]] = {who: [] for who in CONTESTANTS}
    slow: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        with Broker(Path(folder) / "broker") as broker:
            for turn in range(rounds):
                for who in CONTESTANTS:
                    seen[who].append(race(broker, who))
                    print(turn, who, {key: round(value, 1) for key, value in seen[who][-1].items()}, flush=True)
                slow.append(race(broker, "latency")["p99_ms"])
                print(turn, "p99_ms at 1000/s", round(slow[-1], 1), flush=True)
        faults = {"outage": outage(Path(folder)), "crash": crash(Path(folder)), "prefixes": prefixes(Path(folder))}
    median = {
        key: {who: round(statistics.median(one[key] for one in seen[who]), 1) for who in CONTESTANTS}
        for key in ("records_per_s", "cpu_us")
    }
    return {
        "records_per_s": median["records_per_s"],
        "cpu_us_per_record": median["cpu_us"],
        "p99_ms_at_1000": round(statistics.median(slow), 1),
        **faults,
    }


def table(figures: dict[str, Any], rounds: int) -> str:
    """The section of the page."""
    speed, cpu = figures["records_per_s"], figures["cpu_us_per_record"]
    ratio = speed["fleetd"] / speed["aiomqtt"]
    rows = "\n".join(f"| {who} | {speed[who]:,.0f} | {cpu[who]:.0f} |" for who in CONTESTANTS)
    outage_, crash_, prefixes_ = figures["outage"], figures["crash"], figures["prefixes"]
    return f"""
Python {platform.python_version()}, {os.cpu_count()} cores, {rounds} interleaved rounds of {RECORDS:,} records.

| | records a second | CPU, microseconds a record |
|---|---|---|
{rows}

fleetd, durably, publishes {ratio:.1f} times what aiomqtt does without keeping anything. At 1,000 records a second 99 of
100 are acknowledged within {figures["p99_ms_at_1000"]:.0f} ms of being made.

| fault | tried here | came of it |
|---|---|---|
| broker away for 72 hours of the records' time | {outage_["records"]:,} records | {outage_["lost"]} lost, \
{outage_["reordered"]} out of order, memory grew by {outage_["rss_growth_mib"]} MiB |
| kill -9 | {crash_["kills"]} kills | {crash_["lost"]} lost, {crash_["duplicates"]} twice after the check of numbers |
| store file cut short | {prefixes_["tried"]} lengths | {prefixes_["failed_starts"]} failed starts, \
{prefixes_["missing"]} missing, {prefixes_["invented"]} invented |

The tests marked slow cut the log at every byte, and kill a thousand times.
"""


def main() -> None:
    """Measure, print, write."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    figures = measure(rounds)
    publish("relay", figures, table(figures, rounds))
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
