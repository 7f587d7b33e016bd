"""Commands from MQTT: what is one, what is none, and what is said about it."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetd.clock import VirtualClock
from fleetd.errors import Refusal
from fleetd.hub import Hub
from fleetd.records import Command, Event, Result, Stage
from fleetd.relay.commands import MOST_BYTES, UnreadableCommand, read_command
from fleetd.relay.incoming import Incoming
from fleetd.relay.intake import Intake
from fleetd.store.store import Store

NOW = datetime(2026, 11, 11, 12, 0, tzinfo=UTC)
TOPIC = "fleetd/hangzhou/robot-01/command"


def read(payload: dict[str, Any] | bytes, topic: str = TOPIC, *, retained: bool = False) -> Command:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return read_command(topic, raw, retained=retained, now=NOW)


def test_the_shortest_command_gets_its_device_from_the_topic_and_a_short_life() -> None:
    assert read({"id": "c-1", "action": "stop"}) == Command(
        id="c-1",
        device="robot-01",
        action="stop",
        args={},
        issuer="mqtt",
        issued_at=NOW,
        expires_at=NOW + timedelta(seconds=30),
    )


def test_a_whole_command() -> None:
    command = read(
        {
            "id": "c-1",
            "action": "send",
            "args": {"target": 3, "fast": True, "note": None},
            "issuer": "ops",
            "issued_at": "2026-11-11T19:59:00+08:00",
            "expires_in_s": 90,
        }
    )
    assert command.args == {"target": 3, "fast": True, "note": None}
    assert command.issuer == "mqtt:ops"  # as it says itself; nobody vouches for it
    assert command.issued_at == NOW - timedelta(minutes=1)
    assert command.expires_at == NOW + timedelta(seconds=30), "from issued_at, where there is one"
    assert read({"id": "c", "action": "a", "expires_at": "2026-11-11T12:00:05Z"}).expires_at.second == 5


@pytest.mark.parametrize(
    ("payload", "rule", "words", "id"),
    [
        (b"hello", "bad-command", "malformed", ""),
        (b"", "bad-command", "truncated", ""),
        (b"[1, 2]", "bad-command", "array", ""),
        (b"[" * MOST_BYTES, "bad-command", "", ""),
        (b'{"a":' * 10_000, "bad-command", "", ""),
        (b"\xff\xfe", "bad-command", "", ""),
        (b'{"id": "c", "action": "' + b"x" * MOST_BYTES + b'"}', "too-large", "65536", ""),
        (b'{"action": "stop"}', "bad-command", "id", ""),
        (b'{"id": "c-9"}', "bad-command", "action", "c-9"),
        (b'{"id": "c-9", "action": "a", "force": 1}', "bad-command", "force", "c-9"),
        (b'{"id": "c-9", "action": "a", "args": {"x": [1]}}', "bad-command", "args", "c-9"),
        (b'{"id": "c-9", "action": "a", "expires_in_s": -1}', "bad-command", "expires_in_s", "c-9"),
        (b'{"id": "c-9", "action": "a", "expires_in_s": 1e9}', "bad-command", "expires_in_s", "c-9"),
        (b'{"id": "c-9", "action": "a", "issued_at": "2026-11-11T12:00:00"}', "bad-command", "issued_at", "c-9"),
        (b'{"id": "c 9", "action": "a"}', "bad-command", "id", ""),
        (
            b'{"id": "c-9", "action": "a", "expires_in_s": 1, "expires_at": "2026-11-11T12:00:00Z"}',
            "bad-command",
            "not both",
            "c-9",
        ),
    ],
)
def test_what_is_no_command_is_refused_with_a_reason(payload: bytes, rule: str, words: str, id: str) -> None:  # noqa: A002
    with pytest.raises(UnreadableCommand) as caught:
        read(payload)
    assert caught.value.rule == rule
    assert words in caught.value.reason
    assert caught.value.id == id
    assert caught.value.device == "robot-01"


def test_a_retained_command_and_a_bad_device_are_refused() -> None:
    with pytest.raises(UnreadableCommand, match="retained"):
        read({"id": "c", "action": "a"}, retained=True)
    with pytest.raises(UnreadableCommand, match="no device name"):
        read({"id": "c", "action": "a"}, topic="fleetd/hangzhou/Robot One/command")


@given(st.binary(max_size=300))
def test_no_bytes_do_more_than_be_refused(payload: bytes) -> None:
    with pytest.raises(UnreadableCommand):
        read(payload)


def incoming(payload: bytes) -> Incoming:
    return Incoming(TOPIC, payload, retained=False, size=len(payload))


class Posted(list[Any]):
    """An outbox as far as the intake knows it."""

    post = list[Any].append


class Books:
    """A store as far as the intake knows it: it posts and audits."""

    def __init__(self) -> None:
        self.outbox = Posted()
        self.audited: list[tuple[str, ...]] = []

    @property
    def audit(self) -> Books:
        return self

    async def append(self, *entry: str) -> None:
        self.audited.append(entry)


async def take(payloads: list[bytes], on_command: Any) -> tuple[Intake, list[Any]]:
    clock, hub, books = VirtualClock(NOW), Hub(), Books()
    with hub.subscribe("test") as heard:
        intake = Intake(hub, cast("Store", books), clock, None, on_command)
        async with asyncio.TaskGroup() as tasks:
            for payload in payloads:
                intake.take(incoming(payload), tasks)
        records = [await heard.get() for _ in range(len(heard))]
        assert books.outbox == [record for record in records if isinstance(record, Result)], (
            "results go to the outbox, too"
        )
        return intake, records


async def test_rubbish_is_an_event_and_with_an_id_a_refused_result() -> None:
    async def never(command: Command) -> None:
        raise TypeError(command)

    intake, heard = await take([b"hello", b'{"id": "c-9"}'], never)
    assert [type(record) for record in heard] == [Event, Event, Result]
    assert heard[2].id == "c-9"
    assert heard[2].stage is Stage.REFUSED
    assert (intake.commands, intake.unreadable) == (0, 2)


async def test_a_flood_of_rubbish_is_counted_but_not_answered_one_by_one() -> None:
    async def never(command: Command) -> None:
        raise TypeError(command)

    intake, heard = await take([b"hello"] * 1000, never)
    assert intake.unreadable == 1000
    assert len(heard) == 50


async def test_a_refusal_by_whoever_takes_commands_becomes_a_result() -> None:
    async def no(command: Command) -> None:
        raise Refusal("limit", "target 9 is above the limit of 8")

    _, heard = await take([b'{"id": "c-1", "action": "send"}'], no)
    assert [(record.id, record.stage, record.reason) for record in heard] == [
        ("c-1", Stage.REFUSED, "target 9 is above the limit of 8")
    ]


async def test_a_slow_command_holds_up_no_other_and_too_many_are_refused() -> None:
    release, taken = asyncio.Event(), []

    async def slow(command: Command) -> None:
        taken.append(command.id)
        if len(taken) == 1001:
            release.set()
        await release.wait()

    commands = [b'{"id": "c-%d", "action": "a"}' % number for number in range(1003)]
    _, heard = await take([*commands, b'{"id": "s", "action": "stop"}'], slow)
    assert len(taken) == 1001
    assert taken[-1] == "s", "a stop is taken however many others are under way"
    refused = [record for record in heard if isinstance(record, Result)]
    assert [(record.stage, record.rule) for record in refused] == [(Stage.REFUSED, "too-many")] * 3
