"""The contestants of `bench.relay`: each publishes so many records to the broker on a port, and prints what it cost.

python -m bench.relay_clients fleetd|aiomqtt|limit|latency PORT RECORDS
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime

import structlog

from fleetd.clock import SystemClock
from fleetd.hub import Hub
from fleetd.records import Command, Quality, Reading
from fleetd.relay.mqtt import encode
from fleetd.relay.mqtt.packets import V3, Will
from fleetd.relay.relay import Relay
from fleetd.relay.settings import RelaySettings
from fleetd.store.store import Store

_CHUNK, _AHEAD = 500, 5_000
_AIOMQTT_WINDOW = 100  # more makes it slower
_LIMIT_WINDOW = 1_000
_RATE_PER_S, _SECONDS = 1_000, 5


def record(number: int) -> Reading:
    """A record of 200 bytes, envelope aside."""
    return Reading(at=datetime.now(UTC), device="robot-01", quality=Quality.GOOD, values={"n": number, "pad": "x" * 76})


async def _nobody(command: Command) -> None:
    raise RuntimeError(command)


class Site:
    """A store, a hub and a relay that is connected."""

    def __init__(self, folder: str, port: int) -> None:
        self.hub = Hub()
        self._folder = folder
        self._settings = RelaySettings(brokers=[f"mqtt://127.0.0.1:{port}"])

    async def run(self, work: str, records: int) -> dict[str, float]:
        """Do the work, and leave."""
        clock = SystemClock()
        async with Store.open(self._folder, node="bench", clock=clock) as self.store:
            self.relay = Relay(self._settings, self.store, self.hub, clock, "bench", _nobody)
            task = asyncio.create_task(self.relay.run())
            while self.store.outbox.tally.acked < 1:
                await asyncio.sleep(0.01)
            figures = await (self.fast(records) if work == "fleetd" else self.paced())
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        return figures

    async def fast(self, records: int) -> dict[str, float]:
        """As fast as it goes, some thousand records ahead of their acknowledgements."""
        began, cpu = time.perf_counter(), time.process_time()
        before = self.relay.status().readings_acked
        for made in range(0, records, _CHUNK):
            for number in range(made, made + _CHUNK):
                self.hub.publish(record(number))
            while made + _CHUNK - (self.relay.status().readings_acked - before) > _AHEAD:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0)
        while self.relay.status().readings_acked - before < records or self.relay.status().backlog:
            await asyncio.sleep(0.001)
        took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
        return {"records_per_s": records / took_s, "cpu_us": cpu_s / records * 1e6}

    async def paced(self) -> dict[str, float]:
        """1,000 a second; acknowledgements come in order, so the n-th belongs to the n-th record."""
        made: list[float] = []
        waits: list[float] = []
        began = time.perf_counter()
        while len(waits) < _RATE_PER_S * _SECONDS:
            due = min(int((time.perf_counter() - began) * _RATE_PER_S), _RATE_PER_S * _SECONDS)
            for number in range(len(made), due):
                self.hub.publish(record(number))
                made.append(time.perf_counter())
            acked, now = self.relay.status().readings_acked, time.perf_counter()
            waits += [now - at for at in made[len(waits) : acked]]
            await asyncio.sleep(0.001)
        return {"p99_ms": sorted(waits)[len(waits) * 99 // 100] * 1000}


async def aiomqtt_client(port: int, records: int) -> dict[str, float]:
    """aiomqtt with a window in flight and nothing durable."""
    import aiomqtt

    async with aiomqtt.Client("127.0.0.1", port, max_inflight_messages=_AIOMQTT_WINDOW) as client:
        client.pending_calls_threshold = 10 * _AIOMQTT_WINDOW
        numbers = iter(range(records))

        async def publish() -> None:
            for number in numbers:
                await client.publish("bench/robot-01/reading", b"%0200d" % number, qos=1)

        began, cpu = time.perf_counter(), time.process_time()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_AIOMQTT_WINDOW):
                tasks.create_task(publish())
        took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    return {"records_per_s": records / took_s, "cpu_us": cpu_s / records * 1e6}


class Bare(asyncio.Protocol):
    """A window of packets in flight, answers counted by their length: nothing that a client would do beside."""

    def __init__(self, records: int) -> None:
        self.ready = asyncio.Event()
        self.done = asyncio.Event()
        self._records = records
        self._sent = self._bytes = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say CONNECT."""
        self._transport = transport  # type: ignore[assignment]  # a stream
        will = Will("bench/status", b"", retain=False)
        transport.write(encode.connect("bench-limit", will, level=V3, keepalive_s=60))  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """CONNACK and PUBACK have four bytes each."""
        self._bytes += len(data)
        if self.ready.is_set():
            self.more()
        self.ready.set()

    def more(self) -> None:
        """Fill the window."""
        acked = self._bytes // 4 - 1
        upto = min(acked + _LIMIT_WINDOW, self._records)
        if self._transport is not None and upto > self._sent:
            self._transport.write(b"".join(_packet(number) for number in range(self._sent, upto)))
            self._sent = upto
        if acked == self._records:
            self.done.set()


def _packet(number: int) -> bytes:
    topic, payload = "bench/robot-01/reading", b"%0200d" % number
    return encode.publish(topic, payload, number % 0xFFFF + 1, retain=False, level=V3)


async def limit(port: int, records: int) -> dict[str, float]:
    """The most that this machine's mosquitto and interpreter do together."""
    _, bare = await asyncio.get_running_loop().create_connection(lambda: Bare(records), "127.0.0.1", port)
    await bare.ready.wait()
    began, cpu = time.perf_counter(), time.process_time()
    bare.more()
    await bare.done.wait()
    took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    return {"records_per_s": records / took_s, "cpu_us": cpu_s / records * 1e6}


async def contest(who: str, port: int, records: int) -> dict[str, float]:
    """Run one contestant."""
    if who == "aiomqtt":
        return await aiomqtt_client(port, records)
    if who == "limit":
        return await limit(port, records)
    with tempfile.TemporaryDirectory() as folder:
        return await Site(folder, port).run(who, records)


def main() -> None:
    """Run on the loop that the daemon runs on, and print figures as JSON."""
    import uvloop

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=sys.stderr))
    who, port, records = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    print(json.dumps(uvloop.run(contest(who, port, records))))


if __name__ == "__main__":
    main()
