"""The relay against a real mosquitto, watched by a real mosquitto_sub."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from brokers import Heard, Mosquitto, listening, make_user, mosquitto_in, tell
from fake_broker import Proxy, proxy

from fleetd.clock import ScaledClock
from fleetd.hub import Hub
from fleetd.records import (
    Alarm,
    Command,
    DeviceState,
    DeviceStatus,
    Event,
    Quality,
    Reading,
    Result,
    Severity,
    Stage,
)
from fleetd.relay.relay import Relay
from fleetd.relay.settings import RelaySettings
from fleetd.settings import Secret
from fleetd.store.store import Store

pytestmark = pytest.mark.peer("mosquitto", "mosquitto_sub", "mosquitto_pub")

NOW = datetime(2026, 11, 11, 12, 0, tzinfo=UTC)
PROTOCOLS = ("5", "3.1.1")


@dataclass
class Site:
    """A running relay and what belongs to it."""

    hub: Hub
    store: Store
    relay: Relay
    task: asyncio.Task[None]
    commands: list[Command]

    def say(self, *records: object) -> None:
        for record in records:
            if isinstance(record, Alarm):  # comes with its row in the book of alarms
                self.store.alarms.note(record.device, record.name, b"{}" if record.active else b"", record)
            else:
                self.hub.publish(record)  # type: ignore[arg-type]

    async def until(self, true: Callable[[], bool]) -> None:
        while not true():  # noqa: ASYNC110  # the relay's status is read, not heard
            await asyncio.sleep(0.01)

    async def acked(self) -> None:
        """All that was said is acknowledged."""
        await self.until(lambda: self.relay.status().connected and self.relay.status().backlog == 0)


@asynccontextmanager
async def site(
    folder: Path,
    broker: Mosquitto | Proxy,
    *,
    on_command: Callable[[Command], Awaitable[None]] | None = None,
    **settings: object,
) -> AsyncIterator[Site]:
    commands: list[Command] = []

    async def take(command: Command) -> None:
        commands.append(command)
        if on_command is not None:
            await on_command(command)

    # Back-off on a clock 20 times as fast: reconnecting takes milliseconds.
    clock, hub = ScaledClock(NOW, datetime.now(UTC), 20.0), Hub()
    asked = RelaySettings.model_validate({"brokers": [broker.url], **settings})
    async with Store.open(folder / "store", node="node-1", clock=clock) as store:
        relay = Relay(asked, store, hub, clock, "hangzhou", take)
        task = asyncio.create_task(relay.run())
        await asyncio.sleep(0)
        try:
            yield Site(hub, store, relay, task, commands)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def reading(number: int, device: str = "robot-01") -> Reading:
    return Reading(at=NOW, device=device, quality=Quality.GOOD, values={"number": number})


def alarm(active: bool) -> Alarm:
    return Alarm(at=NOW, device="robot-01", name="low-battery", active=active, severity=Severity.WARNING, text="low")


def numbers(heard: list[Heard]) -> list[int]:
    return [one.body["values"]["number"] for one in heard]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_each_record_goes_to_its_fixed_topic_with_its_envelope(
    tmp_path: Path, mosquitto: Mosquitto, protocol: str
) -> None:
    async with listening(mosquitto) as listener, site(tmp_path, mosquitto, protocol=protocol) as one:
        one.say(
            DeviceStatus(at=NOW, device="robot-01", state=DeviceState.ONLINE),
            reading(1),
            Event(at=NOW, source="test", name="door", text="door opened"),
        )
        await one.until(lambda: one.store.outbox.tally.produced == 5)
        one.store.outbox.post(Result(at=NOW, id="c-1", device="robot-01", action="stop", stage=Stage.SUCCEEDED))
        one.say(alarm(active=True))
        await listener.until(lambda heard: len(heard.heard) >= 6)
    assert [message.topic for message in listener.heard[:6]] == [
        "fleetd/hangzhou/status",
        "fleetd/hangzhou/robot-01/status",
        "fleetd/hangzhou/robot-01/reading",
        "fleetd/hangzhou/event",
        "fleetd/hangzhou/robot-01/result",
        "fleetd/hangzhou/alarm/robot-01/low-battery",
    ]
    assert listener.on("/reading")[0].body == {
        "node": "node-1",
        "boot": one.store.boot,
        "seq": listener.on("/reading")[0].body["seq"],
        "at": "2026-11-11T12:00:00Z",
        "clock_synced": True,
        "device": "robot-01",
        "quality": "GOOD",
        "values": {"number": 1},
        "absent": {},
    }
    keys = [message.key for message in listener.heard]
    assert len(set(keys)) == len(keys)


async def test_status_and_active_alarms_are_retained_and_readings_never(tmp_path: Path, mosquitto: Mosquitto) -> None:
    async with site(tmp_path, mosquitto) as one:
        one.say(DeviceStatus(at=NOW, device="robot-01", state=DeviceState.ONLINE), reading(1), alarm(active=True))
        await one.acked()
        async with listening(mosquitto) as late:
            await late.until(lambda heard: len(heard.heard) >= 3)
            assert all(message.retained for message in late.heard)
            assert {message.topic for message in late.heard} == {
                "fleetd/hangzhou/status",
                "fleetd/hangzhou/robot-01/status",
                "fleetd/hangzhou/alarm/robot-01/low-battery",
            }
            one.say(alarm(active=False))
            await late.until(lambda heard: len(heard.on("low-battery")) == 3)
            last_word, end = late.on("low-battery")[1:]
            assert last_word.body["active"] is False
            assert end.text == ""
        async with listening(mosquitto) as later:
            await later.until(lambda heard: len(heard.heard) >= 2)
            assert not later.on("low-battery")


async def test_a_graceful_stop_says_offline_itself_and_leaves_nothing_behind(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with listening(mosquitto) as listener:
        async with site(tmp_path, mosquitto) as one:
            await one.acked()
            one.say(*(reading(number) for number in range(50)))
        await listener.until(lambda heard: len(heard.on("hangzhou/status")) == 2)
        assert [message.body["state"] for message in listener.on("hangzhou/status")] == ["online", "offline"]
        assert numbers(listener.on("/reading")) == list(range(50))
        assert one.store.outbox.tally.backlog == 0
        seqs = sorted(message.body["seq"] for message in listener.heard)
        assert seqs == list(range(1, 53)), "no hole in the numbers"


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_broker_that_loses_its_disk_is_told_everything_again(
    tmp_path: Path, mosquitto: Mosquitto, protocol: str
) -> None:
    async with site(tmp_path, mosquitto, protocol=protocol) as one:
        one.say(DeviceStatus(at=NOW, device="robot-01", state=DeviceState.ONLINE), alarm(active=True))
        await one.acked()
        mosquitto.kill()
        await one.until(lambda: not one.relay.status().connected)
        one.say(*(reading(number) for number in range(100)))
        mosquitto.delete_database()
        mosquitto.start()
        async with listening(mosquitto) as listener:
            await one.acked()
            await listener.until(lambda heard: len(heard.on("/status")) >= 2 and heard.on("low-battery") != [])
            topics = {message.topic: message.body for message in listener.heard}
            assert topics["fleetd/hangzhou/status"]["state"] == "online"
            assert topics["fleetd/hangzhou/robot-01/status"]["state"] == "online"
            assert topics["fleetd/hangzhou/alarm/robot-01/low-battery"]["active"] is True


async def test_what_is_said_while_the_broker_is_away_arrives_in_order_per_device(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with proxy(mosquitto.port) as line, site(tmp_path, line) as one:
        await one.acked()
        line.cut()
        mosquitto.kill()
        await one.until(lambda: not one.relay.status().connected)
        for number in range(300):
            one.say(reading(number, "robot-01"), reading(number, "robot-02"))
        await one.until(lambda: one.relay.status().backlog >= 600)
        assert one.relay.status().last_error
        mosquitto.start()
        async with listening(mosquitto) as listener:
            line.open = True  # not before somebody listens: what goes out unheard is not kept for us
            await listener.until(lambda heard: len({one.key for one in heard.on("/reading")}) == 600)
        for device in ("robot-01", "robot-02"):
            assert numbers(listener.on(f"{device}/reading")) == list(range(300))


async def test_a_refused_publish_is_kept_held_and_sent_when_it_is_let_through(tmp_path: Path) -> None:
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    rules = folder / "acl"
    rules.write_text("topic read #\ntopic write fleetd/+/status\ntopic write fleetd/+/event\n")
    with mosquitto_in(folder, f"allow_anonymous true\nacl_file {rules}") as broker:
        async with site(tmp_path, broker) as one, listening(broker) as listener:
            one.say(reading(1), reading(2), Event(at=NOW, source="test", name="door", text="door opened"))
            await one.until(lambda: one.relay.status().rejected >= 2)
            await listener.until(lambda heard: any(e.body["name"] == "publish-refused" for e in heard.on("/event")))
            await one.until(lambda: one.relay.status().backlog == 2)  # PUBACK 135 is no success
            assert one.relay.status().held_topics == ["fleetd/hangzhou/robot-01/reading"]
            one.say(reading(3))
            rules.write_text("topic readwrite #\n")
            os.kill(broker.pid, signal.SIGHUP)
            await listener.until(lambda heard: len(heard.on("/reading")) == 3)
            assert numbers(listener.on("/reading")) == [1, 2, 3]
            await one.acked()
            assert one.relay.status().held_topics == []


async def test_a_wrong_password_is_said_once_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    await make_user(folder / "users", "fleetd", "right-one")
    monkeypatch.setenv("BROKER_PASSWORD", "wrong-one")
    with mosquitto_in(folder, f"allow_anonymous false\npassword_file {folder / 'users'}") as broker:
        login = {"username": "fleetd", "password": Secret(env="BROKER_PASSWORD")}
        async with site(tmp_path, broker, **login) as one:
            one.say(reading(1))
            await one.until(lambda: "refuses the connection" in one.relay.status().last_error)
            assert str(broker.port) in one.relay.status().last_error
            assert "password" in one.relay.status().last_error
            monkeypatch.setenv("BROKER_PASSWORD", "right-one")
            await one.acked()
            assert one.relay.status().readings_acked == 1
    assert "wrong-one" not in str(capsys.readouterr())


async def test_commands_come_in_and_rubbish_is_refused_aloud(tmp_path: Path, mosquitto: Mosquitto) -> None:
    async with site(tmp_path, mosquitto) as one, listening(mosquitto) as listener:
        await one.acked()
        await mosquitto.subscribed("fleetd/hangzhou/+/command")
        topic = "fleetd/hangzhou/robot-01/command"
        await tell(mosquitto, topic, json.dumps({"id": "c-1", "action": "send", "args": {"target": 3}}).encode())
        await one.until(lambda: len(one.commands) == 1)
        command = one.commands[0]
        assert (command.id, command.device, command.action, command.args) == ("c-1", "robot-01", "send", {"target": 3})
        await tell(mosquitto, topic, b"this is no JSON")
        await tell(mosquitto, topic, b'{"id": "big", "action": "' + b"x" * (1 << 20) + b'"}')
        await tell(mosquitto, topic, b'{"id": "c-2", "action": "stop", "force": true}')
        await tell(mosquitto, topic, b"[" * 10_000)
        await tell(mosquitto, topic, b'{"id": "c-3", "action": "stop"}', "-r")
        await listener.until(lambda heard: len(heard.on("/event")) == 4 and len(heard.on("/result")) == 1)
        texts = [event.body["text"] for event in listener.on("/event")]
        assert "malformed" in texts[0]
        assert "above the limit of 65536" in texts[1]
        assert "force" in texts[2]
        refused = listener.on("/result")[0].body
        assert (refused["id"], refused["stage"]) == ("c-2", "refused")
        await one.until(lambda: len(one.commands) == 2)
        assert one.relay.status().commands == 2
        assert one.relay.status().commands_unreadable == 4


async def test_a_retained_command_is_refused_on_the_next_connection(tmp_path: Path, mosquitto: Mosquitto) -> None:
    await tell(mosquitto, "fleetd/hangzhou/robot-01/command", b'{"id": "old", "action": "send"}', "-r")
    async with listening(mosquitto, "fleetd/+/robot-01/result") as results, site(tmp_path, mosquitto) as one:
        await results.until(lambda heard: len(heard.heard) == 1)
        assert results.heard[0].body["id"] == "old"
        assert "retained" in results.heard[0].body["reason"]
        assert one.commands == []


async def test_a_broker_that_is_frozen_is_left_and_what_it_got_is_sent_again(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with listening(mosquitto) as listener, site(tmp_path, mosquitto, ack_within_s=1.0) as one:
        await one.acked()
        os.kill(mosquitto.pid, signal.SIGSTOP)
        one.say(*(reading(number) for number in range(10)))
        await one.until(lambda: "acknowledged nothing" in one.relay.status().last_error)
        os.kill(mosquitto.pid, signal.SIGCONT)
        await one.acked()
        await listener.until(
            lambda heard: {one.body["values"]["number"] for one in heard.on("/reading")} == {*range(10)}
        )
        assert one.relay.status().resent >= 10
        texts = {message.key: message.text for message in listener.on("/reading")}
        assert len(texts) == 10
        assert all(message.text == texts[message.key] for message in listener.on("/reading")), "the same in every byte"
