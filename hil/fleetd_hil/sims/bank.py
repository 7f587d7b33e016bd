"""What units that show a register map share: which addresses exist, which must be left alone, what stands in them.

The map is shared with the drivers, being data; how a value becomes registers is written here anew, from the map's words
alone, so that a driver that decodes wrongly meets a device that does not make the same mistake.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import compress
from operator import ne

from fleetd.records import Value
from fleetd.registers.model import RegisterMap, ValueSpec, absent_codes
from fleetd_hil.sims.modbus import ILLEGAL_ADDRESS, ILLEGAL_VALUE, Conduct, Denial, Table

Show = Callable[[Mapping[str, Value]], int]
"""One value's raw bits, as an unsigned number of its whole width."""

_FLOATS = {"f32": (">f", ">I"), "f64": (">d", ">Q")}


class RegisterBank:
    """The addresses of one unit. A read of a forbidden one locks the unit for good, as the map warns."""

    def __init__(self, register_map: RegisterMap) -> None:
        self.map = register_map
        self.conduct = Conduct()
        self._ends: dict[Table, int] = {"coil": 0, "discrete": 0, "input": 0, "holding": 0}
        for spec in register_map.values:
            self._ends[spec.table] = max(self._ends[spec.table], spec.end)
        self._blocks: dict[tuple[Table, int, int], _Block] = {}

    def check(self, table: Table, address: int, count: int) -> None:
        """Raise the denial that a request for these cells deserves, if any."""
        for area in self.map.forbidden:
            if area.table == table and address <= area.last and address + count > area.first:
                self.conduct.violations.append(f"{table} {address} to {address + count - 1} is forbidden: {area.why}")
                self.conduct.locked = True
        if table in ("input", "holding") and count > self.map.block_cap:
            raise Denial(ILLEGAL_VALUE)
        if address + count > self._ends[table]:
            raise Denial(ILLEGAL_ADDRESS)

    def cells(self, values: Mapping[str, Value], table: Table, address: int, count: int) -> Sequence[int]:
        """The cells that show `values`; those without a meaning are 0. Raises Denial."""
        self.check(table, address, count)
        key = (table, address, count)
        block = self._blocks.get(key)
        if block is None:
            block = self._blocks[key] = _Block(self.map, *key)
        return block.cells(values)


class _Block:
    """A row of registers that is asked for again and again: only what differs from the last time is worked out."""

    def __init__(self, register_map: RegisterMap, table: Table, address: int, count: int) -> None:
        specs = [spec for spec in register_map.values if spec.table == table]
        inside = [spec for spec in specs if spec.end > address and spec.address < address + count]
        self._shown = [
            (range(spec.address - address, spec.end - address), register_map.order_of(spec), _show(spec))
            for spec in inside
        ]
        self._places = {name: place for place, spec in enumerate(inside) for name in (spec.name, *spec.names)}
        self._values: Mapping[str, Value] | None = None
        self._cells = [0] * count

    def cells(self, values: Mapping[str, Value]) -> Sequence[int]:
        """The registers as they are now. The values are kept for the next time, and must not be changed."""
        before, self._values = self._values, values
        places: Iterable[int] = range(len(self._shown))
        if before is not None and before.keys() == values.keys():
            changed = compress(values, map(ne, values.values(), map(before.__getitem__, values)))
            places = {self._places[name] for name in changed if name in self._places}
        for place in places:
            self._put(values, *self._shown[place])
        return self._cells.copy()

    def _put(self, values: Mapping[str, Value], where: range, order: str, show: Show) -> None:
        for index, cell in zip(where, _registers(show(values), len(where), order), strict=True):
            if 0 <= index < len(self._cells):  # a block may cut a value
                self._cells[index] = cell


def _registers(raw: int, size: int, order: str) -> Sequence[int]:
    """The registers of a raw number in the order in which they stand on the wire, A being its highest byte."""
    if size == 1 and order == "ABCD":
        return (raw,)
    registers = [raw >> 16 * place & 0xFFFF for place in reversed(range(size))]
    if order in ("BADC", "DCBA"):
        registers = [(register & 0xFF) << 8 | register >> 8 for register in registers]
    return registers if order in ("ABCD", "BADC") else registers[::-1]


def _show(spec: ValueSpec) -> Show:
    name, mask = spec.name, (1 << 16 * spec.size) - 1
    if spec.fields:
        return _show_fields(spec)
    if spec.type == "bool":
        return lambda values: int(bool(values.get(name)))
    if spec.type == "string":
        size = 2 * spec.size
        return lambda values: int.from_bytes(str(values.get(name, "")).encode()[:size].ljust(size, b"\0"), "big")
    if spec.enum:
        codes = _inverse(spec.enum)
        return lambda values: _code(codes, values.get(name, 0)) & mask
    number, absent = _number(spec), _absent(spec) & mask
    return lambda values: absent if (value := values.get(name, 0)) is None else number(float(value)) & mask


def _show_fields(spec: ValueSpec) -> Show:
    fields = [(name, part.bit, _inverse(part.enum)) for name, part in spec.fields.items()]
    return lambda values: sum(_code(codes, values.get(name, 0)) << bit for name, bit, codes in fields)


def _inverse(enum: Mapping[int, str]) -> dict[str, int]:
    return {word: code for code, word in enum.items()}


def _number(spec: ValueSpec) -> Callable[[float], int]:
    scale, offset = spec.scale or 1.0, spec.offset or 0.0
    if spec.type not in _FLOATS:
        return lambda value: round((value - offset) / scale)
    as_float, as_bits = (struct.Struct(form) for form in _FLOATS[spec.type])
    return lambda value: int(as_bits.unpack(as_float.pack((value - offset) / scale))[0])


def _absent(spec: ValueSpec) -> int:
    """The raw code by which the device says that it has no value; 0 where the map knows none."""
    for code in spec.absent:
        codes = absent_codes(code)
        if codes is not None:
            return codes[0]
        as_float, as_bits = _FLOATS[spec.type]
        return int(struct.unpack(as_bits, struct.pack(as_float, float("nan")))[0])
    return 0


def _code(words: Mapping[str, int], value: Value) -> int:
    return words[value] if isinstance(value, str) else int(value or 0)
