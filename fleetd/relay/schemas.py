"""The JSON Schema of every native message, made from the types that are encoded. Pure functions.

The files under docs/reference/messages/ are written from here. They leave room for fields that a later fleetd adds.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from fleetd.records import Alarm, ContactReport, DeviceStatus, Event, Frame, NodeStatus, Reading, Record, Result
from fleetd.relay.commands import command_schema
from fleetd.relay.topics import LEVELS, RESERVED, WHOLE_SITE
from fleetd.store.rows import Kind

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ENVELOPE: dict[str, Any] = {
    "node": {"type": "string", "minLength": 1, "description": "This fleetd among others."},
    "boot": {"type": "string", "pattern": "^[0-9]{6,}-[0-9a-f]{6}$", "description": "This run of it; sorts by time."},
    "seq": {"type": "integer", "minimum": 1, "description": "Rises by one over all messages of the node."},
}
_AT = {"type": "string", "format": "date-time", "description": "When it became true in the world, UTC."}
_RECORDS: dict[Kind, type[Record]] = {
    Kind.NODE: NodeStatus,
    Kind.READING: Reading,
    Kind.FRAME: Frame,
    Kind.STATUS: DeviceStatus,
    Kind.EVENT: Event,
    Kind.ALARM: Alarm,
    Kind.RESULT: Result,
    Kind.CONTACT: ContactReport,
}
_COMMAND = "fleetd/<site>/<device>/command"
_NAMES = {Kind.NODE: "node-status", Kind.STATUS: "device-status"}


class Form(NamedTuple):
    """One kind of message: its name, the topic that it stands at, and its schema."""

    name: str
    topic: str
    schema: dict[str, Any]


def forms() -> list[Form]:
    """All forms of native messages, the command that comes in among them."""
    outgoing = [Form(_name(kind), _topic(kind), _outgoing(record, _topic(kind))) for kind, record in _RECORDS.items()]
    about = {"title": _COMMAND, "description": "What a device is asked to do; the one message that comes in."}
    command = {"$schema": _DIALECT, **about, **_without_title(_unfolded(command_schema()))}
    return [*outgoing, Form("command", _COMMAND, command)]


def form_name(topic: str) -> str:
    """The name of the form that a message on a native topic has; empty for a topic that is none of ours."""
    _, _, *below = topic.split("/")
    whole_site = {word: _name(kind) for kind, word in WHOLE_SITE.items()}
    of_device = {word: _name(kind) for kind, word in LEVELS.items()} | {"command": "command"}
    match below:
        case [word]:
            return whole_site.get(word, "")
        case ["alarm", _, _]:
            return _name(Kind.ALARM)
        case [device, word] if device not in RESERVED:
            return of_device.get(word, "")
        case _:
            return ""


def _name(kind: Kind) -> str:
    return _NAMES.get(kind, str(kind))


def _topic(kind: Kind) -> str:
    if kind in WHOLE_SITE:
        return f"fleetd/<site>/{WHOLE_SITE[kind]}"
    return f"fleetd/<site>/<device>/{LEVELS[kind]}" if kind in LEVELS else "fleetd/<site>/alarm/<device>/<name>"


def _outgoing(record: type[Record], topic: str) -> dict[str, Any]:
    schema = _unfolded(msgspec.json.schema(record))
    properties = {**_ENVELOPE, **schema.pop("properties"), "at": _AT}
    required = [*_ENVELOPE, *schema.pop("required")]
    about = {"title": topic, "description": schema.pop("description")}
    return {"$schema": _DIALECT, **about, **_without_title(schema), "properties": properties, "required": required}


def _without_title(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "title"}


def _unfolded(schema: dict[str, Any]) -> dict[str, Any]:
    """msgspec puts even the outermost type among the definitions."""
    definitions = dict(schema["$defs"])
    top = definitions.pop(schema["$ref"].rpartition("/")[2])
    return {**top, "$defs": definitions} if definitions else dict(top)
