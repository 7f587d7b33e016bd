"""The factsheet of a robot: what its build, its actions and our own limits are (document, 6.15)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleetd.devices import ActionSpec
from fleetd.vda5050.settings import Vda5050Settings

PREDEFINED = {
    "startPause": "Stand still and keep the order",
    "stopPause": "Go on after a pause",
    "cancelOrder": "Give up the order; the robot stops at the node that it drives to",
    "stateRequest": "Send a state",
    "factsheetRequest": "Send the factsheet",
    "stop": "Supervisory stop: latches, and takes a reset on the spot and then stopPause to end; no safety function",
}
"""Instant actions that every robot takes; `stop` is our own, for the standard has none."""

ERRANDS = ("send", "hold", "resume")
"""Robots' actions that an order, or a predefined action, stands for."""


def factsheet(settings: Vda5050Settings, actions: Mapping[str, ActionSpec]) -> dict[str, Any]:
    """Everything behind the header."""
    build = settings.build
    return {
        "typeSpecification": {
            "seriesName": settings.series_name,
            "agvKinematic": build.kinematic,
            "agvClass": "CARRIER",
            "maxLoadMass": build.max_load_kg,
            "localizationTypes": ["NATURAL"],
            "navigationTypes": ["AUTONOMOUS"],
        },
        "physicalParameters": {
            "speedMin": 0.0,
            "speedMax": build.speed_max_m_s,
            "accelerationMax": build.acceleration_max_m_s2,
            "decelerationMax": build.deceleration_max_m_s2,
            "heightMax": build.height_m,
            "width": build.width_m,
            "length": build.length_m,
        },
        "protocolLimits": {
            "maxStringLens": {"idLen": 1024},
            "maxArrayLens": {"order.nodes": 1000, "order.edges": 1000, "edge.actions": 0, "instantActions": 100},
            "timing": {
                "minOrderInterval": settings.min_state_interval_s,
                "minStateInterval": settings.min_state_interval_s,
                "defaultStateInterval": settings.state_interval_s,
            },
        },
        "protocolFeatures": {
            "optionalParameters": [],
            "agvActions": [
                *(_action(name, text, ["INSTANT"]) for name, text in PREDEFINED.items()),
                *(
                    _action(spec.name, spec.help, ["INSTANT", "NODE"], spec)
                    for spec in actions.values()
                    if spec.name not in ERRANDS
                ),
            ],
        },
        "agvGeometry": {},
        "loadSpecification": {},
    }


def _action(name: str, text: str, scopes: list[str], spec: ActionSpec | None = None) -> dict[str, Any]:
    action: dict[str, Any] = {"actionType": name, "actionDescription": text, "actionScopes": scopes}
    if spec is not None and spec.arguments:
        action["actionParameters"] = [
            {
                "key": argument.name,
                "valueDataType": "INTEGER" if argument.whole else "FLOAT",
                "description": f"{argument.help} {argument.minimum:g} to {argument.maximum:g} {argument.unit}".strip(),
                "isOptional": False,
            }
            for argument in spec.arguments
        ]
    return action
