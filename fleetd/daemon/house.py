"""One site, alive: every room built from its settings, joined, and kept running until an order comes.

The rooms are begun from the ground up and left from the top down: no new requests, contacts ended with their antennas
stopped, devices left, and last the relay, which by then has heard of all of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import structlog

from fleetd.access.matrix import Access
from fleetd.access.witness import Witness
from fleetd.alarms import Alarms
from fleetd.alarms.away import Away
from fleetd.alarms.limits import Limits
from fleetd.archive.archive import Archive
from fleetd.clock import Clock
from fleetd.config.checks import map_of
from fleetd.config.site import DeviceSettings, Site
from fleetd.contact.antenna import ROTATOR_BACKOFF, Antenna
from fleetd.contact.contacts import Contacts, ContactSite
from fleetd.contact.maintenance import Maintenance
from fleetd.contact.motorwatch import MotorWatch
from fleetd.contact.preamp import Preamp
from fleetd.contact.radio import Radio, RadioSurroundings
from fleetd.contact.settings import AntennaSettings
from fleetd.contact.sky import Outlook, Satellite
from fleetd.contact.transmit import TransmitGate
from fleetd.contact.wind import WindWatch
from fleetd.control.house import House, SupervisedDevice
from fleetd.control.instruments import Instruments
from fleetd.control.server import serving
from fleetd.daemon.alongside import alongside
from fleetd.daemon.archiving import archiving
from fleetd.daemon.downlinks import Downlinks, downlinks
from fleetd.daemon.limits import limits_of
from fleetd.daemon.mastered import Mastered
from fleetd.daemon.orders import NextOrder, Order, Reload
from fleetd.daemon.timing import clock_watch
from fleetd.devices import AzEl, Driver
from fleetd.downlink.desk import Desk
from fleetd.downlink.reception import Reception
from fleetd.downlink.uplink import Uplink
from fleetd.elements.custody import Surroundings
from fleetd.elements.keeper import Keeper
from fleetd.elements.kept import Kept
from fleetd.faces.port import Behind, serve_faces
from fleetd.guard.guard import Guard
from fleetd.hub import Hub
from fleetd.link.ports import Ports
from fleetd.notify import Notifier
from fleetd.orbit.station import Station
from fleetd.orbit.sun import sun_direction_deg
from fleetd.records import Command, Severity
from fleetd.relay.homeassistant import Discovery
from fleetd.relay.relay import Relay
from fleetd.relay.signed import Signatures
from fleetd.relay.sparkplug.edge import Edge
from fleetd.relay.sparkplug.metrics import metrics_of
from fleetd.relay.sparkplug.node import Kind
from fleetd.robots.dispatch import Dispatch
from fleetd.robots.fleet import Fleet, Member
from fleetd.robots.journal import Journal
from fleetd.robots.poll import Poller, Rhythm
from fleetd.robots.zones import Zones
from fleetd.store.store import Store
from fleetd.supervise import Backoff, Device, Progress, Supervision

log = structlog.get_logger(__name__)

_IDLE_LOOK_S = 1.0
_OF_AN_ANTENNA = ("rotator", "rig", "switch")


@dataclass(frozen=True, slots=True)
class Rooms:
    """What a site is made of, built and not yet running."""

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


async def live(site: Site, clock: Clock, next_order: NextOrder, notifier: Notifier) -> Order:
    """Run the site until an order comes, leave everything safe, and return the order.

    Raises StoreError or ConfigError when the store, the socket or the elements cannot be had.
    """
    hub = Hub()
    async with (
        Store.open(site.store.path, node=site.site, clock=clock, settings=site.store) as store,
        downlinks(site, store.folder, clock) as frames,
    ):
        rooms = build(site, clock, hub, store, frames)
        dispatching: asyncio.Future[Dispatch] = asyncio.get_running_loop().create_future()

        async def on_command(command: Command) -> None:
            if (uplink := rooms.uplinks.get(command.device)) is not None:
                await uplink.submit(command)
                return
            await (await asyncio.shield(dispatching)).submit_all(command)

        await rooms.alarms.restore()
        for uplink in rooms.uplinks.values():
            await uplink.restore()
        signatures = await Signatures.known(site.site, rooms.access, store.counters, clock)
        mastered = Mastered(site, rooms.fleet, dispatching, clock)
        edge = _edge(site, clock, hub, store, rooms.contacts)
        guests = [*mastered.guests, *_discovery(site)]
        relay = Relay(
            site.relay,
            store,
            hub,
            clock,
            site.site,
            on_command,
            signatures,
            guests,
            edge,
            _whether_working(rooms.contacts),
        )
        journal = Journal(store, hub, clock)
        try:
            async with (
                archiving(site, clock, hub) as archive,
                mastered.living(hub),
                alongside({"relay": relay.run()}),
                alongside({**_fleet_watches(site, rooms.fleet, hub, clock), **_alarm_watches(site, rooms.alarms, hub)}),
                rooms.elements.begun(),
                _under_maintenance(rooms.maintenance),
                rooms.guard.on_duty(_guard_alarm(rooms.alarms)),
                alongside(_antenna_watches(rooms)),
                alongside({f"orders for {name}": each.sweep() for name, each in rooms.uplinks.items()}),
                alongside(_device_loops(rooms)),
                Dispatch.open(site.robots, rooms.fleet, journal, rooms.access) as dispatch,
                alongside({"contacts": rooms.contacts.run(), "elements": rooms.elements.run()}),
                alongside(
                    {
                        "watchdog": _watch(rooms.supervision.progress, notifier),
                        "audit witness": Witness(store.audit, hub, clock).run(),
                        "clock": clock_watch(clock, hub, store, rooms.alarms, rooms.contacts, archive).run(),
                        "loop lag": rooms.instruments.lag.run(),
                        "counts": rooms.instruments.counts.watch(hub),
                    }
                ),
                serving(_house(site, clock, hub, store, rooms, relay, dispatch, archive), site.control),
                serve_faces(site.faces, Behind(rooms.antennas, rooms.radios, store.audit)),
            ):
                dispatching.set_result(dispatch)
                notifier.ready(f"{site.site}: {len(site.satellites)} satellites, {len(site.devices)} devices")
                order = await _decide(next_order, rooms.contacts)
                log.info("leaving", order=type(order).__name__)
        finally:
            log.info("relay rests", **msgspec.to_builtins(relay.status()))
    return order


def _antenna_watches(rooms: Rooms) -> dict[str, Any]:
    """Who looks after each antenna's motors, the wind around it and the frames that come down through it."""
    return {
        **{f"motors of {name}": watch.run() for name, watch in rooms.motors.items()},
        **{f"wind for {name}": watch.run() for name, watch in rooms.winds.items()},
        **{f"frames of {name}": each.keep() for name, each in rooms.receptions.items()},
    }


def build(site: Site, clock: Clock, hub: Hub, store: Store, frames: Downlinks) -> Rooms:
    """Make every room of a site from its settings. Raises ConfigError."""
    progress = Progress(clock)
    supervision = Supervision(clock, hub.publish, progress)
    ports = Ports()
    devices = {settings.name: _device(settings, ports, clock) for settings in site.devices}
    position = site.station
    station = Station(site.site, position.latitude_deg, position.longitude_deg, position.altitude_m)
    guard, sun = Guard(site.guard), _sun_over(station)
    antennas = {
        settings.name: Antenna(settings, devices[settings.rotator].device, supervision, hub, sun, guard)
        for settings in site.antennas
    }
    alarms = Alarms(clock, hub.publish, store.alarms, site.alarms.latched)
    around_radios = RadioSurroundings(supervision, hub, guard, alarms)
    radios = {settings.name: _radio(settings, devices, around_radios) for settings in site.antennas if settings.rig}
    gates = {name: TransmitGate(antenna, radios.get(name), hub) for name, antenna in antennas.items()}
    pollers = {
        settings.name: Poller(
            devices[settings.name].device,
            supervision,
            hub.publish,
            Rhythm.of(settings.settings, site.robots.max_silence_s),
            healthy=lambda: not progress.overdue(),
        )
        for settings in site.devices
        if settings.spec.capability in ("robot", "sensor")
    }
    members = {
        settings.name: Member(pollers[settings.name], settings.driver, settings.spec.actions)
        for settings in site.devices
        if settings.spec.capability == "robot"
    }
    # Contacts hear of their elements as soon as these are read, which is before they run.
    outlook = Outlook(station, position.horizon)
    receptions = frames.receptions({name: each.device for name, each in devices.items()}, supervision, hub)
    access = Access(site.access)
    uplinks = frames.uplinks(receptions.values(), store, hub, clock, access)
    scene = ContactSite([], outlook, antennas, site.contacts, receptions, radios, gates, uplinks)
    contacts = Contacts(scene, hub, progress)

    def renewed(satellites: Sequence[Kept]) -> None:
        contacts.renew([_satellite(kept) for kept in satellites])

    around = Surroundings(store.elements, progress, hub.publish, alarms, renewed)
    return Rooms(
        access=access,
        supervision=supervision,
        devices=list(devices.values()),
        elements=Keeper(site.satellites, site.elements, around),
        antennas=antennas,
        radios=radios,
        gates=gates,
        pollers=pollers,
        fleet=Fleet(members, site.robots.places, site.robots.groups, Zones(site.robots.zones)),
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


def _fleet_watches(site: Site, fleet: Fleet, hub: Hub, clock: Clock) -> dict[str, Coroutine[Any, Any, None]]:
    return {
        "fleet": fleet.watch(hub),
        "fleet in a line": fleet.summarise(hub, clock, site.robots.summary_s),
    }


def _alarm_watches(site: Site, alarms: Alarms, hub: Hub) -> dict[str, Coroutine[Any, Any, None]]:
    limits = Limits(alarms, limits_of(site), site.alarms.late_after_s)
    return {
        "alarms": alarms.run(),
        "alarms of devices away": Away(alarms, site.alarms.offline_after_s).watch(hub),
        "alarms of limits": limits.watch(hub),
    }


def _guard_alarm(alarms: Alarms) -> Callable[[str], None]:
    def told(why: str) -> None:
        if why:
            alarms.raise_("fleetd", "guard", Severity.CRITICAL, why)
        else:
            alarms.clear("fleetd", "guard")

    return told


def _sun_over(station: Station) -> Callable[[datetime], AzEl]:
    return lambda when: AzEl(*sun_direction_deg(station, when))


@asynccontextmanager
async def _under_maintenance(maintenance: Maintenance) -> AsyncIterator[None]:
    """What is locked is known before anything can move."""
    await maintenance.load()
    async with alongside({"maintenance": maintenance.run()}):
        yield


def _radio(antenna: AntennaSettings, devices: Mapping[str, SupervisedDevice], around: RadioSurroundings) -> Radio:
    switch, settle_s = antenna.radio.preamp, antenna.radio.preamp_settle_ms / 1000
    preamp = Preamp(devices[switch].device, around.supervision, settle_s) if switch else None
    return Radio(antenna.radio, devices[str(antenna.rig)].device, around, preamp)


def _device(settings: DeviceSettings, ports: Ports, clock: Clock) -> SupervisedDevice:
    spec, url = settings.spec, settings.url
    device = Device(
        settings.name,
        lambda: spec.connect(ports, url, settings.settings, clock),
        backoff=ROTATOR_BACKOFF if spec.capability in _OF_AN_ANTENNA else Backoff(),
    )
    return SupervisedDevice(device=device, capability=spec.capability, driver=spec.name, link=settings.link)


def _satellite(kept: Kept) -> Satellite:
    return Satellite(kept.settings, kept.used.elements if kept.used else None, kept.failure)


def _device_loops(rooms: Rooms) -> dict[str, Any]:
    """The supervised loop of each device that something in the site uses."""
    work: dict[str, Callable[[Driver], Coroutine[Any, Any, None]]] = {
        antenna.device.name: antenna.work for antenna in rooms.antennas.values()
    }
    work |= {radio.device.name: radio.work for radio in rooms.radios.values()}
    work |= {radio.preamp.device.name: radio.preamp.work for radio in rooms.radios.values() if radio.preamp}
    work |= {name: poller.work for name, poller in rooms.pollers.items()}
    work |= {each.device.name: each.work for each in rooms.receptions.values()}
    return {
        f"device {each.device.name}": rooms.supervision.run(each.device, work[each.device.name])
        for each in rooms.devices
        if each.device.name in work
    }


def _whether_working(contacts: Contacts) -> Callable[[], bool]:
    return lambda: contacts.working


def _edge(site: Site, clock: Clock, hub: Hub, store: Store, contacts: Contacts) -> Edge | None:
    """Readings as Sparkplug B, where the site wants them; maps tell the metrics before there are values."""
    if site.relay.sparkplug is None:
        return None
    known, working = _known_values(site), _whether_working(contacts)
    return Edge(site.relay, site.relay.sparkplug, store, hub, clock, site.site, known, working)


def _discovery(site: Site) -> list[Discovery]:
    """Values announced to Home Assistant, where the site wants them."""
    chosen = site.relay.home_assistant
    return [] if chosen is None else [Discovery(site.site, chosen, _known_values(site))]


def _known_values(site: Site) -> dict[str, dict[str, Kind]]:
    maps = {device.name: map_of(device.settings) for device in site.devices}
    return {name: metrics_of(register_map) for name, register_map in maps.items() if register_map is not None}


def _house(
    site: Site,
    clock: Clock,
    hub: Hub,
    store: Store,
    rooms: Rooms,
    relay: Relay,
    dispatch: Dispatch,
    archive: Archive | None,
) -> House:
    return House(
        site=site.site,
        clock=clock,
        hub=hub,
        store=store,
        access=rooms.access,
        relay=relay,
        fleet=rooms.fleet,
        dispatch=dispatch,
        antennas=rooms.antennas,
        radios=rooms.radios,
        contacts=rooms.contacts,
        maintenance=rooms.maintenance,
        alarms=rooms.alarms,
        elements=rooms.elements,
        devices=rooms.devices,
        archive=archive,
        desk=rooms.desk,
        uplinks=rooms.uplinks,
        instruments=rooms.instruments,
    )


async def _decide(next_order: NextOrder, contacts: Contacts) -> Order:
    """The next order that can be followed now: a reload waits for the end of a running contact, leaving does not."""
    order = await next_order()
    while isinstance(order, Reload) and (running := [each.id for each in contacts.booked if each.state == "running"]):
        log.info("the new configuration waits for a contact to end", contact=running[0])
        newer = asyncio.ensure_future(next_order())
        try:
            while any(each.state == "running" for each in contacts.booked) and not newer.done():
                await asyncio.wait({newer}, timeout=_IDLE_LOOK_S)
            if newer.done():
                order = newer.result()
        finally:
            newer.cancel()
    return order


async def _watch(progress: Progress, notifier: Notifier) -> None:
    """Tell systemd that all is well as long as every loop keeps its promises; it ends us when we fall silent."""
    period_s = (notifier.watchdog_s or 30.0) / 3
    while True:
        late = progress.overdue()
        if late:
            log.error("loops without progress; the watchdog is not fed", loops=late)
        else:
            notifier.alive()
        await asyncio.sleep(period_s)
