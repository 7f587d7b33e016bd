"""What polls in the benchmarks, each kind a process of its own that prints its CPU time a poll.

    python -m bench.clients KIND HOST:PORT ROBOTS [PORT OF A BROKER]

fleetd: the daemon's own driver, poll loop and filter. pymodbus: one client a robot, read and sleep, nothing decoded.
bridge: the same, decoded and published at QoS 1 to a broker by aiomqtt. limit: a bare asyncio Protocol that sends and
counts.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import resource
import struct
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, NoReturn

from bench.maps import FIRST, REGISTERS, bench_map
from fleetd.daemon.loop import loop_factory, spare_the_collector

POLL_S = 1.0
WARM_UP_S, MEASURED_S = 3.0, 6.0

Count = Callable[[], int]


async def measured(count: Count) -> NoReturn:
    """Print the CPU of this process a poll, over whole periods once all is at its pace, and leave without goodbye."""
    await asyncio.sleep(WARM_UP_S)
    gc.collect()
    before, cpu_s, slept = count(), time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
    await asyncio.sleep(MEASURED_S)
    polls = max(1, count() - before)
    wakes = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - slept
    result = {"cpu_us": (time.process_time() - cpu_s) / polls * 1e6, "polls": polls, "wakes": wakes / polls}
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()
    os._exit(0)


async def fleetd(host: str, port: int, robots: int) -> None:
    """Polled as the daemon does it: supervised, decoded into named values, filtered by exception."""
    from fleetd.clock import SystemClock
    from fleetd.link.ports import Ports
    from fleetd.link.url import parse_link
    from fleetd.robots.poll import Poller, Rhythm
    from fleetd.supervise import Device, Progress, Supervision
    from fleetd_drivers.modbus.device import MapDevice, Unit
    from fleetd_drivers.modbus.line import bus_for
    from fleetd_drivers.modbus.profile import Profile

    clock, profile, url = SystemClock(), Profile(bench_map()), parse_link(f"modbus+tcp://{host}:{port}")
    published: list[int] = [0]

    def publish(_record: object) -> None:
        published[0] += 1

    supervision = Supervision(clock, publish, Progress(clock))
    async with AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        for index in range(robots):
            bus = await stack.enter_async_context(bus_for(Ports(), url))
            device = Device(f"robot-{index}", lambda: stack)
            driver = MapDevice(profile, Unit(bus, 1, 2.0), clock)
            poller = Poller(device, supervision, publish, Rhythm(POLL_S, None, 60.0))
            tasks.create_task(poller.work(driver))
        await measured(lambda: published[0])


async def pymodbus(host: str, port: int, robots: int) -> None:
    """The plain loop: one client a robot, read, sleep; registers are not decoded."""
    from pymodbus.client import AsyncModbusTcpClient
    from pymodbus.exceptions import ModbusException

    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    polls, misses = [0], [0]

    async def poll(client: Any, phase_s: float) -> None:
        await asyncio.sleep(phase_s)
        while True:
            try:
                answer = await client.read_input_registers(FIRST, count=REGISTERS, device_id=1)
                polls[0] += len(answer.registers) == REGISTERS
            except ModbusException:
                misses[0] += 1
            await asyncio.sleep(POLL_S)

    await _alone(robots, polls, [AsyncModbusTcpClient(host, port=port) for _ in range(robots)], poll)


async def _alone(
    robots: int, polls: list[int], clients: list[Any], poll: Callable[[Any, float], Coroutine[Any, Any, None]]
) -> None:
    for client in clients:
        await client.connect()
    async with asyncio.TaskGroup() as tasks:
        for index, each in enumerate(clients):
            tasks.create_task(poll(each, POLL_S * index / robots))
        await measured(lambda: polls[0])


async def bridge(host: str, port: int, robots: int, broker_port: int) -> None:
    """The usual bridge: what the plain loop reads, scaled, as JSON to a broker."""
    import aiomqtt
    from pymodbus.client import AsyncModbusTcpClient
    from pymodbus.exceptions import ModbusException

    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    polls, misses = [0], [0]
    specs = [spec for spec in bench_map().values if spec.table == "input" and spec.address >= FIRST]
    shown = [(spec.name, spec.address - FIRST, spec.scale or 1.0) for spec in specs]
    async with aiomqtt.Client("127.0.0.1", broker_port, max_inflight_messages=100) as mqtt:

        async def poll(client: Any, phase_s: float) -> None:
            topic = f"bench/{phase_s:.6f}/reading"
            await asyncio.sleep(phase_s)
            while True:
                try:
                    answer = await client.read_input_registers(FIRST, count=REGISTERS, device_id=1)
                    values = {name: answer.registers[index] * scale for name, index, scale in shown}
                    await mqtt.publish(topic, json.dumps(values), qos=1)
                    polls[0] += 1
                except (ModbusException, aiomqtt.MqttError):
                    misses[0] += 1
                await asyncio.sleep(POLL_S)

        await _alone(robots, polls, [AsyncModbusTcpClient(host, port=port) for _ in range(robots)], poll)


class Bare(asyncio.Protocol):
    """Sends one prepared request and counts answers."""

    answers = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, _data: bytes) -> None:
        Bare.answers += 1


async def limit(host: str, port: int, robots: int) -> None:
    """Callbacks alone, in slots of 20 ms."""
    loop = asyncio.get_running_loop()
    made = [(await loop.create_connection(Bare, host, port))[1] for _ in range(robots)]
    request = struct.pack(">HHHBBHH", 1, 0, 6, 1, 4, FIRST, REGISTERS)
    slots = [made[slot::50] for slot in range(50)]
    start_s = loop.time()

    def fire(turn: int) -> None:
        for each in slots[turn % 50]:
            each.transport.write(request)
        loop.call_at(start_s + 0.02 * (turn + 1), fire, turn + 1)

    fire(0)
    await measured(lambda: Bare.answers)


KINDS = {
    "fleetd": (fleetd, True),
    "pymodbus": (pymodbus, False),
    "bridge": (bridge, False),
    "limit": (limit, True),
}


def main(arguments: list[str]) -> None:
    """Run one kind and print what it cost."""
    kind, address, *numbers = arguments
    host, _, port = address.rpartition(":")
    work, as_daemon = KINDS[kind]
    if as_daemon:
        spare_the_collector()
    with asyncio.Runner(loop_factory=loop_factory() if as_daemon else None) as runner:
        runner.run(work(host, int(port), *map(int, numbers)))


if __name__ == "__main__":
    main([each for each in sys.argv[1:] if not each.startswith("--")])
