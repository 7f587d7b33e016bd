"""The examinations of `fleetctl doctor`, each yielding findings. They look; they change nothing.

A finding is bad when fleetd cannot do its work so, a warning when it can, but not well.
"""

from __future__ import annotations

import grp
import os
import platform
import socket as sockets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fleetd.cli.api import Daemon, Unreachable
from fleetd.cli.ports import Port, find_ports
from fleetd.clock import SystemClock
from fleetd.config.elements import element_faults
from fleetd.config.site import Site, load_site
from fleetd.errors import ConfigError, ElementsError, Refusal
from fleetd.kerneltime import kernel_clock_synced
from fleetd.link.url import SerialLine
from fleetd.orbit.elements import read_elements
from fleetd.orbit.elementset import ElementSet
from fleetd.orbit.settings import Age, SatelliteSettings, is_url
from fleetd.relay.settings import parse_broker

_LIBRARIES = ("aiomqtt", "aiohttp", "pydantic", "pymodbus", "serialx", "sgp4", "skyfield", "structlog")
_BROKER_WITHIN_S = 3.0
_SERIAL_GROUP = "dialout"
_DAY_S = 86_400.0


class Level(StrEnum):
    """How a finding is to be taken."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `cure` says what to do unless all is well."""

    level: Level
    what: str
    text: str
    cure: str = ""


def examine_machine(socket: Path) -> Iterator[Finding]:
    """Versions, clock, each serial port and the permission for them, and whether a daemon answers."""
    yield Finding(Level.OK, "versions", versions())
    yield clock(synced=kernel_clock_synced())
    ports = list(find_ports())
    yield permission(ports)
    for port in ports:
        yield from serial_port(port)
    yield daemon(socket)


def examine_site(config: Path) -> Iterator[Finding]:
    """The site file, the age of its elements, its serial paths and its brokers."""
    try:
        site = load_site(config)
    except ConfigError as error:
        yield Finding(Level.BAD, "site file", error.problems[0], f"run 'fleetctl config check {config}'")
        return
    yield Finding(Level.OK, "site file", f"{config} is right")
    for fault in element_faults(site):
        yield Finding(Level.BAD, "elements", fault, "put a right element file in its place")
    now = SystemClock().now()
    for satellite in site.satellites:
        yield from element_age(satellite, now)
    yield from serial_paths(site)
    for url in site.relay.brokers:
        yield broker(url)


def versions() -> str:
    """fleetd, Python, the system, and the libraries that matter for a bug report."""
    said = [f"fleetd {_version('fleetd')}", f"Python {platform.python_version()}", platform.platform(terse=True)]
    return ", ".join([*said, *(f"{library} {_version(library)}" for library in _LIBRARIES)])


def clock(*, synced: bool) -> Finding:
    """Whether the machine's clock is kept right: passes are computed from it."""
    if synced:
        return Finding(Level.OK, "clock", "synchronised")
    cure = "install chrony or turn on systemd-timesyncd; fleetd does not track with a clock that may be wrong"
    return Finding(Level.WARN, "clock", "not synchronised, or the kernel may not be asked", cure)


def permission(ports: Sequence[Port]) -> Finding:
    """Whether this user may open the serial ports that are here."""
    closed = [port.path for port in ports if not port.accessible]
    if closed:
        cure = f"join the group of the ports: sudo usermod -aG {_SERIAL_GROUP} $USER, then log in again"
        return Finding(Level.WARN, "permission", f"this user may not open {', '.join(closed)}", cure)
    joined = "in" if _in_group(_SERIAL_GROUP) else "not in"
    text = f"{len(ports)} serial ports, all of which this user may open; {joined} group {_SERIAL_GROUP}"
    return Finding(Level.OK, "permission", text)


def serial_port(port: Port) -> Iterator[Finding]:
    """What would slow or garble one port."""
    holders = ", ".join(port.held_by)
    text = f"{port.by_id or port.path}: {f'held by {holders}' if holders else 'free'}"
    if "ModemManager" in holders:
        cure = "keep ModemManager off it: install systemd/99-fleetd.rules, or remove the package"
        yield Finding(Level.BAD, "port", text, cure)
    else:
        yield Finding(Level.OK, "port", text)
    if port.latency_ms is not None and port.latency_ms > 1:
        text = f"{port.path}: the USB adapter holds received bytes back for {port.latency_ms} ms"
        yield Finding(Level.WARN, "latency", text, "install systemd/99-fleetd.rules, which sets its latency timer to 1")


def daemon(socket: Path) -> Finding:
    """Whether a fleetd answers on the control socket."""
    try:
        Daemon(socket).get("status")
    except Unreachable as error:
        return Finding(Level.WARN, "daemon", str(error), "start it, unless it is meant to be down")
    except Refusal as error:
        return Finding(Level.WARN, "daemon", str(error), "see 'journalctl -u fleetd'")
    return Finding(Level.OK, "daemon", f"answers at {socket}")


def element_age(satellite: SatelliteSettings, now: datetime) -> Iterator[Finding]:
    """How old the newest elements in a satellite's files are, against its own limits.

    Unreadable files are told elsewhere; what comes from URLs is known to the daemon alone.
    """
    epochs = [each.epoch for each in _sets_in_files(satellite) if each.norad_id == satellite.norad_id]
    if not epochs:
        return
    age_days, limits = (now - max(epochs)).total_seconds() / _DAY_S, satellite.element_age
    age, text = limits.judge(age_days), f"{satellite.name}: elements are {abs(age_days):.1f} days from their epoch"
    if age is Age.NO_BOOKING:
        cure = f"get new ones: beyond {limits.no_booking_days:g} days no contact is booked"
        yield Finding(Level.BAD, "elements", text, cure)
    elif age is Age.FRESH:
        yield Finding(Level.OK, "elements", text)
    else:
        yield Finding(Level.WARN, "elements", text, f"get new ones: they should be within {limits.warn_days:g} days")


def _sets_in_files(satellite: SatelliteSettings) -> Iterator[ElementSet]:
    for source in satellite.elements:
        if is_url(source):
            continue
        path = Path(source)
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            try:
                yield from read_elements(file)
            except ElementsError:
                continue


def serial_paths(site: Site) -> Iterator[Finding]:
    """Whether each serial port that the site names is plugged in."""
    users: dict[str, list[str]] = {}
    for device in site.devices:
        if isinstance(device.url.end, SerialLine):
            users.setdefault(device.url.end.path, []).append(device.name)
    for path, names in users.items():
        what = f"{path} ({', '.join(names)})"
        if Path(path).exists():
            yield Finding(Level.OK, "link", f"{what} is there")
        else:
            yield Finding(Level.BAD, "link", f"{what} is not there", "plug it in; 'fleetctl ports' lists what is")


def broker(url: str) -> Finding:
    """Whether something listens where a broker should; no MQTT is spoken."""
    end = parse_broker(url)
    try:
        with sockets.create_connection((end.host, end.port), timeout=_BROKER_WITHIN_S):
            return Finding(Level.OK, "broker", f"{url} takes connections")
    except OSError as error:
        cure = "start it or correct the URL; until then readings wait in the outbox"
        return Finding(Level.WARN, "broker", f"{url}: {error.strerror or error}", cure)


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "is missing"


def _in_group(name: str) -> bool:
    try:
        return grp.getgrnam(name).gr_gid in {os.getegid(), *os.getgroups()}
    except KeyError:
        return False
