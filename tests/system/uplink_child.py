"""A daemon's share in orders, to be killed at any point: store, uplink, and a TNC whose air is a file.

`python uplink_child.py FOLDER COUNT` gives COUNT orders that must not be carried out twice, each under its own id, and
works on them until it is killed or all have ended. Each frame that the TNC takes stands in FOLDER/air before `send`
returns; the satellite's memory is what is written there.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from uplinks import Far, Transmit, command, deliver, device, uplink

from fleetd.clock import SystemClock
from fleetd.devices import TncFrame
from fleetd.hub import Hub
from fleetd.store.store import Store

_BEACON_S = 0.01


class OnFile(Far):
    """What was sent outlives the process, and so does what the satellite made of it."""

    def __init__(self, clock: SystemClock, air: Path) -> None:
        super().__init__(clock)
        self._air = os.open(air, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        for line in air.read_bytes().split():
            self.satellite.hear(bytes.fromhex(line.decode()))
        self.satellite._counts.clear()
        self._draw = random.Random()

    async def send(self, frame: TncFrame, /) -> None:
        await asyncio.sleep(self._draw.random() * 0.01)
        os.write(self._air, frame.data.hex().encode() + b"\n")
        await super().send(frame)
        await asyncio.sleep(self._draw.random() * 0.01)


async def main(folder: Path, count: int) -> None:
    clock, hub = SystemClock(), Hub()
    far = OnFile(clock, folder / "air")
    async with Store.open(folder / "store", node="n", clock=clock) as store:
        orders = uplink(store, clock, hub, baud=10_000_000, lead_s=0.002, answer_within_s=0.2, effect_within_s=2.0)
        await orders.restore()
        for number in range(count):
            issued = clock.now() + timedelta(seconds=0)
            await orders.submit(command(number, "store-message", issued, text=f"message {number}"))
        async with asyncio.TaskGroup() as tasks:
            working = tasks.create_task(orders.work(device(far), Transmit()))
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            while any(each.stage != "succeeded" for each in await store.telecommands.listed(unfinished=True)):
                far.beacon()
                await deliver(far, orders)
                await asyncio.sleep(_BEACON_S)
            working.cancel()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
