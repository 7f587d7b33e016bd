"""kill -9 at any moment: what was committed arrives, once each, in order, and the world is told that we are gone."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from brokers import Heard, Listener, Mosquitto, listening
from counters import Counters

pytestmark = pytest.mark.peer("mosquitto", "mosquitto_sub")

CHILD = Path(__file__).with_name("relay_child.py")


@dataclass
class Child:
    """The process that is killed again and again, and what it said."""

    process: asyncio.subprocess.Process
    committed: set[int] = field(default_factory=set)

    async def order(self, what: str) -> int:
        """Begin a life; returns its pid once it has its store."""
        self._stdin.write(f"{what}\n".encode())
        (pid,) = await self.heard("started")
        return pid

    async def heard(self, wanted: str) -> list[int]:
        """Read until a line of a kind; returns its numbers."""
        while True:
            line = await self._stdout.readline()
            if not line:
                raise RuntimeError("the child is gone")
            word, *numbers = line.decode().split()
            values = [int(number) for number in numbers]
            if word == "committed":
                self.committed.update(range(values[0], values[1] + 1))
            if word == wanted:
                return values

    @property
    def _stdin(self) -> asyncio.StreamWriter:
        if self.process.stdin is None:
            raise RuntimeError("no pipe")
        return self.process.stdin

    @property
    def _stdout(self) -> asyncio.StreamReader:
        if self.process.stdout is None:
            raise RuntimeError("no pipe")
        return self.process.stdout


@asynccontextmanager
async def child_of(folder: Path, broker: Mosquitto) -> AsyncIterator[Child]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(CHILD), str(folder), broker.url),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Child(process)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        if process.returncode is None:
            process.kill()
        await process.wait()


async def crash(child: Child, draw: random.Random) -> None:
    pid = await child.order("produce")
    for _ in range(draw.randint(1, 30)):
        await child.heard("committed")
    os.kill(pid, signal.SIGKILL)
    await child.heard("ended")


def firsts(heard: list[Heard]) -> dict[tuple[str, str, int], Heard]:
    """What a consumer keeps: the first message of each key. A second one must be the same in every byte."""
    kept: dict[tuple[str, str, int], Heard] = {}
    for message in heard:
        first = kept.setdefault(message.key, message)
        assert first.text == message.text, "two different messages share one key"
    return kept


def numbers(messages: list[Heard], device: str) -> list[int]:
    return [one.body["seq"] for one in messages if one.topic.endswith(f"{device}/reading")]


async def crash_loop(tmp_path: Path, broker: Mosquitto, kills: int, counters: Counters) -> None:
    draw = random.Random(20261111)
    async with listening(broker) as listener, child_of(tmp_path / "store", broker) as child:
        for _ in range(kills):
            await crash(child, draw)
        await child.order("drain")
        assert await child.heard("ended") == [0]
        last = max(child.committed)
        await listener.until(lambda heard: {one.body["seq"] for one in heard.heard} >= child.committed)
        await listener.until(lambda heard: offline_is_last(heard))
    kept = firsts(listener.heard)
    seqs = sorted(seq for _, _, seq in kept)
    lost = child.committed - set(seqs)
    counters(kills=kills, produced=seqs[-1], acknowledged=len(kept), sent_twice=len(listener.heard) - len(kept))
    counters(promised=len(child.committed), lost=len(lost), duplicates=len(seqs) - len(set(seqs)))
    assert not lost
    assert len(seqs) == len(set(seqs)), "one number, two records"
    assert seqs == list(range(1, seqs[-1] + 1)), "no hole, nothing invented"
    assert seqs[-1] >= last
    for device in ("robot-0", "robot-1", "robot-2"):
        ordered = numbers(list(kept.values()), device)
        assert ordered == sorted(ordered)


def offline_is_last(heard: Listener) -> bool:
    status = heard.on("hangzhou/status")
    return bool(status) and status[-1].body["state"] == "offline" and max_seq(heard) in {one.key for one in status}


def max_seq(heard: Listener) -> tuple[str, str, int]:
    return max((one.key for one in heard.heard), key=lambda key: key[2])


async def test_row_1_ten_kills_lose_nothing(tmp_path: Path, mosquitto: Mosquitto, counters: Counters) -> None:
    await crash_loop(tmp_path, mosquitto, 10, counters)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_row_1_two_hundred_kills_lose_nothing(tmp_path: Path, mosquitto: Mosquitto, counters: Counters) -> None:
    await crash_loop(tmp_path, mosquitto, 200, counters)


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_row_1_a_thousand_kills_lose_nothing(tmp_path: Path, mosquitto: Mosquitto, counters: Counters) -> None:
    await crash_loop(tmp_path, mosquitto, 1000, counters)


async def test_the_last_will_is_seen_after_kill_9_and_told_again_with_the_same_number(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with listening(mosquitto, "fleetd/hangzhou/status") as listener:
        async with child_of(tmp_path / "store", mosquitto) as child:
            pid = await child.order("produce")
            await listener.until(lambda heard: [one.body["state"] for one in heard.heard] == ["online"])
            os.kill(pid, signal.SIGKILL)
            await child.heard("ended")
            await listener.until(lambda heard: len(heard.heard) == 2)
            will = listener.heard[1]
            assert will.body["state"] == "offline"
            await child.order("drain")
            await child.heard("ended")
            await listener.until(lambda heard: len(firsts(heard.heard)) == 4)
        states = [one.body["state"] for one in firsts(listener.heard).values()]
        assert states == ["online", "offline", "online", "offline"]
        assert [one.text for one in listener.heard].count(will.text) == 2, "by the broker, and by us"
        async with listening(mosquitto, "fleetd/hangzhou/status") as late:
            await late.until(lambda heard: len(heard.heard) == 1)
            assert late.heard[0].retained
            assert late.heard[0].body["state"] == "offline"
