"""A daemon in little, for tests that kill it: a radio under the guard, keyed when it is told so on its input."""

from __future__ import annotations

import asyncio
import json
import sys
import time

from fleetd.clock import SystemClock
from fleetd.contact.antenna import ROTATOR_BACKOFF
from fleetd.contact.radio import Radio, RadioSurroundings
from fleetd.contact.radiosettings import RadioSettings
from fleetd.devices import load_driver
from fleetd.guard.guard import Guard
from fleetd.guard.settings import GuardSettings
from fleetd.hub import Hub
from fleetd.link.ports import Ports
from fleetd.link.url import parse_link
from fleetd.supervise import Device, Progress, Supervision


def say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def main(driver: str, link: str, lease_s: float) -> None:
    clock, hub, ports = SystemClock(), Hub(), Ports()
    spec, url = load_driver(driver), parse_link(link)
    device = Device("radio", lambda: spec.connect(ports, url, spec.settings(), clock), backoff=ROTATOR_BACKOFF)
    guard = Guard(GuardSettings(lease_s=lease_s))
    supervision = Supervision(clock, hub.publish, Progress(clock))
    radio = Radio(RadioSettings(), device, RadioSurroundings(supervision, hub, guard))
    async with guard.on_duty(lambda _: None), asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(supervision.run(device, radio.work), name="radio")
        while not radio.connections:  # noqa: ASYNC110  # it comes from a device
            await asyncio.sleep(0.01)
        say(ready=True, guarded=radio.guarded)
        loop = asyncio.get_running_loop()
        while words := (await loop.run_in_executor(None, sys.stdin.readline)).split():
            if words[0] == "key":
                await radio.on(lambda: None)
                say(keyed=True)
            elif words[0] == "unkey":
                await radio.off()
                say(unkeyed=True)
            elif words[0] == "block":
                time.sleep(float(words[1]))  # noqa: ASYNC251  # that is what is tried here
                say(blocked=True)
        serving.cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
