"""What no single room can judge: devices against installed drivers, links against each other, names against names.

The checks read the file's plain data and pass over what has the wrong shape, which the models report; so a misspelt key
in one place hides no wrong reference in another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from fleetd.contact.safetysettings import WIND
from fleetd.devices import Capability, DriverSpec, driver_names, load_driver
from fleetd.errors import ConfigError
from fleetd.link.url import LinkUrl, SerialLine, parse_link
from fleetd.registers.loader import load_map
from fleetd.registers.model import RegisterMap
from fleetd.settings import Settings
from fleetd.strictyaml import Place, Positions, validate

_SITE_TOPICS = ("status", "contact", "event", "alarm", "all")  # what stands under fleetd/<site>/ beside the devices
_SHARED = "modbus+"  # schemes of lines on which several units may live

_NAMED_BY_ANTENNAS: tuple[tuple[tuple[str, ...], Capability], ...] = (
    (("rotator",), "rotator"),
    (("wind", "sensor"), "sensor"),
    (("rig",), "rig"),
    (("tnc",), "tnc"),
    (("radio", "preamp"), "switch"),
)
"""Where an antenna names a device, and what that device must be."""

Fault = tuple[Place, str]


@dataclass(frozen=True, slots=True)
class FoundDevice:
    """What could be made out of one entry of `devices`."""

    place: Place
    name: Any
    spec: DriverSpec | None
    url: LinkUrl | None
    settings: Settings | None


@dataclass(slots=True)
class DeviceReader:
    """Reads the entries of `devices`, noting a line for each fault."""

    positions: Positions
    faults: list[str] = field(default_factory=list)

    def read(self, data: Any) -> list[FoundDevice]:
        """Each device, with its driver, its link and its checked settings where they are right."""
        return [self._device(place, entry) for place, entry in _entries(data, "devices")]

    def _device(self, place: Place, entry: Mapping[str, Any]) -> FoundDevice:
        spec = self._spec((*place, "driver"), entry.get("driver"))
        url = self._url((*place, "link"), entry.get("link"))
        if spec and url and url.scheme not in spec.schemes:
            known = ", ".join(f"{scheme}://" for scheme in spec.schemes)
            self._note((*place, "link"), f"the driver {spec.name} cannot use {url.scheme}://; it takes {known}")
        settings = self._settings((*place, "settings"), spec, entry.get("settings", {}))
        return FoundDevice(place, entry.get("name"), spec, url, settings)

    def _spec(self, place: Place, name: Any) -> DriverSpec | None:
        if not isinstance(name, str):
            return None
        known = driver_names()
        if name not in known:
            self._note(place, f"unknown driver {name!r}{nearest(name, known)}; installed are {', '.join(known)}")
            return None
        try:
            return load_driver(name)
        except ConfigError as error:
            self._note(place, str(error))
            return None

    def _url(self, place: Place, text: Any) -> LinkUrl | None:
        if not isinstance(text, str):
            return None
        try:
            return parse_link(text)
        except ConfigError as error:
            self._note(place, str(error).removeprefix(f"link {text!r}: "))
            return None

    def _settings(self, place: Place, spec: DriverSpec | None, data: Any) -> Settings | None:
        if spec is None:
            return None
        try:
            return validate(spec.settings, data, self.positions, at=place)
        except ConfigError as error:
            self.faults += error.problems
            return None

    def _note(self, place: Place, text: str) -> None:
        self.faults.append(self.positions.line(place, text))


def cross_faults(data: Any, devices: Sequence[FoundDevice], positions: Positions) -> list[str]:
    """A line for each name given twice, each reference to nothing, and each link that two devices cannot share."""
    found: list[Fault] = [
        *_twice(data, "devices", "name"),
        *_twice(data, "antennas", "name"),
        *_twice(data, "antennas", "rotator"),
        *_twice(data, "antennas", "rig"),
        *_twice(data, "antennas", "tnc"),
        *_twice(data, "satellites", "name"),
        *_twice(data, "satellites", "norad_id"),
        *_reserved(devices),
        *_satellites_as_devices(data, devices),
        *_references(data, devices),
        *_winds(data, devices),
        *_links(devices),
        *_faces(data),
        *_limits(data, devices),
        *_groups(data, devices),
        *_vda5050(data, devices),
        *_zones(data, devices),
    ]
    return [positions.line(place, text) for place, text in found]


def nearest(word: str, known: Sequence[str]) -> str:
    """', perhaps X?' when one of the known words is close, else nothing."""
    near = get_close_matches(word, known, n=1)
    return f", perhaps {near[0]}" if near else ""


def _entries(data: Any, section: str) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    listed = data.get(section) if isinstance(data, dict) else None
    for index, entry in enumerate(listed if isinstance(listed, list) else []):
        yield (section, index), entry if isinstance(entry, dict) else {}


def _twice(data: Any, section: str, key: str) -> Iterator[Fault]:
    first: dict[str | int, Place] = {}
    for place, entry in _entries(data, section):
        value = entry.get(key)
        if not isinstance(value, str | int):
            continue
        if value in first:
            before = ".".join(map(str, first[value]))
            yield (*place, key), f"{value} is taken by {before} already; each needs its own {key}"
        first.setdefault(value, place)


def _satellites_as_devices(data: Any, devices: Sequence[FoundDevice]) -> Iterator[Fault]:
    """What a satellite tells of itself goes out under its name, where a device's readings would."""
    names = {device.name for device in devices if isinstance(device.name, str)}
    for place, entry in _entries(data, "satellites"):
        name = entry.get("name")
        if isinstance(name, str) and name in names:
            yield (*place, "name"), f"{name} is a device, too; their readings would share a topic"
        elif name in _SITE_TOPICS:
            yield (*place, "name"), f"{name} is an MQTT topic of the site itself; choose another name"


def _reserved(devices: Sequence[FoundDevice]) -> Iterator[Fault]:
    for device in devices:
        if device.name in _SITE_TOPICS:
            yield (
                (*device.place, "name"),
                f"{device.name} is an MQTT topic of the site itself; choose another name",
            )


def _references(data: Any, devices: Sequence[FoundDevice]) -> Iterator[Fault]:
    """Devices that an antenna names and that are not there, or cannot do what is wanted of them."""
    by_name: dict[str, FoundDevice] = {}
    for device in devices:
        if isinstance(device.name, str):
            by_name.setdefault(device.name, device)
    for place, entry in _entries(data, "antennas"):
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
    for place, entry in _entries(data, "antennas"):
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
    antennas = {entry.get("name"): entry for _, entry in _entries(data, "antennas")}
    for place, entry in _entries(data, "faces"):
        wanted = entry.get("antenna")
        if not isinstance(wanted, str):
            continue
        if wanted not in antennas:
            known = [name for name in antennas if isinstance(name, str)]
            there = f"there are {', '.join(known)}" if known else "there is none"
            yield (*place, "antenna"), f"there is no antenna {wanted!r}{nearest(wanted, known)}; {there}"
        elif entry.get("speaks") == "rigctld" and antennas[wanted].get("rig") is None:
            yield (*place, "antenna"), f"{wanted} has no rig that could be tuned; set antennas[].rig"


def _links(devices: Sequence[FoundDevice]) -> Iterator[Fault]:
    """Devices on one physical line: only Modbus units may share, by the same URL and under different unit ids."""
    first: dict[Any, tuple[FoundDevice, LinkUrl]] = {}
    units: dict[Any, FoundDevice] = {}
    for device in devices:
        if device.url is None:
            continue
        line = _line(device.url)
        other, other_url = first.setdefault(line, (device, device.url))
        if other is not device and not (_shared(device.url) and _shared(other_url)):
            yield (*device.place, "link"), f"{other.name} has this link already, and only Modbus units can share one"
        elif device.url.text != other_url.text:
            text = f"{other.name} uses the same line as {other_url}; a shared line needs the same link everywhere"
            yield (*device.place, "link"), text
        unit = getattr(device.settings, "unit", None)
        holder = units.setdefault((line, unit), device)
        if unit is not None and holder is not device and _shared(device.url):
            yield (*device.place, "settings", "unit"), f"unit {unit} on this line is {holder.name} already"


def _limits(data: Any, devices: Sequence[FoundDevice]) -> Iterator[Fault]:
    """Limits of the site for devices that there are not, or for values that their register maps do not have."""
    alarms = data.get("alarms") if isinstance(data, dict) else None
    for (_, index), limit in _entries(alarms, "limits"):
        pattern, value, place = limit.get("device"), limit.get("value"), ("alarms", "limits", index)
        if not isinstance(pattern, str) or not isinstance(value, str):
            continue
        meant = [each for each in devices if isinstance(each.name, str) and fnmatchcase(each.name, pattern)]
        satellites = [str(each.get("name")) for _, each in _entries(data, "satellites")]
        if any(fnmatchcase(name, pattern) for name in satellites):
            continue  # what its telemetry holds is the business of its database
        if not meant:
            names = sorted([*satellites, *(each.name for each in devices if isinstance(each.name, str))])
            yield (*place, "device"), f"there is no device or satellite {pattern!r}{nearest(pattern, names)}"
        maps = [register_map for each in meant if (register_map := map_of(each.settings)) is not None]
        known = sorted({name for register_map in maps for spec in register_map.values for name in spec.names})
        if maps and len(maps) == len(meant) and value not in known:
            yield (*place, "value"), f"{pattern} has no value {value!r}{nearest(value, known)}"


def map_of(settings: Settings | None) -> RegisterMap | None:
    """The register map that a driver's settings name in their field `map`, where they do and it can be read."""
    name = getattr(settings, "map", None)
    try:
        return load_map(name) if isinstance(name, str) else None
    except ConfigError:
        return None


def _groups(data: Any, devices: Sequence[FoundDevice]) -> Iterator[Fault]:
    """Groups share the devices' names in topics, and consist of robots."""
    robots = data.get("robots") if isinstance(data, dict) else None
    groups = robots.get("groups") if isinstance(robots, dict) else None
    names = {device.name for device in devices if isinstance(device.name, str)}
    known = sorted(str(each.name) for each in devices if each.spec and each.spec.capability == "robot")
    for group, members in groups.items() if isinstance(groups, dict) else ():
        place = ("robots", "groups", group)
        if group in names or group in _SITE_TOPICS:
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


def _shared(url: LinkUrl) -> bool:
    return url.scheme.startswith(_SHARED)


def _line(url: LinkUrl) -> Any:
    """What makes two links the same physical line, however their options are written."""
    return url.end.path if isinstance(url.end, SerialLine) else url.end
