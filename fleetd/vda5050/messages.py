"""Messages of VDA 5050 2.1.0 and their codec: the one file that another version of the standard would replace.

Field names follow the standard's schemas by camel case; what the standard marks optional has a default here and is left
out when unset. Where document and schema differ, we send what both allow.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

VERSION = "2.1.0"
MAJOR = "v2"

Uint32 = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Id = Annotated[str, Meta(max_length=1024)]
Angle = Annotated[float, Meta(ge=-3.14159265359, le=3.14159265359)]
BlockingType = Literal["NONE", "SOFT", "HARD"]
ActionStatus = Literal["WAITING", "INITIALIZING", "RUNNING", "FINISHED", "FAILED"]
ErrorLevel = Literal["WARNING", "FATAL"]
ConnectionState = Literal["ONLINE", "OFFLINE", "CONNECTIONBROKEN"]

VALIDATION, ORDER, ORDER_UPDATE = "validationError", "orderError", "orderUpdateError"
NO_ROUTE, NO_ORDER_TO_CANCEL, INSTANT_ACTION = "noRouteError", "noOrderToCancel", "instantActionError"


class Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A part of a message."""


class Reference(Part, frozen=True, kw_only=True):
    reference_key: str
    reference_value: str


class Error(Part, frozen=True, kw_only=True):
    error_type: str
    error_level: ErrorLevel
    error_description: str = ""
    error_references: tuple[Reference, ...] = ()


class Parameter(Part, frozen=True, kw_only=True):
    key: str
    value: Any


class Action(Part, frozen=True, kw_only=True):
    action_type: str
    action_id: Id
    blocking_type: BlockingType
    action_description: str = ""
    action_parameters: tuple[Parameter, ...] = ()


class NodePosition(Part, frozen=True, kw_only=True):
    x: float
    y: float
    map_id: str
    theta: Angle | UnsetType = UNSET
    allowed_deviation_xy: Annotated[float, Meta(ge=0)] | UnsetType = msgspec.field(
        default=UNSET, name="allowedDeviationXY"
    )
    allowed_deviation_theta: Angle | UnsetType = UNSET


class Node(Part, frozen=True, kw_only=True):
    node_id: Id
    sequence_id: Uint32
    released: bool
    actions: tuple[Action, ...]
    node_description: str = ""
    node_position: NodePosition | UnsetType = UNSET


class Edge(Part, frozen=True, kw_only=True):
    edge_id: Id
    sequence_id: Uint32
    released: bool
    start_node_id: Id
    end_node_id: Id
    actions: tuple[Action, ...]
    edge_description: str = ""
    max_speed: float | UnsetType = UNSET
    max_height: float | UnsetType = UNSET
    min_height: float | UnsetType = UNSET
    orientation: float | UnsetType = UNSET
    direction: str | UnsetType = UNSET
    rotation_allowed: bool | UnsetType = UNSET
    max_rotation_speed: float | UnsetType = UNSET
    trajectory: dict[str, Any] | UnsetType = UNSET
    corridor: dict[str, Any] | UnsetType = UNSET


class Headed(Part, frozen=True, kw_only=True, omit_defaults=True):
    """What stands at the head of every message."""

    header_id: Uint32
    timestamp: str
    version: str
    manufacturer: str
    serial_number: str


class Order(Headed, frozen=True, kw_only=True):
    order_id: Id
    order_update_id: Uint32
    nodes: Annotated[tuple[Node, ...], Meta(min_length=1, max_length=1000)]
    edges: Annotated[tuple[Edge, ...], Meta(max_length=1000)]
    zone_set_id: str = ""


class InstantActions(Headed, frozen=True, kw_only=True):
    actions: Annotated[tuple[Action, ...], Meta(max_length=100)]


class Connection(Headed, frozen=True, kw_only=True):
    connection_state: ConnectionState


class NodeState(Part, frozen=True, kw_only=True):
    node_id: str
    sequence_id: int
    released: bool


class EdgeState(Part, frozen=True, kw_only=True):
    edge_id: str
    sequence_id: int
    released: bool


class ActionState(Part, frozen=True, kw_only=True):
    action_id: str
    action_status: ActionStatus
    action_type: str = ""
    result_description: str = ""


class AgvPosition(Part, frozen=True, kw_only=True, omit_defaults=False):
    x: float
    y: float
    theta: float
    map_id: str
    position_initialized: bool


class Velocity(Part, frozen=True, kw_only=True, omit_defaults=False):
    vx: float


class BatteryState(Part, frozen=True, kw_only=True):
    battery_charge: float
    charging: bool
    battery_voltage: float | UnsetType = UNSET
    reach: float | UnsetType = UNSET


class SafetyState(Part, frozen=True, kw_only=True):
    e_stop: Literal["AUTOACK", "MANUAL", "REMOTE", "NONE"]
    field_violation: bool


class State(Headed, frozen=True, kw_only=True):
    order_id: str
    order_update_id: int
    last_node_id: str
    last_node_sequence_id: int
    node_states: tuple[NodeState, ...]
    edge_states: tuple[EdgeState, ...]
    action_states: tuple[ActionState, ...]
    driving: bool
    paused: bool | UnsetType = UNSET
    battery_state: BatteryState
    operating_mode: Literal["AUTOMATIC", "SEMIAUTOMATIC", "MANUAL", "SERVICE", "TEACHIN"]
    errors: tuple[Error, ...]
    safety_state: SafetyState
    agv_position: AgvPosition | UnsetType = UNSET
    velocity: Velocity | UnsetType = UNSET


_order = msgspec.json.Decoder(Order)
_instant = msgspec.json.Decoder(InstantActions)
_encoder = msgspec.json.Encoder()


class Unreadable(ValueError):
    """What came in is no such message; the text says where."""


def read_order(payload: bytes) -> Order:
    """An order. Raises Unreadable."""
    order: Order = _read(_order, payload)
    return order


def read_instant_actions(payload: bytes) -> InstantActions:
    """Instant actions. Raises Unreadable."""
    actions: InstantActions = _read(_instant, payload)
    return actions


def encode(message: msgspec.Struct | dict[str, Any]) -> bytes:
    """A message as it goes out."""
    return _encoder.encode(message)


def _read(decoder: msgspec.json.Decoder[Any], payload: bytes) -> Any:
    try:
        message = decoder.decode(payload)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise Unreadable(str(error)) from None
    if not message.version.startswith("2."):
        raise Unreadable(f"version {message.version[:16]!r} is not spoken here; {VERSION} is")
    return message
