"""The pytest plug-in as a rig's owner meets it: an empty folder, a site file, a test, and what pytest then says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fleetd_hil.rig.messages import Wanted, alarm, contact, event, node, parse, reading, result, status
from fleetd_hil.scenario.observer import Heard
from fleetd_hil.scenario.shipped import copy_to

pytestmark = pytest.mark.timeout(180)  # a program of its own, on a machine that may be busy
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "rig-tests.md"
YARD = "\n".join(re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[:1])
TESTS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0]


def run(folder: Path, *words: str) -> tuple[int, str]:
    """What pytest says in a folder, as a new user would begin it, and its exit code."""
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly", "-W", "error", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    return ran.returncode, ran.stdout + ran.stderr


def test_the_manual_s_example_passes_in_an_empty_folder_without_any_other_plug_in(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(YARD)
    (tmp_path / "test_yard.py").write_text(TESTS)
    code, said = run(tmp_path, "-q", "-p", "no:asyncio")
    assert (code, "3 passed" in said) == (0, True), said
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "__pycache__") == [
        "site.yaml",
        "test_yard.py",
    ]


FAILING = """
import asyncio, random
import pytest
from fleetd_hil.rig.messages import reading, result, status

class TestFails:
    async def test_slow(self, site):
        await site.expect(reading("robot-1", speed_m_s__gt=3), within=20)

    async def test_misspelt(self, site):
        await site.expect(reading("robot-1", battery_soc__lt=20), within=5)

    async def test_refused(self, site):
        await site.send_and_expect("robot-1", "send", {"place": "moon"}, within=10)

    async def test_silent(self, site, fault):
        fault("robot-1", "silent")
        await site.expect(status("robot-1", state="quarantined"), within=60)
        await site.expect(reading("robot-1", quality="GOOD"), within=30)

    async def test_unwanted(self, site):
        await site.expect_no(reading("robot-1", speed_m_s=0), within=5)

    async def test_no_such_device(self, site):
        await site.expect(reading("robot-9"), within=5)

    async def test_no_such_fault(self, fault):
        fault("robot-1", "sulk")

    async def test_invariant(self, site, sim):
        site.observer.numbers[next(iter(site.observer.numbers))].add(10_000)

    async def test_daemon_dies(self, site):
        site._stage._life.cancel()
        await site.expect(reading("robot-1"), within=5)


@pytest.mark.parametrize("place", [
    pytest.param("x", marks=pytest.mark.fleetd(elements={"tin": "x.json"})),
    pytest.param("x", marks=pytest.mark.fleetd(start="noon")),
    pytest.param("x", marks=pytest.mark.fleetd(begin="noon")),
    pytest.param("x", marks=pytest.mark.fleetd(real=["robot-1"])),
    pytest.param("x", marks=pytest.mark.fleetd(site="none.yaml")),
    pytest.param("x", marks=pytest.mark.fleetd(simulate={"robot-7": {}})),
])
async def test_no_rig(site, place):
    pass


async def test_of_another_plug_in():
    assert type(asyncio.get_running_loop()).__name__ != "VirtualLoop"


@pytest.mark.parametrize("place", ["library", "depot"])
async def test_parametrized(site, clock, place):
    begun = clock.now()
    heard = await site.send_and_expect("robot-2", "send", {"place": place}, within=10)
    assert heard.value("stage") == "succeeded"
    assert (await site.expect(result("robot-2", stage="accepted"), within=1, since=0)) in site.heard
    await clock.sleep(90)
    assert (clock.now() - begun).total_seconds() >= 90


@pytest.mark.fleetd(seed=3, start="2026-11-12T00:00:00Z")
async def test_power_cut(site, world, sim):
    assert site.clock.now().day == 12
    await site.expect(reading("robot-1"), within=5)
    await site.power_cut()
    assert site.observer.numbers and len([each for each in site.heard if each.kind == "node"]) >= 2
    await site.expect(reading("robot-1"), within=5)
    assert sim("robot-1").model is world.seats["robot-1"].model


@pytest.fixture
def chance():
    before = random.getstate()
    yield
    assert random.getstate() == before


def test_no_coroutine_and_chance_is_left_alone(chance, site):
    assert site.settings.site == "yard"
"""


def test_what_fails_says_what_was_heard_and_other_async_tests_stay_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(YARD)
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
    )
    (tmp_path / "test_fails.py").write_text(FAILING)
    code, said = run(tmp_path, "-q")
    assert code == 1
    assert "9 failed, 5 passed, 6 errors" in said, said[-3000:]
    for words in (
        "not seen from 0.0 to 20.0 s: a reading of robot-1 whose speed_m_s > 3",
        ", speed_m_s was 0.0",
        "no reading of robot-1 has battery_soc; there are battery_charge_percent",
        "the command was refused after 0.0 s: there is no place 'moon'; there are depot, library",
        "no reading of robot-1 was ever heard",
        "robot-1 is offline: no answer within 0.5 s",
        "a reading of robot-1 whose speed_m_s is 0 was not to come, and came after",
        "'robot-9' is no device of the site; there are robot-1, robot-2",
        "unknown fault 'sulk'; known here are bumper",
        "nothing published is lost: broken after",
        "fleetd ended",
        "the site has no satellite 'tin'",
        "start 'noon': write it as 2026-11-11T03:00:00Z",
        "@pytest.mark.fleetd takes site, start, seed",
        "real devices cannot be hurried",
        "none.yaml: No such file or directory",
        "'robot-7' is no device of the site",
    ):
        assert words in said, words
    assert "live.py" not in said  # what is shown ends in the test's own line


def test_a_run_that_does_not_use_it_loads_nothing_of_it(tmp_path: Path) -> None:
    (tmp_path / "test_plain.py").write_text(
        "import sys\n\n\ndef test_plain():\n"
        "    loaded = [name for name in sys.modules if name.split('.')[0] in ('fleetd', 'numpy', 'yaml', 'pydantic')]\n"
        "    assert loaded == []\n    assert 'fleetd_hil.rig.plugin' in sys.modules\n"
        "    assert [name for name in sys.modules if name.startswith('fleetd_hil')] == [\n"
        "        'fleetd_hil', 'fleetd_hil.rig', 'fleetd_hil.rig.plugin']\n"
    )
    code, said = run(tmp_path, "-q", "-p", "no:hypothesispytest", "-p", "no:asyncio")
    assert code == 0, said


@pytest.mark.slow
def test_the_manual_s_example_passes_on_real_processes(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(YARD)
    (tmp_path / "test_yard.py").write_text(TESTS)
    code, said = run(tmp_path, "-q", "-p", "no:asyncio", "--fleetd-processes", "--fleetd-rate", "20")
    assert (code, "3 passed" in said) == (0, True), said


# What is waited for


def heard(kind: str, **body: object) -> Heard:
    return Heard(1.0, kind, "t", body)


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (reading("r", speed_m_s__gt=3), True),
        (reading("r", speed_m_s__ge=4, quality="GOOD"), True),
        (reading("r", speed_m_s__lt=4), False),
        (reading("r", speed_m_s__le=4), True),
        (reading("r", text__lt=4), False),
        (reading("r", flag__gt=0), False),
        (reading("r", none__ne=1), False),
        (reading("r", speed_m_s__ne=1), True),
        (reading("r", text__has="oor"), True),
        (reading("r", absent__x="why"), True),
        (reading("other"), False),
        (status("r"), False),
    ],
)
def test_conditions(wanted: Wanted, fits: bool) -> None:
    values = {"speed_m_s": 4.0, "text": "door", "flag": True}
    message = heard("reading", device="r", quality="GOOD", values=values, absent={"x": "why"})
    assert wanted.fits(message) is fits


def test_a_field_that_a_message_has_not_is_refused() -> None:
    for make in (lambda: status("r", mood=1), lambda: contact(mood=1), lambda: event(mood=1), lambda: node(mood=1)):
        with pytest.raises(ValueError, match="has no field 'mood'; it has"):
            make()
    assert str(alarm("r", name="x", active=True)) == "an alarm of r whose name is x, active is True"
    assert str(result("r")) == "a result of r"
    assert parse("detail__kind__has") == ("detail.kind", "has")


OVERHEAD = """
from fleetd_hil.rig.messages import contact

async def test_a_pass_is_worked(site, sim):
    report = await site.expect(contact(satellite="candy-tin", outcome="worked"), within=1500)
    assert report.value("max_pointing_error_deg") < 1.5
    assert sim("dish-rotator").model.azimuth.position_deg > 0
"""


@pytest.mark.slow
def test_a_pass_is_worked_over_a_site_of_the_shipped_scenarios(tmp_path: Path) -> None:
    copy_to(tmp_path / "rig")
    words = "[pytest]\nfleetd_site = rig/sites/small.yaml\nfleetd_start = 2026-11-11T03:00:00Z\n"
    (tmp_path / "pytest.ini").write_text(words)
    (tmp_path / "test_pass.py").write_text(OVERHEAD)
    code, said = run(tmp_path, "-q", "-p", "no:asyncio")
    assert (code, "1 passed" in said) == (0, True), said
