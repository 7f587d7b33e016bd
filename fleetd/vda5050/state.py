"""What a robot's newest reading says, in the words of a VDA 5050 state. Pure.

The names of values are those of the reference register map; what a robot's map does not have stays out. A battery that
does not report must still have a number by the standard: it is 0, and an error says that it is not known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from msgspec import UNSET, UnsetType

from fleetd.records import Reading, Value
from fleetd.vda5050.messages import AgvPosition, BatteryState, Error, SafetyState, Velocity

_METRES_PER_DEGREE = math.pi / 180 * 6_371_008.8
_FAULT = "fault_"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where x and y are 0; x runs east and y north. Flat: good to centimetres over a kilometre."""

    latitude_deg: float
    longitude_deg: float
    map_id: str

    def xy_m(self, latitude_deg: float, longitude_deg: float) -> tuple[float, float]:
        """A place in metres."""
        shrink = math.cos(math.radians((self.latitude_deg + latitude_deg) / 2))
        east = (longitude_deg - self.longitude_deg) * _METRES_PER_DEGREE * shrink
        return east, (latitude_deg - self.latitude_deg) * _METRES_PER_DEGREE


@dataclass(frozen=True, slots=True)
class Seen:
    """One robot as its newest reading shows it."""

    values: Mapping[str, Value]

    @classmethod
    def of(cls, reading: Reading | None) -> Seen:
        """Without a reading nothing is known."""
        return cls({} if reading is None else reading.values)

    @property
    def target_stop(self) -> int | None:
        """The stop that it drives to."""
        value = self.values.get("target_stop")
        return value if isinstance(value, int) else None

    @property
    def moving(self) -> bool:
        return bool(_number(self.values.get("speed_m_s")))

    @property
    def driving(self) -> bool:
        """Moving, or about to."""
        return self.moving or self.values.get("state") == "driving"

    @property
    def paused(self) -> bool:
        return self.values.get("state") == "holding"

    def stands_at(self, stop: int) -> bool:
        """Whether it has arrived at a stop and has no errand."""
        return self.values.get("last_stop") == stop and self.target_stop is None and not self.driving

    def xy_m(self, origin: Origin) -> tuple[float, float] | None:
        """Where it is."""
        latitude, longitude = _number(self.values.get("latitude_deg")), _number(self.values.get("longitude_deg"))
        return None if latitude is None or longitude is None else origin.xy_m(latitude, longitude)

    @property
    def operating_mode(self) -> Literal["AUTOMATIC", "MANUAL", "SERVICE"]:
        match self.values.get("state"):
            case "manual":
                return "MANUAL"
            case "starting" | None:
                return "SERVICE"
            case _:
                return "AUTOMATIC"

    @property
    def battery(self) -> BatteryState:
        voltage, reach = _number(self.values.get("battery_voltage_v")), _number(self.values.get("range_m"))
        return BatteryState(
            battery_charge=_number(self.values.get("battery_charge_percent")) or 0.0,
            charging=self.values.get("state") == "charging",
            battery_voltage=UNSET if voltage is None else voltage,
            reach=UNSET if reach is None or reach < 0 else reach,  # the standard has no reach below nothing
        )

    @property
    def safety(self) -> SafetyState:
        """Whatever latched a stop, it takes somebody on the spot to end it: MANUAL."""
        return SafetyState(
            e_stop="MANUAL" if self.values.get("stop_latched") else "NONE",
            field_violation=self.values.get("field_violation") is True,
        )

    @property
    def velocity(self) -> Velocity | UnsetType:
        speed = _number(self.values.get("speed_m_s"))
        return UNSET if speed is None else Velocity(vx=speed)

    def position(self, origin: Origin) -> AgvPosition | UnsetType:
        """Position and heading; theta is counter-clockwise from east, in radians from -pi to pi."""
        xy_m, heading_deg = self.xy_m(origin), _number(self.values.get("heading_deg"))
        if xy_m is None or heading_deg is None:
            return UNSET
        theta = math.remainder(math.radians(90.0 - heading_deg), 2 * math.pi)
        return AgvPosition(x=xy_m[0], y=xy_m[1], theta=theta, map_id=origin.map_id, position_initialized=True)

    @property
    def errors(self) -> list[Error]:
        """Faults that the robot reports of itself."""
        found = [
            Error(error_type=name, error_level="FATAL", error_description=f"the robot reports {name.replace('_', ' ')}")
            for name, value in self.values.items()
            if name.startswith(_FAULT) and value is True
        ]
        if self.values and _number(self.values.get("battery_charge_percent")) is None:
            found.append(Error(error_type="batteryUnknown", error_level="WARNING"))
        return found


def _number(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
