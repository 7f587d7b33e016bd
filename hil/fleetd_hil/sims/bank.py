"""What units that show a register map share: which addresses exist, which must be left alone, what stands in them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from fleetd.records import Value
from fleetd.registers.codec import encode_all
from fleetd.registers.model import RegisterMap
from fleetd_hil.sims.modbus import ILLEGAL_ADDRESS, ILLEGAL_VALUE, Denial, Table


class RegisterBank:
    """The addresses of one unit. A read of a forbidden one locks the unit for good, as the map warns."""

    def __init__(self, register_map: RegisterMap) -> None:
        self.map = register_map
        self.violations: deque[str] = deque(maxlen=100)
        self.locked = False
        self._ends: dict[Table, int] = {"coil": 0, "discrete": 0, "input": 0, "holding": 0}
        for spec in register_map.values:
            self._ends[spec.table] = max(self._ends[spec.table], spec.end)
        self._names: dict[tuple[Table, int, int], tuple[str, ...]] = {}

    def check(self, table: Table, address: int, count: int) -> None:
        """Raise the exception that a request for these cells deserves, if any."""
        for area in self.map.forbidden:
            if area.table == table and address <= area.last and address + count > area.first:
                self.violations.append(f"{table} {address} to {address + count - 1} is forbidden: {area.why}")
                self.locked = True
        if table in ("input", "holding") and count > self.map.block_cap:
            raise Denial(ILLEGAL_VALUE)
        if address + count > self._ends[table]:
            raise Denial(ILLEGAL_ADDRESS)

    def cells(self, values: Mapping[str, Value], table: Table, address: int, count: int) -> Sequence[int]:
        """The cells that show `values`; those without a meaning are 0. Raises Denial."""
        self.check(table, address, count)
        names = self._shown(table, address, count)
        shown = encode_all(self.map, {name: values[name] for name in names if name in values})[table]
        return [shown.get(address + offset, 0) for offset in range(count)]

    def _shown(self, table: Table, address: int, count: int) -> tuple[str, ...]:
        """The names of the values in a block; a bus asks for the same few blocks again and again."""
        block = (table, address, count)
        if block not in self._names:
            inside = (
                s for s in self.map.values if s.table == table and s.end > address and s.address < address + count
            )
            self._names[block] = tuple(name for spec in inside for name in spec.names)
        return self._names[block]
