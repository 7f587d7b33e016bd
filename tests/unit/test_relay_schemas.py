"""The schemas of messages: they are what is encoded, and what is on the page."""

from __future__ import annotations

import json
import runpy
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest
from jsonschema import Draft202012Validator

from fleetd.records import AnyRecord, DeviceState, DeviceStatus, NodeStatus
from fleetd.relay.schemas import form_name, forms
from fleetd.relay.topics import addressing
from fleetd.store.rows import Kept, Row, draft

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "messages.py"))
NOW = datetime(2026, 11, 11, tzinfo=UTC)
SCHEMAS = {form.name: form.schema for form in forms()}


def test_the_files_are_as_they_would_be_written() -> None:
    assert SCRIPT["main"](["--check"]) == 0


def test_every_record_that_travels_has_one_and_each_is_a_schema() -> None:
    outgoing = [form for form in forms() if form.name != "command"]
    assert len(outgoing) == len({*get_args(AnyRecord), NodeStatus})
    for form in forms():
        Draft202012Validator.check_schema(form.schema)


@pytest.mark.parametrize(
    ("topic", "name"),
    [
        ("fleetd/hangzhou/status", "node-status"),
        ("fleetd/hangzhou/robot-01/status", "device-status"),
        ("fleetd/hangzhou/robot-01/reading", "reading"),
        ("fleetd/hangzhou/robot-01/result", "result"),
        ("fleetd/hangzhou/robot-01/command", "command"),
        ("fleetd/hangzhou/alarm/robot-01/low", "alarm"),
        ("fleetd/hangzhou/alarm/robot-01", ""),
        ("fleetd/hangzhou/contact", "contact"),
        ("fleetd/hangzhou/event", "event"),
        ("fleetd/hangzhou/robot-01/speech", ""),
    ],
)
def test_a_topic_tells_the_form(topic: str, name: str) -> None:
    assert form_name(topic) == name


def heard(record: Kept) -> tuple[str, str, str]:
    """Topic, form and text of a record as it is sent."""
    kind, device, name, at_us, body = draft(record)
    message = addressing("hangzhou", "node-1")(Row(7, "000001-abcdef", at_us, kind, device, name, body))[0]
    return message.topic, form_name(message.topic), message.payload.decode()


def test_what_is_sent_is_what_is_said() -> None:
    record = DeviceStatus(at=NOW, device="robot-01", state=DeviceState.ONLINE)
    _, name, text = heard(record)
    validator = Draft202012Validator({**SCHEMAS[name], "additionalProperties": False})
    assert list(validator.iter_errors(json.loads(text))) == []
    wrong = json.loads(text) | {"state": "asleep", "seq": "7", "more": 1}
    wrong.pop("boot")
    complaints = {error.json_path for error in validator.iter_errors(wrong)}
    assert complaints == {"$", "$.state", "$.seq"}
