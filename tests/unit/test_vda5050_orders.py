"""A corpus of good and bad orders, each with the answer that VDA 5050 2.1.0 demands (6.6.2 to 6.6.4, figure 8)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vda5050 import action, faults, instant, order

from fleetd.vda5050.messages import Action, Node, Unreadable, read_instant_actions, read_order
from fleetd.vda5050.order import Ground, OrderBook, Rejected

PLACES = ("depot", "library", "dormitory", "gate")


class Yard:
    """A robot that stands where it is put; of actions it knows open_door with a door."""

    def __init__(self, at: str = "depot") -> None:
        self.at = at
        self.book = OrderBook()
        self.ground = Ground(PLACES, self._usable, lambda node: node.node_id == self.at)

    @staticmethod
    def _usable(action: Action) -> str:
        keys = [parameter.key for parameter in action.action_parameters]
        return "" if (action.action_type, keys) == ("open_door", ["door"]) else f"no {action.action_type} here"

    def take(self, message: dict[str, Any] | bytes) -> str:
        """accepted, discarded, or the error type of the rejection."""
        payload = message if isinstance(message, bytes) else json.dumps(message).encode()
        try:
            return "accepted" if self.book.take(read_order(payload), self.ground) else "discarded"
        except Unreadable:
            return "validationError"
        except Rejected as rejected:
            return rejected.error.error_type

    def drive(self, *names: str) -> None:
        for name in names:
            node = self.book.next_node
            assert node is not None
            assert node.node_id == name
            self.at = name
            self.book.passed(node)

    def nodes(self) -> list[tuple[str, int, bool]]:
        return [(state.node_id, state.sequence_id, state.released) for state in self.book.node_states]


def with_edge(message: dict[str, Any], **changes: Any) -> dict[str, Any]:
    message["edges"][0] |= changes
    return message


def with_node(message: dict[str, Any], index: int = 0, **changes: Any) -> dict[str, Any]:
    message["nodes"][index] |= changes
    return message


def without(message: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name != key}


POSITION = {"x": 0.0, "y": 0.0, "mapId": "site"}
TURNED = {"theta": 1.0, "allowedDeviationTheta": 3.14}
TRAJECTORY = {"degree": 1, "knotVector": [0, 0, 1, 1], "controlPoints": [{"x": 0, "y": 0}, {"x": 1, "y": 1}]}

FIRST: list[tuple[str, dict[str, Any] | bytes, str]] = [
    ("two nodes", order(), "accepted"),
    ("one node", order(route="depot"), "accepted"),
    ("three nodes with a horizon", order(route="depot library [dormitory]"), "accepted"),
    ("there and back", order(route="depot library depot"), "accepted"),
    ("with an action", with_node(order(), 1, actions=[action("a1", door=3)]), "accepted"),
    ("with all that is optional", order(zoneSetId="z"), "accepted"),
    ("a first update id that is not 0", order(update=7), "accepted"),
    ("unknown fields are passed over", order(colour="red"), "accepted"),
    ("an edge's length is information", with_edge(order(), length=12.5), "accepted"),
    ("a timestamp with three decimals", order(timestamp="2026-11-11T12:00:00.123Z"), "accepted"),
    ("a theta that may deviate", with_node(order(), nodePosition=POSITION | TURNED), "accepted"),
    ("a theta beyond a half turn", with_node(order(), nodePosition=POSITION | {"theta": 3.2}), "validationError"),
    # 6.6.4.1: malformed
    ("no JSON", b"{", "validationError"),
    ("nothing", b"", "validationError"),
    ("a list", b"[]", "validationError"),
    ("10,000 deep", b'{"nodes":' + b"[" * 10_000, "validationError"),
    ("without an order id", without(order(), "orderId"), "validationError"),
    ("with an empty order id", order(order_id=""), "validationError"),
    ("without an update id", without(order(), "orderUpdateId"), "validationError"),
    ("without nodes", without(order(), "nodes"), "validationError"),
    ("without edges", without(order(), "edges"), "validationError"),
    ("without a header id", without(order(), "headerId"), "validationError"),
    ("without a serial number", without(order(), "serialNumber"), "validationError"),
    ("no node at all", order(nodes=[], edges=[]), "validationError"),
    ("an update id that is a text", order(orderUpdateId="0"), "validationError"),
    ("a negative update id", order(orderUpdateId=-1), "validationError"),
    ("nodes that are an object", order(nodes={}), "validationError"),
    ("a node without an id", with_node(order(), nodeId=None), "validationError"),
    ("a released that is a text", with_node(order(), released="true"), "validationError"),
    ("a node without actions", order(nodes=[without(order()["nodes"][0], "actions")], edges=[]), "validationError"),
    ("an unknown blocking type", with_node(order(), actions=[action("a", blocking="MAYBE")]), "validationError"),
    ("an action without an id", with_node(order(), actions=[without(action("a"), "actionId")]), "validationError"),
    ("another version", order(version="3.0.0"), "validationError"),
    ("an edge too few", order(edges=[]), "validationError"),
    ("an edge too many", order(route="depot", edges=order()["edges"]), "validationError"),
    ("sequence ids that jump", with_node(order(), 1, sequenceId=4), "validationError"),
    ("sequence ids that fall", with_edge(order(), sequenceId=0), "validationError"),
    ("sequence ids from an edge's number", order(first=1), "validationError"),
    ("an edge that leads elsewhere", with_edge(order(), endNodeId="gate"), "validationError"),
    ("an edge that begins elsewhere", with_edge(order(), startNodeId="gate"), "validationError"),
    ("a first node that is not released", order(route="[depot] [library]"), "validationError"),
    ("an edge released, its node not", with_node(order(), 1, released=False), "validationError"),
    ("a node released, its edge not", with_edge(order(), released=False), "validationError"),
    ("something released behind a gap", order(route="depot [library] dormitory"), "validationError"),
    ("one action id twice", with_node(order(), actions=[action("a", door=1), action("a", door=2)]), "validationError"),
    # 6.6.4.2: what the robot cannot do or use
    ("an action that it does not have", with_node(order(), actions=[action("a", "pick")]), "orderError"),
    ("an action with the wrong parameters", with_node(order(), actions=[action("a", lid=1)]), "orderError"),
    ("an action on an edge", with_edge(order(), actions=[action("a", door=1)]), "orderError"),
    ("a trajectory", with_edge(order(), trajectory=TRAJECTORY), "orderError"),
    ("a corridor", with_edge(order(), corridor={"leftWidth": 1.0, "rightWidth": 1.0}), "orderError"),
    ("a speed limit", with_edge(order(), maxSpeed=1.0), "orderError"),
    ("an orientation", with_edge(order(), orientation=0.0), "orderError"),
    ("a theta to be kept", with_node(order(), nodePosition=POSITION | {"theta": 1.0}), "orderError"),
    # figure 8 (4) and places that there are not
    ("a first node elsewhere", order(route="library depot"), "noRouteError"),
    ("a place that there is not", order(route="depot moon"), "noRouteError"),
    ("a place that there is not, in the horizon", order(route="depot [moon]"), "noRouteError"),
]  # fmt: skip


@pytest.mark.parametrize(("message", "answer"), [case[1:] for case in FIRST], ids=[case[0] for case in FIRST])
def test_a_first_order_gets_its_answer(message: dict[str, Any] | bytes, answer: str) -> None:
    yard = Yard()
    assert yard.take(message) == answer
    if answer == "accepted":
        assert isinstance(message, dict)
        assert faults("order", message) == [], "the standard's own schema takes it, too"
        assert yard.nodes() == [(each["nodeId"], each["sequenceId"], each["released"]) for each in message["nodes"]]
        assert (yard.book.order_id, yard.book.order_update_id) == (message["orderId"], message["orderUpdateId"])
        assert yard.book.errors == []
    else:
        assert yard.nodes() == []
        assert yard.book.order_id == "", "it is not taken over"


@pytest.mark.parametrize("message", [case[1] for case in FIRST], ids=[case[0] for case in FIRST])
def test_nothing_passes_that_the_standard_s_schema_refuses(message: dict[str, Any] | bytes) -> None:
    if isinstance(message, dict) and faults("order", message):
        assert Yard().take(message) == "validationError"


# Updates and new orders while one is there: what came before, and what the next one gets


def running(yard: Yard) -> None:
    yard.take(order(route="depot library [dormitory]"))
    yard.drive("depot")


def waiting(yard: Yard) -> None:
    yard.take(order(route="depot library [dormitory]"))
    yard.drive("depot", "library")


def finished(yard: Yard) -> None:
    yard.take(order(route="depot library"))
    yard.drive("depot", "library")


def acting(yard: Yard) -> None:
    yard.take(with_node(order(route="depot library"), 1, actions=[action("a1", door=1)]))
    yard.drive("depot", "library")


def cancelled(yard: Yard) -> None:
    running(yard)
    yard.book.cancel(None)


ONWARD = order(update=1, route="library gate", first=2)

LATER: list[tuple[str, Callable[[Yard], None], dict[str, Any], str]] = [
    ("(3) a new order while one runs", running, order("o2", route="depot library"), "orderError"),
    ("(3) a new order while a horizon waits", waiting, order("o2", route="library gate"), "orderError"),
    ("(3) a new order while an action runs", acting, order("o2", route="library gate"), "orderError"),
    ("a new order from where it stands", finished, order("o2", route="library gate"), "accepted"),
    ("(4) a new order from elsewhere", finished, order("o2", route="depot gate"), "noRouteError"),
    ("(6) the same once more", running, order(route="depot library [dormitory]"), "discarded"),
    ("(6) the same id with other content", running, order(route="depot gate"), "discarded"),
    ("(7) from the decision point", running, order(update=1, route="library dormitory", first=2), "accepted"),
    ("(7) another horizon", running, order(update=1, route="library [gate]", first=2), "accepted"),
    ("(7) the horizon taken away", running, order(update=1, route="library", first=2), "accepted"),
    ("(7) from before it", running, order(update=1, route="depot library", first=0), "orderUpdateError"),
    ("(7) from the horizon", running, order(update=1, route="dormitory gate", first=4), "orderUpdateError"),
    ("(7) the right node, another number", running, order(update=1, route="library gate", first=4), "orderUpdateError"),
    ("(7) while a horizon waits", waiting, order(update=1, route="library dormitory", first=2), "accepted"),
    ("(7) while an action runs", acting, order(update=1, route="library gate", first=2), "accepted"),
    ("(8) on from the end", finished, order(update=1, route="library gate", first=2), "accepted"),
    ("(8) not from the end", finished, order(update=1, route="depot gate", first=0), "orderUpdateError"),
    ("(8) the right node, another number", finished, order(update=1, route="library gate"), "orderUpdateError"),
    ("a jump in the update id", running, order(update=9, route="library gate", first=2), "accepted"),
    ("an update to a place that there is not", running, order(update=1, route="library moon", first=2), "noRouteError"),
    ("an update with a trajectory", running, with_edge(ONWARD, trajectory=TRAJECTORY), "orderError"),
    ("an update of a cancelled order", cancelled, order(update=1, route="library gate", first=2), "orderUpdateError"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "message", "answer"), [case[1:] for case in LATER], ids=[case[0] for case in LATER])
def test_a_later_order_gets_its_answer(before: Callable[[Yard], None], message: dict[str, Any], answer: str) -> None:
    yard = Yard()
    before(yard)
    had, stood = yard.nodes(), (yard.book.order_id, yard.book.order_update_id)
    assert yard.take(message) == answer
    if answer == "accepted":
        assert (yard.book.order_id, yard.book.order_update_id) == (message["orderId"], message["orderUpdateId"])
    else:
        assert yard.nodes() == had, "the robot goes on with what it had"
        assert (yard.book.order_id, yard.book.order_update_id) == stood
        assert bool(yard.book.errors) is (answer != "discarded")


def test_5_a_lower_update_id_is_rejected() -> None:
    yard = Yard()
    yard.take(order(update=3, route="depot library [dormitory]"))
    assert yard.take(order(update=2, route="library gate", first=2)) == "orderUpdateError"
    [error] = yard.book.errors
    assert error.error_level == "WARNING"
    assert {each.reference_key for each in error.error_references} >= {"orderId", "orderUpdateId", "headerId", "topic"}


def test_an_update_replaces_the_horizon_and_leaves_the_stitching_node_as_it_was() -> None:
    yard = Yard()
    first = with_node(order(route="depot library [dormitory]"), 1, actions=[action("a1", door=1)])
    with_node(first, 2, actions=[action("a2", door=2)])
    yard.take(first)
    yard.drive("depot")
    update = with_node(order(update=1, route="library gate", first=2), 0, actions=[action("other", door=8)])
    yard.take(with_node(update, 1, actions=[action("a3", door=3)]))
    assert yard.nodes() == [("library", 2, True), ("gate", 4, True)]
    assert list(yard.book.actions) == ["a1", "a3"], "the horizon's action is gone, the stitching node's is the first"
    assert [edge.sequence_id for edge in yard.book.edge_states] == [1, 3] or yard.book.edge_states
    node = yard.book.next_node
    assert isinstance(node, Node)
    assert [each.action_id for each in node.actions] == ["a1"]


def test_an_error_stands_until_an_order_is_accepted() -> None:
    yard = Yard()
    yard.take(order(route="depot moon"))
    yard.take(order(route="depot moon"))
    assert [error.error_type for error in yard.book.errors] == ["noRouteError"]
    yard.take(order())
    assert yard.book.errors == []


def test_passing_a_node_leaves_the_edge_before_it() -> None:
    yard = Yard()
    yard.take(order(route="depot library gate"))
    yard.drive("depot")
    assert [edge.edge_id for edge in yard.book.edge_states] == ["e1", "e3"]
    yard.drive("library")
    assert [edge.edge_id for edge in yard.book.edge_states] == ["e3"]
    assert (yard.book.last_node_id, yard.book.last_node_sequence_id) == ("library", 2)


def test_cancelling_fails_what_is_scheduled_and_keeps_the_ids() -> None:
    yard = Yard()
    yard.take(with_node(order(route="depot library gate"), 1, actions=[action("a1", door=1)]))
    yard.drive("depot")
    reached = yard.book.next_node
    yard.book.cancel(reached)
    assert yard.nodes() == [("library", 2, True)]
    assert yard.book.actions["a1"].action_status == "FAILED"
    assert yard.book.order_id == "o1"


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_be_unreadable(payload: bytes) -> None:
    for read in (read_order, read_instant_actions):
        with pytest.raises(Unreadable):
            read(payload)


@pytest.mark.parametrize(
    "message", [instant(action("a1", "startPause")), instant(action("a1", door=2.5), action("a2"))]
)
def test_instant_actions_that_the_schema_takes_are_read(message: dict[str, Any]) -> None:
    assert faults("instantActions", message) == []
    read = read_instant_actions(json.dumps(message).encode())
    assert [each.action_id for each in read.actions] == [each["actionId"] for each in message["actions"]]
