"""How the device suite is sent to real hardware: `pytest tests/devices --device NAME=URL`, and who watches it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import rigs
import rotators
from hardware import Box, Day

from fleetd.errors import FleetError
from fleetd.strictyaml import plain_value

DAY = pytest.StashKey[Day | None]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the device suite; they are known where tests/devices is named on the command line."""
    group = parser.getgroup("devices")
    group.addoption(
        "--device",
        action="append",
        default=[],
        metavar="NAME=URL",
        help="run the device suite on this hardware, not on sims: a driver's name and a link; may be repeated",
    )
    group.addoption(
        "--device-set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of the drivers of all --device; may be repeated",
    )
    group.addoption(
        "--i-am-watching",
        action="store_true",
        help="let the device suite move real hardware: somebody sees it and can cut its power",
    )
    group.addoption(
        "--box", metavar="AZ_LO:AZ_HI,EL_LO:EL_HI", help="degrees that a rotator keeps inside; --i-am-watching needs it"
    )
    group.addoption("--record", metavar="DIR", help="write all that is said to the device into a dated capture there")
    group.addoption("--unit", metavar="TEXT", help="with --record: maker, model and firmware of the device")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test that takes a `stand` runs on every sim and medium, or on each real device that was named.

    A `stand` has a rotator on it, a `rig_stand` a radio.
    """
    for fixture in ("stand", "rig_stand"):
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, _stands(metafunc.config, fixture), ids=str)


def _stands(config: pytest.Config, fixture: str) -> list[rotators.Stand] | list[rigs.RigStand]:
    devices = config.getoption("--device", [])
    if not devices:
        return rotators.stands() if fixture == "stand" else rigs.stands()
    settings = dict(_pair(text) for text in config.getoption("--device-set"))
    values = {key: plain_value(value) for key, value in settings.items()}
    watched = config.getoption("--i-am-watching")
    turned = {kind.name: kind for kind in rotators.KINDS}
    tuned = {kind.name: kind for kind in rigs.KINDS}
    named = [_pair(text) for text in devices]
    for name, _ in named:
        if name not in {**turned, **tuned}:
            known = ", ".join([*turned, *tuned])
            raise pytest.UsageError(f"--device {name}: no such rotator or rig driver; known are {known}")
    box, day = _box(config, moved=watched and any(name in turned for name, _ in named)), _day(config, named, values)
    if fixture == "stand":
        return [
            rotators.Stand(rotators.with_settings(turned[name], values), "", url, watched, box, day)
            for name, url in named
            if name in turned
        ]
    return [
        rigs.RigStand(rotators.with_settings(tuned[name], values), url=url, watched=watched, day=day)
        for name, url in named
        if name in tuned
    ]


def _box(config: pytest.Config, *, moved: bool) -> Box | None:
    text = config.getoption("--box")
    if text is None:
        if moved:
            raise pytest.UsageError(
                "--i-am-watching needs --box=AZ_LO:AZ_HI,EL_LO:EL_HI, which the antenna will not leave"
            )
        return None
    try:
        return Box.parse(text)
    except ValueError as error:
        raise pytest.UsageError(f"--box {error}") from None


def _day(config: pytest.Config, named: list[tuple[str, str]], settings: dict[str, object]) -> Day | None:
    """The one record of this run, begun when it is first asked for."""
    if config.stash.get(DAY, None) is None and (folder := config.getoption("--record")):
        if len(named) != 1 or not config.getoption("--unit"):
            raise pytest.UsageError("--record is of one --device, and wants its maker, model and firmware as --unit")
        [(name, url)] = named
        unit, watched = config.getoption("--unit"), config.getoption("--i-am-watching")
        day = Day(name, url, unit, Path(folder), settings, watched)
        try:
            day.begin()
        except FleetError as error:
            raise pytest.UsageError(f"--device {name}: {error}") from None
        config.stash[DAY] = day
    return config.stash.get(DAY, None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Keep count for the record of the day."""
    report: pytest.TestReport = yield  # type: ignore[assignment,misc]  # pluggy sends the result
    day = item.config.stash.get(DAY, None)
    if day is not None and hasattr(item, "callspec") and (report.when == "call" or report.outcome == "failed"):
        day.note(report.outcome, moves=item.get_closest_marker("moves") is not None)
    return report  # type: ignore[return-value]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """The day is over."""
    if (day := session.config.stash.get(DAY, None)) is not None:
        day.end()


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals and value):
        raise pytest.UsageError(f"{text!r}: write it as NAME=VALUE")
    return key, value


@pytest.fixture(autouse=True)
def someone_watches(request: pytest.FixtureRequest) -> None:
    """Real hardware does not move or transmit in a test marked `moves` unless somebody has said that they watch."""
    given = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    stand = given.get("stand") or given.get("rig_stand")
    if request.node.get_closest_marker("moves") and stand is not None and stand.real and not stand.watched:
        pytest.fail(f"{stand} would move: watch it and say --i-am-watching", pytrace=False)
