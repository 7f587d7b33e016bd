"""The controller's side of the servo rotator's register map: targets in, measured angles out, a coil that stops."""

from __future__ import annotations

from collections.abc import Sequence

from fleetd.records import Value
from fleetd.registers.model import RegisterMap
from fleetd_hil.faults import FaultKind, Faults
from fleetd_hil.models.rotator import RotatorModel
from fleetd_hil.sims import rotator
from fleetd_hil.sims.bank import RegisterBank
from fleetd_hil.sims.modbus import ILLEGAL_ADDRESS, ILLEGAL_VALUE, Denial, Table

FAULTS = (
    FaultKind("encoder-lost", "the azimuth encoder gives no reading"),
    FaultKind("deaf-stop", "the stop coil is taken and has no effect"),
    *rotator.FAULTS,
)

_MAP_ID = 0x5352
_TARGETS = 4  # holding registers 0 to 3: two signed numbers of 32 bits, thousandths of a degree


class ServoUnit:
    """One controller on a bus. Half a target, and one beyond its limits, is declined."""

    def __init__(self, register_map: RegisterMap, model: RotatorModel, faults: Faults, number: int) -> None:
        self.turnaround_s = 0.005
        self.model = model
        self._bank = RegisterBank(register_map)
        self.conduct = self._bank.conduct
        self._faults = faults
        self._number = number
        self._antenna = rotator.Antenna(model, faults, number)
        self._pursuing = False
        self._target_deg = tuple(axis.position_deg for axis in model.axes)

    def read(self, table: Table, address: int, count: int, at_s: float) -> Sequence[int]:
        self.advance(at_s)
        return self._bank.cells(self._values(at_s), table, address, count)

    def write(self, table: Table, address: int, cells: Sequence[int], at_s: float) -> None:
        self.advance(at_s)
        self._bank.check(table, address, len(cells))
        if table == "coil":
            self._stop(cells, at_s)
        elif (address, len(cells)) == (0, _TARGETS):
            self._go([_signed(cells[place], cells[place + 1]) / 1000 for place in (0, 2)])
        else:
            self.conduct.violations.append(f"holding {address} to {address + len(cells) - 1} is half a target")
            raise Denial(ILLEGAL_ADDRESS)

    def advance(self, at_s: float) -> None:
        """Bring the antenna up to running time `at_s`."""
        self._antenna.advance(at_s)

    def _go(self, targets_deg: Sequence[float]) -> None:
        axes = self.model.axes
        pairs = list(zip(axes, targets_deg, strict=True))
        if not all(axis.build.low_deg <= to_deg <= axis.build.high_deg for axis, to_deg in pairs):
            raise Denial(ILLEGAL_VALUE)
        for axis, to_deg in pairs:
            axis.go(to_deg)
        self._target_deg, self._pursuing = tuple(targets_deg), True

    def _stop(self, cells: Sequence[int], at_s: float) -> None:
        if cells[0] and self._faults.value("deaf-stop", at_s, self._number) is None:
            self._antenna.stop()
            self._pursuing = False

    def _values(self, at_s: float) -> dict[str, Value]:
        azimuth_deg, elevation_deg = self._antenna.shown(at_s)
        lost = self._faults.value("encoder-lost", at_s, self._number) is not None
        return {
            "map_id": _MAP_ID,
            "azimuth_deg": None if lost else azimuth_deg,
            "elevation_deg": elevation_deg,
            "azimuth_drive_fault": lost,
            "target_azimuth_deg": self._target_deg[0],
            "target_elevation_deg": self._target_deg[1],
            "pursuing": self._pursuing,
            "moving": self._antenna.moving,
        }


def _signed(high: int, low: int) -> int:
    number = high << 16 | low
    return number - (1 << 32) if number >= 1 << 31 else number
