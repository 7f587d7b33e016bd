"""A daemon in little before the far end of its link: what the tests share that kill it, or have it hang.

What they time is the daemon's and its guard's business, and not that of whatever else the machine is busy with.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farend import Far

_ANSWERS_WITHIN_S = 45.0  # real; far beyond what a busy machine needs


@dataclass
class Daemon:
    """The child, and the far end that sees what it does."""

    process: asyncio.subprocess.Process
    far: Far

    async def tell(self, words: str, until: str) -> dict[str, Any]:
        """Give an order and wait for the line that has this key."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{words}\n".encode())
        return await self.hear(until)

    async def hear(self, until: str) -> dict[str, Any]:
        """The next line that has this key."""
        assert self.process.stdout is not None
        while True:
            line = await asyncio.wait_for(self.process.stdout.readline(), _ANSWERS_WITHIN_S)
            assert line, "the child has ended"
            said: dict[str, Any] = json.loads(line) if line.startswith(b"{") else {}
            if until in said:
                return said


class Stopwatch:
    """Seconds since it was made, less those for which a process that is timed was ready and the machine ran others.

    Timed are this one, with the far end in it, the daemon `pid`, and what that has begun, which is its guard. The
    kernel counts how long each waits for a processor; where it does not, nothing is taken off.
    """

    def __init__(self, pid: int) -> None:
        self._began_s = time.monotonic()
        self._began = {each: _waited_s(each) for each in (os.getpid(), pid, *guards_of(pid))}
        self._waited = dict(self._began)

    @property
    def withheld_s(self) -> float:
        """Seconds that the machine kept from them; of one that has ended, as far as it was looked at."""
        for pid, waited_s in self._waited.items():
            self._waited[pid] = max(waited_s, _waited_s(pid))
        return sum(self._waited.values()) - sum(self._began.values())

    @property
    def s(self) -> float:
        """Seconds that they had."""
        return time.monotonic() - self._began_s - self.withheld_s


def guards_of(parent: int) -> list[int]:
    """The guard processes that a process has begun and that live; it may have begun others, too."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        _, _, rest = _read(path).rpartition(")")
        if rest and int(rest.split()[1]) == parent and "fleetd.guard.process" in _read(path.with_name("cmdline")):
            found.append(int(path.parent.name))
    return found


def _waited_s(pid: int) -> float:
    """For how long it was ready to run and did not (Linux, Documentation/scheduler/sched-stats)."""
    told = _read(Path(f"/proc/{pid}/schedstat")).split()
    return int(told[1]) / 1e9 if told else 0.0


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


@asynccontextmanager
async def child(script: str, far: Far, *arguments: str) -> AsyncIterator[Daemon]:
    """The script beside this file, for the driver and the link of `far`, once it is guarded; killed in the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(Path(__file__).with_name(script)), far.kind.name, far.url, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    made = Daemon(process, far)
    try:
        assert (await made.hear("ready"))["guarded"]
        yield made
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()  # which closes its pipes, too
