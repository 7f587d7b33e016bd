"""What one part of a site file says of another by its name: devices, antennas, values, actions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from fleetd.config.founddevices import FoundDevice, map_of
from fleetd.config.names import SITE_TOPICS
from fleetd.config.plain import Fault, entries, nearest
from fleetd.contact.safetysettings import WIND
from fleetd.devices import Capability

_NAMED_BY_ANTENNAS: tuple[tuple[tuple[str, ...], Capability], ...] = (
    (("rotator",), "rotator"),
    (("wind", "sensor"), "sensor"),
    (("rig",), "rig"),
    (("tnc",), "tnc"),
    (("radio", "preamp"), "switch"),
)
"""Where an antenna names a device, and what that device must be."""


def dangling(data: Any, devices: Sequence[FoundDevice]) -> Iterator[Fault]:
    """Each reference to nothing, or to what cannot do what is wanted of it."""
    yield from _antennas(data, devices)
    yield from _winds(data, devices)
    yield from _faces(data)
    yield from _limits(data, devices)
    yield from _groups(data, devices)
    yield from _vda5050(data, devices)
    yield from _zones(data, devices)


def _antennas(data: Any, devices: Sequence[FoundDevice]) -> Iterator[Fault]:
    """Devices that an antenna names and that are not there, or cannot do what is wanted of them."""
    by_name: dict[str, FoundDevice] = {}
    for device in devices:
        if isinstance(device.name, str):
            by_name.setdefault(device.name, device)
    for place, entry in entries(data, "antennas"):
        for path, capability in _NAMED_BY_ANTENNAS:
            wanted: Any = entry
            for key in path:
                wanted = wanted.get(key) if isinstance(wanted, dict) else None
            if not isinstance(wanted, str):
                continue
            fits = sorted(
                name for name, device in by_name.items() if device.spec and device.spec.capability == capability
            )
            listed = ", ".join(fits)
            many = "switches" if capability == "switch" else f"{capability}s"
            there = f"{many} among the devices are {listed}" if fits else f"no device is a {capability}"
            found = by_name.get(wanted)
            if found is None:
                yield (*place, *path), f"there is no device {wanted!r}{nearest(wanted, fits)}; {there}"
            elif found.spec and found.spec.capability != capability:
                yield (*place, *path), f"the device {wanted} is a {found.spec.capability}; {there}"


def _winds(data: Any, devices: Sequence[FoundDevice]) -> Iterator[Fault]:
    """A wind that its sensor does not give: it would count as high for ever."""
    sensors = [
        each for each in devices if isinstance(each.name, str) and each.spec and each.spec.capability == "sensor"
    ]
    maps = {sensor.name: map_of(sensor.settings) for sensor in sensors}
    for place, entry in entries(data, "antennas"):
        wind = entry["wind"] if isinstance(entry.get("wind"), dict) else {}
        sensor, value = wind.get("sensor"), wind.get("value", WIND)
        if not isinstance(sensor, str) or not isinstance(value, str) or (given := maps.get(sensor)) is None:
            continue
        numbers = sorted(spec.name for spec in given.values if spec.is_quantity and spec.poll != "never")
        if value not in numbers:
            may = f"by its map value may be one of {', '.join(numbers) or 'none'}"
            text = f"{sensor} measures no number {value!r}{nearest(value, numbers)}; {may}"
            yield (*place, "wind", *(["value"] if "value" in wind else [])), text


def _faces(data: Any) -> Iterator[Fault]:
    """Ports for other programs that name no antenna, or one without the radio that they would tune."""
    antennas = {entry.get("name"): entry for _, entry in entries(data, "antennas")}
    for place, entry in entries(data, "faces"):
        wanted = entry.get("antenna")
        if not isinstance(wanted, str):
            continue
        if wanted not in antennas:
            known = [name for name in antennas if isinstance(name, str)]
            there = f"there are {', '.join(known)}" if known else "there is none"
            yield (*place, "antenna"), f"there is no antenna {wanted!r}{nearest(wanted, known)}; {there}"
        elif entry.get("speaks") == "rigctld" and antennas[wanted].get("rig") is None:
            yield (*place, "antenna"), f"{wanted} has no rig that could be tuned; set antennas[].rig"


def _limits(data: Any, devices: Sequence[FoundDevice]) -> Iterator[Fault]:
    """Limits of the site for devices that there are not, or for values that their register maps do not have."""
    alarms = data.get("alarms") if isinstance(data, dict) else None
    for (_, index), limit in entries(alarms, "limits"):
        pattern, value, place = limit.get("device"), limit.get("value"), ("alarms", "limits", index)
        if not isinstance(pattern, str) or not isinstance(value, str):
            continue
        meant = [each for each in devices if isinstance(each.name, str) and fnmatchcase(each.name, pattern)]
        satellites = [str(each.get("name")) for _, each in entries(data, "satellites")]
        if any(fnmatchcase(name, pattern) for name in satellites):
            continue  # what its telemetry holds is the business of its database
        if not meant:
            names = sorted([*satellites, *(each.name for each in devices if isinstance(each.name, str))])
            yield (*place, "device"), f"there is no device or satellite {pattern!r}{nearest(pattern, names)}"
        maps = [register_map for each in meant if (register_map := map_of(each.settings)) is not None]
        known = sorted({name for register_map in maps for spec in register_map.values for name in spec.names})
        if maps and len(maps) == len(meant) and value not in known:
            yield (*place, "value"), f"{pattern} has no value {value!r}{nearest(value, known)}"


def _groups(data: Any, devices: Sequence[FoundDevice]) -> Iterator[Fault]:
    """Groups share the devices' names in topics, and consist of robots."""
    robots = data.get("robots") if isinstance(data, dict) else None
    groups = robots.get("groups") if isinstance(robots, dict) else None
    names = {device.name for device in devices if isinstance(device.name, str)}
    known = sorted(str(each.name) for each in devices if each.spec and each.spec.capability == "robot")
    for group, members in groups.items() if isinstance(groups, dict) else ():
        place = ("robots", "groups", group)
        if group in names or group in SITE_TOPICS:
            yield place, f"{group} is taken; a group needs a name that no device and no site topic has"
        for index, member in enumerate(members if isinstance(members, list) else ()):
            if isinstance(member, str) and member not in known:
                yield (*place, index), f"there is no robot {member!r}{nearest(member, known)}"


def _vda5050(data: Any, devices: Sequence[FoundDevice]) -> Iterator[Fault]:
    """Only robots can be spoken for."""
    section = data.get("vda5050") if isinstance(data, dict) else None
    named = section.get("robots") if isinstance(section, dict) else None
    known = sorted(str(each.name) for each in devices if each.spec and each.spec.capability == "robot")
    for name in named if isinstance(named, dict) else ():
        if name not in known:
            yield ("vda5050", "robots", name), f"there is no robot {name!r}{nearest(str(name), known)}"


def _zones(data: Any, devices: Sequence[FoundDevice]) -> Iterator[Fault]:
    """What a zone refuses is something that some robot of the site could be told."""
    robots = data.get("robots") if isinstance(data, dict) else None
    zones = robots.get("zones") if isinstance(robots, dict) else None
    known = sorted({action for each in devices if each.spec for action in each.spec.actions})
    for name, zone in zones.items() if isinstance(zones, dict) else ():
        refused = zone.get("refuses") if isinstance(zone, dict) else None
        for index, action in enumerate(refused if isinstance(refused, list) else ()):
            if isinstance(action, str) and action not in known:
                text = f"no robot of this site knows {action!r}{nearest(action, known)}"
                yield ("robots", "zones", name, "refuses", index), text
