"""Random commands, people, faults, clock jumps and restarts against simulated robots, and what must hold after each.

No command runs twice or late, no latched stop is cleared from afar, no hazard happens by one person's word, nothing is
sent that the newest reading stands against, and ledger and audit chain agree with what reached the wire.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from robots_bench import NOON, Bench, bench
from sim_robots import ACTIONS, SimRobot

from fleetd.access.settings import AccessSettings, PersonSettings
from fleetd.clock import VirtualClock
from fleetd.errors import Refusal
from fleetd.records import Command, Quality, Reading, Stage, Value
from fleetd.robots.interlocks import is_hazardous
from fleetd.store.ledger import Entry

PEOPLE = AccessSettings(
    roles={"driver": ("send", "hold", "resume", "dock"), "lead": ("*",)},
    people={
        "li": PersonSettings(roles=("driver",), uids=(1001,)),
        "wang": PersonSettings(roles=("lead",), uids=(1002,)),
        "chen": PersonSettings(roles=("lead",), uids=(1003,)),
    },
    confirm_within_s=20.0,
)
ISSUERS = {"uid:1001": "li", "uid:1002": "wang", "uid:1003(chen)": "chen", "mqtt:uid:1003": "", "key:none": ""}
ROBOTS = ("robot-01", "robot-02")
ASKS: list[tuple[str, dict[str, Any]]] = [
    ("send", {"stop": 2}),
    ("send", {"stop": 3}),
    ("hold", {}),
    ("resume", {}),
    ("open_door", {"door": 1}),
    ("dock", {}),
]

robots = st.sampled_from(ROBOTS)
issuers = st.sampled_from(sorted(ISSUERS))


def stands_against(action: str, values: Mapping[str, Value]) -> str:
    """The reference map's interlocks once more, in other words than the code's."""
    doors = [values[f"door_{number}_open"] for number in range(1, 9)]
    setting_out = action in ("send", "dock")
    charge = values["battery_charge_percent"]
    for wrong, why in (
        (setting_out and any(door is not False for door in doors), "a door"),
        (setting_out and values["stop_latched"] is not False, "a stop"),
        (setting_out and values["local_reset_pending"] is not False, "a reset"),
        (action == "resume" and values["local_reset_pending"] is not False, "a reset"),
        (action == "send" and not (isinstance(charge, float) and charge >= 10), "the battery"),
        (action == "open_door" and values["speed_m_s"] != 0, "speed"),
    ):
        if wrong:
            return why
    return ""


@dataclass(frozen=True)
class Asked:
    """A command as it was handed in, and by when it is late."""

    command: Command
    late_at: datetime
    late_at_s: float


class Site:
    """The daemon's part of the site, in an event loop that turns while a rule is at work and stands still between."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.clock = VirtualClock(NOON)
        self.robots = {name: SimRobot() for name in ROBOTS}
        self.loop = asyncio.new_event_loop()
        self.here: Bench
        self._acts: asyncio.Queue[tuple[Callable[[], Awaitable[Any]], asyncio.Future[Any]] | None]
        self._life: asyncio.Task[None]
        self.start()

    def start(self) -> None:
        began = self.loop.create_future()
        self._acts = asyncio.Queue()
        self._life = self.loop.create_task(self._live(began))
        self.loop.run_until_complete(began)
        self.do(self.settle)

    async def _live(self, began: asyncio.Future[None]) -> None:
        """All in one task, as contexts like to be entered and left."""
        fakes: dict[str, Any] = dict(self.robots)
        async with bench(self.folder, fakes, clock=self.clock, access=PEOPLE, actions=ACTIONS) as self.here:
            began.set_result(None)
            while (item := await self._acts.get()) is not None:
                act, done = item
                try:
                    done.set_result(await act())
                except Exception as error:  # noqa: BLE001  # it belongs to the rule that asked
                    done.set_exception(error)

    def do(self, act: Callable[[], Awaitable[Any]]) -> Any:
        done = self.loop.create_future()
        self._acts.put_nowait((act, done))
        return self.loop.run_until_complete(done)

    async def settle(self) -> None:
        """Let tasks and the store's thread come to rest, while the clock stands still."""
        for _ in range(6):
            for _ in range(30):
                await asyncio.sleep(0)
            await self.here.store.ledger.recent(1)

    def stop(self) -> None:
        self._acts.put_nowait(None)
        self.loop.run_until_complete(self._life)

    def close(self) -> None:
        self.stop()
        self.loop.close()
        shutil.rmtree(self.folder)


class Machine(RuleBasedStateMachine):
    """What people, robots, lines and clocks may do to the daemon."""

    def __init__(self) -> None:
        super().__init__()
        self.site = Site()
        self.asked: dict[str, Asked] = {}
        self.confirmed: dict[str, set[str]] = {}
        self.resets_at_latch = dict.fromkeys(ROBOTS, 0)
        self.was_latched = dict.fromkeys(ROBOTS, False)
        self.checked = dict.fromkeys(ROBOTS, 0)
        self.count = 0

    # People

    @rule(robot=robots, ask=st.sampled_from(ASKS), issuer=issuers, life_s=st.sampled_from([1.0, 5.0, 30.0, 300.0]))
    def command(self, robot: str, ask: tuple[str, dict[str, Any]], issuer: str, life_s: float) -> None:
        self.count += 1
        now = self.site.clock.now()
        action, args = ask
        command = Command(
            id=f"c{self.count}", device=robot, action=action, args=args, issuer=issuer,
            issued_at=now, expires_at=now + timedelta(seconds=life_s),
        )  # fmt: skip
        self.asked[command.id] = Asked(command, command.expires_at, self.site.clock.boottime() + life_s)
        result = self.submit(command)
        if not ISSUERS[issuer]:
            assert result.stage is Stage.REFUSED

    @rule(robot=robots, ask=st.sampled_from(ASKS), wait_s=st.sampled_from([0.0, 1.1]))
    def command_that_may(self, robot: str, ask: tuple[str, dict[str, Any]], wait_s: float) -> None:
        """By somebody whose role allows it, perhaps once the robot has been heard of."""
        self.time_passes(wait_s)
        self.command(robot, ask, "uid:1002", 30.0)

    @rule(robot=robots, seconds=st.sampled_from([0.3, 12.0, 200.0]))
    def errand(self, robot: str, seconds: float) -> None:
        """The usual: a robot that can be reached is sent somewhere, and drives."""
        self.link(robot, there=True)
        self.time_passes(3.0)
        self.command(robot, ("send", {"stop": 2}), "uid:1001", 30.0)
        self.time_passes(seconds)

    @rule(
        robot=robots,
        how=st.sampled_from(["remote", "button", "as it is"]),
        who=st.sampled_from(["uid:1003(chen)", "uid:1003(chen)", "uid:1001", "uid:1002"]),
        reset=st.sampled_from([True, True, False]),
    )
    def a_stop_and_its_end(self, robot: str, how: str, who: str, reset: bool) -> None:
        """Somebody goes there, or does not; one asks for a resume, and one confirms it, perhaps the same."""
        self.link(robot, there=True)
        self.time_passes(3.0)
        if how == "remote":
            self.stop(robot, "uid:1001")
        elif how == "button":
            self.press(robot, "button")
            self.time_passes(3.0)
        if reset:
            self.reset_on_the_spot(robot)
        self.time_passes(3.0)
        self.command(robot, ("resume", {}), "uid:1002", 30.0)
        self.confirm_as(f"c{self.count}", who)
        self.time_passes(1.1)

    @rule(
        robot=robots,
        ask=st.sampled_from(ASKS),
        life_s=st.sampled_from([1.0, 30.0]),
        gone_s=st.sampled_from([0.3, 12.0, 45.0]),
        set_by_s=st.sampled_from([0.0, -3600.0]),
    )
    def a_robot_that_comes_back(
        self, robot: str, ask: tuple[str, dict[str, Any]], life_s: float, gone_s: float, set_by_s: float
    ) -> None:
        """A command waits for a robot that is away, and may be too old when it returns."""
        self.link(robot, there=False)
        self.time_passes(3.0)
        self.command(robot, ask, "uid:1002", life_s)
        self.the_clock_is_set(set_by_s)
        self.time_passes(gone_s)
        self.link(robot, there=True)
        self.time_passes(3.0)

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), issuer=issuers)
    def repeat(self, data: st.DataObject, issuer: str) -> None:
        """The same id once more, perhaps by somebody else."""
        asked = self.asked[data.draw(st.sampled_from(sorted(self.asked)))]
        self.submit(asked.command)

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), issuer=issuers)
    def confirm(self, data: st.DataObject, issuer: str) -> None:
        self.confirm_as(data.draw(st.sampled_from(sorted(self.asked))), issuer)

    def confirm_as(self, command_id: str, issuer: str) -> None:
        command = self.asked[command_id].command
        with contextlib.suppress(Refusal):
            self.site.do(lambda: self.site.here.dispatch.confirm(command.id, command.device, issuer))
            self.confirmed.setdefault(command.id, set()).add(ISSUERS[issuer])
        self.site.do(self.site.settle)

    @rule(robot=st.sampled_from([*ROBOTS, "all"]), issuer=issuers)
    def stop(self, robot: str, issuer: str) -> None:
        self.count += 1
        now = self.site.clock.now()
        command = Command(
            id=f"s{self.count}", device=robot, action="stop", issuer=issuer, issued_at=now, expires_at=now,
        )  # fmt: skip
        self.site.do(lambda: self.site.here.dispatch.submit_all(command))
        self.site.do(self.site.settle)
        for name, sim in self.site.robots.items():
            if robot in (name, "all") and sim.there and self.site.here.fleet.member(name).poller.online.is_set():
                assert sim.model.latched_by, "a stop reaches a robot that answers"

    def submit(self, command: Command) -> Any:
        result = self.site.do(lambda: self.site.here.dispatch.submit(command))
        self.site.do(self.site.settle)
        return result

    # The world

    @rule(robot=robots, what=st.sampled_from(["button", "bumper"]))
    def press(self, robot: str, what: str) -> None:
        self.site.robots[robot].press(what, 0.5)

    @rule(robot=robots)
    def reset_on_the_spot(self, robot: str) -> None:
        self.site.robots[robot].reset()

    @rule(robot=robots, there=st.sampled_from([True, True, False]))
    def link(self, robot: str, there: bool) -> None:
        self.site.robots[robot].there = there

    @rule(robot=robots, what=st.sampled_from(["write", "reply"]))
    def lose_the_next(self, robot: str, what: str) -> None:
        self.site.robots[robot].lose = what

    @rule(seconds=st.sampled_from([0.3, 1.1, 3.0, 12.0, 45.0, 200.0]))
    def time_passes(self, seconds: float) -> None:
        self.site.do(lambda: self.site.clock.advance(seconds))
        self.site.do(self.site.settle)

    @rule(seconds=st.sampled_from([-86_400.0, -3600.0, -20.0, 20.0, 3600.0, 86_400.0]))
    def the_clock_is_set(self, seconds: float) -> None:
        self.site.clock.step(seconds)
        self.site.do(self.site.settle)

    @rule(seconds=st.sampled_from([10.0, 3600.0]))
    def the_machine_sleeps(self, seconds: float) -> None:
        self.site.clock.suspend(seconds)
        self.site.do(self.site.settle)

    @rule()
    def the_daemon_starts_afresh(self) -> None:
        self.site.stop()
        self.site.start()

    # What holds

    @invariant()
    def what_reached_the_wire_was_right(self) -> None:
        entries = {entry.number: entry for entry in self.entries()}
        for name, sim in self.site.robots.items():
            for written in sim.wire[self.checked[name] :]:
                self.check(name, written, entries)
            self.checked[name] = len(sim.wire)
            numbers = [written.number for written in sim.wire]
            assert len(set(numbers)) == len(numbers), "nothing is written twice"

    def check(self, name: str, written: Any, entries: dict[int, Entry]) -> None:
        entry = entries[written.number]
        command = entry.command
        asked = self.asked[command.id]
        assert entry.stage is not Stage.ACCEPTED, "it is noted as started before it is written"
        assert (command.device, command.action) == (name, written.action)
        assert written.at_s + self.site.clock._asleep_s <= asked.late_at_s + 1e-6, "never late"
        action = ACTIONS[command.action]
        assert stands_against(command.action, written.read) == ""
        reading = Reading(at=NOON, device=name, quality=Quality.GOOD, values=written.read)
        second = self.confirmed.get(command.id, set()) - {ISSUERS[command.issuer]}
        assert second or not is_hazardous(action, reading), "a hazard takes two"
        if written.latched_before and not written.latched_after:
            assert written.action == "resume"
            assert second, "resume after a stop takes two"
            assert self.site.robots[name].resets > self.resets_at_latch[name], "and a reset on the spot before it"

    @invariant()
    def no_latch_is_cleared_but_by_resume(self) -> None:
        for name, sim in self.site.robots.items():
            latched = bool(sim.model.latched_by)
            if latched and not self.was_latched[name]:
                self.resets_at_latch[name] = sim.resets
            if self.was_latched[name] and not latched:
                assert sim.wire, "nothing but a resume on the wire"
                assert any(each.latched_before and not each.latched_after for each in sim.wire)
            self.was_latched[name] = latched

    @invariant()
    def ledger_and_robots_agree(self) -> None:
        for entry in self.entries():
            if entry.command.action == "stop":
                continue
            sim = self.site.robots[entry.command.device]
            written = [each for each in sim.wire if each.number == entry.number]
            done = entry.number in sim.unit._taken and sim.unit._taken[entry.number][1] == "done"
            if entry.stage is Stage.SUCCEEDED:
                assert done
            elif entry.stage is Stage.FAILED:
                assert not done, entry.reason
            elif entry.stage is Stage.ACCEPTED:
                assert not written

    def entries(self) -> list[Entry]:
        entries: list[Entry] = self.site.do(lambda: self.site.here.store.ledger.recent(10_000))
        return entries

    def teardown(self) -> None:
        try:
            self.compare_the_books()
        finally:
            self.site.close()

    def compare_the_books(self) -> None:
        """The audit chain is whole and holds every acceptance and every end that the ledger does."""
        audit = self.site.here.store.audit
        assert self.site.do(audit.verify).whole
        said: dict[str, list[str]] = {}
        for each in self.site.do(lambda: audit.tail(100_000)):
            for command_id in self.asked:
                if f'"id":"{command_id}"' in each.detail and not each.act.startswith("confirm"):
                    said.setdefault(command_id, []).append(each.outcome)
        on_wire = {each.number for sim in self.site.robots.values() for each in sim.wire}
        for entry in self.entries():
            if entry.command.action == "stop":
                continue
            outcomes = said.get(entry.command.id, [])
            assert outcomes.count("accepted") == 1
            if entry.stage.final:
                assert outcomes.count(str(entry.stage)) >= 1
            if entry.number in on_wire:
                assert entry.stage in (Stage.STARTED, Stage.SUCCEEDED, Stage.FAILED, Stage.UNKNOWN)


_COMMON: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck)}

Machine.TestCase.settings = settings(max_examples=12, stateful_step_count=25, **_COMMON)
TestMachine = pytest.mark.timeout(120)(Machine.TestCase)


class LongMachine(Machine):
    """The same, for longer."""


LongMachine.TestCase.settings = settings(max_examples=400, stateful_step_count=60, **_COMMON)
TestLongMachine = pytest.mark.timeout(3000)(pytest.mark.slow(LongMachine.TestCase))
