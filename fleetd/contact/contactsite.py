"""`ContactSite`: what contacts are made of, and how a worker is fitted out for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from fleetd.contact.antenna import Antenna
from fleetd.contact.booking import Candidate, Contact
from fleetd.contact.downlinking import ContactDownlink, ContactScene, ContactTransmit, ContactUplink
from fleetd.contact.radio import Radio
from fleetd.contact.settings import ContactsSettings
from fleetd.contact.sky import Outlook, Satellite
from fleetd.contact.transmit import TransmitGate
from fleetd.contact.tuning import Tuning
from fleetd.contact.worker import Onward, Worker
from fleetd.downlink.reception import Reception
from fleetd.downlink.uplink import Uplink
from fleetd.errors import ElementsError
from fleetd.hub import Hub
from fleetd.orbit.trajectory import Trajectory

_MARGIN = timedelta(seconds=30)  # of trajectory before and after a contact


@dataclass(frozen=True, slots=True)
class ContactSite:
    """Satellites seen from a station through antennas."""

    satellites: Sequence[Satellite]
    outlook: Outlook
    antennas: Mapping[str, Antenna]
    settings: ContactsSettings
    receptions: Mapping[str, Reception] = field(default_factory=dict)
    """Where the frames of an antenna arrive, by its name, for those that have a TNC."""
    radios: Mapping[str, Radio] = field(default_factory=dict)
    """By antenna, where there is one."""
    gates: Mapping[str, TransmitGate] = field(default_factory=dict)
    """Before each of those radios' transmitters."""
    uplinks: Mapping[str, Uplink] = field(default_factory=dict)
    """The orders for each satellite that takes any, by its name."""

    def worker(self, contact: Contact, satellite: Satellite, following: Contact | None, hub: Hub) -> Worker:
        """Whoever works a contact, with its own trajectory, radio and frames; `following` is next on its antenna.

        Raises ElementsError when the elements do not reach that far.
        """
        antenna = self.antennas[contact.antenna]
        sky = self._trajectory(contact.candidate)
        onward = self._onward(following) if following else None
        downlink = self._downlink(contact, antenna, sky, satellite)
        return Worker(contact, antenna, sky, hub, onward, downlink, self._tuning(contact, sky, satellite))

    def _trajectory(self, candidate: Candidate) -> Trajectory:
        # Radio and TNC are at work as soon as the antenna takes up its position.
        early_s = max((antenna.settings.pre_position_s for antenna in self.antennas.values()), default=0.0)
        begin = candidate.begin - timedelta(seconds=early_s) - _MARGIN
        return Trajectory.of(candidate.elements, self.outlook.station, begin, candidate.end + _MARGIN)

    def _onward(self, following: Contact) -> Onward | None:
        candidate = following.candidate
        try:
            return Onward(self._trajectory(candidate), candidate.begin, candidate.end)
        except ElementsError:
            return None  # it will be refused in its own time

    def _downlink(self, contact: Contact, antenna: Antenna, sky: Trajectory, satellite: Satellite) -> ContactDownlink:
        radio, gate = self.radios.get(antenna.name), self.gates.get(antenna.name)
        scene = ContactScene(contact, antenna, sky, satellite.settings.downlink_hz, radio)
        uplink = self.uplinks.get(contact.candidate.satellite)
        orders = ContactUplink(uplink, ContactTransmit(gate, contact.id)) if uplink and gate else None
        return ContactDownlink(self.receptions.get(antenna.name), scene, orders)

    def _tuning(self, contact: Contact, sky: Trajectory, satellite: Satellite) -> Tuning | None:
        radio = self.radios.get(contact.antenna)
        if radio is None:
            return None
        return Tuning(contact, satellite.settings, sky, radio, self.gates[contact.antenna])
