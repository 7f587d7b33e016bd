"""`make bench-hil`: what a day of a hundred robots and two satellites costs in virtual time, and whether it repeats.

The scenario `a-day-of-a-hundred-robots` is played twice, each time in a process of its own with other string hashes.
CPU time of the whole process counts, from the command to the report. Written to build/bench-hil.json and
docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.page import publish
from fleetd_hil.scenario.script import read_script

SCENARIO = Path(__file__).parents[1] / "hil" / "scenarios" / "a-day-of-a-hundred-robots.yaml"
_SECONDS_A_DAY = 86_400.0


def played(file: Path, hash_seed: int) -> tuple[float, bool, bytes]:
    """CPU seconds of one performance, whether it passed, and its event log."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        words = ["run", str(file), "--report", folder, "--jobs", "1"]
        done = subprocess.run(  # noqa: S603  # this interpreter, and a file of the caller's
            [sys.executable, "-m", "fleetd_hil.cli", *words],
            env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
            check=False,
        )
        log = (Path(folder) / f"{file.stem}.log").read_bytes()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used_s, done.returncode == 0, log


def run(file: Path) -> dict[str, Any]:
    """Both performances."""
    script = read_script(file)
    days = script.scenario.lasts / _SECONDS_A_DAY
    robots = [device.settings for device in script.site.devices if hasattr(device.settings, "heartbeat_s")]
    (one_s, passed, log), (other_s, passed_again, again) = played(file, 1), played(file, 4_711)
    return {
        "scenario": script.scenario.scenario,
        "simulated_s": script.scenario.lasts,
        "robots": len(robots),
        "satellites": len(script.site.satellites),
        "cpu_s": [round(one_s, 1), round(other_s, 1)],
        "polls": round(sum(_SECONDS_A_DAY * days / each.poll_s for each in robots)),
        "heartbeats": round(sum(_SECONDS_A_DAY * days / each.heartbeat_s for each in robots)),
        "messages": log.count(b"\n"),
        "passed": passed and passed_again,
        "same": log == again,
        "sha256": hashlib.sha256(log).hexdigest(),
    }


def section(result: dict[str, Any]) -> str:
    """The figures for people."""
    what = f"{result['robots']} robots and {result['satellites']} satellites"
    asked = f"{result['polls']:,} polls, {result['heartbeats']:,} heartbeats, {result['messages']:,} messages"
    passed, same = ("yes" if result[name] else "no" for name in ("passed", "same"))
    return f"""{result["simulated_s"] / 3600:g} simulated hours of {what}: **{min(result["cpu_s"]):g} s of one core**,
CPython {platform.python_version()} ({asked}). Passed: {passed}.
The same log, byte for byte, in another process: {same}."""


def main(arguments: Sequence[str] | None = None) -> None:
    """The benchmark as a program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenario", type=Path, default=SCENARIO, help="play another one; the page is left alone then")
    chosen = parser.parse_args(arguments)
    result = run(chosen.scenario)
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    if chosen.scenario == SCENARIO:
        sys.stdout.write(f"{publish('hil', result, section(result))}\n")
    if not (result["passed"] and result["same"]):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
