"""The random search: what it composes is always a scenario, what fails is made small, and a planted bug is found."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from pathlib import Path
from random import Random

import pytest
from typer.testing import CliRunner

from fleetd.errors import ConfigError
from fleetd_hil import catalogue
from fleetd_hil.cli import app
from fleetd_hil.explore.calm import expectations
from fleetd_hil.explore.case import Case
from fleetd_hil.explore.compose import compose
from fleetd_hil.explore.search import Search, Wanted, explore, needed, pruned, signature
from fleetd_hil.explore.shrink import Shrinker, shorter, without_parts
from fleetd_hil.explore.sites import compose_site
from fleetd_hil.explore.sky import compose_sky
from fleetd_hil.explore.story import SHORTEST_CALM_S, Storyteller
from fleetd_hil.explore.trial import DEADLINE_S, DIED, ENDED, Failed, Stable, first_ready
from fleetd_hil.line import FAULTS as LINE_FAULTS
from fleetd_hil.scenario.run import play
from fleetd_hil.scenario.script import read_script


@pytest.fixture(autouse=True)
def stable_left() -> Iterator[None]:
    """The process of which cases are forks lives as long as its parent otherwise."""
    yield
    forkserver._forkserver._stop()  # it has no other end


def read(case: Case, folder: Path) -> None:
    read_script(case.write(folder / case.name, expectations(case)))


@pytest.mark.parametrize("number", range(1, 7))
def test_what_is_composed_is_a_scenario(number: int, tmp_path: Path) -> None:
    read(compose(7, number), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 300))
def test_what_any_seed_composes_is_a_scenario(seed: int, tmp_path: Path) -> None:
    read(compose(seed, 1), tmp_path)


def test_the_same_seed_composes_the_same_and_another_something_else() -> None:
    def text(seed: int, number: int) -> str:
        case = compose(seed, number)
        return json.dumps([case.site, case.elements, case.scenario(expectations(case))])

    assert text(3, 2) == text(3, 2)
    assert len({text(3, 1), text(3, 2), text(4, 1)}) == 3


def test_everything_that_can_break_does_break_sooner_or_later() -> None:
    sky = compose_sky(Random(1))
    told: set[tuple[str, str]] = set()
    acts: set[str] = set()
    for number in range(1500):
        draw = Random(number)
        site, _ = compose_site(draw, sky)
        drivers = {
            device["name"]: device.get("settings", {}).get("map") or device["driver"] for device in site["devices"]
        }
        for step in Storyteller(draw, site, sky, 500.0, 100.0).tell():
            acts |= step.keys() - {"at", "of"}
            acts |= {str(step[key]) for key in ("broker", "daemon") if key in step}
            if "fault" in step:
                told.add((drivers[step["of"]], step["fault"].partition("=")[0].partition("+")[0]))
    assert acts >= {"fault", "broker", "clock", "daemon", "write", "command", "control"}
    assert acts >= {"away", "back", "mute", "heed", "power-cut", "restart"}
    drivers_seen = {driver for driver, _ in told}
    assert drivers_seen == catalogue.KINDS.keys() - {"spid-rot1"}
    assert {fault for _, fault in told} >= {kind.name for kind in LINE_FAULTS}
    every = {(name, kind.name) for name in drivers_seen for kind in catalogue.KINDS[name].faults}
    missing = every - told
    assert len(missing) < len(every) / 10, sorted(missing)


def test_what_ends_by_itself_must_have_ended_and_each_device_be_back() -> None:
    case = compose(7, 1)
    never = [each["alarm"] for each in expectations(case) if each.get("last") and each.get("never") and "alarm" in each]
    told = {(alarm["device"], alarm["name"]) for alarm in never}
    assert ("clock", "clock-unsynchronised") in told
    for antenna in case.site["antennas"]:
        assert {(antenna["name"], name) for name in ("wind", "feedback-lost", "feedback-noisy")} <= told
    for device in case.site["devices"]:
        assert (device["name"], "offline") in told


def test_every_story_is_over_when_the_calm_begins() -> None:
    sky = compose_sky(Random(2))
    for number in range(200):
        draw = Random(number)
        site, _ = compose_site(draw, sky)
        gone = 0
        for step in Storyteller(draw, site, sky, SHORTEST_CALM_S, 100.0).tell():
            lasting_s = float(step["fault"].rpartition("+")[2]) if "fault" in step else 0.0
            assert 0 < step["at"] <= step["at"] + lasting_s < SHORTEST_CALM_S
            gone += {
                "away": 1,
                "mute": 1,
                "hung": 1,
                "unsynchronised": 1,
                "back": -1,
                "heed": -1,
                "synchronised": -1,
            }.get(str(step.get("broker", step.get("clock"))), 0)
        assert gone == 0


# Shrinking


def known(steps: int = 13) -> Case:
    case = compose(5, 1)
    case.timeline = [{"at": float(at), "broker": "away" if at % 2 else "back"} for at in range(1, steps)]
    case.timeline.insert(3, {"at": 3.5, "daemon": "power-cut"})
    case.timeline.insert(9, {"at": 9.5, "fault": "silent+60", "of": case.site["devices"][0]["name"]})
    return case


def has(*wanted: str) -> Callable[[Case], bool]:
    return lambda case: all(any(key in step for step in case.timeline) for key in wanted)


def test_what_matters_is_left_and_nothing_else(tmp_path: Path) -> None:
    case = known()
    shrinker = Shrinker(has("daemon", "fault"), budget=500)
    small = shrinker.shrink(case)
    assert [step.keys() - {"at", "of"} for step in small.timeline] == [{"daemon"}, {"fault"}]
    assert small.timeline[1]["fault"] == "silent+1.9"
    assert len(small.site["antennas"]) == 1
    assert len(small.site["devices"]) <= 2
    assert small.lasts_s < 30
    assert case.timeline == known().timeline  # the one that was handed in is as it was
    read(pruned(small), tmp_path)
    assert Shrinker(has("daemon", "fault"), budget=500).shrink(case) == small


def test_a_spent_budget_ends_it_with_something_that_still_fails() -> None:
    for budget in (1, 3, 10, 30):
        shrinker = Shrinker(has("daemon"), budget)
        assert has("daemon")(shrinker.shrink(known(60)))
        assert shrinker.tried <= budget


def test_what_cannot_be_smaller_stays() -> None:
    case = known()
    assert Shrinker(lambda _case: False, budget=500).shrink(case) is case


@pytest.mark.parametrize("number", range(1, 5))
def test_every_smaller_case_is_a_scenario_too(number: int, tmp_path: Path) -> None:
    case = compose(11, number)
    for index, smaller in enumerate([*without_parts(case), *shorter(case)]):
        if index % 5 == number % 5:
            smaller.name = f"smaller-{index}"
            read(smaller, tmp_path)


def test_failures_are_told_apart_by_what_failed_and_not_by_its_numbers() -> None:
    case = compose(5, 1)
    device = case.site["devices"][0]["name"]
    one = Failed(f"never a last alarm whose device is {device}, name is offline, from 0 to 700 s", "after 3 s")
    other = Failed(f"never a last alarm whose device is {device}, name is offline, from 0 to 500 s", "after 9 s")
    assert signature(one, case) == signature(other, case)
    bugs = [Failed("the daemon has no bug", f"KeyError: 1 at {place} in act") for place in ("hub.py:3", "hub.py:9")]
    assert signature(bugs[0], case) != signature(bugs[1], case)


def test_a_kept_scenario_expects_what_failed_alone() -> None:
    case = compose(5, 1)
    device = case.site["devices"][0]["name"]
    failed = Failed(f"at least once a last status whose device is {device}, state is online, from 0 to 9 s", "")
    (kept,) = needed(case, failed)
    assert kept["status"] == {"device": device, "state": "online"}
    (other,) = needed(case, Failed("no command is carried out twice", ""))
    assert other["node"] == {"state": "online"}


# Whole searches


def test_a_case_is_played_told_of_and_counted(tmp_path: Path) -> None:
    """The smallest of a few, so that it takes a second or two."""
    number = min(range(1, 30), key=lambda number: len(compose(1, number).site["devices"]))
    order = ["explore", "--seed", "1", "--case", str(number), "--json", "--keep", str(tmp_path / "kept")]
    ended = CliRunner().invoke(app, order)
    told = json.loads(ended.stdout)
    assert told["failures"] == [], told
    assert ended.exit_code == 0
    assert (told["seed"], told["cases"]) == (1, 1)
    assert told["simulated_s"] == compose(1, number).lasts_s
    assert not (tmp_path / "kept").exists()


def test_where_nothing_can_be_kept_nothing_is_searched(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    wanted = Wanted(1, None, 1, None, 1, 1, tmp_path / "file")
    with pytest.raises(ConfigError, match=r"--keep .*file: File exists; name a folder"):
        explore(wanted, as_json=False, say=print)


def test_how_long_must_be_said() -> None:
    ended = CliRunner().invoke(app, ["explore"])
    assert ended.exit_code == 2
    assert "--minutes" in ended.output


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_planted_bug_is_found_shrunk_to_one_order_and_kept(tmp_path: Path) -> None:
    def holds(case: Case) -> bool:
        return any(step.get("command", {}).get("action") == "hold" for step in case.timeline)

    number = next(number for number in range(1, 50) if holds(compose(9, number)))
    said: list[str] = []
    wanted = Wanted(seed=9, minutes=None, cases=None, only=number, jobs=1, budget=60, keep=tmp_path)
    search = Search(wanted, said.append, Stable(["planted"]))
    search.run()
    (failure,) = search.distinct
    assert "ZeroDivisionError: planted" in failure.found.evidence
    assert [step["command"]["action"] for step in failure.case.timeline] == ["hold"]
    assert len(failure.case.site["devices"]) <= 2
    assert failure.file is not None
    script = read_script(failure.file)
    assert len(script.scenario.timeline) == 1
    assert play(script).passed  # here nothing is planted


def test_a_process_that_dies_or_hangs_is_a_finding(tmp_path: Path) -> None:
    stable, case = Stable(["planted"]), compose(1, 1)
    case.site["site"] = "NOT A NAME"  # its process refuses the file and dies of it
    assert [each.words for each in stable.play(case).failed] == [DIED]
    trial = Stable().begin(compose(1, 1))
    while not list(trial.folder.rglob("store")):  # it is under way
        time.sleep(0.02)
    trial.began_s -= DEADLINE_S
    assert [each is trial for each in first_ready([trial], 10.0)] == [True]
    assert [each.words for each in trial.outcome().failed] == [ENDED]
    assert not trial.process.is_alive()
    assert not trial.folder.exists()


@pytest.mark.slow
def test_a_search_that_is_ended_leaves_no_process_and_tells_what_it_has(tmp_path: Path) -> None:
    words = ["explore", "--seed", "1", "--minutes", "5", "--json", "--keep", str(tmp_path)]
    with subprocess.Popen(
        [sys.executable, "-m", "fleetd_hil.cli", *words], stdout=subprocess.PIPE, text=True
    ) as search:
        while not (family := _descendants(search.pid)) or len(family) < 2:  # the stable, and a case in it
            time.sleep(0.02)
        search.send_signal(signal.SIGTERM)
        told = json.loads(search.communicate(timeout=20)[0])
    assert search.returncode == 0
    assert told["failures"] == []
    deadline_s = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in family):
        assert time.monotonic() < deadline_s, family
        time.sleep(0.02)


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = entry.read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    found = list(children.get(pid, ()))
    for child in found:
        found += children.get(child, ())
    return found
