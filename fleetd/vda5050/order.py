"""The order that a robot has, and the judgement of every order that comes (document, 6.6.2 and 6.6.4). Pure.

The numbers (1) to (9) are those of figure 8, by which the document words the process. It leaves the error type open in
several places; ours are in the how-to.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec
from msgspec import UNSET

from fleetd.vda5050.messages import (
    NO_ROUTE,
    ORDER,
    ORDER_UPDATE,
    VALIDATION,
    Action,
    ActionState,
    ActionStatus,
    Edge,
    EdgeState,
    Error,
    Node,
    NodeState,
    Order,
    Reference,
)

_UNUSABLE_ON_EDGES = (
    "max_speed", "max_height", "min_height", "orientation", "direction", "rotation_allowed", "max_rotation_speed",
    "trajectory", "corridor",
)  # fmt: skip
_MOST_ACTIONS = 1000


class Rejected(Exception):  # as the document calls it
    """An order is not taken over; `error` is what the state reports of it."""

    def __init__(self, error: Error) -> None:
        super().__init__(error.error_description)
        self.error = error


@dataclass(frozen=True, slots=True)
class Ground:
    """What the robot's side knows when it judges: the nodes that there are, its actions, and where it stands."""

    nodes: Collection[str]
    usable: Callable[[Action], str]
    """What is wrong with an action; empty if the robot can perform it on a node."""
    stands_on: Callable[[Node], bool]
    """Whether the robot stands on a node, or within its deviation range."""


@dataclass(slots=True)
class OrderBook:
    """One robot's order: what is still to be done of it, and what became of the rest."""

    order_id: str = ""
    order_update_id: int = 0
    last_node_id: str = ""
    last_node_sequence_id: int = 0
    nodes: list[Node] = field(default_factory=list)
    """Not yet traversed."""
    edges: list[Edge] = field(default_factory=list)
    actions: dict[str, ActionState] = field(default_factory=dict)
    """By action id, in the order in which they came."""
    errors: list[Error] = field(default_factory=list)
    """Of rejected orders; reported until one is accepted."""
    cancelling: bool = False

    @property
    def executing(self) -> bool:
        """(3): nodes are left, base or horizon, or actions that have not ended."""
        running = any(each.action_status not in ("FINISHED", "FAILED") for each in self.actions.values())
        return bool(self.nodes) or running

    @property
    def next_node(self) -> Node | None:
        """The next node of the base, if there is one."""
        return self.nodes[0] if self.nodes and self.nodes[0].released else None

    # An order comes

    def take(self, order: Order, ground: Ground) -> bool:
        """Take an order or update over; False for one that is here already. Raises Rejected, and nothing changes."""
        try:
            _check_form(order)
            new = order.order_id != self.order_id or not self.order_id
            if not new and order.order_update_id == self.order_update_id:
                return False  # (6)
            if new:
                self._judge_new(order, ground)
                _check_use(order, order.nodes, ground)
                self._begin(order)
            else:
                self._judge_update(order)
                _check_use(order, order.nodes[1:], ground)
                self._extend(order)
        except Rejected as rejected:
            self.report(rejected.error)
            raise
        self.errors.clear()
        return True

    def report(self, error: Error) -> None:
        """An error that stands until an order is accepted; each is reported once."""
        if error not in self.errors:
            self.errors.append(error)
            del self.errors[:-10]

    def _judge_new(self, order: Order, ground: Ground) -> None:
        if self.executing:
            raise _rejected(ORDER, order, f"order {self.order_id} is still being executed")  # (3)
        if not ground.stands_on(order.nodes[0]):
            reason = f"the robot does not stand on {order.nodes[0].node_id}, nor within its deviation range"
            raise _rejected(NO_ROUTE, order, reason, nodeId=order.nodes[0].node_id)  # (4)

    def _judge_update(self, order: Order) -> None:
        if order.order_update_id < self.order_update_id:
            raise _rejected(ORDER_UPDATE, order, f"update {self.order_update_id} is here already")  # (5)
        first = order.nodes[0]
        if self.cancelling:
            raise _rejected(ORDER_UPDATE, order, "the order is being cancelled")
        if self.executing:
            stitch = self._decision_point()
            wanted, what = stitch, "the last node of the base"  # (7)
        else:
            wanted, what = (self.last_node_id, self.last_node_sequence_id), "the last node traversed"  # (8)
        if (first.node_id, first.sequence_id) != wanted:
            reason = f"it begins at {first.node_id} ({first.sequence_id}), not at {what}, {wanted[0]} ({wanted[1]})"
            raise _rejected(ORDER_UPDATE, order, reason, nodeId=first.node_id)

    def _decision_point(self) -> tuple[str, int]:
        base = [node for node in self.nodes if node.released]
        return (base[-1].node_id, base[-1].sequence_id) if base else (self.last_node_id, self.last_node_sequence_id)

    def _begin(self, order: Order) -> None:
        self.nodes, self.edges = list(order.nodes), list(order.edges)
        self.actions = {}
        self.cancelling = False
        self._name(order)
        self._expect(order.nodes)

    def _extend(self, order: Order) -> None:
        """The horizon gives way; the stitching node stays as it was first sent."""
        gone = {action.action_id for node in self.nodes if not node.released for action in node.actions}
        self.actions = {name: state for name, state in self.actions.items() if name not in gone}
        self.nodes = [node for node in self.nodes if node.released] + list(order.nodes[1:])
        self.edges = [edge for edge in self.edges if edge.released] + list(order.edges)
        self._name(order)
        self._expect(order.nodes[1:])

    def _name(self, order: Order) -> None:
        self.order_id, self.order_update_id = order.order_id, order.order_update_id

    def _expect(self, nodes: Collection[Node]) -> None:
        for node in nodes:
            for action in node.actions:
                self.mark(action, "WAITING")

    # It is carried out

    def passed(self, node: Node) -> None:
        """A node counts as traversed; the edge that led there is left."""
        self.nodes.remove(node)
        self.edges = [edge for edge in self.edges if edge.sequence_id > node.sequence_id]
        self.last_node_id, self.last_node_sequence_id = node.node_id, node.sequence_id

    def mark(self, action: Action, status: ActionStatus, description: str = "") -> None:
        """How an action stands now."""
        if len(self.actions) >= _MOST_ACTIONS and action.action_id not in self.actions:
            self.actions.pop(next(iter(self.actions)))
        self.actions[action.action_id] = ActionState(
            action_id=action.action_id,
            action_type=action.action_type,
            action_status=status,
            result_description=description,
        )

    def cancel(self, reached: Node | None) -> None:
        """Give up all but the node on the way to which the robot is; scheduled actions fail. Ids are kept."""
        self.cancelling = True
        self.nodes = [node for node in self.nodes if node is reached]
        self.edges = [edge for edge in self.edges if reached is not None and edge.sequence_id < reached.sequence_id]
        for name, state in self.actions.items():
            if state.action_status == "WAITING":
                self.actions[name] = msgspec.structs.replace(state, action_status="FAILED")

    @property
    def node_states(self) -> tuple[NodeState, ...]:
        return tuple(
            NodeState(node_id=node.node_id, sequence_id=node.sequence_id, released=node.released) for node in self.nodes
        )

    @property
    def edge_states(self) -> tuple[EdgeState, ...]:
        return tuple(
            EdgeState(edge_id=edge.edge_id, sequence_id=edge.sequence_id, released=edge.released) for edge in self.edges
        )


def _check_form(order: Order) -> None:
    """(1), beyond what the schema says: ids in sequence, edges between their nodes, nothing released after a gap."""
    for wrong, reason in _faults(order):
        if wrong:
            raise _rejected(VALIDATION, order, reason)


def _faults(order: Order) -> Iterator[tuple[bool, str]]:
    nodes, edges = order.nodes, order.edges
    yield not order.order_id, "orderId is empty"
    yield len(edges) != len(nodes) - 1, f"{len(nodes)} nodes take {len(nodes) - 1} edges, not {len(edges)}"
    first = nodes[0].sequence_id
    ids = [each.sequence_id for pair in zip(nodes, (*edges, None), strict=False) for each in pair if each is not None]
    yield ids != list(range(first, first + len(ids))), f"sequence ids are {ids[:20]}, and must rise by one"
    yield first % 2 == 1, f"sequence id {first} is an edge's; a node's is even"
    yield not nodes[0].released, "the first node is not released"
    for edge, (start, end) in zip(edges, pairwise(nodes), strict=False):
        joined = (edge.start_node_id, edge.end_node_id) == (start.node_id, end.node_id)
        yield not joined, f"edge {edge.edge_id} does not lead from {start.node_id} to {end.node_id}"
        yield edge.released and not (start.released and end.released), f"edge {edge.edge_id} is released, a node not"
        yield end.released and not edge.released, f"node {end.node_id} is released, the edge to it is not"
    bearers: list[Node | Edge] = [*nodes, *edges]
    actions = [action.action_id for each in bearers for action in each.actions]
    yield len(set(actions)) < len(actions), "an action id stands there twice"


def _check_use(order: Order, nodes: Collection[Node], ground: Ground) -> None:
    """What the robot cannot do or use (6.6.4.2), and where it cannot go."""
    for edge in order.edges:
        for name in _UNUSABLE_ON_EDGES:
            if getattr(edge, name) is not UNSET:
                key = next(info.encode_name for info in msgspec.structs.fields(Edge) if info.name == name)
                raise _rejected(ORDER, order, f"{key} is not used by this robot", edgeId=edge.edge_id, field=key)
        for action in edge.actions:
            raise _rejected(ORDER, order, "no action is performed on an edge", actionId=action.action_id)
    for node in nodes:
        for action in node.actions:
            if wrong := ground.usable(action):
                raise _rejected(ORDER, order, wrong, actionId=action.action_id)
        position = node.node_position
        if position is not UNSET and position.theta is not UNSET and position.allowed_deviation_theta is UNSET:
            reason = "this robot does not turn to an orientation; allow a deviation, or leave theta out"
            raise _rejected(ORDER, order, reason, nodeId=node.node_id, field="theta")
        if node.node_id not in ground.nodes and node is not order.nodes[0]:
            raise _rejected(NO_ROUTE, order, f"there is no place {node.node_id}", nodeId=node.node_id)


def _rejected(kind: str, order: Order, reason: str, **references: str) -> Rejected:
    named: Mapping[str, str] = {
        "headerId": str(order.header_id),
        "topic": "order",
        "orderId": order.order_id,
        "orderUpdateId": str(order.order_update_id),
        **references,
    }
    return Rejected(warning(kind, reason, named))


def warning(kind: str, reason: str, references: Mapping[str, str]) -> Error:
    """An error of level WARNING."""
    return Error(
        error_type=kind,
        error_level="WARNING",
        error_description=reason[:500],
        error_references=tuple(
            Reference(reference_key=key, reference_value=value[:256]) for key, value in references.items()
        ),
    )
