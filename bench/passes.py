"""`make bench`: how long it takes to find all passes, against Skyfield's `find_events` and three other programs.

All figures come from one run, in interleaved rounds; each is the median CPU time of its rounds, on one core. What
fleetd finds is then held against Skyfield's own geometry. Written to build/bench-passes.json and, as a table, into
docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.page import publish
from bench.passpeers import CONTESTANTS, Ask, columns
from bench.passtruth import judge
from bench.sky import Case, draw

ROOT = Path(__file__).parents[1]
CASES = ((2, 1, 7), (2, 50, 7), (100, 10, 3))
_QUICK_S, _MOST_ASKED = 0.1, 20  # quick answers are asked for several times a round
_COLD_RUNS = 11
_WEEK = "passes --elements configs/elements/candy-tin.json configs/elements/tmall-international.json"
_WEEK += " --station 30.27,120.15,20 --start 2026-11-11T00:00:00Z --hours 168"


def say(text: str) -> None:
    """A line of progress."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def measured_s(make: Callable[[Case], Ask], case: Case) -> float:
    """CPU seconds of one answer; each is asked of a contestant set up afresh, since one of them remembers."""
    spent: list[float] = []
    while not spent or (sum(spent) < _QUICK_S and len(spent) < _MOST_ASKED):
        ask = make(case)
        begin = time.process_time()
        ask()
        spent.append(time.process_time() - begin)
    return statistics.median(spent)


def race(case: Case, rounds: int, without: list[str]) -> dict[str, float]:
    """Median seconds of each contestant; one answer of each a round, in turn."""
    makers = {name: make for name, make in CONTESTANTS.items() if name not in without}
    found: dict[str, list[float]] = {name: [] for name in makers}
    for number in range(rounds):
        for name, make in makers.items():
            found[name].append(measured_s(make, case))
        say(f"  round {number + 1}: " + ", ".join(f"{name} {times[-1] * 1e3:.1f} ms" for name, times in found.items()))
    return {f"{name}_s": statistics.median(times) for name, times in found.items()}


def cold_start() -> dict[str, float]:
    """CPU seconds of a whole `fleetctl passes` for a week and of Skyfield's import alone, interleaved."""
    python = sys.executable
    words = {
        "fleetctl_passes_s": [str(Path(python).with_name("fleetctl")), *_WEEK.split()],
        "import_skyfield_s": [python, "-c", "import skyfield.api"],
    }
    found: dict[str, list[float]] = {name: [] for name in words}
    for _ in range(_COLD_RUNS):
        for name, command in words.items():
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True, cwd=ROOT)  # noqa: S603
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            found[name].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return {name: round(statistics.median(times), 3) for name, times in found.items()}


def table(result: dict[str, Any]) -> str:
    """The page's section."""
    cases = result["cases"]
    rows = ["| satellites x stations x days | " + " | ".join(cases) + " |", "|---|" + "---|" * len(cases)]
    for name in CONTESTANTS:
        if any(f"{name}_s" in case for case in cases.values()):
            rows.append(f"| {name.replace('_', ' ')} | " + " | ".join(_time(case, name) for case in cases.values()))
            rows[-1] += " |"
    for peer in ("find_events", "sgp4_predict"):
        ratios = (f"{case[f'{peer}_s'] / case['fleetd_s']:.1f}" for case in cases.values())
        rows.append(f"| **{peer.replace('_', ' ')} / fleetd** | " + " | ".join(ratios) + " |")
    for key, words in (
        ("missed", "rises and sets missed"),
        ("extra", "rises and sets invented"),
        ("max_diff_ms", "worst of them, ms"),
    ):
        rows.append(f"| {words} | " + " | ".join(f"{case[key]:.3g}" for case in cases.values()) + " |")
    cold = result["cold_start"]
    share = cold["fleetctl_passes_s"] / cold["import_skyfield_s"]
    sentence = (
        "`fleetctl passes` for two satellites and a week, from a cold start to its last line: "
        f"{cold['fleetctl_passes_s']:.2f} s of CPU, {share:.1f} times `python -c 'import skyfield.api'`."
    )
    rows += ["", sentence]
    return "\n".join(rows)


def _time(case: dict[str, Any], name: str) -> str:
    seconds = case.get(f"{name}_s")
    return "" if seconds is None else f"{seconds * 1e3:.4g} ms"


def main() -> None:
    """Run everything; some six minutes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--without", nargs="*", default=[], choices=sorted(set(CONTESTANTS) - {"fleetd"}))
    options = parser.parse_args()
    cases: dict[str, dict[str, Any]] = {}
    for numbers in CASES:
        name, case = "x".join(map(str, numbers)), draw(*numbers)
        say(f"{name}: satellites, stations, days")
        times = race(case, options.rounds, options.without)
        verdict = judge(case, columns(case))
        cases[name] = times | asdict(verdict)
        say(f"  {verdict}")
    result = {"cases": cases, "cold_start": cold_start(), "rounds": options.rounds}
    say(f"written to {publish('passes', result, table(result))}")


if __name__ == "__main__":
    main()
