"""One robot as the master control sees it: its order is worked node by node, its instant actions at once.

The robot drives from stop to stop by itself, so a node is reached by one errand, and a cancelled order ends at the node
to which the robot is on its way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from fleetd.clock import Clock
from fleetd.records import DeviceState, Quality, Reading, Stage, Value
from fleetd.robots.fleet import Member
from fleetd.robots.settings import Place
from fleetd.vda5050.errands import Errands
from fleetd.vda5050.factsheet import ERRANDS
from fleetd.vda5050.messages import (
    INSTANT_ACTION,
    NO_ORDER_TO_CANCEL,
    VALIDATION,
    Action,
    Error,
    InstantActions,
    Node,
    Order,
    Unreadable,
    read_instant_actions,
    read_order,
)
from fleetd.vda5050.order import Ground, OrderBook, Rejected, warning
from fleetd.vda5050.parameters import arguments, parameters_fault
from fleetd.vda5050.settings import Vda5050Settings
from fleetd.vda5050.standing import stands_near
from fleetd.vda5050.state import Origin, Seen

log = structlog.get_logger(__name__)

_BY_COMMAND = {"startPause": "hold", "stopPause": "resume", "stop": "stop"}


@dataclass(frozen=True, slots=True)
class World:
    """What all robots of the site share."""

    settings: Vda5050Settings
    places: Mapping[str, Place]
    origin: Origin
    errands: Errands
    clock: Clock


class Vehicle:
    """One robot, its order and what is reported of it."""

    def __init__(self, member: Member, serial: str, world: World) -> None:
        self.member = member
        self.serial = serial
        self.book = OrderBook()
        self.drive_error: Error | None = None
        self.wants_factsheet = False
        self.wants_state = False
        self.changed = asyncio.Event()
        """Set when something happened that the master control should hear of."""
        self._world = world
        self._news = asyncio.Event()
        self._towards: Node | None = None
        self._cancelled_by: Action | None = None
        self._ground = Ground(world.places, self._usable, self._stands_on)

    @property
    def reading(self) -> Reading | None:
        """The newest reading that can be believed."""
        reading = self.member.poller.newest
        return reading if reading is not None and reading.quality is not Quality.STALE else None

    @property
    def seen(self) -> Seen:
        """The robot as that reading shows it."""
        return Seen.of(self.reading)

    @property
    def online(self) -> bool:
        return self.member.poller.device.state is DeviceState.ONLINE

    def look(self) -> None:
        """Something is new: a reading, or whether the robot answers."""
        self._news.set()
        self.changed.set()

    # What the master control says

    def order(self, payload: bytes, *, retained: bool) -> None:
        """Take an order over, or report why not."""
        try:
            order = read_order(payload)
            self._check_head(order, retained=retained)
            if self.book.take(order, self._ground):
                log.info("order taken", device=self.member.name, order=order.order_id, update=order.order_update_id)
        except Unreadable as error:
            self.book.report(warning(VALIDATION, f"no order: {error}", {"topic": "order"}))
        except Rejected as rejected:
            log.info("order rejected", device=self.member.name, reason=str(rejected), kind=rejected.error.error_type)
        self.look()

    def instant(self, payload: bytes, tasks: asyncio.TaskGroup, *, retained: bool) -> None:
        """Begin each action, in a task of its own; one that is known already is not begun again."""
        try:
            message = read_instant_actions(payload)
            self._check_head(message, retained=retained)
        except Unreadable as error:
            self.book.report(warning(VALIDATION, f"no instant actions: {error}", {"topic": "instantActions"}))
            self.look()
            return
        for action in message.actions:
            if action.action_id not in self.book.actions:
                self.book.mark(action, "WAITING")
                tasks.create_task(self._instant(action), name=f"instant action for {self.member.name}")

    def _check_head(self, message: Order | InstantActions, *, retained: bool) -> None:
        if retained:
            raise Unreadable("it is retained, so it would come again with every connection")
        meant = (message.manufacturer, message.serial_number)
        if meant != (self._world.settings.manufacturer, self.serial):
            raise Unreadable(f"it is for {'/'.join(meant)[:128]}, not for this robot")

    # Orders

    async def work(self) -> None:
        """For ever: drive from node to node, and do at each what is to be done there."""
        while True:
            node = self.book.next_node
            if node is not None and await self._reach(node):
                self.book.passed(node)
                self.look()
                for action in () if self.book.cancelling else node.actions:
                    await self._perform(action, action.action_type, arguments(action))
                    self.look()
            elif node is None:
                self._conclude()
                await self._hear()
            self._conclude()

    async def _reach(self, node: Node) -> bool:
        """Whether the robot has come to stand on a node; False once the node is given up."""
        try:
            while node in self.book.nodes:
                if self._stands_on(node):
                    self._forgive()
                    return True
                place = self._world.places.get(node.node_id)
                if place is not None and self.reading is not None and self._free(place.stop):
                    self._towards = node
                    await self._drive(node, place.stop)
                else:
                    await self._hear()
        finally:
            self._towards = None
        return False

    def _free(self, stop: int) -> bool:
        """Whether an errand to a stop is to be given: none is under way, and nobody has made the robot pause."""
        seen = self.seen
        return seen.target_stop != stop and not seen.paused and self._cancelled_by is None

    async def _drive(self, node: Node, stop: int) -> None:
        result = await self._world.errands.carry_out(self.member.name, "send", {"stop": stop})
        if result.stage is Stage.SUCCEEDED:
            self._forgive()
            await self._hear_after_now()
            return
        self._towards = None
        references = {"orderId": self.book.order_id, "nodeId": node.node_id}
        self.drive_error = warning("driveError", f"{result.stage}: {result.reason}", references)
        self._give_up(node)
        self.look()
        await self._world.clock.sleep(self._world.settings.try_again_s)

    def _give_up(self, node: Node) -> None:
        """Of a cancelled order nothing is left once its last errand has failed."""
        if self.book.cancelling and node in self.book.nodes:
            self.book.cancel(None)

    def _forgive(self) -> None:
        if self.drive_error is not None:
            self.drive_error = None
            self.changed.set()

    def _stands_on(self, node: Node) -> bool:
        if self.reading is None:
            return False
        seen, place, origin = self.seen, self._world.places.get(node.node_id), self._world.origin
        if place is not None and seen.stands_at(place.stop):
            return True
        is_next = not self.book.nodes or node is self.book.nodes[0]
        return is_next and stands_near(node, seen, origin)

    async def _hear(self) -> None:
        self._news.clear()
        await self._news.wait()

    async def _hear_after_now(self) -> None:
        """Wait for a reading that is newer than the command just carried out."""
        now = self._world.clock.now()
        while (reading := self.reading) is None or reading.at <= now:
            await self._hear()

    # Actions

    async def _instant(self, action: Action) -> None:
        match action.action_type:
            case "cancelOrder":
                self._cancel(action)
            case "stateRequest":
                self.wants_state = True
                self.book.mark(action, "FINISHED")
            case "factsheetRequest":
                self.wants_factsheet = True
                self.book.mark(action, "FINISHED")
            case known if known in _BY_COMMAND:
                await self._perform(action, _BY_COMMAND[known], {})
            case _:
                await self._other(action)
        self.look()

    async def _other(self, action: Action) -> None:
        if wrong := self._usable(action):
            self.book.mark(action, "FAILED", wrong)
            self.book.report(warning(INSTANT_ACTION, wrong, {"actionId": action.action_id, "topic": "instantActions"}))
        else:
            await self._perform(action, action.action_type, arguments(action))

    async def _perform(self, action: Action, name: str, args: Mapping[str, Value]) -> None:
        self.book.mark(action, "RUNNING")
        self.look()
        result = await self._world.errands.carry_out(self.member.name, name, args)
        self.book.mark(action, "FINISHED" if result.stage is Stage.SUCCEEDED else "FAILED", result.reason)

    def _cancel(self, action: Action) -> None:
        if self._cancelled_by is not None or not self._has_order():
            self.book.mark(action, "FAILED", "there is no order to cancel")
            error = warning(NO_ORDER_TO_CANCEL, "there is no order to cancel", {"actionId": action.action_id})
            self.book.report(error)
            return
        self._cancelled_by = action
        self.book.mark(action, "RUNNING")
        self.book.cancel(self._towards)
        self._conclude()

    def _has_order(self) -> bool:
        """Nodes are left, or actions of nodes; instant actions, such as this one, are none."""
        running = any(
            state.action_status in ("WAITING", "RUNNING") and state.action_type not in ("cancelOrder", *_BY_COMMAND)
            for state in self.book.actions.values()
        )
        return bool(self.book.nodes) or running

    def _conclude(self) -> None:
        """A cancelled order is over once nothing of it moves or runs any more."""
        if self._cancelled_by is None or self._has_order():
            return
        self.book.mark(self._cancelled_by, "FINISHED")
        self.book.cancelling, self._cancelled_by = False, None
        self.look()

    def _usable(self, action: Action) -> str:
        """What is wrong with an action of a node; empty if it can be performed."""
        spec = self.member.actions.get(action.action_type)
        if spec is None or action.action_type in ERRANDS:
            return f"the robot performs no {action.action_type}"
        return parameters_fault(action, spec)
