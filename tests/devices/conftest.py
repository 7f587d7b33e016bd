"""How the device suite is sent to real hardware: `pytest tests/devices --device NAME=URL`, and who watches it."""

from __future__ import annotations

import pytest
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
    """Each test that takes a `stand` runs on every sim and medium, or on each real device that was named."""
    if "stand" in metafunc.fixturenames:
        metafunc.parametrize("stand", _stands(metafunc.config), ids=str)


def _stands(config: pytest.Config) -> list[rotators.Stand]:
    devices = config.getoption("--device", [])
    if not devices:
        return rotators.stands()
    settings = dict(_pair(text) for text in config.getoption("--device-set"))
    values = {key: plain_value(value) for key, value in settings.items()}
    watched = config.getoption("--i-am-watching")
    return [_real(*_pair(text), values, watched=watched) for text in devices]


def _real(name: str, url: str, settings: dict[str, object], *, watched: bool) -> rotators.Stand:
    known = {kind.name: kind for kind in rotators.KINDS}
    if name not in known:
        raise pytest.UsageError(f"--device {name}: no such rotator driver; known are {', '.join(known)}")
    return rotators.Stand(rotators.with_settings(known[name], settings), url=url, watched=watched)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals and value):
        raise pytest.UsageError(f"{text!r}: write it as NAME=VALUE")
    return key, value


@pytest.fixture(autouse=True)
def someone_watches(request: pytest.FixtureRequest) -> None:
    """Real hardware does not move in a test marked `moves` unless somebody has said that they are watching."""
    stand = request.node.callspec.params.get("stand") if "stand" in request.fixturenames else None
    if request.node.get_closest_marker("moves") and stand is not None and stand.real and not stand.watched:
        pytest.fail(f"{stand} would move: watch it and say --i-am-watching", pytrace=False)
