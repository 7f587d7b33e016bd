"""A process that stores and relays, made to be killed. It forks a fresh one for each line on its standard input.

    relay_child.py FOLDER BROKER_URL        then lines: "produce" or "drain"

Prints `started PID`, `committed FIRST LAST` once these records are on disk, and `ended STATUS`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from datetime import UTC, datetime

import structlog

from fleetd.clock import ScaledClock
from fleetd.hub import Hub
from fleetd.records import Command, Quality, Reading
from fleetd.relay.relay import Relay
from fleetd.relay.settings import RelaySettings
from fleetd.store.store import Store

BATCH = 5
DEVICES = 3


def say(*words: object) -> None:
    """One line in one write, so that a kill never leaves half of it."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def produce(store: Store) -> None:
    """Commit readings for ever, and say so only after each commit."""
    while True:
        number = store.outbox.tally.last_seq
        readings = [
            Reading(
                at=datetime.now(UTC), device=f"robot-{at % DEVICES}", quality=Quality.GOOD, values={"n": number + at}
            )
            for at in range(BATCH)
        ]
        last = await store.outbox.append(readings)
        say("committed", last - BATCH + 1, last)
        await asyncio.sleep(0.001)


async def drained(relay: Relay) -> None:
    """Wait until all is acknowledged."""
    while not relay.status().connected or relay.status().backlog:  # noqa: ASYNC110  # a status is read, not heard
        await asyncio.sleep(0.01)


async def nobody(command: Command) -> None:
    """No commands are expected."""
    raise RuntimeError(command)


async def run(folder: str, url: str, order: str) -> None:
    """One life."""
    clock = ScaledClock(datetime.now(UTC), datetime.now(UTC), 20.0)
    async with Store.open(folder, node="node-1", clock=clock) as store:
        relay = Relay(RelaySettings(brokers=[url]), store, Hub(), clock, "hangzhou", nobody)
        task = asyncio.create_task(relay.run())
        say("started", os.getpid())
        await (produce(store) if order == "produce" else drained(relay))
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def main() -> None:
    """Fork a life for each order."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=sys.stderr))
    for order in sys.stdin:
        pid = os.fork()
        if pid == 0:
            asyncio.run(run(sys.argv[1], sys.argv[2], order.strip()))
            os._exit(0)
        say("ended", os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    main()
