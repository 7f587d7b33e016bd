"""The man pages and the reference say what the programs say."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def test_pages_are_what_the_programs_say_now() -> None:
    done = subprocess.run(
        [sys.executable, DOCS / "man" / "build.py", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("page", ["fleetd.8", "fleetctl.1", "fleethil.1"])
@pytest.mark.skipif(shutil.which("groff") is None, reason="needs groff")
def test_pages_are_clean_troff(page: str) -> None:
    words = ["groff", "-ww", "-man", "-Tutf8", "-K", "utf8", "-z", str(DOCS / "man" / page)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
