"""`fleetctl ports`: the serial ports of this machine, their lasting names, and who holds them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from fleetd.cli import screen
from fleetd.cli.options import AsJson

BY_ID = Path("/dev/serial/by-id")
PROC = Path("/proc")
USB_SERIAL = Path("/sys/bus/usb-serial/devices")


@dataclass(frozen=True, slots=True)
class Port:
    """One serial port as this machine knows it."""

    path: str
    by_id: str | None
    """A name that stays when cables are replugged; write this one in the site file."""
    description: str
    latency_ms: int | None
    """How long an FTDI adapter may sit on received bytes; above 1 ms it slows every poll."""
    accessible: bool
    held_by: tuple[str, ...]
    """Processes that have it open, as 'PID NAME'; those of other users show to root alone."""


def ports(as_json: AsJson = False) -> None:
    """List serial ports, their lasting names and holders."""
    found = list(find_ports())
    if as_json:
        screen.print_json([asdict(port) for port in found])
        return
    screen.print_table(
        ("port", "lasting name", "device", "latency ms", "access", "held by"),
        [
            (port.path, port.by_id, port.description, port.latency_ms, port.accessible, ", ".join(port.held_by) or None)
            for port in found
        ],
        empty="no serial port is plugged in",
    )


def find_ports() -> Iterator[Port]:
    """The serial ports of this machine, by path."""
    from serial.tools.list_ports import comports

    lasting = lasting_names(BY_ID)
    holders = holders_of_terminals(PROC)
    for found in sorted(comports(), key=lambda port: str(port.device)):
        path = str(found.device)
        yield Port(
            path=path,
            by_id=lasting.get(path),
            description=str(found.description or ""),
            latency_ms=latency_ms(path, USB_SERIAL),
            accessible=os.access(path, os.R_OK | os.W_OK),
            held_by=tuple(holders.get(path, ())),
        )


def lasting_names(folder: Path) -> dict[str, str]:
    """The udev name of each port that has one, by the path that it leads to."""
    if not folder.is_dir():
        return {}
    return {str(link.resolve()): str(link) for link in sorted(folder.iterdir())}


def holders_of_terminals(proc: Path) -> dict[str, list[str]]:
    """Which processes have which terminal devices open, as far as this user may see."""
    held: dict[str, list[str]] = {}
    for process in sorted((entry for entry in proc.iterdir() if entry.name.isdecimal()), key=lambda p: int(p.name)):
        for path in sorted(_open_terminals(process)):
            held.setdefault(path, []).append(f"{process.name} {_name_of(process)}")
    return held


def latency_ms(path: str, folder: Path) -> int | None:
    """The latency timer of a USB adapter in milliseconds, where its driver has one (FTDI's does)."""
    try:
        return int((folder / Path(path).name / "latency_timer").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _open_terminals(process: Path) -> set[str]:
    try:
        targets = {str(link.readlink()) for link in (process / "fd").iterdir()}
    except OSError:
        return set()  # gone, or another user's
    return {target for target in targets if target.startswith("/dev/tty")}


def _name_of(process: Path) -> str:
    try:
        return (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "?"
