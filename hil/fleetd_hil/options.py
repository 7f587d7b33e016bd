"""What may be chosen about a sim, kind by kind: numbers alone, each with what it is unless chosen otherwise."""

from __future__ import annotations

from dataclasses import dataclass

from fleetd_hil.models.rig import RigModel
from fleetd_hil.models.rotator import AxisBuild, RotatorBuild, RotatorModel


@dataclass(frozen=True, slots=True)
class RotatorOptions:
    """A rotator; unless chosen otherwise of the G-5500 class: one turn in a minute, 450 degrees of azimuth."""

    azimuth_max_deg: float = 450.0
    elevation_max_deg: float = 180.0
    azimuth_slew_deg_s: float = 6.0
    elevation_slew_deg_s: float = 3.0
    acceleration_deg_s2: float = 6.0
    start_azimuth_deg: float = 0.0
    start_elevation_deg: float = 0.0

    def build(self, azimuth_min_deg: float = 0.0, elevation_min_deg: float = 0.0) -> RotatorModel:
        """The mechanics that these options describe."""
        azimuth = (azimuth_min_deg, self.azimuth_max_deg, self.azimuth_slew_deg_s, self.acceleration_deg_s2)
        elevation = (elevation_min_deg, self.elevation_max_deg, self.elevation_slew_deg_s, self.acceleration_deg_s2)
        starts_deg = (self.start_azimuth_deg, self.start_elevation_deg)
        return RotatorModel(RotatorBuild(AxisBuild(*azimuth), AxisBuild(*elevation), *starts_deg))


@dataclass(frozen=True, slots=True)
class RotctldOptions(RotatorOptions):
    """Whatever a server may have behind it."""

    azimuth_min_deg: float = 0.0


@dataclass(frozen=True, slots=True)
class SpidOptions(RotatorOptions):
    """A rotator of the SPID class, two turns of azimuth with north in the midst of the first."""

    azimuth_min_deg: float = -180.0
    azimuth_max_deg: float = 540.0
    elevation_min_deg: float = -20.0
    elevation_max_deg: float = 210.0
    pulses_per_degree: float = 2.0


@dataclass(frozen=True, slots=True)
class ServoOptions(RotatorOptions):
    """A rotator of servo drives, within the limits of its register map."""

    azimuth_min_deg: float = -180.0
    azimuth_max_deg: float = 540.0


@dataclass(frozen=True, slots=True)
class RigOptions:
    """A radio of two receivers for 2 m, 70 cm and 23 cm, and what it stands on when it is switched on."""

    main_hz: float = 435_000_000.0
    sub_hz: float = 145_000_000.0

    def build(self) -> RigModel:
        """The radio that these options describe."""
        model = RigModel()
        model.main.frequency_hz, model.sub.frequency_hz = int(self.main_hz), int(self.sub_hz)
        return model


@dataclass(frozen=True, slots=True)
class RigctldOptions(RigOptions):
    """The same behind a server; `vfo_mode` 0 as if it had been begun without -o."""

    vfo_mode: float = 1.0


@dataclass(frozen=True, slots=True)
class SwitchOptions:
    """A relay; there is nothing to choose about it."""


@dataclass(frozen=True, slots=True)
class WeatherOptions:
    """The climate; the wind is the mean that it varies about."""

    wind_m_s: float = 4.0
    temperature_c: float = 16.0


@dataclass(frozen=True, slots=True)
class UpsOptions:
    """The load and the charge to begin with, as shares of one."""

    load: float = 0.3
    charge: float = 1.0


@dataclass(frozen=True, slots=True)
class KissOptions:
    """A TNC that hears a test frame now and then; 0 for never."""

    period_s: float = 10.0
