"""`Reserve`: room on the disk that is kept back for what must be written when there is no other.

A file of one MiB beside the database. When the disk is full it is given up, so that commands, alarms, results and the
audit chain still find room; what can wait is refused until the disk has room for the file again.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

FILE = "reserve"
BYTES = 1 << 20


class Reserve:
    """The reserve of one store's folder. Used by its one writer alone."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self.held = False
        """Whether the room is kept back."""

    def hold(self) -> bool:
        """Keep the room back, if the disk has it; whether it is kept now."""
        if not self.held:
            self.held = self._allocated()
        return self.held

    def give(self) -> bool:
        """Give the room up; whether there was any."""
        self.held = False
        try:
            had = self._path.stat().st_size > 0
            self._path.unlink()
        except OSError:
            return False
        return had

    def _allocated(self) -> bool:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o640)
        except OSError:
            return False
        try:
            os.posix_fallocate(descriptor, 0, BYTES)
        except OSError:
            self._path.unlink(missing_ok=True)
            return False
        finally:
            os.close(descriptor)
        return True


def is_full(error: BaseException) -> bool:
    """Whether SQLite fails for want of room; it says so in other words where its shared memory was to grow."""
    code = getattr(error, "sqlite_errorcode", None) or 0
    return code & 0xFF == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_SHMSIZE
