"""Killed with -9 at any point of an order's life: never sent twice, and what the ledger says is true."""

from __future__ import annotations

import os
import random
import re
import signal
import sqlite3
import struct
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from uplinks import KEY, KEY_ENV

CHILD = Path(__file__).with_name("uplink_child.py")
ORDERS = 40


def sent(folder: Path) -> list[tuple[int, str]]:
    """Counter and text of each frame that the TNC took."""
    found = []
    air = folder / "air"
    for line in air.read_text().split() if air.exists() else []:
        packet = bytes.fromhex(line)[16:]
        (counter,) = struct.unpack_from(">I", packet, 6)
        found.append((counter, packet[11:-20].decode()))
    return found


def standing(folder: Path) -> dict[str, tuple[str, str, str, int]]:
    """Each order's stage, reason, step and counter, by the text of its message."""
    path = folder / "store" / "fleetd.db"
    if not path.exists():
        return {}
    with closing(sqlite3.connect(path)) as connection:
        try:
            rows = connection.execute(
                "SELECT ledger.command, stage, reason, step, counter FROM telecommand "
                "JOIN ledger ON ledger.id = telecommand.id"
            ).fetchall()
        except sqlite3.OperationalError:
            return {}  # killed before there were tables
    texts = [re.search(rb'"text":"([^"]+)"', row[0]) for row in rows]
    return {match[1].decode(): row[1:] for match, row in zip(texts, rows, strict=True) if match}


def judge(folder: Path) -> None:
    """What must hold at every instant."""
    on_air = sent(folder)
    times = Counter(text for _, text in on_air)
    assert not [text for text, count in times.items() if count > 1], "sent twice"
    assert len({counter for counter, _ in on_air}) == len(on_air), "a counter was given twice"
    for text, (stage, reason, step, counter) in standing(folder).items():
        was_sent = text in times
        if step == "queued":
            assert not was_sent, f"{text} waits, and was sent"
        if step in ("handed", "acknowledged", "seen"):
            assert was_sent, f"{text} is {step}, and was not sent"
            assert (counter, text) in on_air
        if stage == "succeeded":
            assert step == "seen"
        if "has not taken it" in reason:
            assert not was_sent, f"{text} is said not to have been taken, and was"


def kill_at_random(folder: Path, draw: random.Random) -> bool:
    """Run the child and kill it; whether it had ended by itself, all orders decided."""
    command = [sys.executable, str(CHILD), str(folder), str(ORDERS)]
    environment = {**os.environ, KEY_ENV: KEY}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as child:
        assert child.stdout is not None
        if draw.random() < 0.85:  # mostly while orders are under way, else in the midst of beginning
            child.stdout.readline()
            time.sleep(draw.random() * 0.15)
        else:
            time.sleep(draw.random() * 0.6)
        ended = child.poll() is not None
        child.send_signal(signal.SIGKILL)
        child.wait()
    return ended


def crash(tmp_path: Path, kills: int, seed: int) -> None:
    draw, done, stages = random.Random(seed), 0, Counter[str]()
    folder = tmp_path / "0"
    while done < kills:
        folder.mkdir(exist_ok=True)
        ended = kill_at_random(folder, draw)
        judge(folder)
        done += not ended
        if ended:
            stages.update(stage for stage, *_ in standing(folder).values())
            folder = tmp_path / str(int(folder.name) + 1)
    stages.update(stage for stage, *_ in standing(folder).values())
    assert stages["succeeded"], stages


def test_killed_ten_times(tmp_path: Path) -> None:
    crash(tmp_path, 10, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_two_hundred_times(tmp_path: Path) -> None:
    crash(tmp_path, 200, seed=2)
