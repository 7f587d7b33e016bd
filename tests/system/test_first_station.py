"""The tutorial, carried out to the letter in an empty folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial" / "first-station.md"
BLOCK = re.compile(r"^```(sh|yaml)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SOON = (
    "until [ -e rotator ]; do sleep 0.02; done\n",
    "until fleetctl robots --socket control.sock --json 2>&1 | grep online >/dev/null; do sleep 0.02; done\n",
)
"""What a reader's two seconds are for, the first and the second time."""
OTHERWISE = {
    "127.0.0.1:1883": "127.0.0.1:1",  # no broker of this machine is spoken to
    # A machine with much else to do may take its time to answer.
    "fleetctl device": "fleetctl device --set reply_timeout_ms=10000",
    'rotator?baud=9600"}': 'rotator?baud=9600", settings: {reply_timeout_ms: 10000}}',
    'robots?baud=19200"}': 'robots?baud=19200", settings: {timeout_ms: 10000}}',
}
"""What is put otherwise than the page has it, and nothing else."""


def script(page: str) -> str:
    """Every block in its order; the site file is written where it stands."""
    for words, ours in OTHERWISE.items():
        assert words in page
        page = page.replace(words, ours)
    lines, waits = ["trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"], iter(SOON)
    for kind, text in BLOCK.findall(page):
        if kind == "yaml":
            lines.append(f"cat >site.yaml <<'END'\n{text}END\n")
        else:
            lines += [next(waits) if line == "sleep 2" else f"{line}\n" for line in text.splitlines()]
    assert next(waits, None) is None
    return "".join(lines)


@pytest.mark.timeout(120)
def test_a_newcomer_comes_from_an_empty_folder_to_a_working_station(tmp_path: Path) -> None:
    shutil.copy(ROOT / "configs" / "elements" / "candy-tin.json", tmp_path)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script(PAGE.read_text(encoding="utf-8"))],
        cwd=tmp_path,
        env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout
    assert re.search(r"03:06:28 .* 38° at 03:10:11", said), said
    assert "azimuth 0.0°, elevation 0.0°" in said
    assert "azimuth 12.0°, elevation 6.0°, 0.0° to go" in said
    assert "site.yaml is right" in said
    assert "robot-01 send: succeeded" in said
    assert re.search(r"candy-tin-20261111T030628Z .* (booked|running|worked|degraded)", said), said
    assert "stuck: connection to a broker" in said
    assert "device    robot-01" in said
