"""The promises about commands: none without a valid signature, none twice or late, none beyond a role, none by one
person alone where it takes two; an audit chain that shows every tampering; and hostile input that costs little.

Counts are small here and full in the tests marked slow.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import random
import resource
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from robots_bench import GUARDED, NOON, READY, Bench, FakeRobot, bench

from fleetd.access.matrix import Access
from fleetd.access.settings import AccessSettings, PersonSettings
from fleetd.access.signature import new_pair, sign
from fleetd.clock import VirtualClock, iso_ms
from fleetd.errors import Refusal
from fleetd.records import Event, Result, Stage
from fleetd.relay.incoming import Incoming
from fleetd.relay.intake import Intake
from fleetd.relay.signed import Signatures
from fleetd.store.audit import AuditEntry, Head, check, link_hash

SITE = "hangzhou"
LI_PEM, LI_PUBLIC = new_pair()
WANG_PEM, WANG_PUBLIC = new_pair()
STRANGER_PEM, _ = new_pair()
SIGNERS = AccessSettings(
    roles={"lead": ("send", "resume", "open_door")},
    people={
        "li": PersonSettings(roles=("lead",), keys={"li": LI_PUBLIC}, uids=(1001,)),
        "wang": PersonSettings(roles=("lead",), keys={"wang": WANG_PUBLIC}),
    },
)


@dataclass
class Gateway:
    """A site as the broker sees it: whatever comes in goes to its robots by the one way."""

    site: Bench
    intake: Intake
    tasks: asyncio.TaskGroup
    counter: int = 0

    def token(self, pem: bytes = LI_PEM, key: str = "li", **changes: Any) -> bytes:
        self.counter += 1
        now = self.site.clock.now()
        wish = {
            "site": SITE,
            "device": "robot-01",
            "id": f"c{self.counter}",
            "action": "send",
            "args": {"stop": 2},
            "counter": self.counter,
            "issued_at": iso_ms(now),
            "expires_at": iso_ms(now + timedelta(seconds=5)),
        }
        return sign(pem, key, json.dumps(wish | changes).encode())

    async def take(self, *payloads: bytes, device: str = "robot-01") -> None:
        for payload in payloads:
            topic = f"fleetd/{SITE}/{device}/command"
            self.intake.take(Incoming(topic, payload, retained=False, size=len(payload)), self.tasks)
            await asyncio.sleep(0)

    @property
    def written(self) -> list[Any]:
        return self.site.robots["robot-01"].written

    def refusals(self) -> list[Result]:
        self.site.stages()
        return [result for result in self.site.told if result.stage is Stage.REFUSED]


@asynccontextmanager
async def gateway(
    folder: Path, robot: FakeRobot, access: AccessSettings = SIGNERS, clock: VirtualClock | None = None
) -> AsyncIterator[Gateway]:
    async with bench(folder, {"robot-01": robot}, access=access, actions=GUARDED, clock=clock) as site:
        matrix = Access(access)
        signatures = await Signatures.known(SITE, matrix, site.store.counters, site.clock)

        async def on_command(command: Any) -> None:
            await site.dispatch.submit_all(command)

        await site.online()
        async with asyncio.TaskGroup() as tasks:
            yield Gateway(site, Intake(site.hub, site.store, site.clock, signatures, on_command), tasks)


def ready() -> FakeRobot:
    return FakeRobot(values=dict(READY))


# A signature


def forgeries(gate: Gateway, seed: int) -> Iterator[bytes]:
    """For ever: commands that nobody whom the site knows has signed, made in every way that we could think of."""
    rng = random.Random(seed)

    def flipped() -> bytes:
        text = bytearray(gate.token())
        text[rng.randrange(len(text))] ^= 1 << rng.randrange(8)
        return bytes(text)

    def swapped() -> bytes:
        mine, other = gate.token().split(b"."), gate.token(args={"stop": 9}).split(b".")
        return b".".join((mine[0], other[1], mine[2]))

    def headed(header: bytes) -> Callable[[], bytes]:
        return lambda: b".".join((base64.urlsafe_b64encode(header).rstrip(b"="), *gate.token().split(b".")[1:]))

    ways: list[Callable[[], bytes]] = [
        flipped,
        swapped,
        lambda: gate.token(STRANGER_PEM),
        lambda: gate.token(STRANGER_PEM, "stranger"),
        lambda: gate.token(WANG_PEM),
        lambda: gate.token(device="robot-02"),
        lambda: gate.token(site="elsewhere"),
        lambda: gate.token()[: rng.randrange(1, 200)],
        headed(b'{"alg":"none","kid":"li"}'),
        headed(b'{"alg":"HS256","kid":"li"}'),
        lambda: b".".join((*gate.token().split(b".")[:2], b"")),
        lambda: json.dumps({"id": "u", "action": "send", "args": {"stop": 2}, "issuer": "key:li"}).encode(),
        lambda: json.dumps({"id": "u", "action": "open_door", "args": {"door": 1}, "issuer": "uid:1001(li)"}).encode(),
        lambda: rng.randbytes(rng.randrange(300)),
    ]
    while True:
        yield rng.choice(ways)()


async def forge(folder: Path, count: int) -> None:
    robot = ready()
    async with gateway(folder, robot) as gate:
        for number, forged in enumerate(itertools.islice(forgeries(gate, 19), count)):
            if number % 100 == 0:
                await gate.site.clock.advance(0.5)
            await gate.take(forged)
        await gate.site.quiet()
        assert robot.written == []
        assert gate.intake.unreadable == count, "each one was refused before it got anywhere"
        assert gate.refusals()
        await gate.take(gate.token())
        await gate.site.until(lambda: len(robot.written) == 1)
        audited = await gate.site.store.audit.tail(10_000)
        assert sum(entry.outcome == "refused" for entry in audited) >= 50
        assert (await gate.site.store.audit.verify()).whole


async def test_19_no_forged_command_reaches_a_wire(tmp_path: Path) -> None:
    await forge(tmp_path, 400)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_19_no_forged_command_reaches_a_wire_of_ten_thousand(tmp_path: Path) -> None:
    await forge(tmp_path, 10_000)


async def test_a_flood_of_forgeries_is_audited_in_one_line(tmp_path: Path) -> None:
    async with gateway(tmp_path, ready()) as gate:
        await gate.take(*itertools.islice(forgeries(gate, 3), 120))
        counting = gate.tasks.create_task(gate.intake.count())
        await gate.site.clock.advance(6)
        await gate.site.quiet()
        counting.cancel()
        lines = [entry.detail for entry in await gate.site.store.audit.tail(1000)]
        assert any("70 more were refused" in line for line in lines)


@pytest.mark.parametrize("signed", ["unsigned", "forged", "replayed", "too old"])
async def test_a_stop_is_taken_from_anybody(tmp_path: Path, signed: str) -> None:
    robot = ready()
    async with gateway(tmp_path, robot) as gate:
        stop: dict[str, Any] = {"action": "stop", "args": {}}
        payload = {
            "unsigned": json.dumps({"id": "s", "action": "stop"}).encode(),
            "forged": gate.token(STRANGER_PEM, **stop),
            "replayed": gate.token(counter=0, **stop),
            "too old": gate.token(issued_at="2026-11-11T11:00:00Z", **stop),
        }[signed]
        await gate.take(gate.token())
        await gate.take(payload)
        await gate.site.until(lambda: robot.stops == 1)


# Never twice, never late


async def replay(folder: Path, count: int, restarts: int) -> None:
    """Each genuine command is carried out once; every repeat, in any order and over restarts, is not."""
    robot, clock, rng = ready(), VirtualClock(NOON), random.Random(20)
    sent: list[bytes] = []
    counter = 0
    for _ in range(restarts):
        async with gateway(folder, robot, clock=clock) as gate:
            gate.counter = counter
            for _ in range(count // restarts):
                if sent and rng.random() < 0.98:
                    await gate.take(rng.choice(sent))
                else:
                    sent.append(gate.token())
                    await gate.take(sent[-1])
                    await gate.site.clock.advance(1.1)
                    await gate.site.until(lambda: len(robot.written) == len(sent))
            counter = gate.counter
            await gate.site.quiet()
    assert len(robot.written) == len(sent)
    assert len({number for number, _, _ in robot.written}) == len(sent)


async def test_20_no_replayed_command_runs_again_not_even_after_restarts(tmp_path: Path) -> None:
    await replay(tmp_path, 300, 5)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_20_no_replayed_command_runs_again_of_ten_thousand_over_a_hundred_restarts(tmp_path: Path) -> None:
    await replay(tmp_path, 10_000, 100)


async def test_20_what_comes_out_of_order_or_too_late_is_refused(tmp_path: Path) -> None:
    robot = ready()
    async with gateway(tmp_path, robot) as gate:
        first, second = gate.token(), gate.token()
        await gate.take(second)
        await gate.site.until(lambda: len(robot.written) == 1)
        await gate.take(first)
        old = gate.token()
        await gate.site.clock.advance(5.1)
        await gate.take(old)
        await gate.site.until(lambda: len(gate.refusals()) == 2)
        rules = [result.rule for result in gate.refusals()]
        assert rules == ["replayed", "too-old"]
        assert len(robot.written) == 1


async def test_20_a_counter_that_cannot_be_kept_lets_nothing_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    robot = ready()
    async with gateway(tmp_path, robot) as gate:

        async def full(key: str, counter: int) -> bool:
            raise Refusal("store", f"the disk is full, counter {counter} of {key}")

        monkeypatch.setattr(gate.site.store.counters, "raise_to", full)
        await gate.take(gate.token())
        await gate.site.until(lambda: bool(gate.refusals()))
        assert robot.written == []


# Roles

ROLES = {"keeper": ("send",), "lead": ("send", "resume", "open_door"), "admin": ("*",), "guest": ()}
STAFF = AccessSettings(
    roles=ROLES,
    people={role: PersonSettings(roles=(role,), uids=(2000 + index,)) for index, role in enumerate(ROLES)},
)
STATES: dict[str, dict[str, Any]] = {
    "idle": {},
    "driving": {"state": "driving"},
    "stopped": {"state": "stopped", "stop_latched": True},
    "door open": {"door_1_open": True},
    "nothing known": dict.fromkeys(READY),
}
COMMANDS: dict[str, dict[str, Any]] = {
    "send": {"stop": 2}, "set_speed_limit": {"speed_m_s": 1.0}, "resume": {}, "open_door": {"door": 1},
    "stop": {}, "format_disk": {},
}  # fmt: skip


async def test_21_every_role_with_every_command_in_every_state(tmp_path: Path) -> None:
    robots = {f"robot-{index}": FakeRobot(values=READY | values) for index, values in enumerate(STATES.values())}
    async with bench(tmp_path, robots, access=STAFF, actions=GUARDED) as site:
        for name in robots:
            await site.online(name)
        cells = 0
        for (index, role), (action, args), name in itertools.product(enumerate(ROLES), COMMANDS.items(), robots):
            cells += 1
            issuer = f"uid:{2000 + index}({role})"
            command = site.command(id=f"m{cells}", device=name, action=action, args=args, issuer=issuer)
            result = await site.dispatch.submit(command)
            allowed = action == "stop" or action in ROLES[role] or "*" in ROLES[role]
            assert (result.rule == "role") is not allowed, (role, action, name)
            if action == "format_disk":
                assert result.stage is Stage.REFUSED
        assert cells == len(ROLES) * len(COMMANDS) * len(STATES)


async def test_22_no_pair_but_two_different_people_with_the_role_opens_a_door(tmp_path: Path) -> None:
    issuers = [f"uid:{2000 + index}" for index in range(len(ROLES))] + ["uid:0(root)", "mqtt", "key:x"]
    robot = ready()
    async with bench(tmp_path, {"robot-01": robot}, access=STAFF, actions=GUARDED) as site:
        await site.online()
        expected = 0
        for number, (first, second) in enumerate(itertools.product(issuers, issuers)):
            command = site.command(id=f"d{number}", action="open_door", args={"door": 1}, issuer=first)
            await site.dispatch.submit(command)
            may = {"uid:2001": "lead", "uid:2002": "admin"}
            if first in may and second in may and first != second:
                expected += 1
                await site.dispatch.confirm(f"d{number}", "robot-01", second)
                await site.settled(f"d{number}")
            else:
                with pytest.raises(Refusal):
                    await site.dispatch.confirm(f"d{number}", "robot-01", second)
        await site.quiet()
        assert (len(robot.written), expected) == (2, 2)


# The audit chain


def chain(length: int) -> list[AuditEntry]:
    entries: list[AuditEntry] = []
    head = Head()
    for number in range(1, length + 1):
        words = (iso_ms(NOON + timedelta(seconds=number)), f"uid:{number % 7}", "send robot-01", "done", f"n{number}")
        link = link_hash(head.hash, number, *words)
        at, who, act, outcome, detail = words
        entries.append(AuditEntry(number=number, at=at, who=who, act=act, outcome=outcome, detail=detail, hash=link))
        head = Head(number=number, hash=link)
    return entries


def tampered(entries: list[AuditEntry]) -> Iterator[list[AuditEntry]]:
    """Every single edit of every field, every deletion, and every swap of two."""
    for index, entry in enumerate(entries):
        for field in ("at", "who", "act", "outcome", "detail", "hash"):
            changed = msgspec.structs.replace(entry, **{field: getattr(entry, field) + "x"})
            yield [*entries[:index], changed, *entries[index + 1 :]]
        yield [*entries[:index], *entries[index + 1 :]]
    for one, two in itertools.combinations(range(len(entries)), 2):
        swapped = list(entries)
        swapped[one], swapped[two] = swapped[two], swapped[one]
        yield swapped


def found(entries: list[AuditEntry], given_out: int) -> bool:
    return not check(entries, given_out).whole


def test_23_every_edit_deletion_and_swap_is_found() -> None:
    entries = chain(60)
    assert check(entries, 60).whole
    assert all(found(each, 60) for each in tampered(entries))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_23_every_edit_deletion_and_swap_of_a_thousand_is_found() -> None:
    """The chain before the first change is whole, which is seen once; from there on each is checked by itself."""
    entries = chain(1000)
    assert check(entries, 1000).whole
    for index, entry in enumerate(entries):
        before = Head() if index == 0 else Head(number=index, hash=entries[index - 1].hash)
        for field in ("at", "who", "act", "outcome", "detail", "hash"):
            changed = msgspec.structs.replace(entry, **{field: getattr(entry, field) + "x"})
            after = before.then(changed)
            assert after is None, (index, field)
        assert found([*entries[:index], *entries[index + 1 :]], 1000), index
        assert all(before.then(other) is None for other in entries[index + 1 :]), index


def test_23_a_chain_that_was_written_anew_is_found_by_a_published_head() -> None:
    entries = chain(20)
    noted = Head(number=15, hash=entries[14].hash)
    assert check(entries, 20, noted).whole
    forged = chain(20)
    head = Head()
    for index, entry in enumerate(forged):
        detail = "nothing happened" if index == 3 else entry.detail
        link = link_hash(head.hash, entry.number, entry.at, entry.who, entry.act, entry.outcome, detail)
        forged[index] = msgspec.structs.replace(entry, detail=detail, hash=link)
        head = Head(number=entry.number, hash=link)
    assert check(forged, 20).whole, "it fits by itself"
    assert check(forged, 20, noted).rewritten


async def test_23_a_new_head_is_published_within_a_minute(tmp_path: Path) -> None:
    from fleetd.access.witness import Witness

    async with bench(tmp_path, {}) as site:
        with site.hub.subscribe("observer", Event) as events:
            witness = asyncio.create_task(Witness(site.store.audit, site.hub, site.clock).run())
            await site.until(lambda: len(events) == 1)
            entry = await site.store.audit.append("uid:1", "stop", "done")
            for _ in range(3):
                await site.clock.advance(60)
                await site.quiet()
            heads = [event.detail for event in [await events.get() for _ in range(len(events))]]
            witness.cancel()
        assert [head["number"] for head in heads] == [0, 1]
        assert heads[-1]["hash"] == entry.hash


# Hostile input


def hostile() -> dict[str, bytes]:
    deep = b'{"id":"c","action":"send","args":' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    return {
        "64 KiB and more": b'{"id":"c","action":"send","args":{"x":"' + b"y" * 70_000 + b'"}}',
        "16 MiB": b"{" * (16 << 20),
        "10,000 deep": deep,
        "10,000 deep and signed": sign(LI_PEM, "li", deep),
        "a great number": b'{"id":"c","action":"send","args":{"stop":' + b"9" * 60_000 + b"}}",
        "many arguments": json.dumps({"id": "c", "action": "send", "args": {str(n): n for n in range(5000)}}).encode(),
        "no UTF-8": b'{"id":"\xff\xfe","action":"send"}',
        "dots": b"e" + b"." * 60_000,
        "nothing": b"",
    }


@pytest.mark.parametrize("name", list(hostile()))
async def test_24_hostile_input_is_refused_early(tmp_path: Path, name: str) -> None:
    payload = hostile()[name]
    async with gateway(tmp_path, ready()) as gate:
        began = time.thread_time()
        await gate.take(payload)
        took_s = time.thread_time() - began
        assert gate.intake.unreadable == 1
        assert took_s <= 0.05


async def flood(folder: Path, count: int) -> tuple[float, float]:
    """(99th percentile of what one turn of the loop costs, growth of memory): ms of this thread's CPU, MiB."""
    robot = ready()
    async with gateway(folder, robot) as gate:
        valid = [b'{"id":"f%d","action":"send","args":{"stop":2}}' % number for number in range(count)]
        before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        turns: list[float] = []
        began = time.thread_time()
        for number, payload in enumerate(valid):
            topic = f"fleetd/{SITE}/robot-01/command"
            gate.intake.take(Incoming(topic, payload, retained=False, size=len(payload)), gate.tasks)
            if number % 20 == 19:  # as the relay does
                turns.append(time.thread_time() - began)
                await asyncio.sleep(0)
                began = time.thread_time()
        await gate.take(b'{"id":"s","action":"stop"}')
        await gate.site.until(lambda: robot.stops == 1)
        grown_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib) / 1024
        assert robot.written == []
        turns.sort()
        return 1000 * turns[int(len(turns) * 0.99)], grown_mib


async def test_24_ten_thousand_commands_at_once_leave_the_loop_its_turns(tmp_path: Path) -> None:
    turn_ms, grown_mib = await flood(tmp_path, 10_000)
    assert turn_ms <= 20
    assert grown_mib <= 10


async def test_24_a_flood_without_keys_ends_at_the_queue_and_the_stop_gets_through(tmp_path: Path) -> None:
    robot = ready()
    async with gateway(tmp_path, robot, AccessSettings()) as gate:
        gate.site.robots["robot-01"].hold = asyncio.Event()
        flood = [b'{"id":"f%d","action":"send","args":{"stop":2}}' % number for number in range(3000)]
        await gate.take(*flood, b'{"id":"s","action":"stop"}')
        await gate.site.until(lambda: robot.stops == 1)
        robot.hold.set() if robot.hold else None
        await gate.site.until(lambda: bool(gate.site.stages("s")) and gate.site.last("s").stage.final)
        assert len(robot.written) <= 1


def test_names_that_a_token_carries_do_not_grow() -> None:
    with pytest.raises(ValueError, match="Ed25519"):
        AccessSettings.model_validate({"people": {"li": {"keys": {"k": "A" * 10_000}}}})
