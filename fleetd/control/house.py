"""`House`: the rooms that the control API asks, handed over whole by the daemon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fleetd.access.matrix import Access
from fleetd.alarms import Alarms
from fleetd.archive.archive import Archive
from fleetd.clock import Clock
from fleetd.contact.antenna import Antenna
from fleetd.contact.contacts import Contacts
from fleetd.contact.maintenance import Maintenance
from fleetd.contact.radio import Radio
from fleetd.control.instruments import Instruments
from fleetd.devices import Capability
from fleetd.downlink.desk import Desk
from fleetd.downlink.uplink import Uplink
from fleetd.elements.keeper import Keeper
from fleetd.errors import Refusal
from fleetd.hub import Hub
from fleetd.relay.relay import Relay
from fleetd.robots.dispatch import Dispatch
from fleetd.robots.fleet import Fleet
from fleetd.robots.judge import listed
from fleetd.store.store import Store
from fleetd.supervise import Device


@dataclass(frozen=True, slots=True)
class SupervisedDevice:
    """One configured device, and what is known of it beside its state."""

    device: Device
    capability: Capability
    driver: str
    link: str


@dataclass(frozen=True, slots=True)
class House:
    """Everything that can be asked or told over the control socket."""

    site: str
    clock: Clock
    hub: Hub
    store: Store
    access: Access
    relay: Relay
    fleet: Fleet
    dispatch: Dispatch
    antennas: Mapping[str, Antenna]
    contacts: Contacts
    maintenance: Maintenance
    elements: Keeper
    alarms: Alarms
    devices: Sequence[SupervisedDevice]
    radios: Mapping[str, Radio] = field(default_factory=dict)
    """By antenna, where there is one."""
    archive: Archive | None = None
    desk: Desk | None = None
    uplinks: Mapping[str, Uplink] = field(default_factory=dict)
    """The orders for each satellite that takes any."""
    instruments: Instruments | None = None

    def antenna(self, name: str) -> Antenna:
        """One antenna. Raises Refusal naming those that there are."""
        try:
            return self.antennas[name]
        except KeyError:
            known = listed(self.antennas)
            raise Refusal("unknown-antenna", f"there is no antenna {name!r}; there are {known}") from None
