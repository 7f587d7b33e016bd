"""All robots on MQTT by VDA 5050: `<interface>/v2/<manufacturer>/<serial>/...` over the relay's connection.

A state goes out when something has happened and, at the latest, every `state_interval_s`. Nothing here passes the
outbox: to a master control an old state is worth nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec
import structlog
from msgspec import UNSET

from fleetd.clock import Clock, iso_ms
from fleetd.hub import Hub
from fleetd.records import DeviceStatus, Reading
from fleetd.relay.failures import Rejected
from fleetd.relay.incoming import Incoming
from fleetd.relay.topics import Message
from fleetd.relay.uplink import Uplink
from fleetd.vda5050.factsheet import factsheet
from fleetd.vda5050.messages import MAJOR, VERSION, Connection, ConnectionState, Error, Headed, State, encode
from fleetd.vda5050.settings import Vda5050Settings
from fleetd.vda5050.vehicle import Vehicle, World

log = structlog.get_logger(__name__)

_DISCONNECTED = Error(error_type="robotUnreachable", error_level="WARNING")


class Reaper(Protocol):
    """Says CONNECTIONBROKEN for all robots when we cannot any more."""

    async def ready(self) -> None:
        """Return once it is on watch, and none of an earlier run is."""
        ...


class Speaker:
    """Speaks for all robots. Made of vehicles by their serial numbers; a `Guest` of the relay."""

    def __init__(self, vehicles: Mapping[str, Vehicle], world: World, reaper: Reaper) -> None:
        self._vehicles = vehicles
        self._by_name = {vehicle.member.name: vehicle for vehicle in vehicles.values()}
        self._settings: Vda5050Settings = world.settings
        self._world = world
        self._clock: Clock = world.clock
        self._reaper = reaper
        self._root = f"{self._settings.interface}/{MAJOR}/{self._settings.manufacturer}"
        self._header_ids: Counter[tuple[str, str]] = Counter()
        self._tasks: asyncio.TaskGroup | None = None
        self._told: dict[str, tuple[Any, float]] = {}
        self._connected: dict[str, bool] = {}

    @property
    def filters(self) -> Sequence[str]:
        """Orders and instant actions for all our robots."""
        return [f"{self._root}/+/{topic}" for topic in ("order", "instantActions")]

    async def run(self, hub: Hub) -> None:
        """For ever: work the robots' orders, and look when a robot has something new to say."""
        async with asyncio.TaskGroup() as self._tasks:
            self._tasks.create_task(self._world.errands.watch(hub), name="vda5050 errands")
            for vehicle in self._vehicles.values():
                self._tasks.create_task(vehicle.work(), name=f"vda5050 order of {vehicle.member.name}")
            with hub.subscribe("vda5050", Reading, DeviceStatus, capacity=100_000) as records:
                async for record in records:
                    if isinstance(record, Reading | DeviceStatus) and record.device in self._by_name:
                        self._by_name[record.device].look()

    def take(self, incoming: Incoming) -> bool:
        """An order or instant action for one of our robots."""
        if not incoming.topic.startswith(f"{self._root}/"):
            return False
        _, _, rest = incoming.topic.rpartition(f"{self._root}/")
        serial, _, topic = rest.partition("/")
        vehicle = self._vehicles.get(serial)
        if vehicle is not None and self._tasks is not None:
            if topic == "order":
                vehicle.order(incoming.payload, retained=incoming.retained)
            elif topic == "instantActions":
                vehicle.instant(incoming.payload, self._tasks, retained=incoming.retained)
        return True

    async def attend(self, uplink: Uplink) -> None:
        """Say that the robots are there, then each state as it comes, while the connection lasts."""
        await self._reaper.ready()
        self._told.clear()
        self._connected.clear()
        for vehicle in self._vehicles.values():
            uplink.tell(self._factsheet(vehicle))
        while True:
            for vehicle in self._vehicles.values():
                await self._tell_connection(uplink, vehicle)
                self._tell_state(uplink, vehicle)
            await self._clock.sleep(self._settings.min_state_interval_s)

    async def farewell(self, uplink: Uplink) -> None:
        """Say that the robots go, in good order."""
        for vehicle in self._vehicles.values():
            await self._deliver(uplink, self.connection(vehicle, "OFFLINE"))

    def connection(self, vehicle: Vehicle, state: ConnectionState) -> Message:
        """A robot's connection message, retained."""
        head = self._head(vehicle, self._next_id(vehicle, "connection"))
        return self._message(vehicle, "connection", Connection(**head, connection_state=state), retain=True)

    def broken(self) -> list[Message]:
        """What the reaper says when we are gone."""
        return [self.connection(vehicle, "CONNECTIONBROKEN") for vehicle in self._vehicles.values()]

    async def _tell_connection(self, uplink: Uplink, vehicle: Vehicle) -> None:
        if self._connected.get(vehicle.serial) is not vehicle.online:
            self._connected[vehicle.serial] = vehicle.online
            state: ConnectionState = "ONLINE" if vehicle.online else "CONNECTIONBROKEN"
            await self._deliver(uplink, self.connection(vehicle, state))

    async def _deliver(self, uplink: Uplink, message: Message) -> None:
        try:
            await uplink.deliver(message)
        except Rejected as refusal:
            log.warning("the broker refuses a VDA 5050 message", topic=message.topic, reason=str(refusal))

    def _tell_state(self, uplink: Uplink, vehicle: Vehicle) -> None:
        if vehicle.wants_factsheet:
            vehicle.wants_factsheet = False
            uplink.tell(self._factsheet(vehicle))
        told, told_s = self._told.get(vehicle.serial, (None, 0.0))
        now_s = self._clock.monotonic()
        due = told is None or vehicle.wants_state or now_s - told_s >= self._settings.state_interval_s
        if not due and not vehicle.changed.is_set():
            return
        vehicle.changed.clear()
        state = self.state(vehicle)
        events = _events(state)
        if due or events != told:
            vehicle.wants_state = False
            self._told[vehicle.serial] = events, now_s
            numbered = msgspec.structs.replace(state, header_id=self._next_id(vehicle, "state"))
            uplink.tell(self._message(vehicle, "state", numbered))

    def state(self, vehicle: Vehicle) -> State:
        """The whole state of a robot, still without its number."""
        book, seen = vehicle.book, vehicle.seen
        errors = [*book.errors, *([vehicle.drive_error] if vehicle.drive_error else []), *seen.errors]
        return State(
            **self._head(vehicle, 0),
            order_id=book.order_id,
            order_update_id=book.order_update_id,
            last_node_id=book.last_node_id,
            last_node_sequence_id=book.last_node_sequence_id,
            node_states=book.node_states,
            edge_states=book.edge_states,
            action_states=tuple(book.actions.values()),
            driving=seen.moving,
            paused=seen.paused,
            battery_state=seen.battery,
            operating_mode=seen.operating_mode,
            errors=tuple(errors if vehicle.online else [*errors, _DISCONNECTED]),
            safety_state=seen.safety,
            agv_position=seen.position(self._world.origin),
            velocity=seen.velocity,
        )

    def _factsheet(self, vehicle: Vehicle) -> Message:
        head = msgspec.to_builtins(Headed(**self._head(vehicle, self._next_id(vehicle, "factsheet"))))
        content = head | factsheet(self._settings, vehicle.member.actions)
        return self._message(vehicle, "factsheet", content, retain=True)

    def _next_id(self, vehicle: Vehicle, topic: str) -> int:
        number = self._header_ids[vehicle.serial, topic]
        self._header_ids[vehicle.serial, topic] = (number + 1) % 2**32
        return number

    def _head(self, vehicle: Vehicle, header_id: int) -> dict[str, Any]:
        return {
            "header_id": header_id,
            "timestamp": iso_ms(self._clock.now()),
            "version": VERSION,
            "manufacturer": self._settings.manufacturer,
            "serial_number": vehicle.serial,
        }

    def _message(
        self, vehicle: Vehicle, topic: str, content: msgspec.Struct | dict[str, Any], *, retain: bool = False
    ) -> Message:
        return Message(f"{self._root}/{vehicle.serial}/{topic}", encode(content), retain)


def _events(state: State) -> tuple[Any, ...]:
    """What a change of which is worth a state of its own (document, 6.10): all but position, speed and charge."""
    plain = msgspec.structs.replace(
        state,
        header_id=0,
        timestamp="",
        agv_position=UNSET,
        velocity=UNSET,
        battery_state=msgspec.structs.replace(
            state.battery_state, battery_charge=0.0, battery_voltage=UNSET, reach=UNSET
        ),
    )
    return msgspec.structs.astuple(plain)
