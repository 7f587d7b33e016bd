"""What the kernel and systemd-timesyncd say of this machine's clock, and which boot of the machine this is."""

from __future__ import annotations

import ctypes
import time
from enum import IntEnum
from functools import lru_cache
from pathlib import Path

_STA_UNSYNC = 0x0040  # status bit of adjtimex(2): the kernel clock is not disciplined
_TIMESYNCD_MARK = Path("/run/systemd/timesync/synchronized")  # touched at each synchronisation: systemd-timesyncd(8)
_TIMESYNCD_FRESH_S = 5_400.0  # its longest poll interval is 2048 s (timesyncd.conf(5)); two may fail
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Leap(IntEnum):
    """What adjtimex(2) returns: where the kernel stands with a leap second, or that it may not be asked."""

    DENIED = -1
    NONE = 0
    INSERTING = 1  # at the end of this UTC day
    DELETING = 2
    IN_PROGRESS = 3
    HAS_BEEN = 4
    UNSYNCHRONISED = 5


class _Timex(ctypes.Structure):
    """struct timex of <sys/timex.h>; only `modes` and `status` are used, the tail keeps the kernel's size."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("_tail", ctypes.c_byte * 256),
    )


def kernel_clock_synced(*, since: float = 0.0) -> bool:
    """Ask the kernel whether a time service keeps its clock right.

    A sandboxed unit (ProtectClock=) may not ask it; then the word of systemd-timesyncd counts, if it is younger than
    `since` (seconds since 1970), and silence is a no.
    """
    leap, status = _asked()
    if leap is Leap.DENIED:
        return timesyncd_synced(since=since)
    return leap is not Leap.UNSYNCHRONISED and not status & _STA_UNSYNC


def kernel_leap() -> Leap:
    """Where the kernel stands with a leap second."""
    return _asked()[0]


def timesyncd_synced(mark: Path = _TIMESYNCD_MARK, *, since: float = 0.0) -> bool:
    """Whether systemd-timesyncd has synchronised the clock lately, and after `since`, by the age of its mark."""
    try:
        touched = mark.stat().st_mtime
    except OSError:
        return False
    return abs(time.time() - touched) < _TIMESYNCD_FRESH_S and touched >= since


@lru_cache(maxsize=1)
def machine_boot() -> str:
    """A name of this run of the machine, the same for all its processes; of this process where there is none."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return f"process-{time.time_ns()}"


def _asked() -> tuple[Leap, int]:
    state = _Timex()
    result: int = _libc().adjtimex(ctypes.byref(state))
    return Leap(result), int(state.status)


@lru_cache(maxsize=1)
def _libc() -> ctypes.CDLL:
    """Opened once: each opening makes a class of its own, which only the collector takes away again."""
    return ctypes.CDLL(None, use_errno=True)
