"""The weather station's side of its register map: one model's weather in input registers."""

from __future__ import annotations

from fleetd.records import Value
from fleetd_hil.faults import FaultKind
from fleetd_hil.models.weather import WeatherModel
from fleetd_hil.sims.measuring import MeasuringUnit

FAULTS = (
    FaultKind("iced", "the wind transducers are iced up: wind has no value"),
    FaultKind("thermometer-out", "the temperature has no value"),
    FaultKind("gale", "the mean wind is at least this", 25.0, "m/s"),
)

_WIND = ("wind_direction_deg", "wind_speed_average_m_s", "wind_gust_m_s")


class WeatherStationUnit(MeasuringUnit[WeatherModel]):
    """One weather station on a bus."""

    def _break(self, at_s: float) -> None:
        self.model.gale_m_s = self._fault("gale", at_s) or 0.0

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
