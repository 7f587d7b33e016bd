"""Whether a command may be carried out at all, before anything durable or physical happens to it.

Pure rules over a command, what the robots can be told, the site's places, and the time; the first one broken is named.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from datetime import datetime

import msgspec

from fleetd.clock import iso_ms
from fleetd.devices import ActionSpec, ArgumentSpec
from fleetd.errors import Refusal
from fleetd.records import Command, Value
from fleetd.robots.settings import RobotsSettings

STOP = "stop"
"""The action that every robot takes, at any time, ahead of everything else."""

CONFIRM = "confirm"
"""A second person's word for a command that waits for it; its argument `command` is that command's id."""

ALL = "all"
"""In a device's place: every robot of the site."""

PLACE = "place"
"""An argument of this name stands for the action's `stop_number`, given as one of the site's places."""

STOP_NUMBER = "stop"
_LONGEST_ID = 128
_MOST_LISTED = 20


def judge(command: Command, actions: Mapping[str, ActionSpec], settings: RobotsSettings, now: datetime) -> Command:
    """The command with its place names resolved to stop numbers. Raises Refusal naming the rule and the limit."""
    judge_id(command.id)
    if command.action == STOP:
        return msgspec.structs.replace(command, args={})
    resolved = resolve(command, actions, settings)
    judge_time(command, settings, now)
    return resolved


def resolve(command: Command, actions: Mapping[str, ActionSpec], settings: RobotsSettings) -> Command:
    """The command with complete, checked arguments, whatever the time. Raises Refusal."""
    action = actions.get(command.action)
    if action is None:
        known = listed({*actions, STOP})
        raise Refusal("unknown-action", f"{command.device} has no action {command.action!r}; it has {known}")
    return msgspec.structs.replace(command, args=_arguments(command.args, action, settings))


def judge_id(command_id: str) -> None:
    """Raises Refusal unless this can identify a command in every topic, log and table."""
    if not command_id or len(command_id) > _LONGEST_ID or not command_id.isprintable():
        raise Refusal("id", f"a command's id is 1 to {_LONGEST_ID} printable characters")


def listed(names: Collection[str]) -> str:
    """Names in order for a message, the first twenty of them; "none" where there are none."""
    first = sorted(names)[:_MOST_LISTED]
    more = len(names) - len(first)
    return (", ".join(first) or "none") + (f" and {more} more" if more else "")


def judge_time(command: Command, settings: RobotsSettings, now: datetime) -> None:
    """Raises Refusal for a command that is over, not yet issued, or would live for too long."""
    if command.issued_at.tzinfo is None or command.expires_at.tzinfo is None:
        raise Refusal("zone", "issued_at and expires_at need a zone; end them with 'Z' for UTC")
    ahead_s = (command.issued_at - now).total_seconds()
    left_s = (command.expires_at - now).total_seconds()
    if ahead_s > settings.clock_skew_s:
        raise Refusal(
            "issued-in-future",
            f"issued {ahead_s:.1f} s in the future, more than {settings.clock_skew_s:g} s: one of the clocks is wrong",
        )
    if left_s <= 0:
        raise Refusal("expired", f"expired at {iso_ms(command.expires_at)}, {-left_s:.1f} s ago")
    if left_s > settings.longest_expiry_s:
        raise Refusal("expiry", f"expires in {left_s:.1f} s, above the limit of {settings.longest_expiry_s:g} s")


def _arguments(given: Mapping[str, Value], action: ActionSpec, settings: RobotsSettings) -> dict[str, Value]:
    wanted = {argument.name: argument for argument in action.arguments}
    named = _places_resolved(given, wanted, settings)
    for name in named:
        if name not in wanted:
            raise Refusal("argument", f"{action.name} has no argument {name!r}; it has {listed(wanted)}")
    for name, argument in wanted.items():
        if name not in named:
            raise Refusal("argument", f"{action.name} needs the argument {name!r}: {_span(argument)}")
    return {name: _within(named[name], argument) for name, argument in wanted.items()}


def _places_resolved(
    given: Mapping[str, Value], wanted: Mapping[str, ArgumentSpec], settings: RobotsSettings
) -> dict[str, Value]:
    """`given` with a place, under its own name or as the stop's value, turned into that stop's number."""
    named = dict(given)
    if STOP_NUMBER not in wanted:
        return named
    if PLACE in named and PLACE not in wanted and STOP_NUMBER not in named:
        named[STOP_NUMBER] = named.pop(PLACE)
    name = named.get(STOP_NUMBER)
    if isinstance(name, str):
        place = settings.places.get(name)
        if place is None:
            raise Refusal("unknown-place", f"there is no place {name!r}; there are {listed(settings.places)}")
        named[STOP_NUMBER] = place.stop
    return named


def _within(value: Value, argument: ArgumentSpec) -> Value:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole and (argument.whole or not isinstance(value, float) or not math.isfinite(value)):
        raise Refusal("argument", f"{argument.name} is {value!r}, which is not {_span(argument)}")
    if isinstance(value, int | float) and value < argument.minimum:
        raise Refusal("range", f"{argument.name} {value} is below the limit of {_limit(argument.minimum, argument)}")
    if isinstance(value, int | float) and value > argument.maximum:
        raise Refusal("range", f"{argument.name} {value} is above the limit of {_limit(argument.maximum, argument)}")
    return value


def _span(argument: ArgumentSpec) -> str:
    kind = "a whole number" if argument.whole else "a number"
    return f"{kind} from {argument.minimum:g} to {_limit(argument.maximum, argument)}"


def _limit(value: float, argument: ArgumentSpec) -> str:
    return f"{value:g} {argument.unit}".rstrip()
