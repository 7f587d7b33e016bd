"""A command runs once, in time, in order, and its outcome is told, whatever breaks in between."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from robots_bench import NOON, FakeRobot, bench

from fleetd.clock import VirtualClock
from fleetd.devices import Outcome, ReadBack
from fleetd.errors import Declined, LinkLost, ReplyTimeout, StoreError
from fleetd.records import Command, Event, Result, Stage
from fleetd.store.ledger import Entry


async def test_a_command_is_accepted_started_and_read_back(tmp_path: Path) -> None:
    async with bench(tmp_path) as site:
        await site.online()
        result = await site.dispatch.submit(site.command(args={"place": "library"}))
        assert result.stage is Stage.ACCEPTED
        await site.settled()
        assert site.stages() == ["accepted", "started", "succeeded"]
        [(number, action, args)] = site.robots["robot-01"].written
        assert (action, args) == ("send", {"stop": 2})
        entry = await site.store.ledger.entry("c1")
        assert entry is not None
        assert (entry.number, entry.stage) == (number, Stage.SUCCEEDED)


async def test_a_command_seen_twice_runs_once(tmp_path: Path) -> None:
    async with bench(tmp_path) as site:
        await site.online()
        await asyncio.gather(*(site.dispatch.submit(site.command()) for _ in range(5)))
        await site.settled()
        again = await site.dispatch.submit(site.command())
        assert again.stage is Stage.SUCCEEDED
        assert len(site.robots["robot-01"].written) == 1
        assert site.stages() == ["accepted", "started", "succeeded"]


async def test_a_command_seen_twice_runs_once_also_across_a_restart(tmp_path: Path) -> None:
    robot = FakeRobot()
    async with bench(tmp_path, {"robot-01": robot}) as site:
        await site.online()
        await site.dispatch.submit(site.command())
        await site.settled()
    async with bench(tmp_path, {"robot-01": robot}) as site:
        await site.online()
        # Its time is over by now: what counts is that the id is known.
        again = await site.dispatch.submit(site.command(expires_at=NOON - timedelta(seconds=1)))
        assert again.stage is Stage.SUCCEEDED
        assert len(robot.written) == 1


async def test_an_id_cannot_stand_for_two_commands(tmp_path: Path) -> None:
    async with bench(tmp_path) as site:
        await site.online()
        await site.dispatch.submit(site.command(args={"stop": 2}))
        await site.settled()
        other = await site.dispatch.submit(site.command(args={"stop": 3}))
        assert (other.stage, other.rule) == (Stage.REFUSED, "id-reused")
        assert len(site.robots["robot-01"].written) == 1


@pytest.mark.parametrize(
    ("changes", "rule", "names"),
    [
        ({"device": "robot-99"}, "unknown-device", "robot-01"),
        ({"action": "fly"}, "unknown-action", "resume, send"),
        ({"args": {}}, "argument", "'stop'"),
        ({"args": {"stop": 2, "speed": 1}}, "argument", "'speed'"),
        ({"args": {"stop": 65_536}}, "range", "above the limit of 65535"),
        ({"args": {"stop": 0}}, "range", "below the limit of 1"),
        ({"args": {"place": "moon"}}, "unknown-place", "depot, library"),
        ({"action": "set_speed_limit", "args": {"speed_m_s": 9.0}}, "range", "5.556 m/s"),
        ({"expires_at": NOON - timedelta(seconds=2)}, "expired", "2.0 s ago"),
        ({"expires_at": NOON + timedelta(days=9)}, "expiry", "3600 s"),
        ({"issued_at": NOON + timedelta(hours=1)}, "issued-in-future", "clocks"),
    ],
)
async def test_what_is_wrong_is_refused_by_name_and_never_reaches_the_robot(
    tmp_path: Path, changes: dict[str, object], rule: str, names: str
) -> None:
    async with bench(tmp_path) as site:
        await site.online()
        result = await site.dispatch.submit(site.command(**changes))
        assert (result.stage, result.rule) == (Stage.REFUSED, rule)
        assert names in result.reason
        assert site.stages() == ["refused"]
        assert site.robots["robot-01"].written == []
        [audited] = await site.store.audit.tail()
        assert (audited.who, audited.outcome) == ("test", "refused")
        assert await site.store.ledger.entry("c1") is None


async def test_hostile_names_do_not_become_topics_and_are_cut_short(tmp_path: Path) -> None:
    async with bench(tmp_path) as site:
        result = await site.dispatch.submit(site.command(device="x/#" + "y" * 10_000, id="z" * 10_000))
        assert result.stage is Stage.REFUSED
        assert max(len(result.device), len(result.id), len(result.reason)) < 500
        assert site.stages(result.id) == []  # nothing of it was published


async def test_a_robot_that_comes_back_in_time_gets_its_command(tmp_path: Path) -> None:
    robot = FakeRobot(there=False)
    async with bench(tmp_path, {"robot-01": robot}) as site:
        await site.dispatch.submit(site.command())
        await site.clock.advance(20)
        await site.quiet()
        assert site.stages() == ["accepted"]
        robot.there = True
        await site.clock.advance(2)
        assert (await site.settled()).stage is Stage.SUCCEEDED


async def test_a_robot_that_comes_back_too_late_does_not(tmp_path: Path) -> None:
    robot = FakeRobot(there=False)
    async with bench(tmp_path, {"robot-01": robot}) as site:
        await site.dispatch.submit(site.command())
        await site.clock.advance(31)
        result = await site.settled()
        assert result.stage is Stage.FAILED
        assert "expired at 2026-11-11T12:00:30.000Z" in result.reason
        assert "no route to it" in result.reason
        robot.there = True
        await site.clock.advance(5)
        await site.quiet()
        assert robot.written == []


async def test_what_the_robot_refuses_fails_with_its_reason(tmp_path: Path) -> None:
    robot = FakeRobot(verdict=ReadBack(Outcome.REFUSED, "somebody must press the reset on the robot first"))
    async with bench(tmp_path, {"robot-01": robot}) as site:
        await site.online()
        await site.dispatch.submit(site.command(action="resume", args={}))
        result = await site.settled()
        assert result.stage is Stage.FAILED
        assert result.reason == "robot-01 refused: somebody must press the reset on the robot first"


@pytest.mark.parametrize(
    ("takes", "stage"), [(True, Stage.SUCCEEDED), (False, Stage.FAILED)], ids=["it arrived", "it did not"]
)
@pytest.mark.parametrize("error", [ReplyTimeout("no answer"), LinkLost("reset"), Declined("device failure", code=4)])
async def test_a_command_in_doubt_is_asked_after_and_never_written_twice(
    tmp_path: Path, takes: bool, stage: Stage, error: Exception
) -> None:
    robot = FakeRobot(perform_error=lambda: error, takes_before_error=takes)  # type: ignore[arg-type,return-value]
    async with bench(tmp_path, {"robot-01": robot}) as site:
        await site.online()
        await site.dispatch.submit(site.command())
        await site.until(lambda: "started" in site.stages())
        await site.until(lambda: robot.perform_error is None)
        await site.clock.advance(1)  # the back-off of the reconnect
        assert (await site.settled()).stage is stage
        assert len(robot.written) == int(takes)
        # A failed exchange ends the link at once, not at the next poll; a well-formed no does not.
        assert robot.connects == (1 if isinstance(error, Declined) else 2)


async def test_a_robot_lost_for_good_leaves_the_outcome_unknown(tmp_path: Path) -> None:
    robot = FakeRobot()
    async with bench(tmp_path, {"robot-01": robot}, recall_window_s=60.0) as site:
        await site.online()

        def vanish() -> LinkLost:
            robot.there = False
            return LinkLost("reset")

        robot.perform_error = vanish
        await site.dispatch.submit(site.command())
        await site.until(lambda: not robot.there)
        await site.clock.advance(89)
        assert site.stages() == ["accepted", "started"]
        await site.clock.advance(2)
        result = await site.settled()
        assert result.stage is Stage.UNKNOWN
        assert "no route to it" in result.reason
        assert len(robot.written) == 1


@pytest.mark.parametrize("taken", [True, False])
async def test_a_crash_in_the_middle_is_asked_after_and_not_repeated(tmp_path: Path, taken: bool) -> None:
    robot = FakeRobot(hold=asyncio.Event(), takes_before_error=taken)
    if not taken:
        robot.perform_error = lambda: LinkLost("never reached")
    async with bench(tmp_path, {"robot-01": robot}) as site:
        await site.online()
        await site.dispatch.submit(site.command())
        await site.until(lambda: "started" in site.stages() and len(robot.written) == int(taken))
        # The bench is left while the robot has not answered yet.
    written = list(robot.written)
    robot.hold, robot.perform_error = None, None
    async with bench(tmp_path, {"robot-01": robot}) as site:
        result = await site.settled()
        assert result.stage is (Stage.SUCCEEDED if taken else Stage.FAILED)
        assert robot.written == written


async def test_what_was_accepted_before_a_restart_runs_after_it_if_still_in_time(tmp_path: Path) -> None:
    robot = FakeRobot(there=False)
    async with bench(tmp_path, {"robot-01": robot}) as site:
        await site.dispatch.submit(site.command(id="late", expires_at=NOON + timedelta(seconds=5)))
        await site.dispatch.submit(site.command(id="timely", args={"stop": 7}))
    robot.there = True
    async with bench(tmp_path, {"robot-01": robot}, clock=VirtualClock(NOON + timedelta(seconds=10))) as site:
        assert (await site.settled("late")).stage is Stage.FAILED
        assert (await site.settled("timely")).stage is Stage.SUCCEEDED
        assert [args for _, _, args in robot.written] == [{"stop": 7}]


async def test_a_stop_that_comes_while_a_command_is_being_noted_still_overtakes_it(tmp_path: Path) -> None:
    async with bench(tmp_path) as site:
        await site.online()
        noted, go_on, accept = asyncio.Event(), asyncio.Event(), site.store.ledger.accept

        async def slowly(command: Command, result: Result | None = None) -> Entry:
            entry = await accept(command, result)
            if command.action != "stop":
                noted.set()
                await go_on.wait()
            return entry

        site.store.ledger.accept = slowly  # type: ignore[method-assign]
        sending = asyncio.create_task(site.dispatch.submit(site.command()), name="sending")
        await noted.wait()
        await site.dispatch.stop("robot-01", "test")
        go_on.set()
        assert (await sending).reason == "purged by a stop"
        assert site.robots["robot-01"].written == []


async def test_nothing_is_sent_while_a_stop_is_not_obeyed_yet(tmp_path: Path) -> None:
    robot = FakeRobot(stop_hold=asyncio.Event())
    async with bench(tmp_path, {"robot-01": robot}) as site:
        await site.online()
        stopped = await site.dispatch.stop("robot-01", "test")
        await site.until(lambda: robot.stops == 1)
        await site.dispatch.submit(site.command())
        await site.clock.advance(5)
        await site.quiet()
        assert site.stages() == ["accepted"]
        robot.stop_hold.set()  # type: ignore[union-attr]
        assert (await site.settled(stopped.id)).stage is Stage.SUCCEEDED
        assert (await site.settled()).stage is Stage.SUCCEEDED


async def test_commands_of_one_robot_run_one_at_a_time_and_in_order(tmp_path: Path) -> None:
    slow, other = FakeRobot(hold=asyncio.Event()), FakeRobot()
    async with bench(tmp_path, {"robot-01": slow, "robot-02": other}) as site:
        await site.online()
        await site.online("robot-02")
        for stop in (1, 2, 3):
            await site.dispatch.submit(site.command(id=f"c{stop}", args={"stop": stop}))
        await site.dispatch.submit(site.command(id="other", device="robot-02"))
        assert (await site.settled("other")).stage is Stage.SUCCEEDED  # nobody else waits
        assert len(slow.written) == 1
        assert slow.hold is not None
        slow.hold.set()
        await site.settled("c3")
        assert [args["stop"] for _, _, args in slow.written] == [1, 2, 3]


async def test_too_many_commands_for_one_robot_are_refused(tmp_path: Path) -> None:
    async with bench(tmp_path, {"robot-01": FakeRobot(there=False)}, queue_length=3) as site:
        results = [await site.dispatch.submit(site.command(id=f"c{number}")) for number in range(4)]
        assert [result.stage for result in results] == [Stage.ACCEPTED] * 3 + [Stage.REFUSED]
        assert results[-1].rule == "queue-full"


async def test_a_stop_overtakes_and_purges(tmp_path: Path) -> None:
    robot = FakeRobot(hold=asyncio.Event())
    async with bench(tmp_path, {"robot-01": robot}) as site:
        await site.online()
        for number in (1, 2, 3):
            await site.dispatch.submit(site.command(id=f"c{number}"))
        await site.until(lambda: len(robot.written) == 1)
        stopped = await site.dispatch.submit(site.command(id="s", action="stop", args={}))
        assert stopped.stage is Stage.ACCEPTED
        assert (await site.settled("s")).stage is Stage.SUCCEEDED
        assert robot.stops == 1  # while the first command still has no answer
        for purged in ("c2", "c3"):
            result = await site.settled(purged)
            assert (result.stage, result.reason) == (Stage.FAILED, "purged by a stop")
        robot.hold.set()  # type: ignore[union-attr]
        await site.settled("c1")
        await site.until(lambda: robot.stops == 2)  # behind the command that it may not have overtaken on the wire
        assert len(robot.written) == 1


async def test_a_stop_purges_what_waits_for_a_robot_that_is_away_and_is_told_as_soon_as_it_is_back(
    tmp_path: Path,
) -> None:
    robot = FakeRobot(there=False)
    async with bench(tmp_path, {"robot-01": robot}) as site:
        with site.hub.subscribe("events", Event) as events:
            await site.dispatch.submit(site.command())
            stopped = await site.dispatch.stop("robot-01", "test")
            assert (await site.settled()).reason == "purged by a stop"
            event = await events.get()
            assert isinstance(event, Event)
            assert event.name == "stop-pending"
        await site.dispatch.submit(site.command(id="after", expires_at=NOON + timedelta(hours=1)))
        await site.clock.advance(120)
        await site.quiet()
        assert site.stages(stopped.id) == ["accepted"]
        robot.there = True
        await site.clock.advance(2)
        assert (await site.settled(stopped.id)).stage is Stage.SUCCEEDED
        await site.settled("after")
        assert robot.stops == 1
        assert len(robot.written) == 1


async def test_a_stop_that_fails_is_written_again_until_it_is_obeyed(tmp_path: Path) -> None:
    robot = FakeRobot(stop_failures=[ReplyTimeout("no answer"), Declined("busy", code=6)])
    async with bench(tmp_path, {"robot-01": robot}) as site:
        await site.online()
        result = await site.dispatch.stop("robot-01", "test")
        for _ in range(50):
            await site.clock.advance(0.1)
        assert (await site.settled(result.id)).stage is Stage.SUCCEEDED
        assert robot.stops == 1


async def test_a_stop_is_taken_even_if_it_is_old_and_the_store_is_broken(tmp_path: Path) -> None:
    async with bench(tmp_path) as site:
        await site.online()
        old = site.command(action="stop", args={"whatever": 1}, expires_at=NOON - timedelta(hours=1))
        assert (await site.dispatch.submit(old)).stage is Stage.ACCEPTED
        await site.settled()
        site.store.ledger._writer._connection.execute("PRAGMA query_only = ON")
        with pytest.raises(StoreError):
            await site.dispatch.submit(site.command(id="c2"))
        broken = await site.dispatch.submit(site.command(id="s2", action="stop", args={}))
        assert broken.stage is Stage.ACCEPTED
        assert (await site.settled("s2")).stage is Stage.SUCCEEDED
        site.store.ledger._writer._connection.execute("PRAGMA query_only = OFF")
        site.store.ledger._writer._connection.execute(
            "ALTER TABLE ledger RENAME TO lost"
        )  # now it cannot be read either
        assert (await site.dispatch.submit(site.command(id="s3", action="stop", args={}))).stage is Stage.ACCEPTED
        assert (await site.settled("s3")).stage is Stage.SUCCEEDED
        assert site.robots["robot-01"].stops == 3
        assert site.robots["robot-01"].written == []


async def test_stop_all_stops_all(tmp_path: Path) -> None:
    robots = {f"robot-{number:02}": FakeRobot() for number in range(1, 8)}
    async with bench(tmp_path, robots) as site:
        for name in robots:
            await site.online(name)
        results = await site.dispatch.stop_all("test")
        assert len(results) == 7
        for result in results:
            assert (await site.settled(result.id)).stage is Stage.SUCCEEDED
        assert {robot.stops for robot in robots.values()} == {1}


async def test_an_unobeyed_stop_outlives_a_restart(tmp_path: Path) -> None:
    robot = FakeRobot(there=False)
    async with bench(tmp_path, {"robot-01": robot}) as site:
        stopped = await site.dispatch.stop("robot-01", "test")
    robot.there = True
    async with bench(tmp_path, {"robot-01": robot}) as site:
        assert (await site.settled(stopped.id)).stage is Stage.SUCCEEDED
        assert robot.stops == 1


async def test_a_command_for_a_robot_that_was_taken_away_ends(tmp_path: Path) -> None:
    async with bench(tmp_path, {"robot-01": FakeRobot(there=False)}) as site:
        await site.dispatch.submit(site.command())
    async with bench(tmp_path, {"robot-02": FakeRobot()}) as site:
        assert "no robot 'robot-01' any more" in (await site.settled()).reason


async def test_every_decision_is_audited_in_a_whole_chain(tmp_path: Path) -> None:
    async with bench(tmp_path) as site:
        await site.online()
        await site.dispatch.submit(site.command())
        await site.settled()
        await site.dispatch.submit(site.command(id="c2", action="fly"))
        outcomes = [(entry.act, entry.outcome) for entry in await site.store.audit.tail()]
        assert outcomes == [
            ("send robot-01", "accepted"),
            ("send robot-01", "succeeded"),
            ("fly robot-01", "refused"),
        ]
        assert (await site.store.audit.verify()).whole


async def test_the_course_of_a_command_can_be_read_back(tmp_path: Path) -> None:
    async with bench(tmp_path) as site:
        await site.online()
        await site.dispatch.submit(site.command())
        await site.settled()
        assert [result.stage for result in await site.dispatch.results("c1")] == [
            Stage.ACCEPTED,
            Stage.STARTED,
            Stage.SUCCEEDED,
        ]
        assert await site.dispatch.results("never") == []
    async with bench(tmp_path) as site:
        assert [result.stage for result in await site.dispatch.results("c1")] == [Stage.SUCCEEDED]


async def test_leaving_in_the_middle_of_anything_leaves_no_task_behind(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    robots = {"robot-01": FakeRobot(hold=asyncio.Event()), "robot-02": FakeRobot(there=False)}
    async with bench(tmp_path, robots) as site:
        await site.online()
        await site.dispatch.submit(site.command())
        await site.dispatch.submit(site.command(id="c2", device="robot-02"))
        await site.dispatch.stop("robot-02", "test")
        await site.until(lambda: "started" in site.stages())
    assert asyncio.all_tasks() == before


async def test_whoever_stops_waiting_does_not_stop_the_command(tmp_path: Path) -> None:
    async with bench(tmp_path) as site:
        await site.online()
        for turns in range(12):
            impatient = asyncio.create_task(site.dispatch.submit(site.command(id=f"c{turns}")), name="impatient")
            for _ in range(turns):
                await asyncio.sleep(0)
            impatient.cancel()
            await asyncio.wait([impatient])
            if turns:  # with none, it was cancelled before it had begun
                assert (await site.settled(f"c{turns}")).stage is Stage.SUCCEEDED
        assert len(site.robots["robot-01"].written) == 11


async def test_nobody_hears_twice_of_an_error_that_nobody_waits_for(tmp_path: Path) -> None:
    async with bench(tmp_path) as site:
        await site.online()
        site.store.ledger._writer._connection.execute("PRAGMA query_only = ON")
        impatient = asyncio.create_task(site.dispatch.submit(site.command()), name="impatient")
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.wait([impatient])
        await site.quiet()
        assert site.robots["robot-01"].written == []
