"""The verbs of `fleetctl device`, by capability: what each asks of a connected driver and tells the operator.

Nothing here knows a link or a command line: a verb is given a driver, the words that followed it, and a `Hand`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from fleetd.cli import rigbyhand, screen
from fleetd.clock import Clock
from fleetd.devices import ActionSpec, AzEl, Capability, Robot, Rotator, RotatorLimits, Sensor
from fleetd.errors import DeviceError, Refusal
from fleetd.records import Value
from fleetd.strictyaml import plain_value

ARRIVED_DEG = 1.0  # or the controller's own resolution where that is coarser
LOOK_EVERY_S = 0.5
STUCK_AFTER_S = 10.0
_STOP_WITHIN_S = 3.0


@dataclass(frozen=True, slots=True)
class Hand:
    """Who works the device: their time, where words for them go, whether they wait for an arrival, and may transmit."""

    clock: Clock
    tell: Callable[[str], None]
    wait: bool = False
    transmit: bool = False


Act = Callable[[Any, Sequence[str], Hand], Awaitable[dict[str, Any]]]


def verbs_of(capability: Capability) -> Mapping[str, Act]:
    """The verbs that a device of this capability takes by hand."""
    return _VERBS.get(capability, {})


async def where(rotator: Rotator, words: Sequence[str], hand: Hand) -> dict[str, Any]:
    """Measure the direction."""
    _want(words, 0, "where")
    at = await rotator.where()
    hand.tell(_said(at))
    return asdict(at)


async def point(rotator: Rotator, words: Sequence[str], hand: Hand) -> dict[str, Any]:
    """Send the antenna to a direction and, if `hand.wait`, follow it there; whatever interrupts that stops it."""
    _want(words, 2, "point AZ EL")
    to = AzEl(_degrees(words[0]), _degrees(words[1]))
    _within(rotator.limits, to)
    start = await rotator.where()
    await rotator.point(to)
    hand.tell(f"from {_said(start)} to {_said(to)}: accepted")
    answer: dict[str, Any] = {"from": asdict(start), "to": asdict(to)}
    if hand.wait:
        answer["at"] = asdict(await _arrival(rotator, to, hand))
    return answer


async def stop(device: Rotator | Robot, words: Sequence[str], hand: Hand) -> dict[str, Any]:
    """Stop all motion now."""
    _want(words, 0, "stop")
    await device.stop()
    hand.tell("stopped")
    return {}


async def read(sensor: Sensor, words: Sequence[str], hand: Hand) -> dict[str, Any]:
    """One sample of everything."""
    _want(words, 0, "read")
    sample = await sensor.read()
    width = max((len(name) for name in sample.values), default=0)
    for name, value in sample.values.items():
        why = f"  ({sample.absent[name]})" if name in sample.absent else ""
        hand.tell(f"{name:<{width}}  {screen.plain(value)}{why}")
    return {"values": dict(sample.values), "absent": dict(sample.absent)}


async def actions(robot: Robot, words: Sequence[str], hand: Hand) -> dict[str, Any]:
    """What the robot can be told to do."""
    _want(words, 0, "actions")
    for action in robot.actions.values():
        hand.tell(f"{_usage(action)}  {action.help}")
    return {"actions": [asdict(action) for action in robot.actions.values()]}


async def do(robot: Robot, words: Sequence[str], hand: Hand) -> dict[str, Any]:
    """Have the robot carry out one action, under a command number of its own."""
    known = ", ".join(robot.actions)
    if not words:
        raise Refusal("usage", f"say which action, as in 'do ACTION NAME=VALUE'; the robot takes {known}")
    action = robot.actions.get(words[0])
    if action is None:
        raise Refusal("unknown-action", f"the robot takes {known}, not {words[0]!r}")
    args = _arguments(action, words[1:])
    # The robot does nothing about a number that it has taken before; a random one is no other hand's.
    number = random.SystemRandom().randint(1, 2**32 - 1)
    read_back = await robot.perform(number, action.name, args)
    hand.tell(f"{action.name}: {read_back.outcome}{f', {read_back.reason}' if read_back.reason else ''}")
    return {"number": number, "outcome": read_back.outcome, "reason": read_back.reason}


_VERBS: Mapping[str, Mapping[str, Act]] = {
    "rotator": {"where": where, "point": point, "stop": stop},
    "sensor": {"read": read},
    "rig": {"frequency": rigbyhand.frequency, "mode": rigbyhand.mode, "ptt": rigbyhand.ptt},
    "switch": {"switch": rigbyhand.switch},
    "robot": {"read": read, "stop": stop, "do": do, "actions": actions},
}


async def _arrival(rotator: Rotator, to: AzEl, hand: Hand) -> AzEl:
    near_deg = max(ARRIVED_DEG, rotator.limits.resolution_deg)
    closest_deg, closest_at_s = float("inf"), hand.clock.monotonic()
    arrived = False
    try:
        while True:
            at = await rotator.where()
            left_deg = at.separation_deg(to)
            hand.tell(f"{_said(at)}, {left_deg:.1f}° to go")
            if left_deg <= near_deg:
                arrived = True
                return at
            now_s = hand.clock.monotonic()
            if left_deg < closest_deg - 0.1:
                closest_deg, closest_at_s = left_deg, now_s
            elif now_s - closest_at_s > STUCK_AFTER_S:
                raise DeviceError(f"came no nearer for {STUCK_AFTER_S:g} s and was stopped {left_deg:.1f}° short")
            await hand.clock.sleep(LOOK_EVERY_S)
    finally:
        if not arrived:
            with suppress(DeviceError, TimeoutError):
                async with asyncio.timeout(_STOP_WITHIN_S):
                    await rotator.stop()


def _want(words: Sequence[str], count: int, usage: str) -> None:
    if len(words) != count:
        raise Refusal("usage", f"write it as '{usage}'")


def _degrees(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise Refusal("usage", f"{word!r} is no number of degrees") from None


def _within(limits: RotatorLimits, to: AzEl) -> None:
    for axis, value, low, high in (
        ("azimuth", to.azimuth_deg, limits.azimuth_min_deg, limits.azimuth_max_deg),
        ("elevation", to.elevation_deg, limits.elevation_min_deg, limits.elevation_max_deg),
    ):
        if not low <= value <= high:
            raise Refusal("limit", f"{axis} {value:g} is outside the controller's {low:g} to {high:g} degrees")


def _arguments(action: ActionSpec, words: Sequence[str]) -> dict[str, Value]:
    given = dict(word.partition("=")[::2] for word in words)
    expected = {argument.name: argument for argument in action.arguments}
    if given.keys() != expected.keys():
        raise Refusal("usage", f"write it as '{_usage(action)}'")
    args: dict[str, Value] = {}
    for name, text in given.items():
        limits, value = expected[name], plain_value(text)
        is_number = type(value) is int or (type(value) is float and not limits.whole)
        if not is_number or not limits.minimum <= value <= limits.maximum:
            kind = "whole number" if limits.whole else "number"
            raise Refusal("limit", f"{name}={text} must be a {kind} from {limits.minimum:g} to {limits.maximum:g}")
        args[name] = value
    return args


def _usage(action: ActionSpec) -> str:
    return " ".join(
        ["do", action.name, *(f"{each.name}={each.minimum:g}..{each.maximum:g}" for each in action.arguments)]
    )


def _said(at: AzEl) -> str:
    return f"azimuth {at.azimuth_deg:.1f}°, elevation {at.elevation_deg:.1f}°"
