"""Every room of a site, built from its settings and joined; nothing runs yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fleetd.access.matrix import Access
from fleetd.alarms import Alarms
from fleetd.clock import Clock
from fleetd.config.site import DeviceSettings, Site
from fleetd.contact.antenna import ROTATOR_BACKOFF, Antenna
from fleetd.contact.contacts import Contacts
from fleetd.contact.contactsite import ContactSite
from fleetd.contact.maintenance import Maintenance
from fleetd.contact.motorwatch import MotorWatch
from fleetd.contact.preamp import Preamp
from fleetd.contact.radio import Radio, RadioSurroundings
from fleetd.contact.settings import AntennaSettings
from fleetd.contact.sky import Outlook, Satellite
from fleetd.contact.transmit import TransmitGate
from fleetd.contact.wind import WindWatch
from fleetd.control.house import SupervisedDevice
from fleetd.control.instruments import Instruments
from fleetd.daemon.downlinks import Downlinks
from fleetd.devices import AzEl
from fleetd.downlink.desk import Desk
from fleetd.downlink.reception import Reception
from fleetd.downlink.uplink import Uplink
from fleetd.elements.custody import Surroundings
from fleetd.elements.keeper import Keeper
from fleetd.elements.kept import Kept
from fleetd.guard.guard import Guard
from fleetd.hub import Hub
from fleetd.link.ports import Ports
from fleetd.orbit.station import Station
from fleetd.orbit.sun import sun_direction_deg
from fleetd.robots.fleet import Fleet, Member
from fleetd.robots.poll import Poller, Rhythm
from fleetd.robots.zones import Zones
from fleetd.store.store import Store
from fleetd.supervise import Backoff, Device, Progress, Supervision

_OF_AN_ANTENNA = ("rotator", "rig", "switch")


@dataclass(frozen=True, slots=True)
class Rooms:
    """What a site is made of."""

    access: Access
    supervision: Supervision
    devices: Sequence[SupervisedDevice]
    elements: Keeper
    antennas: Mapping[str, Antenna]
    radios: Mapping[str, Radio]
    gates: Mapping[str, TransmitGate]
    pollers: Mapping[str, Poller]
    fleet: Fleet
    contacts: Contacts
    maintenance: Maintenance
    winds: Mapping[str, WindWatch]
    motors: Mapping[str, MotorWatch]
    alarms: Alarms
    receptions: Mapping[str, Reception]
    desk: Desk
    uplinks: Mapping[str, Uplink]
    instruments: Instruments
    guard: Guard


def build(site: Site, clock: Clock, hub: Hub, store: Store, frames: Downlinks) -> Rooms:
    """Make every room of a site from its settings. Raises ConfigError."""
    access, guard, ports, progress = Access(site.access), Guard(site.guard), Ports(), Progress(clock)
    supervision = Supervision(clock, hub.publish, progress)
    supervised = {settings.name: _device(settings, ports, clock) for settings in site.devices}
    devices = {name: each.device for name, each in supervised.items()}
    alarms = Alarms(clock, hub.publish, store.alarms, site.alarms.latched)
    station = Station(site.site, site.station.latitude_deg, site.station.longitude_deg, site.station.altitude_m)

    # First what stands on the mast, then what comes down through it, and then the contacts, which want all of it.
    sun = _sun_over(station)
    antennas = {
        settings.name: Antenna(settings, devices[settings.rotator], supervision, hub, sun, guard)
        for settings in site.antennas
    }
    around_radios = RadioSurroundings(supervision, hub, guard, alarms)
    radios = {settings.name: _radio(settings, devices, around_radios) for settings in site.antennas if settings.rig}
    gates = {name: TransmitGate(antenna, radios.get(name), hub) for name, antenna in antennas.items()}
    receptions = frames.receptions(devices, supervision, hub)
    uplinks = frames.uplinks(receptions.values(), store, hub, clock, access)
    outlook = Outlook(station, site.station.horizon)
    scene = ContactSite([], outlook, antennas, site.contacts, receptions, radios, gates, uplinks)
    contacts = Contacts(scene, hub, progress)

    pollers = _pollers(site, devices, supervision, hub)
    return Rooms(
        access=access,
        supervision=supervision,
        devices=list(supervised.values()),
        elements=_elements(site, store, hub, alarms, contacts, progress),
        antennas=antennas,
        radios=radios,
        gates=gates,
        pollers=pollers,
        fleet=Fleet(_members(site, pollers), site.robots.places, site.robots.groups, Zones(site.robots.zones)),
        contacts=contacts,
        maintenance=Maintenance(antennas, store.maintenance, clock, hub.publish),
        winds={
            settings.name: WindWatch(antennas[settings.name], settings.wind, hub, alarms)
            for settings in site.antennas
            if settings.wind is not None
        },
        motors={name: MotorWatch(antenna, alarms) for name, antenna in antennas.items()},
        alarms=alarms,
        receptions=receptions,
        uplinks=uplinks,
        desk=Desk(frames.archive, frames.decoders, hub, receptions),
        instruments=Instruments(progress, ports),
        guard=guard,
    )


def _device(settings: DeviceSettings, ports: Ports, clock: Clock) -> SupervisedDevice:
    spec, url = settings.spec, settings.url
    device = Device(
        settings.name,
        lambda: spec.connect(ports, url, settings.settings, clock),
        backoff=ROTATOR_BACKOFF if spec.capability in _OF_AN_ANTENNA else Backoff(),
    )
    return SupervisedDevice(device=device, capability=spec.capability, driver=spec.name, link=settings.link)


def _radio(antenna: AntennaSettings, devices: Mapping[str, Device], around: RadioSurroundings) -> Radio:
    switch, settle_s = antenna.radio.preamp, antenna.radio.preamp_settle_ms / 1000
    preamp = Preamp(devices[switch], around.supervision, settle_s) if switch else None
    return Radio(antenna.radio, devices[str(antenna.rig)], around, preamp)


def _pollers(site: Site, devices: Mapping[str, Device], supervision: Supervision, hub: Hub) -> dict[str, Poller]:
    progress = supervision.progress
    return {
        settings.name: Poller(
            devices[settings.name],
            supervision,
            hub.publish,
            Rhythm.of(settings.settings, site.robots.max_silence_s),
            healthy=lambda: not progress.overdue(),
        )
        for settings in site.devices
        if settings.spec.capability in ("robot", "sensor")
    }


def _members(site: Site, pollers: Mapping[str, Poller]) -> dict[str, Member]:
    return {
        settings.name: Member(pollers[settings.name], settings.driver, settings.spec.actions)
        for settings in site.devices
        if settings.spec.capability == "robot"
    }


def _elements(site: Site, store: Store, hub: Hub, alarms: Alarms, contacts: Contacts, progress: Progress) -> Keeper:
    """Contacts hear of their elements as soon as these are read, which is before they run."""

    def renewed(satellites: Sequence[Kept]) -> None:
        contacts.renew([_satellite(kept) for kept in satellites])

    around = Surroundings(store.elements, progress, hub.publish, alarms, renewed)
    return Keeper(site.satellites, site.elements, around)


def _satellite(kept: Kept) -> Satellite:
    return Satellite(kept.settings, kept.used.elements if kept.used else None, kept.failure)


def _sun_over(station: Station) -> Callable[[datetime], AzEl]:
    return lambda when: AzEl(*sun_direction_deg(station, when))
