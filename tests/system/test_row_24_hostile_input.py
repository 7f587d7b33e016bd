"""Row 24: oversized and hostile input is refused early, cheaply, and without keeping the event loop from its work.

Times are processor time of this thread, which a busy machine does not lengthen.
"""

from __future__ import annotations

import asyncio
import json
import resource
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleetd.clock import SystemClock
from fleetd.config.site import load_site
from fleetd.control.answers import MalformedRequest, read_body
from fleetd.control.sky import Angles
from fleetd.errors import ConfigError, ElementsError
from fleetd.hub import Hub
from fleetd.orbit.elements import MAX_BYTES, read_elements
from fleetd.records import Command
from fleetd.relay.commands import MOST_BYTES, UnreadableCommand, check_size, read_command
from fleetd.relay.incoming import Incoming
from fleetd.relay.intake import Intake
from fleetd.store.store import Store

NOW = datetime(2026, 11, 11, 12, tzinfo=UTC)
TOPIC = "fleetd/hangzhou/robot-01/command"
EACH_S = 0.050
GROWTH_KIB = 10 * 1024
DEPTH = 10_000


def refused(act: Callable[[], object], *kinds: type[Exception]) -> None:
    """`act` is refused, in its time, and memory stays as it was."""
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began_s = time.thread_time()
    with pytest.raises(kinds):
        act()
    assert time.thread_time() - began_s <= EACH_S
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib <= GROWTH_KIB


def command(payload: bytes) -> Command:
    check_size("robot-01", len(payload))
    return read_command(TOPIC, payload, retained=False, now=NOW)


NESTED = [
    b"[" * DEPTH,
    b'{"id":"c","action":"send","args":' + b'{"a":' * DEPTH + b"1" + b"}" * DEPTH + b"}",
    b'{"id":"c","action":"send","args":{"a":' + b"[" * DEPTH + b"]" * DEPTH + b"}}",
]


@pytest.mark.parametrize(
    "payload",
    [
        b" " * (MOST_BYTES + 1),
        json.dumps({"id": "c", "action": "send", "args": {"a": "x" * MOST_BYTES}}).encode(),
        json.dumps({"id": "c", "action": "send", "args": {str(n): n for n in range(5_000)}}).encode(),
        *NESTED,
        b'{"id":"c","action":"' + b"\\u0000" * 9_000 + b'"}',
        b'{"id":"c","action":"send","args":{"a":1' + b"0" * 60_000 + b"}}",
    ],
    ids=["64 KiB of nothing", "64 KiB of text", "5000 arguments", "[[[", "objects", "lists", "zeros", "a long number"],
)
def test_row_24_a_command_that_is_too_much_is_refused(payload: bytes) -> None:
    refused(lambda: command(payload), UnreadableCommand)


@pytest.mark.parametrize("body", [*NESTED, b'{"azimuth_deg": ' + b"9" * 60_000 + b"}"], ids=["[", "{", "{[", "number"])
def test_row_24_so_is_a_body_of_the_control_api(body: bytes) -> None:
    class Request:
        path = "/v1/antennas/dish/point"

        async def read(self) -> bytes:
            return body

    refused(lambda: asyncio.run(read_body(Request(), Angles)), MalformedRequest)  # type: ignore[arg-type]


def test_row_24_element_files_of_more_than_16_mib_and_of_any_depth(tmp_path: Path) -> None:
    for name, content in (
        ("large.tle", b"1" * (MAX_BYTES + 1)),
        ("large.json", b"[" + b" " * (MAX_BYTES + 1) + b"]"),
        ("deep.json", b"[" * DEPTH + b"]" * DEPTH),
        ("deep.xml", b"<a>" * DEPTH),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        refused(lambda path=path: read_elements(path), ElementsError)  # type: ignore[misc]


def test_row_24_a_site_file_of_any_depth(tmp_path: Path) -> None:
    for number, content in enumerate(("[" * DEPTH, "site: " + "{a: " * DEPTH, "- " * DEPTH, "? " * DEPTH)):
        path = tmp_path / f"{number}.yaml"
        path.write_text(content)
        refused(lambda path=path: load_site(path), ConfigError)  # type: ignore[misc]


async def test_row_24_ten_thousand_commands_a_second_leave_the_loop_its_time(tmp_path: Path) -> None:
    """A hundred messages each 10 ms, valid ones, rubbish and bombs: what each hundred costs the loop, at p99."""
    valid = [b'{"id":"c%d","action":"send","args":{"stop":2}}' % number for number in range(10_000)]
    kinds = [lambda n: valid[n], lambda _: b"rubbish", lambda n: NESTED[n % 3], lambda _: b"x" * (MOST_BYTES + 1)]
    costs_s: list[float] = []
    carried = 0

    async def carry(_: Command) -> None:
        nonlocal carried
        carried += 1
        await asyncio.sleep(0.001)

    clock = SystemClock()
    async with Store.open(tmp_path, node="test", clock=clock) as store, asyncio.TaskGroup() as tasks:
        intake = Intake(Hub(), store, clock, None, carry)
        before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for batch in range(100):
            began_s = time.thread_time()
            for number in range(batch * 100, batch * 100 + 100):
                payload = kinds[number % 4](number)
                kept = payload[:MOST_BYTES]
                intake.take(Incoming(TOPIC, kept, retained=False, size=len(payload)), tasks)
            await asyncio.sleep(0)  # what the messages began takes its first steps
            costs_s.append(time.thread_time() - began_s)
            await asyncio.sleep(0.002)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib <= GROWTH_KIB
        assert carried > 1_000
        assert intake.unreadable >= 7_500
        stages = [row.kind for row in await store.outbox.read(most=10_000)]
    assert sorted(costs_s)[98] <= 0.020  # a hundred messages and all that they began; they come each 10 ms
    assert len(stages) < 1_000  # and a flood is not answered one by one
