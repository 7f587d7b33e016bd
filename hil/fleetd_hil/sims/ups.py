"""The UPS's side of its register map."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from fleetd.records import Value
from fleetd.registers.model import RegisterMap
from fleetd_hil.faults import FaultKind, Faults
from fleetd_hil.models.ups import UpsModel
from fleetd_hil.sims.bank import RegisterBank
from fleetd_hil.sims.modbus import ILLEGAL_ADDRESS, Denial, Table

FAULTS = (
    FaultKind("mains-out", "there is no mains: the battery drains"),
    FaultKind("probe-out", "the temperature has no value"),
)


class UpsUnit:
    """One UPS on a bus."""

    def __init__(self, register_map: RegisterMap, model: UpsModel, faults: Faults, number: int) -> None:
        self.turnaround_s = 0.02
        self.model = model
        self._bank = RegisterBank(register_map)
        self._faults = faults
        self._number = number
        self._at_s: float | None = None

    @property
    def violations(self) -> Collection[str]:
        return self._bank.violations

    @property
    def locked(self) -> bool:
        return self._bank.locked

    def read(self, table: Table, address: int, count: int, at_s: float) -> Sequence[int]:
        self.model.on_mains = self._faults.value("mains-out", at_s, self._number) is None
        self.model.step(at_s - (at_s if self._at_s is None else self._at_s))
        self._at_s = at_s
        return self._bank.cells(self._values(at_s), table, address, count)

    def write(self, _table: Table, _address: int, _cells: Sequence[int], _at_s: float) -> None:
        raise Denial(ILLEGAL_ADDRESS)

    def _values(self, at_s: float) -> dict[str, Value]:
        probe_out = self._faults.value("probe-out", at_s, self._number) is not None
        return {
            "battery_charge_percent": 100 * self.model.charge,
            "minutes_left_min": self.model.minutes_left,
            "battery_voltage_v": self.model.battery_v,
            "temperature_c": None if probe_out else self.model.temperature_c,
            "load_percent": 100 * self.model.load,
        }
