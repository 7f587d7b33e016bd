"""Folders for what is played and thrown away."""

from __future__ import annotations

import tempfile
from pathlib import Path

_RAM = Path("/dev/shm")  # noqa: S108  # a RAM disk, where a store's syncs cost nothing; a folder of our own in it


def scratch_folder(*, virtual: bool, within: Path | None = None) -> Path:
    """A fresh folder, in memory where time is `virtual` and there is a RAM disk; whoever asked for it removes it.

    Or one `within` another, which goes with that even when who asked is killed.
    """
    around = within or (_RAM if virtual and _RAM.is_dir() else None)
    return Path(tempfile.mkdtemp(prefix="fleethil-", dir=around))
