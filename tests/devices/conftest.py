"""How the device suite is sent to real hardware: `pytest tests/devices --device NAME=URL`, and who watches it."""

from __future__ import annotations

import pytest
import rigs
import rotators

from fleetd.strictyaml import plain_value


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
    if fixture == "stand":
        return [
            rotators.Stand(rotators.with_settings(turned[name], values), url=url, watched=watched)
            for name, url in named
            if name in turned
        ]
    return [
        rigs.RigStand(rotators.with_settings(tuned[name], values), url=url, watched=watched)
        for name, url in named
        if name in tuned
    ]


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
