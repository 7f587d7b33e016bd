"""Row 8: a network that loses one packet of five, takes seconds, and is cut again and again: no loss, and no wedge.

The kernel's own TCP meets it, in a network namespace of a child process (`poor_line`). Where a machine gives no such
namespace or no TUN device these tests are skipped, and say so; those through a proxy run everywhere.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from counters import Counters
from fake_broker import fake_broker, proxy
from namespaces import unshared
from relays import in_order, reading, readings, say, site

from fleetd.relay import pulse, uplink

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def network() -> list[str]:
    """What to write before a command for a network of its own."""
    return unshared("--net", [sys.executable, str(HERE / "poor_line.py")])


async def partitions(network: list[str], folder: Path, *how: float) -> dict[str, Any]:
    """Loss, delay each way, partitions, the longest of them: what came of it."""
    words = [*network, sys.executable, str(HERE / "poor_line_child.py"), str(folder), *map(str, how)]
    child = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    try:
        said, _ = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    assert child.returncode == 0
    found: dict[str, Any] = json.loads(said)
    return found


def judge(found: dict[str, Any], counters: Counters, longest_s: float) -> None:
    counters(**found)
    assert (found["lost"], found["reordered"]) == (0, 0)
    assert found["longest_until_healthy_s"] <= longest_s


async def test_row_8_a_fifth_of_the_packets_lost_and_partitions_lose_no_record(
    network: list[str], tmp_path: Path, counters: Counters
) -> None:
    judge(await partitions(network, tmp_path, 0.2, 0.02, 2, 1.0), counters, 30.0)


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_row_8_after_each_of_a_hundred_partitions_it_is_well_within_ten_seconds(
    network: list[str], tmp_path: Path, counters: Counters
) -> None:
    judge(await partitions(network, tmp_path, 0.0, 0.05, 100, 6.0), counters, 10.0)


@pytest.mark.slow
@pytest.mark.timeout(2400)
async def test_row_8_a_hundred_partitions_at_a_loss_of_a_fifth(
    network: list[str], tmp_path: Path, counters: Counters
) -> None:
    """Now and then five packets in a row are lost of those that matter: then it takes TCP longer to get anywhere."""
    found = await partitions(network, tmp_path, 0.2, 0.05, 100, 8.0)
    judge(found, counters, 60.0)
    assert found["healthy_within_10_s"] >= 95


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_row_8_a_delay_of_two_seconds(network: list[str], tmp_path: Path, counters: Counters) -> None:
    judge(await partitions(network, tmp_path, 0.0, 1.0, 8, 4.0), counters, 10.0)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("delay_s", [1.0, 2.0])
async def test_row_8_both_at_once_lose_no_record(
    network: list[str], tmp_path: Path, counters: Counters, delay_s: float
) -> None:
    """Here ten seconds are five turns there and back, and TCP needs three of them to miss one lost packet."""
    judge(await partitions(network, tmp_path, 0.2, delay_s, 4, 4.0), counters, 120.0)


# Through a proxy: connections that end, and lines that go on in silence


async def cuts(folder: Path, times: int) -> None:
    async with fake_broker() as broker, proxy(broker.port) as line:
        async with site(folder, line.url, keepalive_s=5, ack_within_s=1.0) as one:
            for turn in range(times):
                line.open, line.silent = True, False
                say(one, range(40 * turn, 40 * turn + 40))
                await one.until(lambda: one.relay.status().readings_acked >= 20)
                line.silent = turn % 2 == 1
                say(one, range(1000 + turn, 1001 + turn))
                await asyncio.sleep(0.01)
                line.cut()
            line.open, line.silent = True, False
            await one.acked()
        wanted = {*range(40 * times), *range(1000, 1000 + times)}
        assert set(readings(broker.bodies)) >= wanted
        for device in ("robot-0", "robot-1", "robot-2"):
            assert in_order([body["seq"] for body in broker.bodies if body.get("device") == device])


async def test_row_8_cut_connections_lose_nothing_and_are_got_over(tmp_path: Path) -> None:
    await cuts(tmp_path, 6)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_row_8_a_hundred_cut_connections(tmp_path: Path) -> None:
    await cuts(tmp_path, 100)


async def test_row_8_a_line_that_falls_silent_is_left_long_before_the_broker_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "_ASK_AFTER_S", 0.1)
    monkeypatch.setattr(uplink, "_PING_WITHIN_S", 0.2)
    monkeypatch.setattr(uplink, "_LOOK_S", 0.05)
    async with fake_broker() as broker, proxy(broker.port) as line, site(tmp_path, line.url) as one:
        await one.acked()
        line.silent = True
        one.hub.publish(reading(1))
        await one.until(lambda: "no answer to a ping" in one.relay.status().last_error)
        line.cut()
        line.open, line.silent = True, False
        await one.acked()
        assert readings(broker.bodies) == [1]
