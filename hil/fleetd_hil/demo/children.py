"""Child processes of the demo: started by name, stopped by process id, never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from fleetd.errors import FleetError

STOP_WITHIN_S = 15.0
READY_WITHIN_S = 30.0


@contextlib.asynccontextmanager
async def child(name: str, command: Sequence[str], *, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `command` while the context lasts: SIGTERM at its end, SIGKILL if that is not heeded in 15 s.

    Standard output is a pipe, standard error goes to the file `log`.
    """
    with log.open("ab") as errors:
        try:
            process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=errors)
        except OSError as error:
            raise FleetError(f"{name} does not start: {command[0]}: {error.strerror}") from error
    try:
        yield process
    finally:
        await end(process)


async def end(process: asyncio.subprocess.Process) -> int:
    """Ask the process to end and wait for it; returns its exit code."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_WITHIN_S):
            return await process.wait()
    except TimeoutError:
        process.kill()
        return await process.wait()


async def first_json_line(name: str, process: asyncio.subprocess.Process, log: Path) -> dict[str, Any]:
    """The one JSON line that a sim prints when it is ready. Raises FleetError with where its complaint stands."""
    if process.stdout is None:
        raise TypeError(f"{name} was started without a pipe")
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            line = await process.stdout.readline()
    except TimeoutError:
        raise FleetError(f"{name} is not ready after {READY_WITHIN_S:g} s; see {log}") from None
    if not line:
        raise FleetError(f"{name} ended before it was ready; see {log}")
    ready: dict[str, Any] = json.loads(line)
    return ready
