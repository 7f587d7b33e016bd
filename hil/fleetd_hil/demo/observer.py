"""The outside observer: an MQTT client of its own that believes only what arrives at the broker.

It counts what it sees by `node, boot, seq`, so that a loss, a duplicate or a hole in the sequence is found by somebody
other than the daemon that it judges.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiomqtt

from fleetd_hil.demo.broker import RunningBroker

FINAL_STAGES = ("refused", "succeeded", "failed", "unknown")


@dataclass(slots=True)
class Seen:
    """Everything of one site that has arrived, newest state by topic and counts by kind."""

    numbers: dict[str, set[int]] = field(default_factory=dict)
    duplicates: int = 0
    readings: int = 0
    frames: int = 0
    packets: int = 0
    """Readings that were decoded from frames."""
    rotator: dict[str, Any] = field(default_factory=dict)
    newest: dict[str, dict[str, Any]] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    node_state: str = ""
    contacts: list[dict[str, Any]] = field(default_factory=list)
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)

    def take(self, topic: str, message: Mapping[str, Any]) -> None:
        """Note one message; a second copy of a number is counted and otherwise ignored."""
        numbers = self.numbers.setdefault(f"{message['node']}", set())
        if message["seq"] in numbers:
            self.duplicates += 1
            return
        numbers.add(message["seq"])
        self._sort(topic.split("/")[2:], dict(message))

    def _sort(self, where: list[str], message: dict[str, Any]) -> None:
        match where:
            case ["status"]:
                self.node_state = message["state"]
            case [device, "status"]:
                self.statuses[device] = message["state"]
            case [device, "reading"]:
                self.readings += 1
                self.packets += "packet" in message
                self.newest[device] = message
            case [_, "frame"]:
                self.frames += 1
            case [_, "result"]:
                self.results[message["id"]] = message
            case ["contact"]:
                self.contacts.append(message)
            case ["event"]:
                self.events.append(message)

    @property
    def lost(self) -> int:
        """How many numbers are missing below the highest that was seen, over all nodes."""
        return sum(max(seen) - min(seen) + 1 - len(seen) for seen in self.numbers.values() if seen)

    @property
    def received(self) -> int:
        """How many different messages have arrived."""
        return sum(map(len, self.numbers.values()))

    def results_at(self, *stages: str) -> list[dict[str, Any]]:
        """The commands whose newest result is one of `stages`."""
        return [result for result in self.results.values() if result["stage"] in stages]


async def observe(broker: RunningBroker, site: str, seen: Seen, subscribed: asyncio.Event) -> None:
    """Subscribe to everything of `site` and note it in `seen`, until cancelled."""
    async with aiomqtt.Client(broker.host, broker.port, identifier="fleethil-observer") as client:
        await client.subscribe(f"fleetd/{site}/#", qos=1)
        subscribed.set()
        async for message in client.messages:
            topic = str(message.topic)
            if topic.endswith("/command") or not message.payload:
                continue
            seen.take(topic, json.loads(message.payload))


async def command(broker: RunningBroker, site: str, device: str, body: Mapping[str, Any]) -> None:
    """Publish one command as any MQTT client would."""
    async with aiomqtt.Client(broker.host, broker.port, identifier="fleethil-operator") as client:
        await client.publish(f"fleetd/{site}/{device}/command", json.dumps(body), qos=1)
