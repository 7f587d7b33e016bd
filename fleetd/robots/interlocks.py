"""What stands against an action in a robot's newest reading, and whether it is hazardous there. Pure functions.

What is not known counts as the worse case: a door that does not report is open, and a hazard is one.
"""

from __future__ import annotations

from collections.abc import Mapping

from fleetd.clock import iso_ms
from fleetd.devices import ActionSpec, InterlockSpec
from fleetd.errors import Refusal
from fleetd.records import Reading, Value


def judge_interlocks(action: ActionSpec, reading: Reading) -> None:
    """Raises Refusal, whose rule is the interlock's name, for the first interlock that does not hold."""
    for lock in action.interlocks:
        for name in lock.values:
            value = reading.values.get(name)
            if not _holds(lock, value):
                seen = f"{name} is {_shown(value)}" if value is not None else f"{name} is absent{_why(reading, name)}"
                raise Refusal(f"interlock-{lock.name}", f"{lock.why}: {seen}, as of {iso_ms(reading.at)}")


def is_hazardous(action: ActionSpec, reading: Reading | None) -> bool:
    """Whether the action needs a second person, as far as the newest reading, or the lack of one, tells."""
    if not action.hazardous or not action.harmless_when:
        return action.hazardous
    values: Mapping[str, Value] = reading.values if reading is not None else {}
    return not all(_among(values.get(name), harmless) for name, harmless in action.harmless_when.items())


def _holds(lock: InterlockSpec, value: Value) -> bool:
    if value is None or (lock.one_of and not _among(value, lock.one_of)):
        return False
    if lock.minimum is None and lock.maximum is None:
        return True
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return (lock.minimum is None or value >= lock.minimum) and (lock.maximum is None or value <= lock.maximum)


def _among(value: Value, wanted: tuple[Value, ...]) -> bool:
    """Whether it is one of them; true is not 1."""
    return any(type(value) is type(each) and value == each for each in wanted)


def _shown(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _why(reading: Reading, name: str) -> str:
    return f" ({reading.absent[name]})" if name in reading.absent else ""
