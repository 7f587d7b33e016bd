"""The parameters of an action: whether the robot takes them, and what they are as a command's arguments."""

from __future__ import annotations

from fleetd.devices import ActionSpec
from fleetd.records import Value
from fleetd.vda5050.messages import Action


def parameters_fault(action: Action, spec: ActionSpec) -> str:
    """What is wrong with the parameters of an action, in words; '' if the robot takes them."""
    given = {parameter.key: parameter.value for parameter in action.action_parameters}
    wanted = {argument.name: argument for argument in spec.arguments}
    if set(given) != set(wanted):
        return f"{action.action_type} takes the parameters {', '.join(wanted) or 'none'}"
    for name, argument in wanted.items():
        value = given[name]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not argument.minimum <= value <= argument.maximum or (argument.whole and value % 1):
            return f"{name} must be from {argument.minimum:g} to {argument.maximum:g}"
    return ""


def arguments(action: Action) -> dict[str, Value]:
    """Parameters as a command's arguments; JSON knows no difference between 3 and 3.0."""
    args: dict[str, Value] = {}
    for parameter in action.action_parameters:
        value = parameter.value
        args[parameter.key] = int(value) if isinstance(value, float) and value.is_integer() else value
    return args
