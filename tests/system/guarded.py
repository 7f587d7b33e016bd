"""A daemon in little before the far end of its link: what the tests share that kill it, or have it hang."""

from __future__ import annotations

import asyncio
import json
import sys
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
