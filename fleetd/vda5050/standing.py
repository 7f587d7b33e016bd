"""Whether a robot stands on a node that bears a position, by where it sees itself."""

from __future__ import annotations

import math

from msgspec import UNSET

from fleetd.vda5050.messages import Node
from fleetd.vda5050.state import Origin, Seen

_NEAR_M = 3.0  # how near a node's position counts as on it, where the master control allows no deviation itself


def stands_near(node: Node, seen: Seen, origin: Origin) -> bool:
    """Whether it stands within what the node allows; False where either of them tells no position on this map."""
    here, position = seen.xy_m(origin), node.node_position
    if seen.driving or here is None or position is UNSET or position.map_id != origin.map_id:
        return False
    allowed = position.allowed_deviation_xy
    near_m = allowed if allowed is not UNSET and allowed > 0 else _NEAR_M
    return math.hypot(position.x - here[0], position.y - here[1]) <= near_m
