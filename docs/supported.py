# ruff: noqa: INP001  # a script beside the page that it writes, not a package
"""Writes SUPPORTED.md from what the installed drivers say of themselves, and from what each was tried against.

    python docs/supported.py            writes it
    python docs/supported.py --check    says if it is not as it would be written, and ends with 1 then

What was tried is stated here by hand; a driver of which nothing is stated stops the script. What was tried on real
hardware stands in the records of hardware days, `hil/captures/`.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import entry_points
from pathlib import Path

from fleetd.devices import ENTRY_POINT_GROUP, DriverSpec, driver_names, load_driver

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "SUPPORTED.md"

HAMLIB = "Hamlib 4.5.4"
TRIED = {
    "easycomm2": f"its sim over pty and TCP; the sim is driven by {HAMLIB}'s `rotctl -m 202`",
    "easycomm3": f"its sim over pty and TCP; the sim is driven by {HAMLIB}'s `rotctl -m 204`",
    "gs232a": f"its sim over pty and TCP; the sim is driven by {HAMLIB}'s `rotctl -m 602`",
    "gs232b": f"its sim over pty and TCP; the sim is driven by {HAMLIB}'s `rotctl -m 603`; one captured answer",
    "kiss": "its sim over pty and TCP; Dire Wolf 1.6 over TCP, with audio both ways; its `kissutil` works the sim",
    "icom-civ": f"its sim over pty and TCP, with echo and without; the sim is driven by {HAMLIB}'s `rigctl -m 3081`",
    "little-donkey": "its sim over Modbus TCP, RTU and RTU over TCP; pymodbus' server as the far end",
    "modbus-sensor": "a sim of a UPS over Modbus TCP, RTU and RTU over TCP; what the UPS map assumes stands in it",
    "modbus-switch": "its sim over Modbus TCP, RTU and RTU over TCP; the register map is our own, and no product's",
    "rigctld": f"its sim over TCP; {HAMLIB}'s own `rigctld` with its dummy radio (`-m 1`), with and without `-o`",
    "rotctld": f"its sim over TCP; {HAMLIB}'s own `rotctld` with its dummy rotator (`-m 1`); `rotctl -m 2` works it",
    "servo-rotator": "its sim over Modbus TCP, RTU and RTU over TCP; the register map is our own, and no product's",
    "spid-md01": f"its sim over pty and TCP; the sim is driven by {HAMLIB}'s `rotctl -m 903`",
    "spid-rot1": f"its sim over pty and TCP; the sim is driven by {HAMLIB}'s `rotctl -m 902`",
    "spid-rot2": f"its sim over pty and TCP; the sim is driven by {HAMLIB}'s `rotctl -m 901`",
    "weather-station": "its sim over Modbus TCP, RTU and RTU over TCP; the addresses of the map are assumed",
}
CAPTURES = ROOT / "hil" / "captures"


def real(folder: Path) -> dict[str, str]:
    """What was tried on real hardware, by driver, out of the records of hardware days: the newest of each unit."""
    told: dict[str, dict[str, str]] = {}
    for file in sorted(folder.glob("*.jsonl"), key=lambda file: (len(file.name), file.name)):  # -2 comes after none
        lines = file.read_text(encoding="utf-8").splitlines()
        first, last = json.loads(lines[0]), json.loads(lines[-1])
        if "unit" in first and "outcome" in last:
            moved = "moved" if last["moved"] else "not moved"
            counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(last["outcome"].items()))
            told.setdefault(first["sim"], {})[first["unit"]] = f"{first['unit']}: {first['at'][:10]}, {moved}, {counts}"
    return {driver: "; ".join(units.values()) for driver, units in told.items()}


REAL = real(CAPTURES)

TITLES = {
    "rotator": "Rotators",
    "rig": "Radios",
    "tnc": "TNCs",
    "switch": "Switches",
    "robot": "Robots",
    "sensor": "Sensors",
}
HEAD = """# Supported devices

What each driver that ships with fleetd is, how it is reached, and what it was tried against. Written by
`python docs/supported.py`; `fleetctl drivers` lists what is installed here, drivers of others included.

**{reported}**

A sim is our own reading of a manual; a referee such as Hamlib is somebody else's. To try a rotator or radio of your own
and get it onto this page, see [docs/how-to/hardware-days.md](docs/how-to/hardware-days.md).
"""


def page() -> str:
    """SUPPORTED.md as it should be."""
    folders = {point.name: point.module.split(".")[1] for point in entry_points(group=ENTRY_POINT_GROUP)}
    own = [load_driver(name) for name in driver_names() if name in TRIED]
    reported = (
        "No driver has been tried on real hardware yet." if not REAL else "Real hardware is named where it was tried."
    )
    lines = [HEAD.format(reported=reported)]
    for capability, title in TITLES.items():
        specs = [spec for spec in own if spec.capability == capability]
        if specs:
            lines += [
                f"## {title}",
                "",
                "| driver | what it is | links | tried against | real hardware |",
                "|---|---|---|---|---|",
            ]
            lines += [_row(spec, folders[spec.name]) for spec in specs]
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _row(spec: DriverSpec, folder: str) -> str:
    name = f"[`{spec.name}`](drivers/fleetd_drivers/{folder}/README.md)"
    links = ", ".join(f"`{scheme}://`" for scheme in spec.schemes)
    return f"| {name} | {spec.summary} | {links} | {TRIED[spec.name]} | {REAL.get(spec.name, 'none yet')} |"


def untold() -> list[str]:
    """Our own drivers of which it is not stated what they were tried against."""
    ours = {point.name for point in entry_points(group=ENTRY_POINT_GROUP) if point.module.startswith("fleetd_drivers.")}
    return sorted(ours ^ set(TRIED))


def main(arguments: list[str]) -> int:
    """Write the page, or check it; the exit code."""
    if wrong := untold():
        sys.stderr.write(f"docs/supported.py: TRIED and the installed drivers differ in {', '.join(wrong)}\n")
        return 1
    text = page()
    fresh = PAGE.exists() and PAGE.read_text("utf-8") == text
    if "--check" in arguments:
        if not fresh:
            sys.stderr.write(f"{PAGE}: is not what the drivers say now; run python docs/supported.py\n")
        return 0 if fresh else 1
    if not fresh:
        PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
