"""The benchmarks on one serial line: at its full rate, with a dead unit, and through noise."""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from bench.maps import FIRST, REGISTERS, bench_map
from fleetd.clock import SystemClock
from fleetd.errors import DeviceError
from fleetd.link.ports import Ports
from fleetd.link.url import LinkUrl, SerialLine, parse_link
from fleetd.robots.poll import Poller, Rhythm
from fleetd.supervise import Device, Progress, Supervision
from fleetd_drivers.modbus.device import MapDevice, Unit
from fleetd_drivers.modbus.line import bus_for
from fleetd_drivers.modbus.profile import Profile
from fleetd_drivers.modbus.rtu import gap_s

UNITS, DEAD, SHARED_BAUD = 10, 7, 19_200
_STRETCHES, _STRETCH_S, _WARM_UP = 8, 0.5, 10


def theoretical_poll_s(url: LinkUrl) -> float:
    """Request of 8 characters, answer of 5 and two a register, and a silence after each; the device needs no time."""
    if not isinstance(url.end, SerialLine):
        raise TypeError(f"{url} is no serial line")
    return (8 + 5 + 2 * REGISTERS) * url.end.character_s + 2 * gap_s(url.end)


def _url(path: str, baud: int) -> LinkUrl:
    return parse_link(f"modbus+rtu://{path}?baud={baud}")


async def back_to_back(path: str, baud: int) -> float:
    """Polls a second, decoded, over what the line allows: the median of half-second stretches."""
    url = _url(path, baud)
    async with bus_for(Ports(), url) as bus:
        device = MapDevice(Profile(bench_map()), Unit(bus, 1, 2.0), SystemClock())
        for _ in range(_WARM_UP):
            await device.read()
        rates = [await _rate(device) for _ in range(_STRETCHES)]
    return statistics.median(rates) * theoretical_poll_s(url)


async def _rate(device: MapDevice) -> float:
    polls, start_s = 0, time.monotonic()
    while (took_s := time.monotonic() - start_s) < _STRETCH_S:
        await device.read()
        polls += 1
    return polls / took_s


async def supervised(path: str, seconds: float) -> float:
    """Ten units as the daemon polls them, once a second each, from its start; the share that the living got."""
    clock, ports, url, profile = SystemClock(), Ports(), _url(path, SHARED_BAUD), Profile(bench_map())
    got: dict[str, int] = {}

    @asynccontextmanager
    async def connect(unit: int) -> Any:
        async with bus_for(ports, url) as bus:
            device = MapDevice(profile, Unit(bus, unit, 0.5), clock)
            await device.identify()
            yield device

    supervision = Supervision(clock, lambda _: None, Progress(clock))
    async with AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        running = []
        for unit in range(1, UNITS + 1):
            device = Device(f"robot-{unit}", partial(connect, unit))
            count = partial(_count, got)
            poller = Poller(device, supervision, count, Rhythm(1.0))
            running.append(tasks.create_task(supervision.run(device, poller.work)))
        await asyncio.sleep(seconds)
        for task in running:
            task.cancel()
    return sum(got.values()) / ((UNITS - 1) * seconds)


def _count(got: dict[str, int], reading: Any) -> None:
    if reading.quality == "GOOD":
        got[reading.device] = got.get(reading.device, 0) + 1


async def pymodbus_loop(path: str, seconds: float) -> float:
    """The same by a plain loop over the units with pymodbus' own defaults: each second, or as soon as it gets round."""
    import logging

    from pymodbus.client import AsyncModbusSerialClient
    from pymodbus.exceptions import ModbusException

    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    client, got, start_s = AsyncModbusSerialClient(path, baudrate=SHARED_BAUD), 0, time.monotonic()
    await client.connect()
    turn = 0
    while time.monotonic() - start_s < seconds:
        for unit in range(1, UNITS + 1):
            try:
                await client.read_input_registers(FIRST, count=REGISTERS, device_id=unit)
            except ModbusException:
                continue
            got += time.monotonic() - start_s < seconds
        turn += 1
        await asyncio.sleep(max(0.0, start_s + turn - time.monotonic()))
    client.close()
    return got / ((UNITS - 1) * seconds)


async def through_noise(path: str) -> int:
    """How many of 256 polls are answered within their deadline."""
    read = 0
    async with bus_for(Ports(), _url(path, 19_200)) as bus:
        device = MapDevice(Profile(bench_map()), Unit(bus, 1, 0.5), SystemClock())
        for _ in range(256):
            try:
                await device.read()
            except DeviceError:
                continue
            read += 1
    return read
