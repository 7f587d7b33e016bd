"""`Site`: the whole configuration of one site, and `load_site`, which reads it.

Each room states its own settings; this module only composes them. What is read is frozen, its relative paths are made
absolute, and its drivers' settings are instances of the drivers' own models. No fault hides another: all are reported.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from fleetd.access.settings import AccessSettings
from fleetd.alarms.settings import AlarmsSettings
from fleetd.archive.settings import ArchiveSettings
from fleetd.config.checks import cross_faults
from fleetd.config.control import ControlSettings
from fleetd.config.decoders import DecoderReader
from fleetd.config.founddevices import DeviceReader
from fleetd.config.overlay import lay_over
from fleetd.config.paths import absolute, missing_files
from fleetd.contact.settings import AntennaSettings, ContactsSettings
from fleetd.devices import DriverSpec, load_driver
from fleetd.downlink.settings import DownlinkSettings, WorkedSatellite
from fleetd.elements.settings import ElementsSettings
from fleetd.errors import ConfigError
from fleetd.faces.settings import FaceSettings
from fleetd.guard.settings import GuardSettings
from fleetd.link.url import LinkUrl, parse_link
from fleetd.orbit.settings import StationSettings
from fleetd.relay.settings import RelaySettings
from fleetd.robots.settings import RobotsSettings
from fleetd.settings import Name, Settings
from fleetd.store.settings import StoreSettings
from fleetd.strictyaml import Positions, load_strict, validate
from fleetd.vda5050.settings import Vda5050Settings


class LogSettings(Settings):
    """What the daemon says on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe message that is shown."""


class DeviceSettings(Settings):
    """One device: which driver, over which link, set how."""

    name: Name
    """How the device is called in topics, commands and logs; unique in the site."""
    driver: str
    """Name of an installed driver; `fleetctl drivers` lists them."""
    link: str
    """Link URL, as in serial:///dev/serial/by-id/usb-rotator?baud=9600 or modbus+tcp://10.20.0.1:502."""
    settings: Annotated[Any, WithJsonSchema({"type": "object"})] = Field(default_factory=dict)
    """The driver's own settings; in a loaded site an instance of the driver's `Settings` model."""

    @property
    def url(self) -> LinkUrl:
        """The link, taken apart."""
        return parse_link(self.link)

    @property
    def spec(self) -> DriverSpec:
        """The driver, loaded. Raises ConfigError when it is not installed."""
        return load_driver(self.driver)


class Site(Settings):
    """Everything that one fleetd is told."""

    site: Name
    """Name of the site: the second level of every MQTT topic, fleetd/<site>/..."""
    station: StationSettings
    store: StoreSettings
    archive: ArchiveSettings = Field(default_factory=ArchiveSettings)
    control: ControlSettings = Field(default_factory=ControlSettings)
    relay: RelaySettings
    satellites: tuple[WorkedSatellite, ...] = ()
    downlink: DownlinkSettings = Field(default_factory=DownlinkSettings)
    elements: ElementsSettings = Field(default_factory=ElementsSettings)
    antennas: tuple[AntennaSettings, ...] = ()
    contacts: ContactsSettings = Field(default_factory=ContactsSettings)
    access: AccessSettings = Field(default_factory=AccessSettings)
    vda5050: Vda5050Settings | None = None
    robots: RobotsSettings = Field(default_factory=RobotsSettings)
    alarms: AlarmsSettings = Field(default_factory=AlarmsSettings)
    devices: tuple[DeviceSettings, ...] = ()
    faces: tuple[FaceSettings, ...] = ()
    guard: GuardSettings = Field(default_factory=GuardSettings)
    log: LogSettings = Field(default_factory=LogSettings)


def load_site(path: Path | str, overlay: Path | str | None = None) -> Site:
    """The site that a file describes, with the devices that an overlay names put elsewhere.

    Raises ConfigError with every fault as `file:line:column: path: what is wrong, what would be right`.
    """
    data, positions = load_strict(path)
    faults: list[str] = []
    if overlay is not None:
        try:
            data, positions = lay_over(data, positions, overlay)
        except ConfigError as error:
            faults += error.problems
    reader = DeviceReader(positions, faults)
    devices = reader.read(data)
    decoders = DecoderReader(positions, faults)
    decoder_settings = decoders.read(data)
    faults += cross_faults(data, devices, positions)
    try:
        site = validate(Site, data, positions)
    except ConfigError as error:
        raise ConfigError(_in_order([*faults, *error.problems])) from None
    whole = _finished(site, [device.settings for device in devices], decoder_settings, positions)
    faults += missing_files(whole, positions)
    if not faults:
        decoders.check(whole.satellites)
    if faults:
        raise ConfigError(_in_order(faults))
    return whole


def _finished(
    site: Site, settings: list[Settings | None], decoders: list[Settings | None], positions: Positions
) -> Site:
    """The site with its drivers' and decoders' settings as their models made them, and its paths absolute."""
    devices = tuple(
        device.model_copy(update={"settings": checked}) for device, checked in zip(site.devices, settings, strict=True)
    )
    satellites = tuple(
        satellite.model_copy(update={"decoder": satellite.decoder.model_copy(update={"settings": checked})})
        if satellite.decoder
        else satellite
        for satellite, checked in zip(site.satellites, decoders, strict=True)
    )
    return absolute(site.model_copy(update={"devices": devices, "satellites": satellites}), positions)


def _in_order(faults: list[str]) -> list[str]:
    """Faults in the order of the file, each once."""
    return sorted(dict.fromkeys(faults), key=_mark)


def _mark(fault: str) -> tuple[str, int, int]:
    match = re.match(r"(?P<file>.*?):(?P<line>\d+):(?P<column>\d+): ", fault)
    return (match["file"], int(match["line"]), int(match["column"])) if match else (fault, 0, 0)
