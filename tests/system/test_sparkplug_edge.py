"""The Sparkplug edge node at a real broker: a host that keeps the rules hears all, over outages and restarts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiomqtt
import pytest
from brokers import Mosquitto, mosquitto_in
from fake_broker import proxy
from relays import NOW, Site, event, reading, site
from sparkplug_referee import Host, rebirth

from fleetd.records import DeviceState, DeviceStatus
from fleetd.relay.sparkplug.settings import SparkplugSettings

pytestmark = pytest.mark.peer("mosquitto")

PLANT = SparkplugSettings(group="plant")
STATE = "spBv1.0/STATE/scada"


@dataclass
class Scada:
    """A host application: it keeps what it heard, and whether the rules were kept."""

    client: aiomqtt.Client
    host: Host = field(default_factory=Host)
    kinds: list[str] = field(default_factory=list)
    natives: list[str] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        async for message in self.client.messages:
            topic, payload = str(message.topic), bytes(message.payload)  # type: ignore[arg-type]
            if topic.startswith("fleetd/"):
                self.natives.append(topic)
            elif "STATE" not in topic and "NCMD" not in topic:
                self.kinds.append(topic.split("/")[2])
                self.host.take(topic, payload)
            self._news.set()

    async def until(self, true: Callable[[], bool]) -> None:
        while not true():
            self._news.clear()
            await self._news.wait()

    async def say(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        await self.client.publish(topic, payload, qos=1, retain=retain)

    async def state(self, online: bool, timestamp: int) -> None:
        await self.say(STATE, json.dumps({"online": online, "timestamp": timestamp}).encode(), retain=True)

    def numbers(self, *, historical: bool | None = None) -> list[int]:
        wanted = (historical,) if historical is not None else (True, False)
        return [value for _, name, value, _, old in self.host.values if name == "number" and old in wanted]


@asynccontextmanager
async def scada_at(mosquitto: Mosquitto) -> AsyncIterator[Scada]:
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
        for topic_filter in ("spBv1.0/#", "fleetd/#"):
            await client.subscribe(topic_filter, qos=1)
        scada = Scada(client)
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(scada.listen())
            yield scada
            listening.cancel()


def status(state: DeviceState) -> DeviceStatus:
    return DeviceStatus(at=NOW, device="robot-0", state=state)


def say(one: Site, numbers: range) -> None:
    for number in numbers:
        one.hub.publish(reading(number))


async def test_births_data_and_deaths_in_their_order_and_everything_else_stays_json(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with scada_at(mosquitto) as scada:
        async with site(tmp_path, mosquitto.url, sparkplug=PLANT) as one:
            await scada.until(lambda: scada.host.alive)
            say(one, range(30))
            one.hub.publish(event(1))
            await scada.until(lambda: len(scada.numbers()) == 30)
            one.hub.publish(status(DeviceState.OFFLINE))
            await scada.until(lambda: "robot-0" not in scada.host.devices)
            await one.acked()
            assert one.relay.status().readings_acked == 30
        await scada.until(lambda: not scada.host.alive)
        assert scada.numbers() == list(range(30))
        assert scada.kinds[0] == "NBIRTH"
        assert scada.kinds[-1] == "NDEATH"
        await scada.until(lambda: "fleetd/hangzhou/event" in scada.natives)
        assert not [topic for topic in scada.natives if topic.endswith("/reading")]


async def test_what_waited_is_historical_and_bdseq_rises_over_restarts(tmp_path: Path, mosquitto: Mosquitto) -> None:
    async with scada_at(mosquitto) as scada:
        for life in range(3):
            async with site(tmp_path, mosquitto.url, sparkplug=PLANT, before=40 if life == 0 else 0) as one:
                await scada.until(lambda life=life: scada.host.alive and scada.host.bd_seq == life)  # type: ignore[misc]
                say(one, range(100 + life, 101 + life))
                await one.acked()
                await scada.until(lambda life=life: len(scada.numbers()) == 41 + life)  # type: ignore[misc]
            await scada.until(lambda: not scada.host.alive)
        assert scada.numbers(historical=True) == list(range(40))
        assert scada.numbers(historical=False) == [100, 101, 102]


async def test_a_host_that_asks_gets_births_with_the_same_bdseq(tmp_path: Path, mosquitto: Mosquitto) -> None:
    async with scada_at(mosquitto) as scada, site(tmp_path, mosquitto.url, sparkplug=PLANT) as one:
        say(one, range(3))
        await scada.until(lambda: len(scada.numbers()) == 3)
        bd_seq = scada.host.bd_seq
        for order in (b"rubbish", rebirth()):
            await scada.say("spBv1.0/plant/NCMD/hangzhou", order)
        await scada.until(lambda: scada.kinds.count("NBIRTH") == 2 and len(scada.host.devices) == 3)
        assert scada.host.bd_seq == bd_seq
        say(one, range(3, 6))
        await scada.until(lambda: len(scada.numbers()) == 6)


async def test_a_lost_line_loses_nothing_and_its_will_is_that_of_its_session(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with (
        proxy(mosquitto.port) as line,
        scada_at(mosquitto) as scada,
        site(tmp_path, line.url, sparkplug=PLANT) as one,
    ):
        for turn in range(4):
            say(one, range(50 * turn, 50 * turn + 50))
            await scada.until(lambda turn=turn: len(set(scada.numbers())) >= 50 * turn + 10)  # type: ignore[misc]
            line.cut()
            await scada.until(lambda: not scada.host.alive)
            line.open = True
        await scada.until(lambda: set(scada.numbers()) == set(range(200)))
        await one.acked()
        await scada.until(lambda: scada.host.alive and (scada.host.bd_seq or 0) >= 4)


async def test_without_its_primary_host_it_keeps_its_readings(tmp_path: Path, mosquitto: Mosquitto) -> None:
    settings = SparkplugSettings(group="plant", primary_host="scada")
    async with scada_at(mosquitto) as scada, site(tmp_path, mosquitto.url, sparkplug=settings, before=5) as one:
        await one.until(lambda: "sparkplug primary host" in {each.what for each in one.relay.status().stuck})
        await scada.state(False, 50)
        say(one, range(10, 12))
        await one.until(lambda: one.relay.status().backlog == 7)
        assert scada.kinds == []
        await scada.state(True, 100)
        await scada.until(lambda: len(scada.numbers()) == 7)
        await scada.state(False, 90)
        say(one, range(12, 13))
        await scada.until(lambda: len(scada.numbers()) == 8)
        await scada.state(False, 200)
        await scada.until(lambda: not scada.host.alive)
        say(one, range(13, 15))
        await scada.state(True, 300)
        await scada.until(lambda: len(scada.numbers()) == 10)
        assert scada.numbers(historical=True)[:5] == list(range(5))
        await one.until(lambda: not one.relay.status().stuck)


async def test_what_is_said_into_a_silent_line_is_kept_until_it_is_known_to_have_arrived(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with (
        proxy(mosquitto.port) as line,
        scada_at(mosquitto) as scada,
        site(tmp_path, line.url, sparkplug=PLANT) as one,
    ):
        await scada.until(lambda: scada.host.alive)
        line.silent = True
        say(one, range(20))
        await one.until(lambda: one.relay.status().readings_produced == 20)
        await asyncio.sleep(0.05)
        assert one.relay.status().backlog >= 20
        assert scada.numbers() == []
        line.cut()
        line.silent, line.open = False, True
        await scada.until(lambda: scada.numbers() == list(range(20)))
        await one.acked()


async def test_a_reading_that_is_too_large_is_kept_and_named_and_holds_up_nobody(tmp_path: Path) -> None:
    with mosquitto_in(tmp_path / "small", "allow_anonymous true\nmax_packet_size 1000") as small:
        async with scada_at(small) as scada, site(tmp_path, small.url, sparkplug=PLANT) as one:
            await scada.until(lambda: scada.host.alive)
            one.hub.publish(reading(0))
            one.hub.publish(reading(1, size=3000))
            one.hub.publish(reading(2))
            await scada.until(lambda: {0, 2} <= set(scada.numbers()))
            await one.until(lambda: one.relay.status().backlog == 1)
            (stuck,) = [each for each in one.relay.status().stuck if each.what.startswith("sparkplug reading")]
            assert "takes no packet of this size" in stuck.why
            assert 1 not in scada.numbers()
