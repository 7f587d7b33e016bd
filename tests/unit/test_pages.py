"""Every page is reached from the README, no link leads nowhere, and the index is as the pages are."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = ("docs", "drivers", "hil", "configs", "systemd", "design", "bench")
PAGES = sorted([*ROOT.glob("*.md"), *(page for place in PLACES for page in (ROOT / place).rglob("*.md"))])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def links(page: Path) -> list[str]:
    """Where a page leads within this tree; what stands in code is none."""
    found = LINK.findall(CODE.sub("", page.read_text(encoding="utf-8")))
    return [link for link in found if "://" not in link and not link.startswith("mailto:")]


def anchors(page: Path) -> set[str]:
    """The headings of a page, as links name them."""
    headings = HEADING.findall(re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL))
    return {re.sub(r"[^\w\- ]", "", each.lower()).strip().replace(" ", "-") for each in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_leads_nowhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in anchors(target), f"{link}: there is no such heading"


def test_every_page_is_reached_from_the_readme() -> None:
    reached, ahead = set[Path](), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop().resolve()
        if page in reached:
            continue
        reached.add(page)
        targets = [page.parent / link.partition("#")[0] for link in links(page)]
        ahead += [target for target in targets if target.suffix == ".md"]
    assert {page.resolve() for page in PAGES} - reached == set()


def test_the_index_names_every_page_of_the_docs_under_its_title() -> None:
    index = runpy.run_path(str(ROOT / "docs" / "index.py"))
    assert (ROOT / "docs" / "README.md").read_text(encoding="utf-8") == index["written"](), "run python docs/index.py"
