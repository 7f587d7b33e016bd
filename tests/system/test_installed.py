"""The wheel in an environment of its own, used from an empty folder: nothing may need the source tree."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from tutorial import PAGE as TUTORIAL
from tutorial import carry_out

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel in it. The libraries are borrowed from this one, fleetd itself is not."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(folder), str(ROOT)], check=True
    )
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", symlinks=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([*pip, "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)], check=True)
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    # A folder on the path is looked into for modules; its .pth files, where the editable fleetd hides, are not read.
    (packages / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder / "venv"


def run(installed: Path, folder: Path, *words: str, expects: int = 0) -> str:
    """What one of its programs says in an empty folder."""
    program, *rest = words
    done = subprocess.run(
        [installed / "bin" / program, *rest], cwd=folder, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == expects, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_it_is_the_wheel_and_not_the_tree(installed: Path, tmp_path: Path) -> None:
    where = run(installed, tmp_path, "python", "-c", "import fleetd, fleetd_hil; print(fleetd.__file__, fleetd_hil)")
    assert str(ROOT) not in where
    assert where.count(str(installed)) == 2


def test_programs_drivers_completion_and_manual_are_there(installed: Path, tmp_path: Path) -> None:
    for program in ("fleetd", "fleetctl", "fleethil"):
        assert f"usage: {program}" in run(installed, tmp_path, program, "--help").lower()
    assert "_fleetctl_completion" in run(installed, tmp_path, "fleetctl", "--show-completion", "bash")
    drivers = json.loads(run(installed, tmp_path, "fleetctl", "drivers", "--json"))
    assert len(drivers) > 10
    assert [driver for driver in drivers if driver["missing"]] == []
    share = installed / "share"
    assert {path.name for path in share.glob("man/man*/*")} == {"fleetctl.1", "fleethil.1", "fleetd.8"}
    assert (share / "fleetd" / "systemd" / "fleetd.service").is_file()
    said = run(installed, tmp_path, "fleetctl", "config", "check", str(share / "fleetd" / "configs" / "demo.yaml"))
    assert "demo.yaml" in said


def test_a_pass_is_found_with_the_elements_that_come_along(installed: Path, tmp_path: Path) -> None:
    elements = installed / "share" / "fleetd" / "configs" / "elements" / "candy-tin.json"
    words = ["passes", "--elements", str(elements), "--station", "30.27,120.15,20", "--start", "2026-11-11T00:00:00Z"]
    assert "candy-tin" in run(installed, tmp_path, "fleetctl", *words, "--hours", "24").lower().replace(" ", "-")


def test_the_tutorial_is_done_with_nothing_but_the_wheel(installed: Path, tmp_path: Path) -> None:
    done = carry_out(TUTORIAL.read_text(encoding="utf-8"), tmp_path, installed / "bin")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed  noisy-bus: 4 min" in done.stdout


def test_tests_of_a_rig_owner_pass(installed: Path, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "rig-tests.md").read_text(encoding="utf-8")
    (tmp_path / "site.yaml").write_text(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0])
    (tmp_path / "test_yard.py").write_text(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0])
    assert "3 passed" in run(installed, tmp_path, "python", "-m", "pytest", "-q", "-p", "no:asyncio")
