"""A daemon in little, for tests that kill it: an antenna on a rotator under the guard, told what to do on its input."""

from __future__ import annotations

import asyncio
import json
import sys
import time

from fleetd.clock import SystemClock
from fleetd.contact.antenna import ROTATOR_BACKOFF, Antenna
from fleetd.contact.settings import AntennaSettings
from fleetd.devices import AzEl, load_driver
from fleetd.guard.guard import Guard
from fleetd.guard.settings import GuardSettings
from fleetd.hub import Hub
from fleetd.link.ports import Ports
from fleetd.link.url import parse_link
from fleetd.supervise import Device, Progress, Supervision

ANTENNA = {
    "name": "dish",
    "rotator": "dish-rotator",
    "azimuth_limits_deg": (0.0, 450.0),
    "elevation_limits_deg": (0.0, 90.0),
    "slew_deg_s": {"azimuth": 6.0, "elevation": 3.0},
    "park": {"azimuth_deg": 0.0, "elevation_deg": 90.0},
}


def say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def main(driver: str, link: str, settings: str, lease_s: float) -> None:
    clock, hub, ports = SystemClock(), Hub(), Ports()
    spec, url = load_driver(driver), parse_link(link)
    chosen = spec.settings.model_validate_json(settings)
    device = Device("dish-rotator", lambda: spec.connect(ports, url, chosen, clock), backoff=ROTATOR_BACKOFF)
    guard = Guard(GuardSettings(lease_s=lease_s))
    supervision = Supervision(clock, hub.publish, Progress(clock))
    antenna = Antenna(AntennaSettings.model_validate(ANTENNA), device, supervision, hub, guard=guard)
    async with guard.on_duty(lambda why: say(guard=why)), asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(supervision.run(device, antenna.work), name="rotator")
        while antenna.measured is None:  # noqa: ASYNC110  # it comes from a device
            await asyncio.sleep(0.01)
        say(ready=True, guarded=antenna.guarded)
        loop = asyncio.get_running_loop()
        while words := (await loop.run_in_executor(None, sys.stdin.readline)).split():
            if words[0] == "point":
                await antenna.point(AzEl(float(words[1]), float(words[2])))
                say(pointing=True)
            elif words[0] == "block":
                time.sleep(float(words[1]))  # noqa: ASYNC251  # that is what is tried here
                say(blocked=True)
            elif words[0] == "state":
                say(state=str(device.state), reason=device.reason)
        serving.cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])))
