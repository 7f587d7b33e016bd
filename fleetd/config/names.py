"""Names of a site file against each other: what is given twice, and what MQTT topics are taken by the site itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fleetd.config.founddevices import FoundDevice
from fleetd.config.plain import Fault, entries
from fleetd.strictyaml import Place

SITE_TOPICS = ("status", "contact", "event", "alarm", "all")
"""What stands under fleetd/<site>/ beside the devices."""


def taken(data: Any, devices: Sequence[FoundDevice]) -> Iterator[Fault]:
    """Each name that something else has already."""
    yield from _twice(data, "devices", "name")
    for key in ("name", "rotator", "rig", "tnc"):
        yield from _twice(data, "antennas", key)
    for key in ("name", "norad_id"):
        yield from _twice(data, "satellites", key)
    yield from _reserved(devices)
    yield from _satellites_as_devices(data, devices)


def _twice(data: Any, section: str, key: str) -> Iterator[Fault]:
    first: dict[str | int, Place] = {}
    for place, entry in entries(data, section):
        value = entry.get(key)
        if not isinstance(value, str | int):
            continue
        if value in first:
            before = ".".join(map(str, first[value]))
            yield (*place, key), f"{value} is taken by {before} already; each needs its own {key}"
        first.setdefault(value, place)


def _reserved(devices: Sequence[FoundDevice]) -> Iterator[Fault]:
    for device in devices:
        if device.name in SITE_TOPICS:
            yield (
                (*device.place, "name"),
                f"{device.name} is an MQTT topic of the site itself; choose another name",
            )


def _satellites_as_devices(data: Any, devices: Sequence[FoundDevice]) -> Iterator[Fault]:
    """What a satellite tells of itself goes out under its name, where a device's readings would."""
    names = {device.name for device in devices if isinstance(device.name, str)}
    for place, entry in entries(data, "satellites"):
        name = entry.get("name")
        if isinstance(name, str) and name in names:
            yield (*place, "name"), f"{name} is a device, too; their readings would share a topic"
        elif name in SITE_TOPICS:
            yield (*place, "name"), f"{name} is an MQTT topic of the site itself; choose another name"
