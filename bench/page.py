"""Where figures are left: `build/bench-NAME.json` for programs, a marked section of one page for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[1]
_PAGE = _ROOT / "docs" / "reference" / "benchmarks.md"


def publish(name: str, result: Mapping[str, Any], section: str) -> Path:
    """Write the figures of benchmark `name`; its section of the page must stand there between its two marks.

    Returns the file for programs. Raises ValueError where the page has no such marks.
    """
    begin, end = f"<!-- bench-{name}: begin -->", f"<!-- bench-{name}: end -->"
    page = _PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(begin)
    _, mark, after = rest.partition(end)
    if not mark:
        raise ValueError(f"{_PAGE} has no section {begin} … {end}")
    _PAGE.write_text(f"{before}{begin}\n{section.strip()}\n{end}{after}", encoding="utf-8")
    file = _ROOT / "build" / f"bench-{name}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return file
