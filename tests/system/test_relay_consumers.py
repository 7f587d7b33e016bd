"""The consumers' side: fleetctl relay verify and fleet at a real broker, and the consumer in the docs."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from brokers import Mosquitto, tell_each
from relays import event, reading, site
from typer.testing import CliRunner, Result

from fleetd.cli import relay
from fleetd.cli.app import app

pytestmark = pytest.mark.peer("mosquitto", "mosquitto_pub")

DOCS = Path(__file__).parents[2] / "docs"


async def fleetctl(*words: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, list(words), env={"COLUMNS": "200"})


async def verified(mosquitto: Mosquitto, seconds: str) -> tuple[int, dict[str, Any]]:
    """What `relay verify` ends with and says."""
    result = await fleetctl("relay", "verify", "--broker", mosquitto.url, "--seconds", seconds, "--json")
    return result.exit_code, json.loads(result.stdout)


async def test_what_arrives_whole_is_said_to_be_and_a_repetition_is_no_loss(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with site(tmp_path, mosquitto.url) as one:
        await one.acked()
        verifying = asyncio.create_task(verified(mosquitto, "1.0"))
        await mosquitto.subscribed("fleetd/#")
        for number in range(100):
            one.hub.publish(reading(number))
            one.hub.publish(event(number))
        await one.acked()
        code, answer = await verifying
    (node,) = answer["nodes"]
    assert code == 0
    assert (node["node"], node["missing"], node["conflicts"], node["reordered"]) == ("hangzhou-1", 0, 0, 0)
    assert node["messages"] > 0, "all of them, unless this machine is slow"


async def test_a_gap_ends_with_1_and_is_named(mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "_BEGINNING_S", 0.001)  # the time in which a gap counts for the start of a connection
    verifying = asyncio.create_task(verified(mosquitto, "1.5"))
    await mosquitto.subscribed("fleetd/#")
    bodies = [json.dumps({"node": "n", "boot": "000001-abcdef", "seq": seq}).encode() for seq in (1, 2, 2, 5)]
    await tell_each(mosquitto, "fleetd/hangzhou/event", *bodies)
    code, answer = await verifying
    assert code == 1
    (node,) = answer["nodes"]
    assert (node["gaps"], node["duplicates"]) == ([[3, 4]], 1)


async def test_a_broker_that_is_away_and_one_that_is_none_are_said(mosquitto: Mosquitto) -> None:
    mosquitto.stop()
    away = await fleetctl("relay", "verify", "--broker", mosquitto.url, "--seconds", "0.1")
    assert away.exit_code == 1
    assert "cannot be reached" in away.stderr
    wrong = await fleetctl("relay", "verify", "--broker", "http://here", "--seconds", "0.1")
    assert wrong.exit_code == 2
    assert "mqtt://host:port" in wrong.stderr


async def test_several_sites_are_seen_through_one_broker(tmp_path: Path, mosquitto: Mosquitto) -> None:
    async with site(tmp_path / "a", mosquitto.url, name="hangzhou") as here:
        async with site(tmp_path / "b", mosquitto.url, name="ningbo") as there:
            await here.acked()
            await there.acked()
            both = await fleetctl("--broker", mosquitto.url, "fleet", "--seconds", "1.0", "--json")
        after = await fleetctl("--broker", mosquitto.url, "fleet", "--seconds", "1.0")
    assert [(one["site"], one["state"]) for one in json.loads(both.stdout)] == [
        ("hangzhou", "online"),
        ("ningbo", "online"),
    ]
    assert re.search(r"ningbo +offline", after.stdout)
    unnamed = await fleetctl("fleet")
    assert unnamed.exit_code == 2
    assert "--broker" in unnamed.stderr


async def test_the_consumer_of_the_docs_takes_each_message_once(mosquitto: Mosquitto) -> None:
    page = (DOCS / "how-to" / "consume.md").read_text()
    source = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert source is not None
    names: dict[str, Any] = {"aiomqtt": aiomqtt, "json": json}
    exec(source[1], names)  # noqa: S102  # our own page
    taken: list[int] = []
    consuming = asyncio.create_task(
        names["consume"]("127.0.0.1", mosquitto.port, lambda body: taken.append(body["seq"]))
    )
    await mosquitto.subscribed("fleetd/+/+/reading")
    bodies = [json.dumps({"node": "n", "boot": "000001-abcdef", "seq": seq}).encode() for seq in (1, 2, 1, 2, 3)]
    await tell_each(mosquitto, "fleetd/hangzhou/robot-1/reading", *bodies)
    while 3 not in taken:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    consuming.cancel()
    await asyncio.gather(consuming, return_exceptions=True)
    assert taken == [1, 2, 3]
