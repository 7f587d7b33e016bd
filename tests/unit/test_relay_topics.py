"""Topics and payloads as they are fixed for consumers."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetd.errors import ConfigError
from fleetd.records import Alarm, DeviceState, DeviceStatus, Event, NodeStatus, Quality, Reading, Severity
from fleetd.relay.topics import Message, addressing, check_device_name, command_filter, event_topic, topic_level
from fleetd.store.rows import Kept, Row, draft

NOW = datetime(2026, 11, 11, 12, 0, tzinfo=UTC)


def row(record: Kept, seq: int = 7) -> Row:
    made = draft(record)
    return Row(seq, "000001-abcdef", made.at_us, made.kind, made.device, made.name, made.body)


def messages(record: Kept) -> tuple[Message, ...]:
    return addressing("hangzhou", "node-1")(row(record))


def test_a_reading_is_not_retained_and_bears_its_envelope_in_front() -> None:
    (message,) = messages(Reading(at=NOW, device="robot-01", quality=Quality.STALE, values={"soc": None, "v": 1.5}))
    assert (message.topic, message.retain) == ("fleetd/hangzhou/robot-01/reading", False)
    assert message.payload.startswith(b'{"node":"node-1","boot":"000001-abcdef","seq":7,"at":"2026-11-11T12:00:00Z",')
    assert json.loads(message.payload)["values"] == {"soc": None, "v": 1.5}


def test_statuses_are_retained() -> None:
    (device,) = messages(DeviceStatus(at=NOW, device="robot-01", state=DeviceState.QUARANTINED))
    (node,) = messages(NodeStatus(at=NOW, state="offline", site="hangzhou", version="1"))
    assert (device.topic, device.retain) == ("fleetd/hangzhou/robot-01/status", True)
    assert (node.topic, node.retain) == ("fleetd/hangzhou/status", True)


def test_an_alarm_is_retained_until_cleared_and_its_end_is_told_first() -> None:
    def alarm(active: bool) -> Alarm:
        return Alarm(at=NOW, device="r", name="hot", active=active, severity=Severity.CRITICAL, text="hot")

    (active,) = messages(alarm(True))
    assert (active.topic, active.retain) == ("fleetd/hangzhou/alarm/r/hot", True)
    last_word, end = messages(alarm(False))
    assert (json.loads(last_word.payload)["active"], last_word.retain) == (False, False)
    assert end == Message("fleetd/hangzhou/alarm/r/hot", b"", retain=True)


def test_events_and_commands_have_the_sites_topics() -> None:
    (event,) = messages(Event(at=NOW, source="s", name="n", text="t"))
    assert event.topic == event_topic("hangzhou") == "fleetd/hangzhou/event"
    assert command_filter("hangzhou") == "fleetd/hangzhou/+/command"


@given(st.text(), st.integers(1, 2**62))
def test_any_node_name_makes_valid_json(node: str, seq: int) -> None:
    (message,) = addressing("s", node)(row(Event(at=NOW, source="s", name="n", text="t"), seq))
    body = json.loads(message.payload)
    assert (body["node"], body["seq"]) == (node, seq)


@pytest.mark.parametrize("name", ["", "robot/1", "+", "robot-#", "$SYS", "a\0b"])
def test_names_that_cannot_stand_in_a_topic_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot stand in an MQTT topic"):
        topic_level(name)
    with pytest.raises(ConfigError):
        addressing(name, "node")


@pytest.mark.parametrize("name", ["status", "event", "contact", "alarm"])
def test_a_device_cannot_take_the_sites_own_topics(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        check_device_name(name)
    assert check_device_name("robot-01") == "robot-01"
