"""`make bench-robots`: what polling robots costs, against a plain pymodbus loop, the usual bridge to MQTT,
and a bare asyncio Protocol as the limit; ten thousand of them; how fast a stop is; and serial lines.

All figures come from one run, in interleaved rounds; each is the median of its rounds. Written to
build/bench-robots.json and, as a table, into docs/reference/benchmarks.md. Needs mosquitto.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from bench import lines
from bench.page import publish
from bench.relay_broker import Broker
from bench.stops import stop_ms
from fleetd.daemon.loop import loop_factory
from fleetd.log import set_up_logging

Number = TypeVar("Number", int, float)

ROOT = Path(__file__).parents[1]
KINDS = ("fleetd", "pymodbus", "bridge", "limit")
MANY, MANY_S = 10_000, 15
ROBOTS_STOPPED = 700
BAUDS = (9600, 19_200, 115_200)


@contextmanager
def far_end(*words: object) -> Iterator[str]:
    """A far end in a process of its own, and its address."""
    command = [sys.executable, "-m", "bench.farend", *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:  # noqa: S603
        try:
            yield process.stdout.readline().strip() if process.stdout else ""
        finally:
            process.kill()


def run(work: Coroutine[Any, Any, Number]) -> Number:
    """On the loop that the daemon runs on."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(work)


def say(text: str) -> None:
    """A line of progress."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def cpu_us(sizes: list[int], rounds: int) -> dict[str, dict[str, float]]:
    """CPU time a poll, by kind and number of robots; one of each kind a round, in turn."""
    found: dict[str, dict[str, list[float]]] = {kind: {str(size): [] for size in sizes} for kind in KINDS}
    with TemporaryDirectory() as folder, Broker(Path(folder)) as broker:
        for turn in range(rounds):
            for size in sizes:
                for kind in KINDS:
                    more = [broker.port] if kind == "bridge" else []
                    with far_end("tcp") as port:
                        result = client("bench.clients", kind, f"127.0.0.1:{port}", size, *more)
                    found[kind][str(size)].append(result["cpu_us"])
                    say(f"round {turn + 1}: {kind} with {size} robots: {result['cpu_us']:.0f} us of CPU a poll")
    return {kind: {size: round(statistics.median(us), 1) for size, us in by.items()} for kind, by in found.items()}


def client(module: str, *words: object) -> dict[str, float]:
    """What a program of the benchmarks prints in its last line."""
    command = [sys.executable, "-m", module, *map(str, words)]
    answer = subprocess.run(command, capture_output=True, check=True, timeout=180, cwd=ROOT)  # noqa: S603
    figures: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return figures


def ten_thousand(rounds: int) -> dict[str, float]:
    """Lateness, memory and load with 10,000 robots: the round whose lateness is the median."""
    found: list[dict[str, float]] = []
    for _ in range(rounds):
        with far_end("tcp") as port:
            found.append(client("bench.fleet", f"127.0.0.1:{port}", MANY, MANY_S))
        say(f"{MANY} robots: {found[-1]}")
    median = sorted(found, key=lambda each: each["p99_lateness_ms"])[len(found) // 2]
    return {name: median[name] for name in ("p99_lateness_ms", "rss_kib_per_robot", "core_share")}


def stopped(stops: int) -> dict[str, float]:
    """How long stops take."""
    found = asyncio.run(stop_ms(ROBOTS_STOPPED, stops))
    say(f"{stops} stops with {ROBOTS_STOPPED} robots polled and one bus hung: {found}")
    return found


def line_share(rounds: int) -> dict[str, float]:
    """Polls a second on one serial line, as a share of what its bytes and silences allow."""
    found: dict[int, list[float]] = {baud: [] for baud in BAUDS}
    for _ in range(rounds):
        for baud in BAUDS:
            with far_end("rtu", baud, 1, 0) as path:
                share = run(lines.back_to_back(path, baud))
            found[baud].append(share)
            say(f"{baud} baud: {share:.1%} of the line rate")
    return {str(baud): round(statistics.median(shares), 4) for baud, shares in found.items()}


def living_share(seconds: float) -> dict[str, float]:
    """The share of their polls that nine living units get while the tenth is dead."""
    found: dict[str, float] = {}
    for kind, work in (("fleetd", lines.supervised), ("pymodbus", lines.pymodbus_loop)):
        with far_end("rtu", lines.SHARED_BAUD, lines.UNITS, 0, lines.DEAD) as path:
            found[kind] = round(run(work(path, seconds)), 4)
        say(f"one of ten units dead, {kind}: the living get {found[kind]:.1%} of their polls")
    return found


def noise_read() -> int:
    """How many of 256 frames are read, each with a stray byte before it."""
    with far_end("rtu", 19_200, 1, 1) as path:
        read = run(lines.through_noise(path))
    say(f"a stray byte before each of 256 frames: {read} read")
    return read


def table(result: dict[str, Any]) -> str:
    """The page's section."""
    cpu = result["cpu_us_per_poll"]
    rows = ["| robots over TCP, 1 Hz | " + " | ".join(KINDS) + " | fleetd / pymodbus |", "|---|---|---|---|---|"]
    for size in cpu["fleetd"]:
        figures = " | ".join(f"{cpu[kind][size]:.0f} us" for kind in KINDS)
        rows.append(f"| {size} | {figures} | {cpu['fleetd'][size] / cpu['pymodbus'][size]:.2f} |")
    many, stop = result["robots_10000"], result["stop_ms"]
    rows += ["", "| many robots | measured |", "|---|---|"]
    rows.append(
        f"| 10,000 at 1 Hz on one core, due to committed, 99 of 100 within | {many['p99_lateness_ms']:.0f} ms |"
    )
    rows.append(f"| share of that core | {many['core_share']:.0%} |")
    rows.append(f"| resident memory, all of the process, a robot | {many['rss_kib_per_robot']:.1f} KiB |")
    rows.append(f"| stop, MQTT in to register written, 99 of 100 within | {stop['p99']:.0f} ms |")
    rows.append(f"| the slowest of them | {stop['max']:.0f} ms |")
    rows += ["", "| one serial line | measured |", "|---|---|"]
    rows += [f"| share of the line rate at {baud} baud | {s:.1%} |" for baud, s in result["rtu_share_of_line"].items()]
    living = result["rtu_living_share_one_dead"]
    rows.append(f"| one of ten units dead: polls that the living get, fleetd | {living['fleetd']:.1%} |")
    rows.append(f"| the same, pymodbus with its defaults | {living['pymodbus']:.1%} |")
    rows.append(f"| frames read of 256, a stray byte before each | {result['noise_read_of_256']} |")
    return "\n".join(rows)


def main() -> None:
    """Run everything; some nine minutes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--robots", type=int, nargs="+", default=[700, 2000])
    parser.add_argument("--stops", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=40.0, help="of the bus with a dead unit")
    options = parser.parse_args()
    set_up_logging("error")
    result = {
        "cpu_us_per_poll": cpu_us(options.robots, options.rounds),
        "robots_10000": ten_thousand(options.rounds),
        "rtu_share_of_line": line_share(options.rounds),
        "rtu_living_share_one_dead": living_share(options.seconds),
        "stop_ms": stopped(options.stops),
        "noise_read_of_256": noise_read(),
    }
    say(f"written to {publish('robots', result, table(result))}")


if __name__ == "__main__":
    main()
