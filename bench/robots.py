"""`make bench-robots`: what polling robots costs, against a plain pymodbus loop and a bare asyncio Protocol.

All figures come from one run, in interleaved rounds; each is the median of its rounds. Written to
build/bench-robots.json and, as a table, into docs/reference/benchmarks.md. What is null is not measured here.
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
from typing import Any, TypeVar

from bench import lines
from bench.maps import REGISTERS
from bench.page import publish
from fleetd.daemon.loop import loop_factory
from fleetd.log import set_up_logging

Number = TypeVar("Number", int, float)

ROOT = Path(__file__).parents[1]
KINDS = ("fleetd", "pymodbus", "limit")
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
    for turn in range(rounds):
        for size in sizes:
            for kind in KINDS:
                with far_end("tcp") as port:
                    command = [sys.executable, "-m", "bench.clients", kind, f"127.0.0.1:{port}", str(size)]
                    answer = subprocess.run(command, capture_output=True, check=True, timeout=120, cwd=ROOT)  # noqa: S603
                result = json.loads(answer.stdout.splitlines()[-1])
                found[kind][str(size)].append(result["cpu_us"])
                say(f"round {turn + 1}: {kind} with {size} robots: {result['cpu_us']:.0f} us of CPU a poll")
    return {kind: {size: round(statistics.median(us), 1) for size, us in by.items()} for kind, by in found.items()}


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
    rows += ["", "| one serial line | measured |", "|---|---|"]
    rows += [f"| share of the line rate at {baud} baud | {s:.1%} |" for baud, s in result["rtu_share_of_line"].items()]
    living = result["rtu_living_share_one_dead"]
    rows.append(f"| one of ten units dead: polls that the living get, fleetd | {living['fleetd']:.1%} |")
    rows.append(f"| the same, pymodbus with its defaults | {living['pymodbus']:.1%} |")
    rows.append(f"| frames read of 256, a stray byte before each | {result['noise_read_of_256']} |")
    return "\n".join(rows)


def main() -> None:
    """Run everything; some six minutes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--robots", type=int, nargs="+", default=[700, 2000])
    parser.add_argument("--seconds", type=float, default=40.0, help="of the bus with a dead unit")
    options = parser.parse_args()
    set_up_logging("error")
    result = {
        "cpu_us_per_poll": {**cpu_us(options.robots, options.rounds), "bridge": None},
        "robots_10000": None,
        "rtu_share_of_line": line_share(options.rounds),
        "rtu_living_share_one_dead": living_share(options.seconds),
        "stop_ms": None,
        "noise_read_of_256": noise_read(),
        "registers_a_poll": REGISTERS,
    }
    say(f"written to {publish('robots', result, table(result))}")


if __name__ == "__main__":
    main()
