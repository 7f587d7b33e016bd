"""Orders from a request to their verified effect, and everything that can come between, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from uplinks import KEY, KEY_ENV, Far, Transmit, command, deliver, device, uplink

from fleetd.access.matrix import Access
from fleetd.access.settings import AccessSettings
from fleetd.clock import VirtualClock
from fleetd.downlink.uplink import Uplink
from fleetd.errors import LinkLost, Refusal
from fleetd.hub import Hub, Subscription
from fleetd.records import Event, Result
from fleetd.store.store import Store

T = datetime(2026, 11, 29, 6, 0, tzinfo=UTC)


@dataclass
class Bench:
    clock: VirtualClock
    far: Far
    transmit: Transmit
    uplink: Uplink
    store: Store
    records: Subscription
    contact: asyncio.Task[None] | None = None
    seen: list[Any] = field(default_factory=list)

    async def begin(self) -> None:
        """A contact begins."""
        self.contact = asyncio.create_task(self.uplink.work(device(self.far), self.transmit))
        await self.run(0.1)

    async def end(self) -> None:
        """It ends, whatever is under way."""
        assert self.contact is not None
        self.contact.cancel()
        await asyncio.gather(self.contact, return_exceptions=True)

    async def run(self, seconds: float, *, beacons: bool = False) -> None:
        """Let time pass, in which what comes down is heard, and what was written is on disk."""
        for _ in range(max(1, round(seconds * 2))):
            if beacons:
                self.far.beacon()
            await deliver(self.far, self.uplink)
            await self._written()
            await self.clock.advance(min(0.5, seconds))
            await self._written()
            await deliver(self.far, self.uplink)

    async def _written(self) -> None:
        """A question to the store comes after whatever was written before it, and what follows from that after it."""
        for _ in range(4):
            await self.store.telecommands.listed(unfinished=True)
            for _ in range(10):
                await asyncio.sleep(0)

    def course(self, number: int | str = 1) -> list[str]:
        """The stages told of one order, and why."""
        self.seen += list(self.records._queue)
        self.records._queue.clear()
        results = [each for each in self.seen if isinstance(each, Result) and each.id == f"order-{number}"]
        return [f"{each.stage}: {each.reason}" if each.reason else str(each.stage) for each in results]


@asynccontextmanager
async def bench(
    folder: Path, monkeypatch: pytest.MonkeyPatch, access: Access | None = None, **changes: Any
) -> AsyncIterator[Bench]:
    monkeypatch.setenv(KEY_ENV, KEY)
    clock, hub = VirtualClock(T), Hub()
    async with Store.open(folder, node="n", clock=clock) as store:
        made = uplink(store, clock, hub, access, **changes)
        await made.restore()
        with hub.subscribe("test", Result, Event) as records:
            here = Bench(clock, Far(clock), Transmit(), made, store, records)
            try:
                yield here
            finally:
                if here.contact is not None:
                    await here.end()


DONE = "succeeded: its effect stands in telemetry"


async def test_an_order_from_request_to_verified_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(tmp_path, monkeypatch) as here:
        result = await here.uplink.submit(command(1, "set-beacon-period", T, period_s=60))
        assert result.stage == "accepted"
        await here.run(30)
        assert not here.far.sent  # outside a contact nothing leaves
        await here.begin()
        await here.run(2)
        await here.run(5, beacons=True)
        assert here.course() == ["accepted", "started: released", "started: handed", "started: acknowledged", DONE]
        assert here.far.satellite.model.beacon_period_s == 60
        (listed,) = await here.store.telecommands.listed(unfinished=False)
        assert (listed.stage, listed.step, listed.sends) == ("succeeded", "seen", 1)
        assert [entry.outcome for entry in await here.store.audit.tail()] == ["accepted", "succeeded"]


async def test_orders_leave_one_at_a_time_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(tmp_path, monkeypatch) as here:
        for number in range(3):
            await here.uplink.submit(command(number, "store-message", T, text=f"message {number}"))
        await here.begin()
        await here.run(20, beacons=True)
        assert here.far.satellite.model.messages == [b"message 0", b"message 1", b"message 2"]
        counters = [counter for counter, _ in here.far.satellite.model.performed]
        assert counters == [counters[0], counters[0] + 1, counters[0] + 2]
        assert [here.course(number)[-1] for number in range(3)] == [DONE] * 3


async def test_below_the_uplink_elevation_it_waits_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(tmp_path, monkeypatch) as here:
        here.transmit.shut = "the satellite stands at 7.0 degrees, below the 15 from which it may be transmitted to"
        await here.uplink.submit(command(1, "ping", T))
        await here.begin()
        await here.run(20, beacons=True)
        assert not here.far.sent
        assert here.course() == ["accepted"]
        events = [each.name for each in here.seen if isinstance(each, Event)]
        assert events == ["order-held-up"]  # once, not each second
        here.transmit.shut = ""
        await here.run(5, beacons=True)
        assert here.course()[-1] == DONE


async def test_what_was_refused_at_the_last_moment_returns_to_the_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(tmp_path, monkeypatch) as here:
        here.transmit.fails = Refusal("off-frequency", "the radio stands 12 kHz off")
        await here.uplink.submit(command(1, "store-message", T, text="hello"))
        await here.begin()
        await here.run(2)
        assert here.course()[:3] == ["accepted", "started: released", "accepted: the radio stands 12 kHz off"]
        here.transmit.fails = None
        await here.run(6, beacons=True)
        assert here.course()[-1] == DONE
        assert len(here.far.sent) == 1


async def test_an_idempotent_order_without_an_answer_is_sent_again_under_its_counter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(tmp_path, monkeypatch) as here:
        here.far.loses = lambda _frame: len(here.far.sent) < 3
        await here.uplink.submit(command(1, "payload", T, on=True))
        await here.begin()
        await here.run(25, beacons=True)
        assert here.far.sent == [here.far.sent[0]] * 3
        assert here.course()[-1] == DONE
        assert len(here.far.satellite.model.performed) == 1


async def test_no_more_often_than_the_policy_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(tmp_path, monkeypatch, send_again=1) as here:
        here.far.loses = lambda _frame: True
        await here.uplink.submit(command(1, "ping", T))
        await here.begin()
        await here.run(40, beacons=True)
        assert len(here.far.sent) == 2
        assert here.course()[-1] == "failed: tmall-international has not taken it, and it is not sent twice"


async def test_another_order_is_never_sent_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(tmp_path, monkeypatch) as here:
        here.far.loses = lambda _frame: True
        await here.uplink.submit(command(1, "store-message", T, text="hello"))
        await here.begin()
        await here.run(40, beacons=True)
        assert len(here.far.sent) == 1
        assert here.course()[-1] == "failed: tmall-international has not taken it, and it is not sent twice"


async def test_a_lost_answer_is_made_up_for_by_telemetry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(tmp_path, monkeypatch) as here:
        here.far.mute = True
        await here.uplink.submit(command(1, "store-message", T, text="hello"))
        await here.begin()
        await here.run(20, beacons=True)
        assert here.course()[-1] == DONE
        assert len(here.far.sent) == 1


async def test_the_satellites_refusal_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(tmp_path, monkeypatch) as here:
        here.far.satellite.model.messages = [b"x"] * 20  # its memory is full
        await here.uplink.submit(command(1, "store-message", T, text="one more"))
        await here.begin()
        await here.run(3)
        assert here.course()[-1] == "failed: tmall-international answered: refused"


async def test_an_effect_that_does_not_show_is_not_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(tmp_path, monkeypatch, effect_within_s=10.0) as here:
        await here.uplink.submit(command(1, "set-beacon-period", T, period_s=60))
        await here.begin()
        await here.run(1)
        here.far.satellite.model.beacon_period_s = 10.0  # a reset right after it obeyed
        await here.run(12, beacons=True)
        assert here.course()[-1] == ("unknown: acknowledged, but telemetry did not show beacon_period_s 60 within 10 s")


async def test_forged_and_replayed_answers_are_counted_and_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(tmp_path, monkeypatch) as here:
        here.far.mute = True
        await here.uplink.submit(command(1, "ping", T))
        await here.begin()
        forger = Far(here.clock, key="the forger's key")
        forger.satellite.model.last_command = 0
        forged = forger.satellite._frame([forger.satellite._answer(int(T.timestamp()) & 0xFFFF_FFFF, 1, 0)])  # type: ignore[arg-type]
        replayed = here.far.satellite._frame([here.far.satellite._answer(5, 1, 0)])  # type: ignore[arg-type]
        here.far.down += [forged, replayed]
        await here.run(2)
        assert here.uplink.forged == 1
        assert here.course() == ["accepted", "started: released", "started: handed"]


async def test_a_contact_that_ends_leaves_the_order_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(tmp_path, monkeypatch) as here:
        here.far.mute = True
        await here.uplink.submit(command(1, "store-message", T, text="hello"))
        await here.uplink.submit(command(2, "ping", T))
        await here.begin()
        await here.run(1)
        await here.end()
        assert here.course()[-1] == "started: handed"
        here.far.mute = False
        await here.begin()
        await here.run(15, beacons=True)
        assert here.course()[-1] == DONE
        assert here.course(2)[-1] == DONE
        assert len(here.far.sent) == 2


async def test_a_tnc_that_fails_while_it_is_asked_leaves_doubt_which_telemetry_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(tmp_path, monkeypatch) as here:
        here.far.fails = LinkLost("the line took nothing for 5 s")
        await here.uplink.submit(command(1, "store-message", T, text="hello"))
        await here.begin()
        await here.run(15, beacons=True)
        assert here.course() == [
            "accepted",
            "started: released",
            "failed: tmall-international has not taken it, and it is not sent twice",
        ]


async def test_an_order_that_nobody_could_send_returns_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(tmp_path, monkeypatch) as here:
        here.transmit.shut = "the elements are 8.0 days old"
        await here.uplink.submit(command(1, "ping", T, life_s=30))
        await here.begin()
        await here.run(40, beacons=True)
        (last,) = here.course()[-1:]
        assert last == (
            "failed: expired at 2026-11-29T06:00:30.000Z before it could be sent: the elements are 8.0 days old"
        )
        assert not here.far.sent


async def test_an_id_that_was_seen_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(tmp_path, monkeypatch) as here:
        for _ in range(2):
            await here.uplink.submit(command(1, "store-message", T, text="hello"))
        await here.begin()
        await here.run(8, beacons=True)
        again = await here.uplink.submit(command(1, "store-message", T, text="hello"))
        await here.run(8, beacons=True)
        assert (again.stage, again.reason) == ("succeeded", "its effect stands in telemetry")
        assert len(here.far.sent) == 1


async def test_cancelled_before_it_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(tmp_path, monkeypatch) as here:
        await here.uplink.submit(command(1, "ping", T))
        assert (await here.uplink.cancel("order-1", "li")).reason == "cancelled by li"
        with pytest.raises(Refusal, match="no order 'order-1' waits"):
            await here.uplink.cancel("order-1", "li")
        await here.begin()
        await here.run(5, beacons=True)
        assert not here.far.sent


async def test_a_hazardous_order_waits_for_a_second_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    people = {"li": {"uids": [1000], "roles": ["admin"]}, "wang": {"uids": [1001], "roles": ["admin"]}}
    access = Access(AccessSettings.model_validate({"people": people, "roles": {"admin": ["*"]}}, strict=False))
    async with bench(tmp_path, monkeypatch, access) as here:
        accepted = await here.uplink.submit(command(1, "transmitter", T, on=True))
        assert accepted.rule == "confirm"
        await here.begin()
        await here.run(5, beacons=True)
        assert not here.far.sent
        own = await here.uplink.submit(command("c1", "confirm", T, command="order-1"))
        assert (own.stage, own.rule) == ("refused", "same-person")
        other = command("c2", "confirm", T, command="order-1")
        await here.uplink.submit(type(other)(**{**_fields(other), "issuer": "uid:1001(wang)"}))
        await here.run(5, beacons=True)
        assert here.course()[-1] == DONE


def _fields(order: Any) -> dict[str, Any]:
    return {name: getattr(order, name) for name in order.__struct_fields__}


@pytest.mark.parametrize(
    ("action", "args", "rule"),
    [
        ("fire-thrusters", {}, "unknown-action"),
        ("payload", {"on": "yes"}, "argument"),
        ("store-message", {"text": "x" * 181}, "argument"),
    ],
    ids=["unknown", "argument", "too long"],
)
async def test_what_makes_no_sense_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: str, args: dict[str, Any], rule: str
) -> None:
    async with bench(tmp_path, monkeypatch) as here:
        result = await here.uplink.submit(command(1, action, T, **args))
        assert (result.stage, result.rule) == ("refused", rule)
        assert await here.store.telecommands.listed(unfinished=False) == []
