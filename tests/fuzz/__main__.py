"""`make fuzz TARGET=elements ARGS=-max_total_time=60`: guided by coverage (atheris); ends at the first failure."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["fleetd", "fleetd_drivers"]):
    from fuzz.targets import TARGETS


def main() -> None:
    """Fuzz the target named first; what follows goes to libFuzzer."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"name a target: {', '.join(TARGETS)}")
    target = TARGETS[sys.argv[1]]
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(target.seeds):
            Path(corpus, str(number)).write_bytes(seed)
        atheris.Setup([sys.argv[0], *sys.argv[2:], corpus], target.feed)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
