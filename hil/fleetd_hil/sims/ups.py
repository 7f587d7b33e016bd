"""The UPS's side of its register map."""

from __future__ import annotations

from fleetd.records import Value
from fleetd_hil.faults import FaultKind
from fleetd_hil.models.ups import UpsModel
from fleetd_hil.sims.measuring import MeasuringUnit

FAULTS = (
    FaultKind("mains-out", "there is no mains: the battery drains"),
    FaultKind("probe-out", "the temperature has no value"),
)


class UpsUnit(MeasuringUnit[UpsModel]):
    """One UPS on a bus."""

    def _break(self, at_s: float) -> None:
        self.model.on_mains = self._fault("mains-out", at_s) is None

    def _values(self, at_s: float) -> dict[str, Value]:
        probe_out = self._fault("probe-out", at_s) is not None
        return {
            "battery_charge_percent": 100 * self.model.charge,
            "minutes_left_min": self.model.minutes_left,
            "battery_voltage_v": self.model.battery_v,
            "temperature_c": None if probe_out else self.model.temperature_c,
            "load_percent": 100 * self.model.load,
        }
