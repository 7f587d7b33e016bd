"""How the tutorial on scenarios is carried out: every shell block of the page as it stands there, in one shell."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "scenarios.md"
BLOCK = re.compile(r"```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL)


def carry_out(page: str, folder: Path, programs: Path) -> subprocess.CompletedProcess[str]:
    """Every shell block, in order, in one shell; a YAML block is written to the file that the page names before it."""
    script = []
    for block in BLOCK.finditer(page):
        if block["kind"] == "sh":
            script.append(block["text"])
        elif named := re.findall(r"as `([\w-]+\.yaml)`:\n\n$", page[: block.start("kind") - 3]):
            script.append(f"cat >{named[-1]} <<'END'\n{block['text']}END\n")
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "".join(script)],
        cwd=folder,
        env={"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
