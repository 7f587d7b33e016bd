"""The same seed gives the same event log, byte for byte, in two processes.

What differs from process to process on purpose: the seed of string hashes, and what lies in memory before all else.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "hil" / "scenarios"
QUICK = ("empty-battery", "dead-robot-on-a-bus")
"""Commands, faults, and units asked again by lot."""

_DISPLACED = """
import sys
kept = [bytearray(number % 4093 + 1) for number in range({many})]
from fleetd_hil.cli import app
app(args=sys.argv[1:])
"""


def logs(names: Sequence[str], folder: Path, *, hash_seed: int, displaced: int) -> dict[str, bytes]:
    """Play scenarios in a process of their own; what each one's log says."""
    words = ["run", *(str(FOLDER / f"{name}.yaml") for name in names), "--report", str(folder), "--jobs", "1"]
    played = subprocess.run(
        [sys.executable, "-c", _DISPLACED.format(many=displaced), *words],
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert played.returncode == 0, played.stdout + played.stderr
    return {name: (folder / f"{name}.log").read_bytes() for name in names}


@pytest.mark.timeout(300)
def test_two_processes_say_the_same(tmp_path: Path) -> None:
    one = logs(QUICK, tmp_path / "one", hash_seed=1, displaced=0)
    other = logs(QUICK, tmp_path / "other", hash_seed=4_711, displaced=20_000)
    assert one == other
    assert all(log.count(b"\n") > 100 for log in one.values())


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", sorted(file.stem for file in FOLDER.glob("*.yaml")))
def test_every_scenario_says_the_same_in_two_processes(name: str, tmp_path: Path) -> None:
    one = logs([name], tmp_path / "one", hash_seed=2, displaced=7)
    other = logs([name], tmp_path / "other", hash_seed=65_537, displaced=30_000)
    assert one == other
