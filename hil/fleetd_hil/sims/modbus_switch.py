"""The board's side of the switch's register map: an output, a relay behind it, and the contact on that relay."""

from __future__ import annotations

from collections.abc import Sequence

from fleetd.registers.model import RegisterMap
from fleetd_hil.faults import FaultKind, Faults
from fleetd_hil.sims.bank import RegisterBank
from fleetd_hil.sims.modbus import Table

FAULTS = (FaultKind("stuck-relay", "the output is taken and the relay does not move"),)

_MOVES_S = 0.015  # of scene time; a coaxial relay of this kind needs 10 to 20 ms


class ModbusSwitchUnit:
    """One relay on a bus; it takes its time."""

    def __init__(self, register_map: RegisterMap, faults: Faults, number: int) -> None:
        self.turnaround_s = 0.005
        self.output = False
        self._bank = RegisterBank(register_map)
        self.conduct = self._bank.conduct
        self._faults = faults
        self._number = number
        self._relay = False
        self._moves_at_s = float("-inf")

    def relay(self, at_s: float) -> bool:
        """How the relay stands at a running time."""
        if at_s >= self._moves_at_s and self._faults.value("stuck-relay", at_s, self._number) is None:
            self._relay = self.output
        return self._relay

    def read(self, table: Table, address: int, count: int, at_s: float) -> Sequence[int]:
        values = {"output": self.output, "contact": self.relay(at_s)}
        return self._bank.cells(values, table, address, count)

    def write(self, table: Table, address: int, cells: Sequence[int], at_s: float) -> None:
        self._bank.check(table, address, len(cells))
        self.relay(at_s)
        self.output, self._moves_at_s = bool(cells[0]), at_s + _MOVES_S
