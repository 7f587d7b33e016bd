"""Namespaces of a child process: a network or mounts of its own, where the machine gives them to us."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence

import pytest


def unshared(kind: str, trial: Sequence[str]) -> list[str]:
    """What to write before a command to run it in a new namespace ("--net", "--mount"), once `trial` has run there.

    Skips the test, with the reason, where neither a user's own namespace nor that of root can be had.
    """
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare (util-linux)")
    said = ""
    for words in (["unshare", "--map-root-user", kind], ["unshare", kind]):
        tried = subprocess.run([*words, *trial], capture_output=True, text=True, check=False)
        if tried.returncode == 0:
            return words
        said = said or (tried.stderr.strip().splitlines() or ["no reason given"])[-1]
    pytest.skip(f"this machine lets us have no namespace for it (unshare {kind}): {said}")
