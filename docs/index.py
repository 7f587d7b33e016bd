# ruff: noqa: INP001  # a script beside the page that it writes, not a package
"""Writes docs/README.md, the way to every page, from the pages' own first lines.

python docs/index.py            writes it
python docs/index.py --check    says if it is not as it would be written, and ends with 1 then
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGE = DOCS / "README.md"

HEAD = """# The pages

Written by `python docs/index.py` from the pages' own titles. What fleetd is and what it does stands in
[README.md](../README.md), the plan of the house in [ARCHITECTURE.md](../ARCHITECTURE.md), how to build on it in
[CONTRIBUTING.md](../CONTRIBUTING.md), and what each driver was tried against in [SUPPORTED.md](../SUPPORTED.md).
"""
PARTS = (
    ("tutorial", "To begin with", "From nothing to something that runs, step by step."),
    ("how-to", "How to", "One task a page, for somebody who has it before him."),
    ("explanation", "Explained", "Why things are as they are, and what may be relied on."),
    ("reference", "Looked up", "Every command, message, register and figure."),
    (
        "decisions",
        "Decided",
        "Choices that were not obvious, with their reasons; [COPYME.md](decisions/COPYME.md) is the form.",
    ),
)
"""Folder, heading, and what kind of page lies there."""
BESIDE = {
    "reference": (
        ("../configs/demo.yaml", "A commented site file"),
        ("messages/", "JSON Schemas of every message"),
        ("man/fleetd.8", "Manual page of fleetd"),
        ("man/fleetctl.1", "Manual page of fleetctl"),
        ("man/fleethil.1", "Manual page of fleethil"),
        ("../hil/README.md", "The simulated hardware"),
        ("../systemd/README.md", "The service, and what it may do"),
        ("../configs/elements/README.md", "Whose orbits the shipped elements are"),
        ("../drivers/fleetd_drivers/modbus/README.md", "Modbus lines"),
    ),
}
"""What belongs to a part and lies elsewhere."""


def title(page: Path) -> str:
    """The heading of a page, without its mark."""
    first = page.read_text(encoding="utf-8").partition("\n")[0]
    if not first.startswith("# "):
        raise SystemExit(f"{page}: a page begins with its title, '# ...'")
    return first[2:].strip()


def written() -> str:
    """The whole page."""
    text = HEAD
    for folder, heading, kind in PARTS:
        pages = sorted(page for page in (DOCS / folder).glob("*.md") if page.name != "COPYME.md")
        entries = [(f"{folder}/{page.name}", title(page)) for page in pages]
        entries += [
            (f"{folder}/{target}" if (DOCS / folder / target).exists() else target, words)
            for target, words in BESIDE.get(folder, ())
        ]
        if entries:
            lines = "\n".join(f"- [{words}]({target})" for target, words in entries)
            text += f"\n## {heading}\n\n{kind}\n\n{lines}\n"
    return text


def main() -> None:
    """Write the page, or check it."""
    text = written()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        raise SystemExit("docs/README.md is not as its pages are: run python docs/index.py")


if __name__ == "__main__":
    main()
