"""For each invariant of scenarios there is a build that breaks it, and a scenario that shows it broken.

A mutant is a patch under `tests/mutants/`: what it breaks, by which scenario that is seen, and the change itself.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from fleetd_hil.scenario.invariants import NAMES

ROOT = Path(__file__).parents[2]
PACKAGES = {"fleetd": ".", "fleetd_drivers": "drivers", "fleetd_hil": "hil"}
PATCHES = sorted((ROOT / "tests" / "mutants").glob("*.patch"))


@dataclass(frozen=True)
class Mutant:
    """One broken build."""

    file: Path
    scenario: str
    breaks: str

    @classmethod
    def of(cls, file: Path) -> Mutant:
        head = file.read_text(encoding="utf-8").partition("\ndiff --git")[0]
        said = dict(re.findall(r"^(scenario|breaks): (.+)$", head, re.MULTILINE))
        return cls(file, said["scenario"], said["breaks"])

    def build(self, there: Path) -> None:
        """A copy of the sources with the patch applied."""
        for package, folder in PACKAGES.items():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / folder / package, there / folder / package, ignore=ignored)
        self.apply(there)

    def apply(self, there: Path, *options: str) -> None:
        words = ["git", "apply", "--whitespace=nowarn", *options, str(self.file)]
        applied = subprocess.run(words, cwd=there, capture_output=True, text=True, env=alone(there), check=False)
        assert applied.returncode == 0, (
            f"{self.file.name} no longer applies to the sources: write it anew, so that it breaks the same guard\n"
            f"{applied.stderr}"
        )


def alone(there: Path) -> dict[str, str]:
    """The environment of a program that knows these sources only, and no repository around them."""
    paths = os.pathsep.join(str(there / folder) for folder in PACKAGES.values())
    return {**os.environ, "PYTHONPATH": paths, "GIT_CEILING_DIRECTORIES": str(there.parent), "PYTHONWARNINGS": ""}


def test_each_invariant_has_a_mutant_that_breaks_it() -> None:
    mutants = [Mutant.of(file) for file in PATCHES]
    assert {mutant.breaks for mutant in mutants} == set(NAMES)
    for mutant in mutants:
        assert (ROOT / "hil" / "scenarios" / f"{mutant.scenario}.yaml").is_file(), mutant
        mutant.apply(ROOT, "--check")


def test_a_patch_that_no_longer_applies_says_so(tmp_path: Path) -> None:
    (tmp_path / "fleetd" / "contact").mkdir(parents=True)
    (tmp_path / "fleetd" / "contact" / "interlock.py").write_text("another file altogether\n")
    with pytest.raises(AssertionError, match=r"mask-ignored\.patch no longer applies to the sources: write it anew"):
        Mutant.of(ROOT / "tests" / "mutants" / "mask-ignored.patch").apply(tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("file", PATCHES, ids=lambda file: file.stem)
def test_a_scenario_shows_the_mutant(file: Path, tmp_path: Path) -> None:
    mutant = Mutant.of(file)
    mutant.build(tmp_path / "broken")
    shutil.copytree(ROOT / "hil" / "scenarios", tmp_path / "scenarios")
    verdicts = tmp_path / "verdicts.xml"
    scenario = tmp_path / "scenarios" / f"{mutant.scenario}.yaml"
    words = [sys.executable, "-m", "fleetd_hil.cli", "run", str(scenario), "--junit", str(verdicts)]
    played = subprocess.run(
        words, cwd=tmp_path, capture_output=True, text=True, env=alone(tmp_path / "broken"), check=False
    )
    assert played.returncode == 1, played.stdout + played.stderr
    cases = {case.attrib["name"]: case for case in ET.parse(verdicts).iter("testcase")}
    assert mutant.breaks in cases, f"it did not come to its end: {played.stdout}"
    assert cases[mutant.breaks].find("failure") is not None, f"{mutant.breaks!r} held all the same:\n{played.stdout}"
