"""Where each record goes on MQTT: topic, payload and retention under `fleetd/<site>/`. Pure functions.

    status                    the node itself   retained; the last will stands here
    <device>/status           DeviceStatus      retained
    <device>/reading          Reading           never retained; a satellite's are Telemetry
    <device>/frame            Frame             raw, in base64
    <device>/result           Result
    alarm/<device>/<name>     Alarm             retained while active; see `messages` for its end
    contact, event            ContactReport, Event
    <device>/command          incoming; for a group's name, or `all`, to each of its robots

A payload is the record's JSON with `node`, `boot` and `seq` in front. No two different messages share the three; a
consumer that has seen them drops the message, and finds gaps by `seq`, which rises by one over all of a node's records.
Two things arrive out of that order by design: `online` goes ahead of what waits from an outage, and a last will's
number is published when its connection has ended.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from fleetd.errors import ConfigError
from fleetd.store.rows import Kind, Row

ROOT = "fleetd"
RESERVED = frozenset({"status", "contact", "event", "alarm", "all"})
"""Words that a device may not be called, for they stand where a device's name would."""

LEVELS = {Kind.READING: "reading", Kind.FRAME: "frame", Kind.STATUS: "status", Kind.RESULT: "result"}
"""The last level of what belongs to a device."""
WHOLE_SITE = {Kind.NODE: "status", Kind.EVENT: "event", Kind.CONTACT: "contact"}
"""The one level of what belongs to no device."""
_RETAINED = frozenset({Kind.NODE, Kind.STATUS, Kind.ALARM})


class Message(NamedTuple):
    """One publish, always QoS 1."""

    topic: str
    payload: bytes
    retain: bool = False


Addressing = Callable[[Row], tuple[Message, ...]]


def addressing(site: str, node: str) -> Addressing:
    """How this node's rows become messages. Raises ConfigError for a site's name that is no topic level."""
    root = f"{ROOT}/{topic_level(site)}/"
    node_json = msgspec.json.encode(node).decode()

    def messages(row: Row) -> tuple[Message, ...]:
        """Usually one. A cleared alarm makes two: its last word, then the empty payload that ends its retention."""
        envelope = f'{{"node":{node_json},"boot":"{row.boot}","seq":{row.seq},'
        payload = envelope.encode() + row.body[1:]
        topic = root + _below_root(row)
        if row.kind is Kind.ALARM_CLEARED:
            return Message(topic, payload), Message(topic, b"", retain=True)
        return (Message(topic, payload, row.kind in _RETAINED),)

    return messages


def command_filter(site: str) -> str:
    """The subscription that brings the commands for all devices of a site."""
    return f"{ROOT}/{topic_level(site)}/+/command"


def event_topic(site: str) -> str:
    """Where events go."""
    return f"{ROOT}/{topic_level(site)}/{WHOLE_SITE[Kind.EVENT]}"


def topic_level(name: str) -> str:
    """`name`, if it can be one level of a topic. Raises ConfigError."""
    if not name or any(sign in name for sign in "+#/\0") or name.startswith("$"):
        raise ConfigError(f"{name!r} cannot stand in an MQTT topic: it must not be empty, hold + # / or begin with $")
    return name


def check_device_name(name: str) -> str:
    """`name`, if a device may bear it on MQTT. Raises ConfigError for wildcards and for words that are taken."""
    if topic_level(name) in RESERVED:
        raise ConfigError(f"a device cannot be called {name!r}: that topic is taken; choose another name")
    return name


def _below_root(row: Row) -> str:
    if row.kind in WHOLE_SITE:
        return WHOLE_SITE[row.kind]
    if row.kind in LEVELS:
        return f"{row.device}/{LEVELS[row.kind]}"
    return f"alarm/{row.device}/{row.name}"
