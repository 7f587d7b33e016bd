"""Scenarios: the shipped ones pass, a wrong one is refused by line and reason."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from fleetd.errors import ConfigError
from fleetd_hil import catalogue
from fleetd_hil.faults import Faults
from fleetd_hil.scenario.given import Act, Order, Orders
from fleetd_hil.scenario.junit import junit_xml
from fleetd_hil.scenario.model import Expectation
from fleetd_hil.scenario.observer import Heard, Observer
from fleetd_hil.scenario.play import judge
from fleetd_hil.scenario.quantities import condition, seconds
from fleetd_hil.scenario.report import report_html
from fleetd_hil.scenario.run import play
from fleetd_hil.scenario.script import read_script
from fleetd_hil.sim import Answer, Feed
from fleetd_hil.virtual.loop import LoopClock

FOLDER = Path(__file__).parents[2] / "hil" / "scenarios"
ALL = sorted(FOLDER.glob("*.yaml"))
QUICK = ("doors-open-and-a-command", "empty-battery", "broker-mute")


def test_there_are_enough_of_them_and_each_says_what_it_is_for() -> None:
    scripts = [read_script(file) for file in ALL]
    assert len(scripts) >= 25
    assert [script.scenario.scenario for script in scripts] == [file.stem for file in ALL]


@pytest.mark.parametrize("name", QUICK)
def test_a_quick_one_passes(name: str) -> None:
    verdict = play(read_script(FOLDER / f"{name}.yaml"))
    assert verdict.passed, [finding for finding in verdict.findings if not finding.held]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("file", [file for file in ALL if file.stem not in QUICK], ids=lambda file: file.stem)
def test_every_scenario_passes(file: Path) -> None:
    verdict = play(read_script(file))
    assert verdict.passed, [finding for finding in verdict.findings if not finding.held]


def test_what_does_not_hold_is_told_with_evidence(tmp_path: Path) -> None:
    """The robot's battery is full here, so that what is expected does not come."""
    shutil.copytree(FOLDER, tmp_path / "s")
    file = tmp_path / "s" / "empty-battery.yaml"
    file.write_text(file.read_text().replace("start_charge_percent: 4", "start_charge_percent: 90"))
    verdict = play(read_script(file))
    assert not verdict.passed
    (failed,) = [finding for finding in verdict.findings if not finding.held]
    assert "stage was 'accepted'" in failed.evidence or "stage was" in failed.evidence
    suite = ET.fromstring(junit_xml([verdict])).find("testsuite")
    assert suite is not None
    assert suite.attrib["failures"] == "1"
    page = report_html(verdict)
    assert "<span class='badge not'>failed</span>" in page
    assert page.index("not</td>") < page.index("held</td>")  # what matters comes first
    for title in ("What was expected of it", "What befell the site", "Pointing", "Robots", "Word for word"):
        assert title in page
    assert "polyline" in page
    assert not re.search(r"https?://|<script|@import|url\(", page)  # nothing is loaded from elsewhere


def test_a_daemon_that_cannot_begin_fails_its_scenario_and_hangs_nothing(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "s")
    (tmp_path / "s" / "elements" / "candy-tin.json").write_text("[]")
    verdict = play(read_script(tmp_path / "s" / "empty-battery.yaml"))
    assert not verdict.passed
    assert "candy-tin.json" in verdict.findings[0].evidence


# Bad input


GOOD = """\
scenario: tried
purpose: A scenario that is good but for one thing.
site: sites/small.yaml
start: 2026-11-11T03:00:00Z
lasts: 2 min
timeline:
  - {at: 10 s, fault: silent+20, of: robot-1}
expect:
  - status: {device: robot-1, state: quarantined}
    within: 60 s
"""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("of: robot-1}", "of: robot-9}", ":7:5: timeline.0: 'robot-9' is no simulated device"),
        ("silent+20", "sulking", "unknown fault 'sulking'; known here are"),
        ("fault: silent+20, of: robot-1", "fault: silent", "`of` names the device of a fault"),
        ("fault: silent+20, of: robot-1", "broker: away, daemon: restart", "a step does exactly one of"),
        ("at: 10 s", "at: 10", "write a number and its unit, one of ms, s, min, h, d"),
        ("at: 10 s", "at: 3 min", "comes at 180 s, when all is over"),
        ("status: {device: robot-1", "status: {device: robot-7", "'robot-7' is no device of the site"),
        ("status: {device: robot-1, state: quarantined}", "status: {}", "this could hardly fail"),
        ("state: quarantined", "mood: bad", "a status has no field 'mood'"),
        ("status: {device: robot-1", "moods: {device: robot-1", "unknown key"),
        ("within: 60 s", "within: 5 min", "a deadline at 300 s, when the scenario lasts 120 s"),
        ("within: 60 s", "within: 0 s", "`within` is longer than nothing"),
        ("within: 60 s", "within: 60 s\n    never: true\n    times: 2", "contradict each other"),
        (
            "status: {device: robot-1, state: quarantined}",
            'contact: {max_pointing_error_deg: "< 1.5"}',
            "must bear the unit deg, as in '< 1.5 deg'",
        ),
        ("site: sites/small.yaml", "site: ../small.yaml", "lies beside the scenario or below it"),
        ("expect:", "simulate: {robot-4: {wings: 2}}\nexpect:", "unknown option 'wings'"),
        ("expect:", "real: [robot-11]\nexpect:", "'robot-11' is no"),
        ("lasts: 2 min", "lasts: 2 fortnights", "write a number and its unit"),
        ("fault: silent+20", "clear: sulking", ":7:5: timeline.0: unknown fault 'sulking'; known here are"),
        ("expect:", "orbits: {moon: {late: 3 s}}\nexpect:", "'moon' is no satellite of the site; there are candy-tin"),
        ("state: quarantined", "state: sulking", ":9:5: expect.0: state is never 'sulking'; it is one of online"),
        (
            "status: {device: robot-1, state: quarantined}",
            'reading: {device: robot-1, mood: "> 3"}',
            ":9:5: expect.0: readings of robot-1 have no 'mood'; they have battery_charge_percent",
        ),
        (
            "status: {device: robot-1, state: quarantined}",
            "contact: {satellite: moon}",
            "'moon' is no satellite of the site; there are candy-tin",
        ),
    ],
)
def test_what_could_be_misunderstood_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    shutil.copytree(FOLDER, tmp_path / "s")
    file = tmp_path / "s" / "tried.yaml"
    file.write_text(GOOD)
    read_script(file)
    assert old in GOOD
    file.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(ConfigError) as refused:
        read_script(file)
    assert words in " | ".join(refused.value.problems)
    assert all("tried.yaml:" in problem or "small.yaml:" in problem for problem in refused.value.problems)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            'driver: little-donkey, link: "modbus+tcp://10.20.0.4:502", settings: {unit: 1, poll_s: 2.0}',
            'driver: gs232b, link: "tcp://10.20.0.4:502"}\n  - {name: robot-6, driver: kiss, link: "tcp://10.20.0.4:502"',
            "robot-4 has this link already, and only Modbus units can share one",
        ),
        (
            'link: "modbus+rtu:///dev/ttyUSB1?baud=19200", settings: {unit: 2,',
            'link: "modbus+rtu:///dev/ttyUSB1?baud=19200", settings: {unit: 1,',
            "robot-1",
        ),
    ],
)
def test_two_sims_on_one_link_are_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    """By the line of the site file, whose own reading refuses it already."""
    shutil.copytree(FOLDER, tmp_path / "s")
    (tmp_path / "s" / "tried.yaml").write_text(GOOD)
    site = tmp_path / "s" / "sites" / "small.yaml"
    assert old in site.read_text()
    site.write_text(site.read_text().replace(old, new, 1))
    with pytest.raises(ConfigError) as refused:
        read_script(tmp_path / "s" / "tried.yaml")
    assert words in str(refused.value)
    assert re.search(r"small\.yaml:4\d:\d+: devices\.\d", str(refused.value))


class Dying:
    """A rotator whose third question is too much for it."""

    name, units, violations = "gs232b", (), ()

    def __init__(self) -> None:
        self.faults = Faults(())
        self.asked = 0

    def attach(self) -> Feed:
        return self.feed

    def feed(self, _data: bytes, _at_s: float) -> list[Answer]:
        self.asked += 1
        if self.asked > 2:
            raise ZeroDivisionError("no such angle")
        return [Answer(b"AZ=000  EL=000\r\n")]


def test_a_sim_that_dies_fails_its_scenario_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = replace(catalogue.KINDS["gs232b"], alone=lambda _options: Dying())
    monkeypatch.setitem(catalogue.KINDS, "gs232b", kind)  # type: ignore[arg-type]  # a mapping that is a dict
    verdict = play(read_script(FOLDER / "empty-battery.yaml"))
    assert not verdict.passed
    (finding,) = [each for each in verdict.findings if not each.held]
    assert finding.words == "every sim lives to the end"
    assert finding.evidence == "the sim gs232b died: ZeroDivisionError: no such angle"


def test_a_scenario_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetd_hil.scenario.run.DEADLINE_S", 0.05)
    verdict = play(read_script(FOLDER / "stop-all.yaml"))
    (finding,) = [each for each in verdict.findings if not each.held]
    assert finding.words == "the scenario comes to its end"
    assert "more than 0.05 s of real time" in finding.evidence


def test_each_act_wants_an_order_of_its_own_that_has_not_expired() -> None:
    orders = Orders()
    orders.give("a", Order("robot-1", "send", 10.0, 20.0))
    orders.give("a", Order("robot-1", "send", 12.0, 90.0))  # the same once more
    orders.give("b", Order("robot-1", "open_door", 10.0, 20.0))
    orders.learn("c", "robot-2", "hold")

    def unfounded(*acts: Act) -> list[str]:
        return [how for _, how in orders.unfounded(acts)]

    assert unfounded(Act(11.0, "robot-1", "send"), Act(500.0, "robot-2", "hold")) == []
    assert unfounded(Act(11.0, "robot-1", "send"), Act(13.0, "robot-1", "send")) == ["twice"]
    assert unfounded(Act(20.4, "robot-1", "open_door"), Act(20.6, "robot-1", "send")) == ["late"]
    assert unfounded(Act(9.0, "robot-1", "send")) == ["twice"]
    orders.void("a", "robot-1")  # it was refused, so nothing may come of it
    assert unfounded(Act(11.0, "robot-1", "send")) == ["twice"]
    orders.give("a", Order("robot-1", "send", 12.0, 90.0))
    assert unfounded(Act(13.0, "robot-1", "send")) == []


def test_quantities() -> None:
    assert [seconds(text) for text in ("250 ms", "3 s", "1.5 min", "-1 h", "2d")] == [
        0.25,
        3.0,
        90.0,
        -3600.0,
        172_800.0,
    ]
    assert condition("speed_m_s", "> 3 m/s").holds(3.1)
    assert not condition("speed_m_s", "> 3 m/s").holds(None)
    assert not condition("speed_m_s", ">= 1 m/s").holds(True)
    assert condition("text", "~ door").holds("a door stands open")
    assert condition("count", ">= 2").holds(2)
    with pytest.raises(ValueError, match="must bear no unit"):
        condition("count", ">= 2 deg")


async def test_how_an_expectation_is_judged() -> None:
    observer = Observer(LoopClock.__new__(LoopClock))
    for at_s, state in ((1.0, "online"), (5.0, "stale"), (9.0, "online")):
        observer.heard.append(Heard(at_s, "status", "t", {"device": "r", "state": state}))

    def held(**more: object) -> bool:
        return judge(Expectation.model_validate({"status": {"state": "online"}, "within": "6 s"} | more), observer).held

    assert held()
    assert not held(after="2 s")
    assert held(after="4 s")
    assert not held(never=True)
    assert held(never=True, after="2 s")
    assert held(times=1)
    assert not held(times=2)
    assert held(times=2, within="10 s")


def test_an_order_that_no_broker_took_was_not_given(tmp_path: Path) -> None:
    """Its id may be given to another one, which is then carried out rightly."""
    shutil.copytree(FOLDER, tmp_path / "s")
    file = tmp_path / "s" / "given-anew.yaml"
    file.write_text("""\
scenario: given-anew
purpose: A command is lost with the broker, and its id serves for another one.
site: sites/small.yaml
start: 2026-11-11T03:00:00Z
lasts: 40 s
timeline:
  - {at: 5 s, broker: away}
  - {at: 6 s, command: {device: robot-3, action: hold, id: one}}
  - {at: 7 s, broker: back}
  - {at: 30 s, command: {device: robot-3, action: set_speed_limit, args: {speed_m_s: 3}, id: one}}
expect:
  - result: {id: one, action: set_speed_limit, stage: succeeded}
    within: 40 s
""")
    verdict = play(read_script(file))
    assert verdict.passed, [finding for finding in verdict.findings if not finding.held]
