"""`fleetctl device`: the verbs by hand, what is refused before anything moves, and that nothing is left moving."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

import pytest
from pydantic import Field
from typer.testing import CliRunner, Result

from fleetd.cli import byhand
from fleetd.cli.app import app
from fleetd.cli.byhand import Hand
from fleetd.clock import Clock, VirtualClock
from fleetd.devices import (
    ActionSpec,
    ArgumentSpec,
    AzEl,
    Capability,
    DriverSpec,
    Outcome,
    ReadBack,
    RotatorLimits,
    Sample,
    driver_names,
)
from fleetd.errors import DeviceError, LinkLost, Refusal
from fleetd.link.ports import Ports
from fleetd.link.url import LinkUrl
from fleetd.records import Value
from fleetd.settings import Settings

ZERO = AzEl(0.0, 0.0)
LIMITS = RotatorLimits(-90.0, 450.0, 0.0, 180.0, 0.1)
DONE = ReadBack(Outcome.DONE)


class HandSettings(Settings):
    unit: Annotated[int, Field(ge=1, le=247)] = 1
    slack_deg: float = 0.0


@dataclass
class Turner:
    """A rotator that comes `step_deg` nearer at each look, or does not when it is jammed."""

    at: AzEl = ZERO
    to: AzEl | None = None
    step_deg: float = 5.0
    stops: int = 0
    limits: RotatorLimits = LIMITS

    async def point(self, to: AzEl, /) -> None:
        self.to = to

    async def where(self) -> AzEl:
        at = self.at
        if self.to is not None:
            left = self.to.azimuth_deg - at.azimuth_deg
            self.at = AzEl(at.azimuth_deg + max(-self.step_deg, min(self.step_deg, left)), self.to.elevation_deg)
        return at

    async def stop(self) -> None:
        self.stops += 1
        self.to = None


@dataclass
class Donkey:
    performed: list[tuple[str, Mapping[str, Value]]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    answer: ReadBack = DONE
    stops: int = 0
    actions: Mapping[str, ActionSpec] = field(
        default_factory=lambda: {
            "send": ActionSpec("send", "Drive to a stop", (ArgumentSpec("stop", 1, 65535, whole=True),)),
            "hold": ActionSpec("hold", "Pause"),
        }
    )

    async def read(self) -> Sample:
        return Sample({"battery_percent": 71.5, "payload_kg": None}, {"payload_kg": "no scale"})

    async def perform(self, number: int, action: str, args: Mapping[str, Value], /) -> ReadBack:
        self.numbers.append(number)
        self.performed.append((action, args))
        return self.answer

    async def stop(self) -> None:
        self.stops += 1


Install = Callable[[Capability, Any], list[Any]]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Have `--driver any` mean this driver; returns the list of settings that it was connected with."""

    def installed(capability: Capability, driver: Any) -> list[Any]:
        connected: list[Any] = []

        @asynccontextmanager
        async def connect(_ports: Ports, url: LinkUrl, settings: Any, _clock: Clock) -> AsyncIterator[Any]:
            if url.text.endswith(":9"):
                raise LinkLost(f"{url}: connection refused")
            connected.append(settings)
            yield driver

        spec = DriverSpec("any", capability, "a driver", ("tcp", "serial"), HandSettings, connect)
        monkeypatch.setattr("fleetd.devices.load_driver", lambda _name: spec)
        return connected

    return installed


def device(*words: str) -> Result:
    return CliRunner().invoke(app, ["device", "--driver", "any", "--link", "tcp://127.0.0.1:1", *words])


def test_where(install: Install) -> None:
    install("rotator", Turner(at=AzEl(123.0, 45.5)))
    assert device("where").stdout == "azimuth 123.0°, elevation 45.5°\n"
    answer = json.loads(device("where", "--json").stdout)
    assert (answer["verb"], answer["azimuth_deg"], answer["elevation_deg"]) == ("where", 123.0, 45.5)


def test_point_takes_negative_angles_and_tells_what_it_did(install: Install) -> None:
    turner = Turner()
    install("rotator", turner)
    result = device("point", "-10", "3")
    assert (result.exit_code, turner.to) == (0, AzEl(-10.0, 3.0))
    assert result.stdout == "from azimuth 0.0°, elevation 0.0° to azimuth -10.0°, elevation 3.0°: accepted\n"
    assert json.loads(device("point", "-10", "3", "--json").stdout)["to"] == {"azimuth_deg": -10, "elevation_deg": 3}


def test_point_beyond_the_limits_moves_nothing(install: Install) -> None:
    turner = Turner()
    install("rotator", turner)
    result = device("point", "-91", "3")
    assert (result.exit_code, turner.to) == (1, None)
    assert result.stderr == "fleetctl: azimuth -91 is outside the controller's -90 to 450 degrees\n"


def test_stop(install: Install) -> None:
    turner = Turner()
    install("rotator", turner)
    assert (device("stop").exit_code, turner.stops) == (0, 1)


def test_read_tells_why_a_value_is_absent(install: Install) -> None:
    install("sensor", Donkey())
    assert device("read").stdout == "battery_percent  71.5\npayload_kg       -  (no scale)\n"
    answer = json.loads(device("read", "--json").stdout)
    assert answer["values"] == {"battery_percent": 71.5, "payload_kg": None}
    assert answer["absent"] == {"payload_kg": "no scale"}


def test_do_gives_each_command_a_number_of_its_own(install: Install) -> None:
    donkey = Donkey()
    install("robot", donkey)
    assert device("do", "send", "stop=2").exit_code == 0
    assert device("do", "hold").exit_code == 0
    assert donkey.performed == [("send", {"stop": 2}), ("hold", {})]
    assert len(set(donkey.numbers)) == 2
    assert all(1 <= number < 2**32 for number in donkey.numbers)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["do"], 2, "say which action"),
        (["do", "fly"], 1, "the robot takes send, hold, not 'fly'"),
        (["do", "send"], 2, "write it as 'do send stop=1..65535'"),
        (["do", "send", "stop=0"], 1, "stop=0 must be a whole number from 1 to 65535"),
        (["do", "send", "stop=1.5"], 1, "stop=1.5 must be a whole number from 1 to 65535"),
        (["do", "send", "stop=true"], 1, "must be a whole number"),
        (["do", "send", "stop=1", "to=2"], 2, "write it as"),
    ],
)
def test_what_a_robot_cannot_do_is_refused_before_it_is_asked(
    install: Install, words: list[str], code: int, said: str
) -> None:
    donkey = Donkey()
    install("robot", donkey)
    result = device(*words)
    assert (result.exit_code, donkey.performed) == (code, [])
    assert said in result.stderr


def test_a_robot_that_refuses_ends_with_1_and_its_reason(install: Install) -> None:
    install("robot", Donkey(answer=ReadBack(Outcome.REFUSED, "stop_latched: a stop is latched")))
    result = device("do", "send", "stop=2")
    assert (result.exit_code, result.stderr) == (1, "fleetctl: do: stop_latched: a stop is latched\n")
    answer = device("do", "send", "stop=2", "--json")
    assert (answer.exit_code, json.loads(answer.stdout)["outcome"]) == (1, "refused")


def test_actions_are_listed(install: Install) -> None:
    install("robot", Donkey())
    assert "do send stop=1..65535  Drive to a stop" in device("actions").stdout


def test_settings_reach_the_driver_as_a_site_file_would_bring_them(install: Install) -> None:
    connected = install("rotator", Turner())
    assert device("where", "--set", "unit=17", "--set", "slack_deg=1").exit_code == 0
    assert connected == [HandSettings(unit=17, slack_deg=1.0)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["where", "--set", "unit"], "'unit' must be KEY=VALUE"),
        (["where", "--set", "unit=900"], "--set:1:7: unit: must be at most 247, not 900"),
        (["where", "--set", "unti=1"], "unti: unknown key, perhaps unit"),
        (["fly"], "the verbs of a rotator are where, point, stop, not 'fly'"),
        (["where", "--link", "usb://1"], "unknown scheme 'usb'"),
        (["where", "--link", "modbus+tcp://h"], "the driver any takes tcp://, serial://, not modbus+tcp://"),
        (["point", "1"], "write it as 'point AZ EL'"),
        (["point", "1", "up"], "'up' is no number of degrees"),
        (["where", "now"], "write it as 'where'"),
    ],
)
def test_wrong_usage_is_2_and_connects_nothing_that_could_move(install: Install, words: list[str], said: str) -> None:
    turner = Turner()
    install("rotator", turner)
    result = device(*words)
    assert (result.exit_code, turner.to) == (2, None)
    assert said in " ".join(result.stderr.split())


def test_a_link_that_does_not_open_is_one_line_and_1(install: Install) -> None:
    install("rotator", Turner())
    result = device("where", "--link", "tcp://127.0.0.1:9")
    assert (result.exit_code, result.stderr) == (1, "fleetctl: tcp://127.0.0.1:9: connection refused\n")


def test_an_unknown_driver_names_those_that_there_are() -> None:
    result = device("where")
    assert result.exit_code == 1
    assert f"unknown driver 'any'; installed are {', '.join(driver_names())}" in result.stderr


# Following an antenna to where it was sent, in the seconds of a clock that the test turns.


def hand(clock: VirtualClock, told: list[str]) -> Hand:
    return Hand(clock, told.append, wait=True)


async def test_following_ends_on_arrival() -> None:
    clock, told, turner = VirtualClock(datetime(2026, 11, 11, tzinfo=UTC)), [], Turner()
    following = asyncio.create_task(byhand.point(turner, ["20", "0"], hand(clock, told)))
    await clock.advance(10.0)
    answer = await following
    assert abs(answer["at"]["azimuth_deg"] - 20.0) <= byhand.ARRIVED_DEG
    assert turner.stops == 0
    assert told[-1] == "azimuth 20.0°, elevation 0.0°, 0.0° to go"


async def test_an_antenna_that_comes_no_nearer_is_stopped_and_told() -> None:
    clock, told, turner = VirtualClock(datetime(2026, 11, 11, tzinfo=UTC)), [], Turner(step_deg=0.0)
    following = asyncio.create_task(byhand.point(turner, ["20", "0"], hand(clock, told)))
    await clock.advance(byhand.STUCK_AFTER_S + 2.0)
    with pytest.raises(DeviceError, match=r"came no nearer for 10 s and was stopped 20\.0° short"):
        await following
    assert turner.stops == 1


async def test_whoever_stops_following_leaves_the_antenna_stopped() -> None:
    clock, told, turner = VirtualClock(datetime(2026, 11, 11, tzinfo=UTC)), [], Turner()
    following = asyncio.create_task(byhand.point(turner, ["90", "0"], hand(clock, told)))
    await clock.advance(1.0)
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    assert turner.stops == 1


async def test_angles_are_refused_before_a_word_goes_over_the_wire() -> None:
    turner = Turner()
    with pytest.raises(Refusal, match="elevation 181 is outside"):
        await byhand.point(turner, ["0", "181"], hand(VirtualClock(datetime(2026, 11, 11, tzinfo=UTC)), []))
    assert turner.to is None
