"""What no single room can judge: devices against installed drivers, links against each other, names against names.

The checks read the file's plain data and pass over what has the wrong shape, which the models report; so a misspelt key
in one place hides no wrong reference in another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fleetd.config.founddevices import FoundDevice
from fleetd.config.names import taken
from fleetd.config.plain import Fault
from fleetd.config.references import dangling
from fleetd.link.url import LinkUrl, SerialLine
from fleetd.strictyaml import Positions

_SHARED = "modbus+"  # schemes of lines on which several units may live


def cross_faults(data: Any, devices: Sequence[FoundDevice], positions: Positions) -> list[str]:
    """A line for each name given twice, each reference to nothing, and each link that two devices cannot share."""
    found: list[Fault] = [*taken(data, devices), *dangling(data, devices), *_links(devices)]
    return [positions.line(place, text) for place, text in found]


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


def _shared(url: LinkUrl) -> bool:
    return url.scheme.startswith(_SHARED)


def _line(url: LinkUrl) -> Any:
    """What makes two links the same physical line, however their options are written."""
    return url.end.path if isinstance(url.end, SerialLine) else url.end
