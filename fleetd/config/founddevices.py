"""The devices of a site file as far as they can be made out, each held against its driver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fleetd.config.plain import entries, nearest
from fleetd.devices import DriverSpec, driver_names, load_driver
from fleetd.errors import ConfigError
from fleetd.link.url import LinkUrl, parse_link
from fleetd.registers.loader import load_map
from fleetd.registers.model import RegisterMap
from fleetd.settings import Settings
from fleetd.strictyaml import Place, Positions, validate


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
        return [self._device(place, entry) for place, entry in entries(data, "devices")]

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


def map_of(settings: Settings | None) -> RegisterMap | None:
    """The register map that a driver's settings name in their field `map`, where they do and it can be read."""
    name = getattr(settings, "map", None)
    try:
        return load_map(name) if isinstance(name, str) else None
    except ConfigError:
        return None
