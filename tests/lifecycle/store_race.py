"""Two processes after one store at once, again and again: prints what became of them, a line a race.

store_race.py FOLDER RACES
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from fleetd.errors import StoreError
from fleetd.store.lock import locked

Pipe = tuple[int, int]


def runner(folder: Path, go: Pipe, end: Pipe, tell: Pipe) -> None:
    """One of the two, in a process of its own."""
    os.read(go[0], 1)
    began = time.perf_counter()
    try:
        with locked(folder):
            os.write(tell[1], b"owner\n")
            os.read(end[0], 1)
    except StoreError as error:
        quick = time.perf_counter() - began < 1.0
        os.write(tell[1], b"refused\n" if quick and "in use by pid" in str(error) else b"late\n")


def race(folder: Path) -> str:
    """What became of two that start at once."""
    go, end, tell = pipes = os.pipe(), os.pipe(), os.pipe()
    for _ in range(2):
        if os.fork() == 0:
            runner(folder, go, end, tell)
            os._exit(0)
    os.write(go[1], b"go")
    said = b""
    while said.count(b"\n") < 2:
        said += os.read(tell[0], 100)
    os.write(end[1], b"ab")
    for _ in range(2):
        os.wait()
    for pipe in pipes:
        for each in pipe:
            os.close(each)
    return " ".join(sorted(said.decode().split()))


if __name__ == "__main__":
    for _ in range(int(sys.argv[2])):
        sys.stdout.write(f"{race(Path(sys.argv[1]))}\n")
