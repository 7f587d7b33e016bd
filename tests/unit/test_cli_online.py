"""`fleetctl` against a daemon's control API: what it asks, what it shows, and with which code it ends."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from typer.testing import CliRunner, Result

from fleetd.cli.api import Daemon
from fleetd.cli.app import app

ROBOT = {
    "name": "robot-01",
    "driver": "little-donkey",
    "state": "online",
    "reason": "",
    "at": "2026-11-11T12:00:00.000Z",
    "quality": "GOOD",
    "mode": "driving",
    "battery_percent": 71.25,
    "errand": "library",
    "latitude_deg": 30.3,
    "longitude_deg": 120.08,
    "speed_m_s": 1.0,
    "stop_latched": False,
    "last_result": None,
}
DETAIL = {
    **ROBOT,
    "values": {"state": "driving", "payload_kg": None},
    "absent": {"payload_kg": "no scale"},
    "actions": {"send": {"name": "send", "help": "Drive to a stop", "arguments": [], "hazardous": False}},
}
CONTACT = {
    "id": "tin-20261111T120000Z",
    "satellite": "tin",
    "norad_id": 999100101,
    "antenna": "dish",
    "aos": "2026-11-11T12:00:00.000Z",
    "los": "2026-11-11T12:10:00.000Z",
    "max_elevation_deg": 61.5,
    "state": "booked",
    "by_hand": False,
    "reason": "",
}
ELEMENTS = {
    "satellite": "tin",
    "state": "in use",
    "epoch": "2026-11-11T00:00:00.000Z",
    "age_days": 1.5,
    "hash": "abc",
    "source": "tin.json:1",
    "fetched_at": "2026-11-11T06:00:00.000Z",
    "aos_shift_s": 0.21,
    "along_track_km": -1.6,
    "held": {"epoch": "2026-11-12T00:00:00.000Z", "age_days": 0.5, "reason": "it moves AOS by 9.1 s"},
    "sources": [{"source": "http://x", "failure": "the server answers 403", "not_before": "2026-11-12T00:00:00.000Z"}],
}
ALARM = {
    "at": "2026-11-11T12:00:00.000Z",
    "device": "robot-01",
    "name": "battery-low",
    "active": True,
    "severity": "warning",
    "text": "battery 9 % is below the limit of 10 %",
    "acknowledged_by": None,
}


def stage(word: str, reason: str = "", **more: Any) -> dict[str, Any]:
    device, action = more.get("device", "robot-01"), more.get("action", "send")
    return {"id": "c-1", "device": device, "action": action, "stage": word, "reason": reason, **more}


@dataclass
class FakeDaemon:
    """A control API that gives the answers it was given, and remembers what it was asked."""

    socket: Path
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    answers: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)

    def will(self, method: str, target: str, answer: Any, status: int = 200) -> None:
        self.answers.setdefault(f"{method} {target}", []).append((status, answer))

    async def answer(self, request: web.Request) -> web.StreamResponse:
        target = request.raw_path
        body = await request.json() if request.can_read_body else None
        self.asked.append((request.method, target, body))
        planned = self.answers.get(f"{request.method} {target}")
        if not planned:
            return web.json_response({"error": f"there is no {target}", "rule": "unknown-path"}, status=404)
        status, said = planned.pop(0) if len(planned) > 1 else planned[0]
        if isinstance(said, str):
            return web.Response(text=said, status=status)
        return web.json_response(said, status=status)

    async def serve(self, ready: threading.Event, over: asyncio.Event) -> None:
        application = web.Application()
        application.router.add_route("*", "/{tail:.*}", self.answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.UnixSite(runner, str(self.socket)).start()
        ready.set()
        await over.wait()
        await runner.cleanup()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    fake = FakeDaemon(tmp_path / "control.sock")
    ready, over = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(fake.serve(ready, over)))
    thread.start()
    assert ready.wait(10)
    yield fake
    loop.call_soon_threadsafe(over.set)
    thread.join(10)
    loop.close()


def fleetctl(daemon: FakeDaemon, *words: str) -> Result:
    return CliRunner().invoke(app, list(words), env={"FLEETD_SOCKET": str(daemon.socket), "COLUMNS": "200"})


@pytest.mark.parametrize(
    ("words", "target", "answer", "shown"),
    [
        (["status"], "/v1/status", {"site": "hangzhou", "devices": [{"name": "dish", "state": "online"}]}, "hangzhou"),
        (["robots"], "/v1/robots", [ROBOT], "library"),
        (["robots", "list"], "/v1/robots", [ROBOT], "71.25"),
        (["robots", "show", "robot-01"], "/v1/robots/robot-01", DETAIL, "no scale"),
        (["contacts"], "/v1/contacts", [CONTACT], "tin-20261111T120000Z"),
        (["maintenance"], "/v1/maintenance", [{"id": "dish-1", "antenna": "dish", "why": "bolts"}], "bolts"),
        (["maintenance", "list"], "/v1/maintenance", [], "no maintenance is entered"),
        (["contacts", "list"], "/v1/contacts", [CONTACT], "61.5"),
        (["contacts", "explain", "c/1"], "/v1/contacts/c%2F1/explain", {"reason": "the sun is out"}, "the sun is out"),
        (["alarms"], "/v1/alarms", [ALARM], "below the limit of 10 %"),
        (["passes"], "/v1/passes?hours=24.0", [], "no pass in this window"),
        (["elements"], "/v1/elements", [ELEMENTS], "AOS +0.21 s, -1.6 km"),
        (
            ["elements", "list"],
            "/v1/elements",
            [ELEMENTS],
            "held: it moves AOS by 9.1 s; 'fleetctl elements accept tin'",
        ),
        (["elements"], "/v1/elements", [ELEMENTS], "source fails: the server answers 403; asked again from 2026-11-12"),
        (["relay"], "/v1/relay", {"connected": True, "backlog": 3}, "backlog"),
        (["audit"], "/v1/audit?limit=100", [{"number": 1, "who": "uid:0(root)", "act": "stop"}], "uid:0(root)"),
        (["audit", "--limit", "5"], "/v1/audit?limit=5", [], "none"),
    ],
)
def test_looking_shows_a_table_to_people_and_the_answer_itself_to_programs(
    daemon: FakeDaemon, words: list[str], target: str, answer: Any, shown: str
) -> None:
    daemon.will("GET", target, answer)
    people = fleetctl(daemon, *words)
    programs = fleetctl(daemon, *words, "--json")
    assert (people.exit_code, programs.exit_code) == (0, 0), people.output
    assert shown in people.stdout
    assert json.loads(programs.stdout) == answer
    assert daemon.asked == [("GET", target, None)] * 2


@pytest.mark.parametrize(
    ("words", "target", "body"),
    [
        (
            ["antenna", "dish", "point", "-10", "3.5"],
            "/v1/antennas/dish/point",
            {"azimuth_deg": -10, "elevation_deg": 3.5},
        ),
        (
            ["antenna", "dish", "offset", "0.5", "-1"],
            "/v1/antennas/dish/offset",
            {"azimuth_deg": 0.5, "elevation_deg": -1},
        ),
        (["antenna", "dish", "stop"], "/v1/antennas/dish/stop", {}),
        (["antenna", "dish", "lock", "new", "bearing"], "/v1/antennas/dish/lock", {"why": "new bearing"}),
        (["antenna", "dish", "unlock"], "/v1/antennas/dish/unlock", {}),
        (
            ["maintenance", "add", "dish", "2026-12-01T08:00:00Z", "2026-12-01T10:00:00Z", "paint", "it"],
            "/v1/maintenance/add",
            {"antenna": "dish", "begin": "2026-12-01T08:00:00Z", "end": "2026-12-01T10:00:00Z", "why": "paint it"},
        ),
        (["maintenance", "remove", "dish-20261201T080000Z"], "/v1/maintenance/dish-20261201T080000Z/remove", {}),
        (["antenna", "dish", "park"], "/v1/antennas/dish/park", {}),
        (["contacts", "cancel", "c1"], "/v1/contacts/c1/cancel", {}),
        (
            ["contacts", "book", "tin", "2026-11-11T12:00:00Z", "dish"],
            "/v1/contacts/book",
            {"satellite": "tin", "aos": "2026-11-11T12:00:00Z", "antenna": "dish"},
        ),
        (["alarms", "ack", "robot-01", "battery-low"], "/v1/alarms/robot-01/battery-low/ack", {}),
        (
            ["alarms", "shelve", "robot-01", "battery-low", "--for", "1h30m", "--why", "new pack"],
            "/v1/alarms/robot-01/battery-low/shelve",
            {"for_s": 5400.0, "why": "new pack"},
        ),
        (["alarms", "unshelve", "robot-01", "battery-low"], "/v1/alarms/robot-01/battery-low/unshelve", {}),
        (["elements", "accept", "tin"], "/v1/elements/tin/accept", {}),
        (["elements", "reject", "tin"], "/v1/elements/tin/reject", {}),
    ],
)
def test_telling_posts_what_was_said(daemon: FakeDaemon, words: list[str], target: str, body: Any) -> None:
    daemon.will("POST", target, {"done": True})
    assert fleetctl(daemon, *words).exit_code == 0
    assert json.loads(fleetctl(daemon, *words, "--json").stdout) == {"done": True}
    assert daemon.asked == [("POST", target, body)] * 2


def test_send_follows_a_command_to_its_end(daemon: FakeDaemon) -> None:
    started = [stage("accepted"), stage("started")]
    daemon.will("POST", "/v1/commands", started)
    daemon.will("GET", "/v1/commands/c-1", [*started, stage("succeeded")])
    result = fleetctl(daemon, "robots", "send", "robot-01", "library", "--expires", "60")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "robot-01 send: accepted",
        "robot-01 send: started",
        "robot-01 send: succeeded",
    ]
    _, _, body = daemon.asked[0]
    assert body == {
        "device": "robot-01",
        "action": "send",
        "args": {"place": "library"},
        "expires_in_s": 60.0,
        "wait_s": 5.0,
    }


def test_send_looks_again_until_there_is_news(daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("fleetd.cli.robots.time.sleep", waits.append)
    daemon.will("POST", "/v1/commands", [stage("accepted")])
    for results in ([stage("accepted")], [stage("accepted")], [stage("accepted"), stage("succeeded")]):
        daemon.will("GET", "/v1/commands/c-1", results)
    result = fleetctl(daemon, "robots", "send", "robot-01", "library")
    assert result.stdout.splitlines() == ["robot-01 send: accepted", "robot-01 send: succeeded"]
    assert len(waits) == 2


@pytest.mark.parametrize("end", ["failed", "unknown", "refused"])
def test_a_command_that_ends_badly_says_why_and_ends_with_1(daemon: FakeDaemon, end: str) -> None:
    daemon.will("POST", "/v1/commands", [stage("accepted"), stage(end, "low_battery: the battery is too low")])
    result = fleetctl(daemon, "robots", "send", "robot-01", "7")
    assert result.exit_code == 1
    assert f"robot-01 send: {end}: low_battery: the battery is too low" in result.stdout
    assert daemon.asked[0][2]["args"] == {"stop": 7}


def test_without_waiting_a_command_is_only_handed_over(daemon: FakeDaemon) -> None:
    daemon.will("POST", "/v1/commands", [stage("accepted")])
    result = fleetctl(daemon, "robots", "send", "robot-01", "library", "--no-wait", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == [stage("accepted")]
    assert daemon.asked[0][2]["wait_s"] == 0.0
    assert len(daemon.asked) == 1


@pytest.mark.parametrize("action", ["stop", "resume"])
def test_a_robot_is_stopped_and_resumed(daemon: FakeDaemon, action: str) -> None:
    daemon.will("POST", "/v1/commands", [stage("succeeded", action=action)])
    assert fleetctl(daemon, "robots", action, "robot-01").exit_code == 0
    assert daemon.asked[0][2] == {"device": "robot-01", "action": action, "wait_s": 5.0}


def test_stop_all_is_done_only_when_everything_obeyed(daemon: FakeDaemon) -> None:
    answers = [stage("succeeded", device="dish", action="stop"), stage("accepted", "is offline", action="stop")]
    daemon.will("POST", "/v1/stop", answers[:1])
    assert fleetctl(daemon, "stop", "--all").exit_code == 0
    daemon.answers.clear()
    daemon.will("POST", "/v1/stop", answers)
    result = fleetctl(daemon, "stop", "--all")
    assert result.exit_code == 1
    assert "is offline" in result.stdout
    assert json.loads(fleetctl(daemon, "stop", "--all", "--json").stdout) == answers


def test_a_refusal_is_one_line_and_1_and_for_programs_the_rule(daemon: FakeDaemon) -> None:
    refusal = {"error": "elevation 95 is above the limit of 90", "rule": "limit"}
    daemon.will("POST", "/v1/antennas/dish/point", refusal, status=409)
    people = fleetctl(daemon, "antenna", "dish", "point", "10", "95")
    assert (people.exit_code, people.stdout) == (1, "")
    assert people.stderr == "fleetctl: elevation 95 is above the limit of 90\n"
    programs = fleetctl(daemon, "antenna", "dish", "point", "10", "95", "--json")
    assert programs.exit_code == 1
    assert json.loads(programs.stdout) == refusal


@pytest.mark.parametrize(("status", "said"), [(500, "Internal Server Error"), (200, "<html>"), (404, "[1]")])
def test_an_answer_that_is_none_is_one_line_and_1(daemon: FakeDaemon, status: int, said: str) -> None:
    daemon.will("GET", "/v1/status", said, status=status)
    result = fleetctl(daemon, "status")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_watch_prints_a_line_a_record(daemon: FakeDaemon) -> None:
    reading = {"type": "Reading", "at": "2026-11-11T12:00:00Z", "device": "weather", "values": {"wind_m_s": 3.5}}
    event = {"type": "Event", "at": "2026-11-11T12:00:01Z", "source": "dish", "name": "aos", "text": "tin rises"}
    daemon.will("GET", "/v1/watch", f"{json.dumps(reading)}\n\n{json.dumps(event)}\n")
    people = fleetctl(daemon, "watch")
    assert people.exit_code == 0
    assert people.stdout.splitlines() == [
        "2026-11-11T12:00:00Z  weather  Reading  values wind_m_s 3.5",
        "2026-11-11T12:00:01Z  dish  Event  name aos, text tin rises",
    ]
    programs = fleetctl(daemon, "watch", "--json")
    assert [json.loads(line) for line in programs.stdout.splitlines()] == [reading, event]


def test_watch_asks_for_the_kinds_and_the_device_that_are_wanted(daemon: FakeDaemon) -> None:
    daemon.will("GET", "/v1/watch?kinds=event%2Calarm&device=dish", "")
    assert fleetctl(daemon, "watch", "--kind", "event", "--kind", "alarm", "--device", "dish").exit_code == 0


def test_watch_is_ended_by_an_interrupt_and_that_is_fine(daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: str) -> Iterator[Any]:
        yield {"type": "event", "at": "2026-11-11T12:00:00Z", "source": "dish"}
        raise KeyboardInterrupt

    monkeypatch.setattr(Daemon, "stream", interrupted)
    result = fleetctl(daemon, "watch")
    assert (result.exit_code, result.stdout) == (0, "2026-11-11T12:00:00Z  dish  event\n")


def test_what_a_device_said_cannot_drive_the_terminal(daemon: FakeDaemon) -> None:
    daemon.will("GET", "/v1/robots", [{**ROBOT, "reason": "\x1b[2J[red]boo\r\n"}])
    shown = fleetctl(daemon, "robots").stdout
    assert "\\x1b[2J[red]boo\\r\\n" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["robots", "send", "robot-01", "library"],
        ["stop", "--all"],
        ["antenna", "dish", "point", "-10", "3"],
        ["watch"],
        ["contacts"],
        ["alarms"],
    ],
)
def test_no_daemon_is_one_line_naming_the_socket_and_3(tmp_path: Path, words: list[str]) -> None:
    socket = tmp_path / "control.sock"
    result = CliRunner().invoke(app, [*words, "--socket", str(socket)])
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith(
        f"fleetctl: the daemon is not reachable at {socket}: there is no such socket; start"
    )
    assert len(result.stderr.splitlines()) == 1


def test_no_daemon_for_programs(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["status", "--json", "--socket", str(tmp_path / "no.sock")])
    assert result.exit_code == 3
    assert json.loads(result.stdout)["rule"] == "unreachable"


def test_a_socket_that_nobody_serves_any_more_is_3(tmp_path: Path) -> None:
    import socket as sockets

    path = tmp_path / "control.sock"
    with sockets.socket(sockets.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    result = CliRunner().invoke(app, ["status", "--socket", str(path)])
    assert result.exit_code == 3
    assert "nobody listens there any more" in result.stderr


def test_a_daemon_that_breaks_off_is_3(tmp_path: Path) -> None:
    import socket as sockets

    path = tmp_path / "control.sock"
    with sockets.socket(sockets.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def hang_up() -> None:
            listening.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        result = CliRunner().invoke(app, ["status", "--socket", str(path)])
        thread.join(10)
    assert result.exit_code == 3
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [
        ["stop"],
        ["antenna", "dish", "point", "10"],
        ["antenna", "dish", "lock"],
        ["antenna", "dish", "point", "ten", "3"],
        ["antenna", "dish", "point", "1", "2", "3"],
        ["antenna", "dish", "stop", "1"],
        ["antenna", "dish", "fly"],
        ["antenna", "dish", "point", "--jsn", "3"],
        ["robots", "send", "robot-01"],
        ["robots", "fly"],
        ["audit", "--limit", "0"],
        ["status", "--bogus"],
        ["no-such-command"],
    ],
)
def test_wrong_usage_is_2_and_asks_nobody(daemon: FakeDaemon, words: list[str]) -> None:
    assert fleetctl(daemon, *words).exit_code == 2
    assert daemon.asked == []
