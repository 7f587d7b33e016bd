"""The weather station's side of its register map: one model's weather in input registers."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from fleetd.records import Value
from fleetd.registers.model import RegisterMap
from fleetd_hil.faults import FaultKind, Faults
from fleetd_hil.models.weather import WeatherModel
from fleetd_hil.sims.bank import RegisterBank
from fleetd_hil.sims.modbus import ILLEGAL_ADDRESS, Denial, Table

FAULTS = (
    FaultKind("iced", "the wind transducers are iced up: wind has no value"),
    FaultKind("thermometer-out", "the temperature has no value"),
    FaultKind("gale", "the mean wind is at least this", 25.0, "m/s"),
)

_WIND = ("wind_direction_deg", "wind_speed_average_m_s", "wind_gust_m_s")


class WeatherStationUnit:
    """One weather station on a bus."""

    def __init__(self, register_map: RegisterMap, model: WeatherModel, faults: Faults, number: int) -> None:
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
        self._advance(at_s)
        return self._bank.cells(self._values(at_s), table, address, count)

    def write(self, _table: Table, _address: int, _cells: Sequence[int], _at_s: float) -> None:
        raise Denial(ILLEGAL_ADDRESS)

    def _advance(self, at_s: float) -> None:
        self.model.gale_m_s = self._fault("gale", at_s) or 0.0
        self.model.step(at_s - (at_s if self._at_s is None else self._at_s))
        self._at_s = at_s

    def _values(self, at_s: float) -> dict[str, Value]:
        model = self.model
        values: dict[str, Value] = {
            "wind_direction_deg": round(model.wind_direction_deg),
            "wind_speed_average_m_s": model.wind_speed_m_s,
            "wind_gust_m_s": model.gust_m_s,
            "temperature_c": model.temperature_c,
            "humidity_percent": model.humidity_percent,
            "pressure_hpa": model.pressure_hpa,
            "rain_mm": model.rain_mm,
            "rain_intensity_mm_h": model.rain_intensity_mm_h,
        }
        if self._fault("iced", at_s) is not None:
            values |= dict.fromkeys(_WIND)
        if self._fault("thermometer-out", at_s) is not None:
            values["temperature_c"] = None
        return values

    def _fault(self, name: str, at_s: float) -> float | None:
        return self._faults.value(name, at_s, self._number)
