"""Every native message that a system test hears is held against its schema, and against nothing more than that."""

from __future__ import annotations

import json
from functools import cache

from jsonschema import Draft202012Validator

from fleetd.relay.schemas import form_name, forms


@cache
def _validators() -> dict[str, Draft202012Validator]:
    # The files leave room for later fields; a test does not.
    return {form.name: Draft202012Validator({**form.schema, "additionalProperties": False}) for form in forms()}


def complaints(topic: str, payload: bytes) -> list[str]:
    """What is wrong with a message; nothing with what others say, nor with the end of a retained alarm."""
    name = form_name(topic) if topic.startswith("fleetd/") else ""
    if name == "command" or not topic.startswith("fleetd/") or (name == "alarm" and not payload):
        return []
    if not name:
        return [f"{topic} is no topic that has a schema"]
    found = _validators()[name].iter_errors(json.loads(payload))
    return [f"{topic}: {error.json_path}: {error.message}" for error in found]


def check_form(topic: str, payload: bytes) -> None:
    """Raises ValueError for a message that is not as its schema says."""
    if found := complaints(topic, payload):
        raise ValueError("; ".join(found))
