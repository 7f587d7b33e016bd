"""A master control that knows nothing of us, played by aiomqtt, drives simulated robots by VDA 5050 over mosquitto."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
import yaml
from brokers import Mosquitto
from sites import Daemon, Site, demo_site
from vda5050 import action, faults, instant, order

from fleetd_hil.demo.scene import SITE_FILE

pytestmark = [pytest.mark.peer("mosquitto"), pytest.mark.xdist_group("daemon")]

ROOT = "uagv/v2/KIT"
MASTERED = {
    "manufacturer": "KIT",
    "robots": {"robot-01": "0001", "robot-02": "0002", "robot-03": "0003"},
    "min_state_interval_s": 5.0,
    "try_again_s": 20.0,
}
Message = dict[str, Any]


@dataclass
class Master:
    """A master control: it keeps what it hears, each message held against the standard's schema."""

    client: aiomqtt.Client
    heard: list[tuple[str, str, Message, bool]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    headers: int = 0

    async def listen(self) -> None:
        async for message in self.client.messages:
            _, _, _, serial, topic = str(message.topic).split("/")
            if topic in ("state", "connection", "factsheet"):
                body = json.loads(message.payload)  # type: ignore[arg-type]
                self.heard.append((serial, topic, body, bool(message.retain)))
                self.wrong += [f"{topic}: {fault}" for fault in faults(topic, body)]
                self.news.set()

    async def say(self, topic: str, message: Message, serial: str = "0001") -> None:
        self.headers += 1
        whole = message | {"serialNumber": serial, "headerId": self.headers}
        assert faults(topic, whole) == []
        await self.client.publish(f"{ROOT}/{serial}/{topic}", json.dumps(whole), qos=0)

    def last(self, topic: str = "state", serial: str = "0001") -> Message:
        return next((body for who, what, body, _ in reversed(self.heard) if (who, what) == (serial, topic)), {})

    async def until(self, holds: Callable[[Message], Any], topic: str = "state", serial: str = "0001") -> Message:
        async with asyncio.timeout(30):
            while not (body := self.last(topic, serial)) or not holds(body):
                self.news.clear()
                await self.news.wait()
        return body


@asynccontextmanager
async def master(broker: Mosquitto) -> AsyncIterator[Master]:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client, asyncio.TaskGroup() as tasks:
        await client.subscribe(f"{ROOT}/#", qos=1)
        here = Master(client)
        listening = tasks.create_task(here.listen())
        yield here
        listening.cancel()


@asynccontextmanager
async def mastered(folder: Path, broker: Mosquitto) -> AsyncIterator[tuple[Site, Daemon, Master]]:
    async with demo_site(folder / "site", broker, rate=120.0) as site, master(broker) as here:
        site.config = folder / "site.yaml"
        site.config.write_text(yaml.safe_dump(_three_robots()))
        site.change_overlay(_without_the_others)
        async with site.daemon() as daemon:
            await daemon.up()
            await here.until(lambda body: body["connectionState"] == "ONLINE", "connection")
            await here.until(lambda body: body["operatingMode"] == "AUTOMATIC")
            yield site, daemon, here


def _three_robots() -> dict[str, Any]:
    """The demo's site with no more than the robots that are spoken for, and commands that outlive a fast clock."""
    whole = yaml.safe_load(SITE_FILE.read_text())
    whole["devices"] = [device for device in whole["devices"] if device["name"] in MASTERED["robots"]]
    whole["robots"]["command_expiry_s"] = 300.0
    return {name: part for name, part in whole.items() if name not in ("satellites", "antennas")} | {
        "vda5050": MASTERED
    }


def _without_the_others(overlay: dict[str, Any]) -> None:
    overlay["devices"] = {name: each for name, each in overlay["devices"].items() if name in MASTERED["robots"]}


def nodes(state: Message) -> list[str]:
    return [node["nodeId"] for node in state["nodeStates"]]


def actions(state: Message) -> dict[str, str]:
    return {each["actionId"]: each["actionStatus"] for each in state["actionStates"]}


def errors(state: Message) -> set[str]:
    return {each["errorType"] for each in state["errors"]}


async def test_a_master_control_drives_a_robot_over_its_orders(tmp_path: Path, mosquitto: Mosquitto) -> None:
    async with mastered(tmp_path, mosquitto) as (_, daemon, here):
        sheet = await here.until(lambda body: True, "factsheet")
        kinds = {each["actionType"]: each["actionScopes"] for each in sheet["protocolFeatures"]["agvActions"]}
        assert kinds["open_door"] == ["INSTANT", "NODE"]
        assert {"startPause", "stopPause", "cancelOrder", "stateRequest", "factsheetRequest"} <= set(kinds)

        # An order with a horizon: the robot drives its base, opens a door there, and waits.
        first = order("o1", 0, "depot library [dormitory]")
        first["nodes"][1]["actions"] = [action("door", door=2)]
        await here.say("order", first)
        await here.until(lambda state: state["orderId"] == "o1" and state["driving"])
        state = await here.until(lambda state: state["lastNodeId"] == "library")
        assert (nodes(state), state["lastNodeSequenceId"]) == (["dormitory"], 2)
        await here.until(lambda state: actions(state).get("door") == "FINISHED")

        # A new order now is rejected, a deprecated update, too; the proper update is driven.
        await here.say("order", order("o2", 0, "library depot"))
        await here.until(lambda state: "orderError" in errors(state))
        await here.say("order", order("o1", 2, "depot dormitory"))
        await here.until(lambda state: "orderUpdateError" in errors(state))
        await here.say("order", order("o1", 1, "library dormitory", first=2))
        state = await here.until(lambda state: state["lastNodeId"] == "dormitory")
        assert (state["orderUpdateId"], nodes(state), errors(state)) == (1, [], set())

        # Paused on the way, gone on, and cancelled: it ends at the node that it was driving to.
        await here.say("order", order("o3", 0, "dormitory depot library"))
        await here.until(lambda state: state["orderId"] == "o3" and state["driving"])
        await here.say("instantActions", instant(action("p1", "startPause", "HARD")))
        state = await here.until(lambda state: actions(state).get("p1") == "FINISHED" and state.get("paused"))
        await here.until(lambda state: not state["driving"])
        await here.say("instantActions", instant(action("p2", "stopPause", "HARD")))
        await here.until(lambda state: actions(state).get("p2") == "FINISHED" and state["driving"])
        await here.say("instantActions", instant(action("c1", "cancelOrder", "HARD")))
        await here.until(lambda state: actions(state).get("c1") == "RUNNING")
        state = await here.until(lambda state: actions(state).get("c1") == "FINISHED")
        assert (nodes(state), state["lastNodeId"], state["orderId"]) == ([], "depot", "o3")
        await here.say("instantActions", instant(action("c2", "cancelOrder", "HARD")))
        state = await here.until(lambda state: actions(state).get("c2") == "FAILED")
        assert "noOrderToCancel" in errors(state)

        # What cannot be read, or done, is said so.
        await here.client.publish(f"{ROOT}/0001/order", b"{", qos=0)
        await here.until(lambda state: "validationError" in errors(state))
        await here.say("instantActions", instant(action("x1", "fly", "NONE")))
        state = await here.until(lambda state: actions(state).get("x1") == "FAILED")
        assert "instantActionError" in errors(state)
        count = len([1 for _, topic, _, _ in here.heard if topic == "factsheet"])
        await here.say("instantActions", instant(action("f", "factsheetRequest"), action("s", "stateRequest")))
        await here.until(lambda state: actions(state).get("f") == actions(state).get("s") == "FINISHED")
        assert len([1 for _, topic, _, _ in here.heard if topic == "factsheet"]) > count

        # Everything went the one way, under the master control's own name.
        told = [entry["act"] for entry in await daemon.get("/v1/audit?limit=1000") if entry["who"] == "vda5050"]
        assert {"send robot-01", "open_door robot-01", "hold robot-01", "resume robot-01"} <= set(told)
        assert here.wrong == [], "every message that we send is valid"
        numbers = [body["headerId"] for who, topic, body, _ in here.heard if (who, topic) == ("0001", "state")]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


async def test_a_stop_is_seen_and_a_reset_on_the_spot_is_needed(tmp_path: Path, mosquitto: Mosquitto) -> None:
    async with mastered(tmp_path, mosquitto) as (_, _, here):
        await here.say("instantActions", instant(action("s1", "stop", "HARD")))
        state = await here.until(lambda state: state["safetyState"]["eStop"] == "MANUAL")
        await here.until(lambda state: actions(state).get("s1") == "FINISHED")
        await here.say("order", order("o1", 0, "depot library"))
        state = await here.until(lambda state: "driveError" in errors(state))
        assert state["driving"] is False
        assert here.wrong == []


async def test_robots_are_broken_when_the_daemon_dies_and_offline_when_it_goes(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with mastered(tmp_path, mosquitto) as (site, daemon, here):
        for serial in ("0001", "0002", "0003"):
            await here.until(lambda body: body["connectionState"] == "ONLINE", "connection", serial)
        await daemon.kill()
        for serial in ("0001", "0002", "0003"):
            await here.until(lambda body: body["connectionState"] == "CONNECTIONBROKEN", "connection", serial)
        async with site.daemon() as second:
            await second.up()
            for serial in ("0001", "0002", "0003"):
                await here.until(lambda body: body["connectionState"] == "ONLINE", "connection", serial)
            assert await second.end() == 0
            for serial in ("0001", "0002", "0003"):
                await here.until(lambda body: body["connectionState"] == "OFFLINE", "connection", serial)
        async with master(mosquitto) as late:
            body = await late.until(lambda body: True, "connection", "0002")
            assert body["connectionState"] == "OFFLINE", "it is retained"
            assert late.heard[0][3]
        assert here.wrong == []
