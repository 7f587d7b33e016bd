"""Commands as a map writes them: one block of number, code, arguments and checksum, and what the device says of it."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fleetd.errors import Refusal
from fleetd.records import Value
from fleetd.registers.codec import encode, pack, shown
from fleetd.registers.crc import crc16
from fleetd.registers.model import ActionMap, ArgumentMap, CommandBlock, RegisterMap


@dataclass(frozen=True, slots=True)
class CommandWrite:
    """The registers of one command and where the first of them goes (a holding register)."""

    address: int
    registers: tuple[int, ...]


def command_of(register_map: RegisterMap) -> CommandBlock:
    """How this map writes commands. Raises Refusal if it knows none."""
    if register_map.command is None:
        raise Refusal("action", f"{register_map.title} takes no commands")
    return register_map.command


def encode_command(register_map: RegisterMap, number: int, action: str, args: Mapping[str, Value]) -> CommandWrite:
    """What to write for an action under a number (1 to 4294967295). Raises Refusal naming what stands against it."""
    block = command_of(register_map)
    known = register_map.actions_by_name
    if action not in known:
        raise Refusal("action", f"unknown action {reprlib.repr(action)}; known are {', '.join(known)}")
    if not 1 <= number <= 0xFFFF_FFFF:
        raise Refusal("range", f"command number {number} is outside 1 to 4294967295")
    counts = argument_counts(known[action], args)
    counts += [0] * (len(block.arguments) - len(counts))
    named = ((block.number, number), (block.code, known[action].code), *zip(block.arguments, counts, strict=True))
    registers = [cell for name, value in named for cell in encode(register_map, register_map.by_name[name], value)]
    crc = crc16(pack("holding", registers))
    registers += encode(register_map, register_map.by_name[block.crc], crc)
    return CommandWrite(register_map.by_name[block.number].address, tuple(registers))


def argument_counts(action: ActionMap, args: Mapping[str, Value]) -> list[int]:
    """The arguments in whole counts, in the map's order. Raises Refusal for missing, unknown and impossible ones."""
    names = [argument.name for argument in action.arguments]
    if unknown := sorted(set(args) - set(names)):
        takes = f"it takes {', '.join(names)}" if names else "it takes none"
        raise Refusal("argument", f"{action.name} has no argument {reprlib.repr(unknown[0])}; {takes}")
    return [_count(action.name, argument, args.get(argument.name)) for argument in action.arguments]


def _count(action: str, argument: ArgumentMap, value: Value) -> int:
    limits = f"{argument.minimum:g} to {argument.maximum:g}{f' {argument.unit}' if argument.unit else ''}"
    if value is None:
        raise Refusal("argument", f"{action} needs {argument.name}, {limits}")
    if isinstance(value, (bool, str)) or (argument.whole and value % 1):
        kind = "whole number" if argument.whole else "number"
        raise Refusal("argument", f"{action}: {argument.name} must be a {kind}, {limits}, not {reprlib.repr(value)}")
    if not argument.minimum <= value <= argument.maximum:
        raise Refusal("range", f"{action}: {argument.name} {shown(value)} is outside {limits}")
    return round(value / argument.scale)


def outcome(register_map: RegisterMap, number: int, values: Mapping[str, Value]) -> tuple[bool | None, str]:
    """What the device says of a command number: taken (True), refused with a reason (False), or not seen (None)."""
    block = command_of(register_map)
    last, word = values.get(block.last_number), values.get(block.result)
    if last != number:
        return None, f"its last command is number {last}"
    if word == block.done:
        return True, ""
    return False, block.refusals.get(str(word), str(word).replace("_", " "))


def read_back_names(register_map: RegisterMap) -> Sequence[str]:
    """The values that `outcome` needs."""
    block = command_of(register_map)
    return block.last_number, block.result
