"""Beyond one machine: the relay at three nats-server that fail in turn, by the configuration that we ship."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from brokers import Heard, Listener, listening
from counters import Counters
from nats import Cluster, cluster_in
from relays import Site, reading, site

pytestmark = [pytest.mark.peer("nats-server", "mosquitto_sub"), pytest.mark.slow, pytest.mark.timeout(300)]

BATCH = 60


async def test_a_cluster_that_loses_one_node_and_then_another_loses_nothing(tmp_path: Path, counters: Counters) -> None:
    made = 0
    async with cluster_in(tmp_path) as cluster:
        urls = [node.url for node in cluster.nodes]
        async with (
            listening(cluster.nodes[2], "fleetd/#", "-V", "mqttv311") as listener,
            site(tmp_path, *urls, protocol="3.1.1", ack_within_s=5.0) as one,
        ):
            for victim in (0, 1):
                saying = asyncio.create_task(said(one, made))
                await one.until(lambda: one.relay.status().readings_acked > made)  # noqa: B023  # awaited here
                cluster.kill(victim)
                made = await said(one, await saying)
                await cluster.start(victim)
            await listener.until(lambda heard: numbers(heard) >= set(range(made)))
            resent = one.relay.status().resent
    seqs = {message.key: message for message in listener.heard if "reading" in message.topic}
    counters(produced=made, heard=len(seqs), lost=made - len(numbers(listener)), resent=resent, nodes_killed=2)
    for device in ("robot-0", "robot-1", "robot-2"):
        firsts = [message for message in seqs.values() if message.topic.endswith(f"{device}/reading")]
        assert [seq(message) for message in firsts] == sorted(seq(message) for message in firsts)


async def said(one: Site, made: int) -> int:
    """Publish, some of it while nobody takes it, and wait until all is acknowledged; returns how many there are now."""
    for number in range(made, made + BATCH):
        one.hub.publish(reading(number))
        await asyncio.sleep(0.005)
    await one.until(lambda: one.relay.status().readings_acked == made + BATCH)
    return made + BATCH


def numbers(listener: Listener) -> set[int]:
    return {message.body["values"]["number"] for message in listener.heard if message.topic.endswith("reading")}


def seq(message: Heard) -> int:
    found: int = message.body["seq"]
    return found


async def test_commands_get_through_again_once_a_leader_is_elected(tmp_path: Path) -> None:
    async with cluster_in(tmp_path) as cluster, site(tmp_path, cluster.nodes[0].url, protocol="3.1.1") as one:
        await one.until(lambda: one.relay.status().connected)
        await until_subscribed(one, cluster)


async def until_subscribed(one: Site, cluster: Cluster) -> None:
    """Send what is no command until it arrives: it does, if a SUBSCRIBE that was denied is asked for again."""
    while not one.relay.status().commands_unreadable:
        process = await asyncio.create_subprocess_exec(
            *("mosquitto_pub", "-V", "mqttv311", "-h", "127.0.0.1", "-p", str(cluster.nodes[1].port), "-q", "1"),
            *("-t", "fleetd/hangzhou/robot-0/command", "-m", "no command"),
        )
        await process.wait()
        await asyncio.sleep(0.05)
