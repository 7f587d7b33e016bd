"""Interlocks and the second person, by the robot's newest reading, as a command comes in and just before it goes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from robots_bench import GUARDED, READY, Bench, FakeRobot, bench

from fleetd.access.settings import AccessSettings, PersonSettings
from fleetd.errors import LinkLost, Refusal
from fleetd.records import Result, Stage

PEOPLE = AccessSettings(
    roles={"operator": ("send", "resume"), "lead": ("resume", "open_door"), "guest": ()},
    people={
        "li": PersonSettings(roles=("operator", "lead"), uids=(1001,)),
        "wang": PersonSettings(roles=("lead",), uids=(1002, 1003)),
        "chen": PersonSettings(roles=("guest",), uids=(1004,)),
    },
)
LI, WANG, WANG_TOO, CHEN = "uid:1001(li)", "uid:1002(wang)", "uid:1003", "uid:1004(chen)"


def ready(**changes: Any) -> dict[str, FakeRobot]:
    return {"robot-01": FakeRobot(values=READY | changes)}


def site(folder: Path, robots: dict[str, FakeRobot] | None = None, **more: Any) -> Any:
    return bench(folder, ready() if robots is None else robots, actions=GUARDED, **more)


async def submit(here: Bench, **changes: Any) -> Result:
    return await here.dispatch.submit(here.command(**changes))


async def test_what_holds_lets_the_command_pass(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await here.online()
        await submit(here)
        assert (await here.settled()).stage is Stage.SUCCEEDED


async def test_what_stands_against_it_now_is_refused_at_once_by_its_name(tmp_path: Path) -> None:
    async with site(tmp_path, ready(door_2_open=True)) as here:
        await here.online()
        result = await submit(here)
        assert (result.stage, result.rule) == (Stage.REFUSED, "interlock-doors_closed")
        assert "door_2_open is true" in result.reason
        assert here.robots["robot-01"].written == []


async def test_a_door_that_opens_while_the_command_waits_stops_it_at_the_last_moment(tmp_path: Path) -> None:
    robots = ready()
    async with site(tmp_path, robots) as here:
        await here.online()
        robots["robot-01"].there = False
        await here.clock.advance(1.1)
        await submit(here)
        robots["robot-01"].values["door_1_open"] = True
        robots["robot-01"].there = True
        await here.clock.advance(3)
        result = await here.settled()
        assert (result.stage, robots["robot-01"].written) == (Stage.FAILED, [])
        assert result.reason.startswith("not sent: a door is open")


async def test_an_old_reading_does_not_refuse_what_the_next_one_allows(tmp_path: Path) -> None:
    robots = ready(door_1_open=True)
    async with site(tmp_path, robots, poll_s=5.0) as here:
        await here.online()
        await here.clock.advance(2)  # the door was open two seconds ago; somebody has closed it since
        robots["robot-01"].values["door_1_open"] = False
        assert (await submit(here)).stage is Stage.ACCEPTED
        await here.quiet()
        assert here.stages() == ["accepted"]
        await here.clock.advance(5)
        assert (await here.settled()).stage is Stage.SUCCEEDED


async def test_a_reading_from_before_the_last_command_lets_nothing_pass(tmp_path: Path) -> None:
    robots = ready()
    async with site(tmp_path, robots, poll_s=5.0) as here:
        await here.online()
        await submit(here)
        await here.settled()
        await submit(here, id="c2")
        await here.quiet()
        assert here.stages("c2") == ["accepted"], "what the first command changed is not known yet"
        await here.clock.advance(5)
        assert (await here.settled("c2")).stage is Stage.SUCCEEDED


async def test_nothing_is_known_before_the_command_expires(tmp_path: Path) -> None:
    robots = ready()
    async with site(tmp_path, robots, poll_s=600.0) as here:
        await here.online()
        await submit(here)
        await here.settled()
        await submit(here, id="c2")
        await here.clock.advance(31)
        assert (await here.settled("c2")).stage is Stage.FAILED
        assert len(robots["robot-01"].written) == 1


# A second person


async def test_a_hazardous_command_waits_for_somebody_else_and_then_goes(tmp_path: Path) -> None:
    async with site(tmp_path, access=PEOPLE) as here:
        await here.online()
        result = await submit(here, action="open_door", args={"door": 3}, issuer=LI)
        assert (result.stage, result.rule) == (Stage.ACCEPTED, "confirm")
        assert "until 2026-11-11T12:00:30" in result.reason
        await here.quiet()
        assert here.robots["robot-01"].written == []
        confirmed = await here.dispatch.confirm("c1", "robot-01", WANG)
        assert (confirmed.stage, confirmed.reason) == (Stage.ACCEPTED, f"confirmed by {WANG}")
        assert (await here.settled()).stage is Stage.SUCCEEDED
        assert [(entry.who, entry.act, entry.outcome) for entry in await here.store.audit.tail()] == [
            (LI, "open_door robot-01", "accepted"),
            (WANG, "confirm open_door robot-01", "done"),
            (LI, "open_door robot-01", "succeeded"),
        ]


@pytest.mark.parametrize(
    ("who", "rule"), [(LI, "same-person"), (CHEN, "role"), ("uid:0(root)", "role"), ("mqtt", "role"), ("key:x", "role")]
)
async def test_nobody_else_s_word_counts(tmp_path: Path, who: str, rule: str) -> None:
    async with site(tmp_path, access=PEOPLE) as here:
        await here.online()
        await submit(here, action="open_door", args={"door": 3}, issuer=LI)
        with pytest.raises(Refusal) as refusal:
            await here.dispatch.confirm("c1", "robot-01", who)
        assert refusal.value.rule == rule
        await here.quiet()
        assert here.robots["robot-01"].written == []
        audited = (await here.store.audit.tail())[-1]
        assert (audited.who, audited.act, audited.outcome) == (who, "confirm open_door robot-01", "refused")


async def test_one_person_under_two_users_is_still_one(tmp_path: Path) -> None:
    async with site(tmp_path, access=PEOPLE) as here:
        await here.online()
        await submit(here, action="open_door", args={"door": 3}, issuer=WANG)
        with pytest.raises(Refusal, match="takes somebody else"):
            await here.dispatch.confirm("c1", "robot-01", WANG_TOO)


async def test_a_confirmation_names_the_robot_and_counts_once(tmp_path: Path) -> None:
    async with site(tmp_path, access=PEOPLE) as here:
        await here.online()
        await submit(here, action="open_door", args={"door": 3}, issuer=LI)
        with pytest.raises(Refusal, match="for robot-02 waits"):
            await here.dispatch.confirm("c1", "robot-02", WANG)
        await here.dispatch.confirm("c1", "robot-01", WANG)
        with pytest.raises(Refusal, match="waits for a second person"):
            await here.dispatch.confirm("c1", "robot-01", WANG)
        await here.settled()
        assert len(here.robots["robot-01"].written) == 1


async def test_nobody_confirms_it_in_time(tmp_path: Path) -> None:
    async with site(tmp_path, access=PEOPLE.model_copy(update={"confirm_within_s": 10.0})) as here:
        await here.online()
        await submit(here, action="open_door", args={"door": 3}, issuer=LI)
        await here.clock.advance(11)
        result = await here.settled()
        assert (result.stage, result.reason) == (Stage.FAILED, "no second person confirmed it in time")
        with pytest.raises(Refusal):
            await here.dispatch.confirm("c1", "robot-01", WANG)


async def test_a_stop_empties_what_waits_for_a_second_person(tmp_path: Path) -> None:
    async with site(tmp_path, access=PEOPLE) as here:
        await here.online()
        await submit(here, action="open_door", args={"door": 3}, issuer=LI)
        await here.dispatch.stop("robot-01", "mqtt")
        assert (await here.settled()).reason == "purged by a stop"
        with pytest.raises(Refusal):
            await here.dispatch.confirm("c1", "robot-01", WANG)


async def test_a_restart_forgets_consent_and_sends_nothing_without_it(tmp_path: Path) -> None:
    robots = ready()
    async with site(tmp_path, robots, access=PEOPLE) as here:
        await here.online()
        await submit(here, action="open_door", args={"door": 3}, issuer=LI)
        await here.quiet()
    async with site(tmp_path, robots, access=PEOPLE) as here:
        await here.online()
        result = await here.settled()
        assert result.stage is Stage.FAILED
        assert "no second person has confirmed it" in result.reason
        assert robots["robot-01"].written == []


async def test_resume_is_hazardous_after_a_stop_alone(tmp_path: Path) -> None:
    robots = ready()
    async with site(tmp_path, robots, access=PEOPLE) as here:
        await here.online()
        await submit(here, action="resume", args={}, issuer=LI)
        assert (await here.settled()).stage is Stage.SUCCEEDED
        robots["robot-01"].values["stop_latched"] = True
        await here.clock.advance(1.1)
        waiting = await submit(here, id="c2", action="resume", args={}, issuer=LI)
        assert waiting.rule == "confirm"


async def test_what_became_hazardous_on_the_way_is_not_sent(tmp_path: Path) -> None:
    robots = ready()
    async with site(tmp_path, robots, access=PEOPLE) as here:
        await here.online()
        robots["robot-01"].perform_error = lambda: LinkLost("gone in mid exchange")
        robots["robot-01"].hold = asyncio.Event()  # the link holds until the second has come
        patient = {"issuer": LI, "expires_at": here.clock.now() + timedelta(minutes=10)}
        await submit(here, **patient)
        assert (await submit(here, id="c2", action="resume", args={}, **patient)).rule == ""
        robots["robot-01"].values["stop_latched"] = True
        robots["robot-01"].hold.set()
        for _ in range(200):  # reconnected, asked what became of the first, and polled once more
            if "failed" in here.stages("c2"):
                break
            await here.clock.advance(0.5)
            await here.quiet()
        result = await here.settled("c2")
        assert (result.stage, result.reason) == (
            Stage.FAILED, "not sent: resume is hazardous now, and no second person has confirmed it",
        )  # fmt: skip
        assert [action for _, action, _ in robots["robot-01"].written] == ["send"]


async def test_a_confirmation_comes_as_a_command_too(tmp_path: Path) -> None:
    async with site(tmp_path, access=PEOPLE) as here:
        await here.online()
        await submit(here, action="open_door", args={"door": 3}, issuer=LI)
        refused = await submit(here, id="y0", action="confirm", args={"command": "c1"}, issuer=LI)
        assert (refused.stage, refused.rule) == (Stage.REFUSED, "same-person")
        late = {"issued_at": here.clock.now(), "expires_at": here.clock.now() - timedelta(seconds=1)}
        refused = await submit(here, id="y1", action="confirm", args={"command": "c1"}, issuer=WANG, **late)
        assert (refused.stage, refused.rule) == (Stage.REFUSED, "expired")
        done = await submit(here, id="y2", action="confirm", args={"command": "c1"}, issuer=WANG)
        assert (done.stage, done.reason) == (Stage.SUCCEEDED, "c1 is confirmed")
        assert (await here.settled()).stage is Stage.SUCCEEDED


async def test_where_nobody_is_listed_there_is_no_second_person(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await here.online()
        await submit(here, action="open_door", args={"door": 3})
        assert (await here.settled()).stage is Stage.SUCCEEDED


# Groups


async def test_a_command_to_a_group_has_one_result_a_robot(tmp_path: Path) -> None:
    robots = {f"robot-0{number}": FakeRobot(values=dict(READY)) for number in range(1, 5)}
    robots["robot-02"].values["door_1_open"] = True
    north = ("robot-01", "robot-02", "robot-03")
    async with site(tmp_path, robots, groups={"north": north}) as here:
        await asyncio.gather(*(here.online(name) for name in robots))
        results = await here.dispatch.submit_all(here.command(device="north"))
        assert {result.id: str(result.stage) for result in results} == {
            "c1:robot-01": "accepted", "c1:robot-02": "refused", "c1:robot-03": "accepted",
        }  # fmt: skip
        assert (await here.settled("c1:robot-01")).stage is Stage.SUCCEEDED
        assert (await here.settled("c1:robot-03")).stage is Stage.SUCCEEDED
        assert [len(robot.written) for robot in robots.values()] == [1, 0, 1, 0]
        again = await here.dispatch.submit_all(here.command(device="north"))
        assert [str(result.stage) for result in again] == ["succeeded", "refused", "succeeded"]
        assert [len(robot.written) for robot in robots.values()] == [1, 0, 1, 0]


async def test_all_stop(tmp_path: Path) -> None:
    robots = {f"robot-0{number}": FakeRobot() for number in range(1, 5)}
    async with site(tmp_path, robots, access=PEOPLE) as here:
        await asyncio.gather(*(here.online(name) for name in robots))
        await here.dispatch.submit_all(here.command(device="all", action="stop", args={}, issuer="mqtt"))
        await here.until(lambda: all(robot.stops == 1 for robot in robots.values()))


async def test_one_word_confirms_a_group_s_command(tmp_path: Path) -> None:
    robots = {f"robot-0{number}": FakeRobot(values=dict(READY)) for number in range(1, 4)}
    async with site(tmp_path, robots, access=PEOPLE) as here:
        await asyncio.gather(*(here.online(name) for name in robots))
        await here.dispatch.submit_all(here.command(device="all", action="open_door", args={"door": 1}, issuer=LI))
        word = here.command(id="y", device="all", action="confirm", args={"command": "c1"}, issuer=WANG)
        assert [str(result.stage) for result in await here.dispatch.submit_all(word)] == ["succeeded"] * 3
        for name in robots:
            assert (await here.settled(f"c1:{name}")).stage is Stage.SUCCEEDED
