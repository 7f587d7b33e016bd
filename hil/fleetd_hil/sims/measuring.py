"""A Modbus unit that only measures: a model in registers that nobody writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, NoReturn, Protocol, TypeVar

from fleetd.records import Value
from fleetd.registers.model import RegisterMap
from fleetd_hil.faults import Faults
from fleetd_hil.sims.bank import RegisterBank
from fleetd_hil.sims.modbus import ILLEGAL_ADDRESS, Denial, Table


class Model(Protocol):
    """Physics that go on when they are told to."""

    def step(self, dt_s: float) -> None: ...


M = TypeVar("M", bound=Model)


class MeasuringUnit(Generic[M]):
    """One such unit on a bus; what it breaks by and what it shows is its own kind's to say."""

    turnaround_s = 0.02

    def __init__(self, register_map: RegisterMap, model: M, faults: Faults, number: int) -> None:
        self.model = model
        self._bank = RegisterBank(register_map)
        self.conduct = self._bank.conduct
        self._faults = faults
        self._number = number
        self._at_s: float | None = None

    def read(self, table: Table, address: int, count: int, at_s: float) -> Sequence[int]:
        self._break(at_s)
        self.model.step(at_s - (at_s if self._at_s is None else self._at_s))
        self._at_s = at_s
        return self._bank.cells(self._values(at_s), table, address, count)

    def write(self, _table: Table, _address: int, _cells: Sequence[int], _at_s: float) -> NoReturn:
        raise Denial(ILLEGAL_ADDRESS)

    def _break(self, at_s: float) -> None:
        """Make the model as broken as its faults say."""
        raise NotImplementedError

    def _values(self, at_s: float) -> Mapping[str, Value]:
        """What it shows, by the names of its map; None where it has no value."""
        raise NotImplementedError

    def _fault(self, name: str, at_s: float) -> float | None:
        return self._faults.value(name, at_s, self._number)
