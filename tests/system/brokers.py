"""A real broker and a real subscriber on a free port, ended by process id: referees of what is published."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from forms import check_form

STARTS_WITHIN_S = 30.0


def free_port() -> int:
    """A TCP port of the loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Mosquitto:
    """One mosquitto on a port that it keeps over restarts. `lines` are added to its configuration."""

    def __init__(self, folder: Path, lines: str = "allow_anonymous true") -> None:
        self.port: int = free_port()
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\n"
            "user root\n"
            "persistence true\n"
            f"persistence_location {folder}/\n"
            "autosave_on_changes true\nautosave_interval 1\n"
            "max_queued_messages 1000000\n"  # 0, for no limit, makes 2.0.11 hang up after each refused publish
            "log_type error\nlog_type warning\nlog_type notice\nlog_type information\nlog_type subscribe\n"
            f"{lines}\n"
        )

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("mosquitto is not running")
        return self._process.pid

    def start(self) -> None:
        """Start it, and return once it listens."""
        log = (self.folder / "mosquitto.log").open("ab")
        with log:
            self._process = subprocess.Popen(["mosquitto", "-c", str(self._config)], stdout=log, stderr=log)
        deadline = time.monotonic() + STARTS_WITHIN_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)
        raise RuntimeError(f"mosquitto did not start: {(self.folder / 'mosquitto.log').read_text()}")

    async def subscribed(self, topic_filter: str) -> None:
        """Return once somebody has subscribed to a filter: what is published before is heard by nobody."""
        while topic_filter not in (self.folder / "mosquitto.log").read_text():  # noqa: ASYNC110  # a log is read
            await asyncio.sleep(0.01)

    def kill(self) -> None:
        """kill -9, as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it; safe to call again."""
        self._end(signal.SIGTERM)

    def delete_database(self) -> None:
        """What it remembered is gone: retained messages, sessions, queues."""
        (self.folder / "mosquitto.db").unlink(missing_ok=True)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(how)
            self._process.wait()
            self._process = None


@contextmanager
def mosquitto_in(folder: Path, lines: str = "allow_anonymous true") -> Iterator[Mosquitto]:
    """A running mosquitto while the context lasts."""
    broker = Mosquitto(folder, lines)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


class Port(Protocol):
    """Where some broker listens."""

    @property
    def port(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Heard:
    """One message as mosquitto_sub saw it."""

    topic: str
    retained: bool
    text: str

    @property
    def body(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.text)
        return loaded

    @property
    def key(self) -> tuple[str, str, int]:
        """What a consumer tells duplicates by."""
        body = self.body
        return body["node"], body["boot"], body["seq"]


@dataclass(slots=True)
class Listener:
    """Collects what a mosquitto_sub prints."""

    heard: list[Heard] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def on(self, topic: str) -> list[Heard]:
        """The messages of one topic (its last levels), in order of arrival."""
        return [one for one in self.heard if one.topic.endswith(topic)]

    async def until(self, true: Callable[[Listener], bool]) -> None:
        """Wait until the messages so far make `true` true."""
        while not true(self):
            self._news.clear()
            await self._news.wait()

    def take(self, line: str) -> None:
        """Read one line of the form that `listening` asks for."""
        retained, topic, text = line.split(" ", 2)
        check_form(topic, text.encode())
        self.heard.append(Heard(topic, retained == "1", text))
        self._news.set()


@asynccontextmanager
async def listening(broker: Port, topic_filter: str = "fleetd/#", *more: str) -> AsyncIterator[Listener]:
    """Messages that match a filter, heard by mosquitto_sub (QoS 1) from the moment that the context is entered."""
    process = await asyncio.create_subprocess_exec(
        # Its debug lines, one of which says that it is subscribed, would wait in a buffer otherwise.
        *("stdbuf", "-oL", "mosquitto_sub", "-h", "127.0.0.1", "-p", str(broker.port), "-q", "1", "-t", topic_filter),
        *("-d", "-F", "> %r %t %p", *more),
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 24,
    )
    if process.stdout is None:
        raise RuntimeError("mosquitto_sub has no output")
    listener, subscribed = Listener(), asyncio.Event()

    async def read(lines: asyncio.StreamReader) -> None:
        async for line in lines:
            text = line.decode().rstrip("\n")
            if text.startswith("> "):
                listener.take(text[2:])
            elif text.startswith("Subscribed"):
                subscribed.set()

    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(read(process.stdout))
        try:
            async with asyncio.timeout(STARTS_WITHIN_S):
                await subscribed.wait()
            yield listener
        finally:
            process.kill()
            await process.wait()
            await reading


async def tell(broker: Mosquitto, topic: str, payload: bytes, *more: str) -> None:
    """Publish one message with mosquitto_pub (QoS 1)."""
    await _publish(broker, topic, payload, "-s", *more)


async def tell_each(broker: Mosquitto, topic: str, *payloads: bytes) -> None:
    """Publish messages of a line each in their order, over one connection, and so at once."""
    await _publish(broker, topic, b"\n".join(payloads) + b"\n", "-l")


async def _publish(broker: Mosquitto, topic: str, said: bytes, *how: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *("mosquitto_pub", "-h", "127.0.0.1", "-p", str(broker.port), "-q", "1", "-t", topic, *how),
        stdin=asyncio.subprocess.PIPE,
    )
    await process.communicate(said)
    if process.returncode != 0:
        raise RuntimeError(f"mosquitto_pub ended with {process.returncode}")


async def make_user(file: Path, user: str, password: str) -> None:
    """Write a password file with one user."""
    process = await asyncio.create_subprocess_exec("mosquitto_passwd", "-b", "-c", str(file), user, password)
    if await process.wait() != 0:
        raise RuntimeError("mosquitto_passwd failed")
