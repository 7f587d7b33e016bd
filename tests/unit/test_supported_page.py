"""SUPPORTED.md is what the installed drivers say, and leaves none of ours out."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = runpy.run_path(str(ROOT / "docs" / "supported.py"))


def test_the_page_is_what_the_drivers_say_now() -> None:
    assert SCRIPT["main"](["--check"]) == 0


def test_every_driver_of_ours_is_on_it_with_a_readme_and_claims_no_hardware_that_is_not_named() -> None:
    assert SCRIPT["untold"]() == []
    page = SCRIPT["page"]()
    rows = [line for line in page.splitlines() if line.startswith("| [")]
    assert len(rows) == len(SCRIPT["TRIED"])
    for row in rows:
        readme = row.split("](")[1].split(")")[0]
        assert (ROOT / readme).is_file()
        assert row.endswith("none yet |") == (row.split("`")[1] not in SCRIPT["REAL"])
