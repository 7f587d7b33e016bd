"""What the tests of VDA 5050 share: the standard's own schemas as referees, and orders as a master control writes."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

SCHEMAS = Path(__file__).parent / "data" / "vda5050"
MANUFACTURER, SERIAL = "KIT", "0001"


@cache
def referee(topic: str) -> jsonschema.Draft202012Validator:
    """The validator of one topic's messages, formats checked."""
    schema = json.loads((SCHEMAS / f"{topic}.schema").read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


def faults(topic: str, message: Any) -> list[str]:
    """What the standard's schema finds wrong with a message."""
    return [error.message for error in referee(topic).iter_errors(message)]


def head(number: int = 0, **changes: Any) -> dict[str, Any]:
    return {
        "headerId": number,
        "timestamp": "2026-11-11T12:00:00.00Z",
        "version": "2.1.0",
        "manufacturer": MANUFACTURER,
        "serialNumber": SERIAL,
        **changes,
    }


def action(name: str, kind: str = "open_door", blocking: str = "HARD", **parameters: Any) -> dict[str, Any]:
    pairs = [{"key": key, "value": value} for key, value in parameters.items()]
    return {"actionType": kind, "actionId": name, "blockingType": blocking, "actionParameters": pairs}


def order(
    order_id: str = "o1", update: int = 0, route: str = "depot library", *, first: int = 0, **changes: Any
) -> dict[str, Any]:
    """A route of places, each released but those in brackets: `depot library [dormitory]`."""
    nodes: list[dict[str, Any]] = []
    edges: list[dict[str, Any]] = []
    for index, word in enumerate(route.split()):
        name, released = word.strip("[]"), not word.startswith("[")
        sequence = first + 2 * index
        if nodes:
            edges.append(
                {
                    "edgeId": f"e{sequence - 1}",
                    "sequenceId": sequence - 1,
                    "released": released,
                    "startNodeId": nodes[-1]["nodeId"],
                    "endNodeId": name,
                    "actions": [],
                }
            )
        nodes.append({"nodeId": name, "sequenceId": sequence, "released": released, "actions": []})
    whole = {**head(), "orderId": order_id, "orderUpdateId": update, "nodes": nodes, "edges": edges}
    return whole | changes


def instant(*actions: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**head(), "actions": list(actions), **changes}
