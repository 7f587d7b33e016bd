# ruff: noqa: INP001  # a script beside the pages that it writes, not a package
"""Writes docs/reference/messages/: the JSON Schema of every native message, and a page that names them.

python docs/messages.py            writes them
python docs/messages.py --check    says which are not as they would be written, and ends with 1 then
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from fleetd.relay.schemas import Form, forms

FOLDER = Path(__file__).parent / "reference" / "messages"
HEAD = """# Messages

What fleetd says and hears over MQTT: QoS 1, JSON in UTF-8. Each outgoing message carries `node`, `boot`, `seq`, which
no two different messages share: a consumer that has seen the three before drops the message, and finds gaps by `seq`.
A later fleetd may add fields; ignore those that you do not know. An alarm that is over is told once more with
`"active": false`, and then an empty retained payload clears its topic.

The schemas are JSON Schema 2020-12, written by `python docs/messages.py` from the types that are encoded; the system
tests hold every message against them.

| topic | schema | what it is |
|---|---|---|
"""


def files() -> dict[Path, str]:
    """Every file as it should be."""
    made = {FOLDER / f"{form.name}.schema.json": json.dumps(form.schema, indent=2) + "\n" for form in forms()}
    return {**made, FOLDER / "README.md": HEAD + "".join(map(_row, forms()))}


def _row(form: Form) -> str:
    about = " ".join(form.schema.get("description", "").split("\n\n")[0].split())
    return f"| `{form.topic}` | [{form.name}]({form.name}.schema.json) | {about} |\n"


def main(arguments: list[str]) -> int:
    """Write the files, or check them; the exit code."""
    wanted = files()
    here = set(FOLDER.iterdir()) if FOLDER.exists() else set()
    stale = [path for path, text in wanted.items() if path not in here or path.read_text("utf-8") != text]
    if "--check" in arguments:
        for path in [*stale, *(here - set(wanted))]:
            sys.stderr.write(f"{path}: is not what fleetd says now; run python docs/messages.py\n")
        return 1 if stale or here - set(wanted) else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
