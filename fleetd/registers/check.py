"""What the entries of a register map may be to each other, and whether its golden samples hold.

Each fault is found with its place in the file, so that all of them are reported at once.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from fleetd.errors import Refusal
from fleetd.records import Value
from fleetd.registers.codec import Decoded, decode, encode, encode_fields
from fleetd.registers.model import NEVER, CommandBlock, RegisterMap, Sample, Table, ValueSpec

Place = tuple[str | int, ...]
Fault = tuple[Place, str]


def faults(register_map: RegisterMap) -> list[Fault]:
    """Everything that is wrong with a map whose single entries are sound; samples are tried once the rest is right."""
    found = [fault for rule in _RULES for fault in rule(register_map)]
    return found or list(_samples(register_map))


def _names(register_map: RegisterMap) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    for index, spec in enumerate(register_map.values):
        for name in {spec.name, *spec.names}:
            if name in seen:
                yield ("values", index), f"{name} is taken by {seen[name]}; choose another name"
            seen.setdefault(name, spec.name)
    codes = Counter(action.code for action in register_map.actions)
    words = Counter(action.name for action in register_map.actions)
    for index, action in enumerate(register_map.actions):
        if codes[action.code] > 1 or words[action.name] > 1:
            yield (
                ("actions", index),
                f"action {action.name} with code {action.code} is not the only one of that name or code",
            )


def _overlaps(register_map: RegisterMap) -> Iterator[Fault]:
    placed = sorted(enumerate(register_map.values), key=lambda item: (item[1].table, item[1].address))
    for (_, before), (index, spec) in itertools.pairwise(placed):
        if before.table == spec.table and spec.address < before.end:
            text = f"{spec.name} at {spec.table} {spec.address} overlaps {before.name}, which ends at {before.end - 1}"
            yield ("values", index, "address"), text


def _holes(register_map: RegisterMap) -> Iterator[Fault]:
    for index, hole in enumerate(register_map.forbidden):
        if hole.first > hole.last:
            yield ("forbidden", index), f"first {hole.first} is above last {hole.last}"
        for spec in register_map.values:
            if spec.table == hole.table and spec.address <= hole.last and hole.first < spec.end:
                yield ("forbidden", index), f"{spec.name} stands at {spec.table} {spec.address}, which is forbidden"


def _groups(register_map: RegisterMap) -> Iterator[Fault]:
    for index, spec in enumerate(register_map.values):
        if register_map.groups and spec.poll not in (*register_map.groups, NEVER):
            known = ", ".join((*register_map.groups, NEVER))
            yield ("values", index, "poll"), f"{spec.poll} is no poll group; known are {known}"
        if spec.size > register_map.block_cap:
            yield ("values", index), f"{spec.name} takes {spec.size} registers, above the block cap"


def _verified(register_map: RegisterMap) -> Iterator[Fault]:
    for index, spec in enumerate(register_map.values):
        if spec.verify is None:
            continue
        shown = register_map.by_name.get(spec.verify)
        if shown is None or not shown.readable or shown.type != spec.type or shown.fields:
            yield ("values", index, "verify"), f"{spec.verify} is no {spec.type} that can be read"


def _references(register_map: RegisterMap) -> Iterator[Fault]:
    readable = {name for spec in register_map.values if spec.readable for name in spec.names}
    writable = {spec.name for spec in register_map.values if spec.writable}
    if (identity := register_map.identity) and identity.value not in readable:
        yield ("identity", "value"), f"{identity.value} is no value that can be read"
    if stop := register_map.stop:
        if stop.write not in writable or register_map.by_name[stop.write].table != "coil":
            yield ("stop", "write"), f"{stop.write} is no coil that can be written"
        for name in stop.verify:
            if name not in readable:
                yield ("stop", "verify", name), f"{name} is no value that can be read"
    if beat := register_map.heartbeat:
        for key, name in (("write", beat.write), ("timeout_ms", beat.timeout_ms)):
            spec = register_map.by_name.get(name)
            if name not in writable or spec is None or spec.type != "u16":
                yield ("heartbeat", key), f"{name} is no u16 that can be written"


def _command(register_map: RegisterMap) -> Iterator[Fault]:
    command = register_map.command
    if command is None:
        if register_map.actions:
            yield ("actions",), "actions need a command section that says how they are written"
        return
    missing = [name for name in _command_names(command) if name not in register_map.by_name]
    if missing:
        yield ("command",), f"{', '.join(missing)}: no such value"
        return
    yield from _command_block(register_map, command)
    most = len(command.arguments)
    for index, action in enumerate(register_map.actions):
        if len(action.arguments) > most:
            yield ("actions", index, "arguments"), f"the command block has room for {most} arguments"
    words = register_map.by_name[command.result].enum.values()
    for word in (command.done, *command.refusals):
        if word not in words:
            yield ("command",), f"{word} is no word of {command.result}"


def _interlocks(register_map: RegisterMap) -> Iterator[Fault]:
    polled = {name for spec in register_map.values if spec.readable and spec.poll != NEVER for name in spec.names}
    known = Counter(interlock.name for interlock in register_map.interlocks)
    for index, interlock in enumerate(register_map.interlocks):
        if known[interlock.name] > 1:
            yield ("interlocks", index, "name"), f"{interlock.name} is not the only interlock of that name"
        for name in interlock.values:
            if name not in polled:
                yield ("interlocks", index, "values"), f"{name} is no value that is polled"


def _hazards(register_map: RegisterMap) -> Iterator[Fault]:
    polled = {name for spec in register_map.values if spec.readable and spec.poll != NEVER for name in spec.names}
    known = {interlock.name for interlock in register_map.interlocks}
    for index, action in enumerate(register_map.actions):
        for name in action.interlocks:
            if name not in known:
                yield ("actions", index, "interlocks"), f"{name} is none of the map's interlocks"
        for name in action.harmless_when:
            if name not in polled:
                yield ("actions", index, "harmless_when", name), f"{name} is no value that is polled"
        if action.harmless_when and not action.hazardous:
            yield ("actions", index, "harmless_when"), f"{action.name} is not hazardous, so it is always harmless"


def _command_names(command: CommandBlock) -> tuple[str, ...]:
    return (command.number, command.code, *command.arguments, command.crc, command.last_number, command.result)


def _command_block(register_map: RegisterMap, command: CommandBlock) -> Iterator[Fault]:
    written = [register_map.by_name[name] for name in _command_names(command)[:-2]]
    for before, spec in itertools.pairwise(written):
        if (spec.table, spec.address) != ("holding", before.end):
            yield ("command",), f"{spec.name} must be the holding register behind {before.name}"
    if any(spec.type != "u32" for spec in (written[0], register_map.by_name[command.last_number])):
        yield ("command",), f"{command.number} and {command.last_number} must be u32"
    if written[-1].type != "u16":
        yield ("command",), f"{command.crc} must be a u16"


_RULES: tuple[Callable[[RegisterMap], Iterator[Fault]], ...] = (
    _names, _overlaps, _holes, _groups, _verified, _references, _command, _interlocks, _hazards,
)  # fmt: skip


# Golden samples


def _samples(register_map: RegisterMap) -> Iterator[Fault]:
    for index, sample in enumerate(register_map.samples):
        place: Place = ("samples", index)
        decoded = sample_decoded(register_map, sample)
        for name, expected in sample.values.items():
            got = decoded.values.get(name)
            if not _same(got, expected):
                why = f" ({decoded.absent[name]})" if name in decoded.absent else ""
                yield (*place, "values", name), f"decodes to {got!r}{why}, and the sample says {expected!r}"
        for name, reason in sample.absent.items():
            if decoded.absent.get(name) != reason:
                got = decoded.absent.get(name, decoded.values.get(name))
                yield (*place, "absent", name), f"decodes to {got!r}, and the sample says that it is absent: {reason}"
        for table, runs in sample_cells(sample).items():
            for address, cells in runs.items():
                yield from _encodes(
                    register_map, (*place, table, address), decoded, table, dict(enumerate(cells, address))
                )


def sample_cells(sample: Sample) -> dict[Table, Mapping[int, tuple[int, ...]]]:
    """The runs of cells that a sample shows, by table and first address."""
    return {"coil": sample.coil, "discrete": sample.discrete, "input": sample.input, "holding": sample.holding}


def sample_decoded(register_map: RegisterMap, sample: Sample) -> Decoded:
    """What all cells of a sample mean."""
    whole = Decoded()
    for table, runs in sample_cells(sample).items():
        for address, cells in runs.items():
            part = decode(register_map, table, address, cells)
            whole.values.update(part.values)
            whole.absent.update(part.absent)
    return whole


def _encodes(
    register_map: RegisterMap, place: Place, decoded: Decoded, table: Table, cells: Mapping[int, int]
) -> Iterator[Fault]:
    """The way back: what was decoded must encode to the very cells, absent values aside."""
    for spec in register_map.values:
        if spec.table != table or not all(at in cells for at in range(spec.address, spec.end)):
            continue
        there = [int(cells[at]) for at in range(spec.address, spec.end)]
        if not any(name in decoded.absent for name in spec.names):
            back = _back(register_map, spec, decoded.values)
            if back != there:
                yield (
                    place,
                    f"{spec.name} stands as {there} and encodes to {back}; fields must cover all bits that are set",
                )


def _back(register_map: RegisterMap, spec: ValueSpec, values: Mapping[str, Value]) -> list[int] | str:
    try:
        if spec.fields:
            return encode_fields(register_map, spec, values)
        return encode(register_map, spec, values[spec.name])
    except Refusal as refusal:
        return str(refusal)


def _same(got: Value, expected: Value) -> bool:
    if isinstance(got, float) and isinstance(expected, (int, float)) and not isinstance(expected, bool):
        return math.isclose(got, expected, rel_tol=1e-6, abs_tol=1e-12)
    return type(got) is type(expected) and got == expected
