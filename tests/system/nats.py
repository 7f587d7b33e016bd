"""A cluster of three nats-server on free ports, by the configuration that we ship; each node ended by its process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from brokers import free_port

CONFIG = Path(__file__).parents[2] / "configs" / "cluster" / "nats.conf"
SIZE = 3


@dataclass(frozen=True, slots=True)
class Node:
    """Where one node takes MQTT clients."""

    port: int

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"


class Cluster:
    """Nodes 0 to 2, each of which keeps its ports and its disk over restarts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.nodes = [Node(free_port()) for _ in range(SIZE)]
        self._routes = [f"127.0.0.1:{free_port()}" for _ in range(SIZE)]
        self._clients = [free_port() for _ in range(SIZE)]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    async def start(self, *nodes: int) -> None:
        """Start nodes, and return once they let MQTT clients in."""
        for node in nodes:
            self._processes[node] = self._run(node)
        for node in nodes:
            while not await connects(self.nodes[node].port):  # noqa: ASYNC110  # it says so to whoever asks, and to nobody else
                await asyncio.sleep(0.05)

    def kill(self, node: int) -> None:
        """kill -9, as a power cut would."""
        process = self._processes.pop(node)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def kill_all(self) -> None:
        for node in list(self._processes):
            self.kill(node)

    def _run(self, node: int) -> subprocess.Popen[bytes]:
        with (self._folder / f"nats-{node}.log").open("ab") as log:
            command = ["nats-server", "-c", str(CONFIG)]
            return subprocess.Popen(command, env=self._environment(node), stdout=log, stderr=log)

    def _environment(self, node: int) -> dict[str, str]:
        routes = {f"ROUTE_{number + 1}": f'"nats://{route}"' for number, route in enumerate(self._routes)}
        return {
            **os.environ,
            **routes,
            "NODE_NAME": f"n{node + 1}",
            "CLIENT_ADDRESS": f'"127.0.0.1:{self._clients[node]}"',
            "MQTT_ADDRESS": f'"127.0.0.1:{self.nodes[node].port}"',
            "CLUSTER_ADDRESS": f'"{self._routes[node]}"',
            "STORE_DIR": f'"{self._folder}/n{node + 1}"',
        }


async def connects(port: int) -> bool:
    """Whether a broker lets an MQTT 3.1.1 client in; without a leader NATS hangs up, or says that it is unavailable."""
    connect = bytes.fromhex("100c00044d5154540402003c0000")
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(connect)
        async with asyncio.timeout(2.0):
            return await reader.readexactly(4) == b"\x20\x02\x00\x00"
    except (OSError, asyncio.IncompleteReadError, TimeoutError):
        return False
    finally:
        writer.close()


@asynccontextmanager
async def cluster_in(folder: Path) -> AsyncIterator[Cluster]:
    """A running cluster while the context lasts."""
    cluster = Cluster(folder)
    try:
        await cluster.start(*range(SIZE))
        yield cluster
    finally:
        cluster.kill_all()
