"""The pytest plug-in `fleetd-hil`: the fixtures `site`, `sim`, `world`, `clock` and `fault`, and who runs their tests.

Loaded by every pytest of an environment that has fleetd, so it imports nothing heavy, and touches no test that asks for
none of its fixtures. A test that does is run here, on the rig's own event loop, whatever other plug-ins are there.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from fleetd.clock import Clock
    from fleetd_hil.rig.live import LiveSite
    from fleetd_hil.rig.power import Rig
    from fleetd_hil.scenario.world import Seat, World

_MARK = (
    "fleetd(site=None, start=None, seed=None, simulate=None, real=None, elements=None, processes=None, rate=None): "
    "the rig of a test that uses the fixtures of fleetd-hil"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """What may be said for all tests; a mark says it for some."""
    parser.addini("fleetd_site", "site file of the tests that use a rig, from the folder of this file", default="")
    parser.addini(
        "fleetd_start", "civil time at which each rig begins; left out: just after its elements' epoch", default=""
    )
    parser.addini("fleetd_seed", "of all that is left to chance", default="0")
    group = parser.getgroup("fleetd", "rigs of fleetd")
    group.addoption(
        "--fleetd-processes",
        action="store_true",
        help="a fleetd process, ptys and sockets for each rig, not virtual time",
    )
    group.addoption(
        "--fleetd-rate", type=float, metavar="N", help="with processes: how many times faster than life (10)"
    )
    group.addoption("--fleetd-seed", type=int, metavar="N", help="of all that is left to chance")


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", _MARK)


class RigFunction(pytest.Function):
    """An async test that uses a rig: it runs on the rig's loop, and fails if an invariant was broken."""

    def runtest(self) -> None:
        """Run it to its end, and have the daemon leave."""
        __tracebackhide__ = True
        rig = cast("Rig", self.funcargs["fleetd_rig"])
        given = {name: self.funcargs[name] for name in inspect.signature(self.obj).parameters}
        rig.run(self.obj(**given))
        if broken := rig.end():
            pytest.fail(broken, pytrace=False)  # no line of the test is to blame


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pycollect_makeitem() -> Generator[None, Any, Any]:
    """Outermost, so that an async test with a rig is ours even where another plug-in runs async tests."""
    made = yield
    return [_ours(item) for item in made] if isinstance(made, list) else _ours(made)


def _ours(item: Any) -> Any:
    if not isinstance(item, pytest.Function) or "fleetd_rig" not in item.fixturenames:
        return item
    if not inspect.iscoroutinefunction(inspect.unwrap(item.obj)):
        return item
    ours = RigFunction.from_parent(
        item.parent,
        name=item.name,
        callspec=getattr(item, "callspec", None),
        callobj=item.obj,
        keywords=item.keywords,
        fixtureinfo=item._fixtureinfo,  # noqa: SLF001  # as pytest-asyncio does: there is no other way
        originalname=item.originalname,
    )
    ours.own_markers = item.own_markers
    return ours


@pytest.fixture
def fleetd_rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    """A site alive on simulated devices, from before the test until after it."""
    from fleetd.errors import FleetError
    from fleetd_hil.rig.order import order_of
    from fleetd_hil.rig.power import Rig

    rig = None
    try:
        rig = Rig(order_of(request))
        rig.begin()
    except FleetError as error:
        if rig is not None:
            rig.close()
        pytest.fail(f"no rig: {error}", pytrace=False)
    yield rig
    rig.close()


@pytest.fixture
def site(fleetd_rig: Rig) -> LiveSite:
    """The site: what it says is awaited, what it is told is sent."""
    return fleetd_rig.site


@pytest.fixture
def world(site: LiveSite) -> World:
    """Every simulated device, by name, and the lines that they are on."""
    return site.world


@pytest.fixture
def clock(site: LiveSite) -> Clock:
    """The site's time: `await clock.sleep(60)` costs nothing in virtual time."""
    return site.clock


@pytest.fixture
def sim(site: LiveSite) -> Callable[[str], Seat]:
    """`sim("robot-3").model` is the physics behind a device, `.part` its side of the wire."""
    return site.seat


@pytest.fixture
def fault(site: LiveSite) -> Callable[[str, str], Any]:
    """`fault("robot-1", "silent+20")` breaks a device for 20 s; `with fault(...):` mends it where the block ends."""
    return site.break_
