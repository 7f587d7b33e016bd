"""The tutorial on scenarios, carried out line by line by somebody who has nothing but the installed program."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tutorial import PAGE, carry_out

from fleetd.errors import ConfigError
from fleetd_hil.scenario.shipped import copy_to, purposes, scenario_file


@pytest.mark.timeout(180)
def test_a_newcomer_plays_writes_and_breaks_a_scenario_from_the_page_alone(tmp_path: Path) -> None:
    done = carry_out(PAGE.read_text(encoding="utf-8"), tmp_path, Path(sys.executable).parent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed  empty-battery: 2 min" in done.stdout
    assert "passed  noisy-bus: 4 min" in done.stdout
    assert "failed  too-strict" in done.stdout
    assert "not: at least once a result whose id is errand, stage is succeeded, from 60 to 80 s" in done.stdout
    assert "not every scenario passed\n" in done.stdout
    assert "misspelt.yaml:7:5: timeline.0: 'robot-17' is no simulated device of the site" in done.stderr
    assert done.stdout.rstrip().endswith("it was refused")


def test_shipped_scenarios_are_found_by_name_and_copied_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert scenario_file(Path("gust")).is_file()
    for unknown in ("gust.yaml", "x/gust", "gusts"):
        with pytest.raises(ConfigError, match=rf"^{unknown}: no such file, .* see `fleethil scenarios`"):
            scenario_file(Path(unknown))
    Path("gust").touch()
    assert scenario_file(Path("gust")) == Path("gust")
    assert dict(purposes())["gust"]
    copy_to(tmp_path / "mine")
    assert (tmp_path / "mine" / "sites" / "small.yaml").is_file()
    with pytest.raises(ConfigError, match="is there already"):
        copy_to(tmp_path / "mine")
