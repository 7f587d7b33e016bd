"""The sims of this harness by name: what each is, what may be chosen about it, how it is built, what breaks in it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache

from fleetd.errors import ConfigError
from fleetd.registers.loader import load_map
from fleetd_hil.faults import FaultKind, Faults
from fleetd_hil.models.robot import RobotBuild, RobotModel
from fleetd_hil.models.rotator import AxisBuild, RotatorBuild, RotatorModel
from fleetd_hil.models.streets import Streets
from fleetd_hil.models.weather import WeatherModel
from fleetd_hil.sim import Sim
from fleetd_hil.sims import gs232b, little_donkey, modbus, weather_station
from fleetd_hil.sims.modbus import Framing, ModbusSim, Unit


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

    def build(self) -> RotatorBuild:
        """The mechanics that these options describe."""
        return RotatorBuild(
            AxisBuild(0.0, self.azimuth_max_deg, self.azimuth_slew_deg_s, self.acceleration_deg_s2),
            AxisBuild(0.0, self.elevation_max_deg, self.elevation_slew_deg_s, self.acceleration_deg_s2),
            self.start_azimuth_deg,
            self.start_elevation_deg,
        )


@dataclass(frozen=True, slots=True)
class WeatherOptions:
    """The climate; the wind is the mean that it varies about."""

    wind_m_s: float = 4.0
    temperature_c: float = 16.0


@dataclass(frozen=True, slots=True)
class Bus:
    """How many units of one kind a Modbus port has, and what others are on the same line by unit number."""

    framing: Framing
    count: int = 1
    others: Mapping[int, str] = field(default_factory=dict)


Options = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class SimKind:
    """One kind of sim. `alone` builds it for a port of its own, or `unit` for one address on a Modbus line."""

    name: str
    help: str
    faults: tuple[FaultKind, ...]
    options: type
    alone: Callable[[Options], Sim] | None = None
    unit: Callable[[Options, int, Faults, int], Unit] | None = None

    def chosen(self, options: Options) -> Options:
        """Those of `options` that this kind has."""
        return {option.name: options[option.name] for option in fields(self.options) if option.name in options}


def _rotator(options: Options) -> Sim:
    return gs232b.Gs232bSim(RotatorModel(RotatorOptions(**options).build()))


def _robot(options: Options, seed: int, faults: Faults, number: int) -> Unit:
    streets = _streets(seed)
    start = (number - 1) % len(streets.stops) + 1
    parcels = random.Random(f"parcels {seed} {number}").randint(10, 50)
    model = RobotModel(RobotBuild(**options), streets, start, parcels)
    return little_donkey.LittleDonkeyUnit(load_map("little-donkey"), model, faults, number)


def _weather(options: Options, seed: int, faults: Faults, number: int) -> Unit:
    model = WeatherModel(seed, **options)
    return weather_station.WeatherStationUnit(load_map("weather-station"), model, faults, number)


_streets = lru_cache(maxsize=8)(Streets.of_seed)

KINDS: Mapping[str, SimKind] = {
    kind.name: kind
    for kind in (
        SimKind(
            "gs232b",
            "a Yaesu GS-232B controller with an azimuth-elevation rotator behind it",
            gs232b.FAULTS,
            RotatorOptions,
            alone=_rotator,
        ),
        SimKind(
            "little-donkey",
            "delivery robots on the reference register map, one a Modbus unit, driving between stops 1 to 20",
            (*little_donkey.FAULTS, *modbus.FAULTS),
            RobotBuild,
            unit=_robot,
        ),
        SimKind(
            "weather-station",
            "a weather station on its register map, one Modbus unit",
            (*weather_station.FAULTS, *modbus.FAULTS),
            WeatherOptions,
            unit=_weather,
        ),
    )
}


def build(name: str, options: Options, seed: int, bus: Bus) -> Sim:
    """The sim of this name, ready for a port. `bus` matters to Modbus sims alone. Raises ConfigError."""
    kind = find(name)
    if kind.alone is not None:
        if bus.count != 1 or bus.others:
            raise ConfigError(f"{name} has a line of its own: leave --count and --with out")
        return kind.alone(kind.chosen(options))
    numbers = dict.fromkeys(range(1, bus.count + 1), name)
    for number, other in bus.others.items():
        if number in numbers:
            raise ConfigError(f"--with {other}@{number}: that unit is a {name}; take a number above {bus.count}")
        numbers[number] = other
    faults = Faults(())
    units = {number: _unit(find(each), options, seed, faults, number) for number, each in numbers.items()}
    return ModbusSim(name, units, faults, bus.framing)


def _unit(kind: SimKind, options: Options, seed: int, faults: Faults, number: int) -> Unit:
    if kind.unit is None:
        raise ConfigError(f"{kind.name} is no Modbus device and cannot share a line")
    faults.learn(kind.faults)
    return kind.unit(kind.chosen(options), seed, faults, number)


def find(name: str) -> SimKind:
    """The kind of this name. Raises ConfigError naming those that there are."""
    if name not in KINDS:
        raise ConfigError(f"unknown sim {name!r}; known are {', '.join(KINDS)}")
    return KINDS[name]


def read_options(names: Iterable[str], pairs: Iterable[str]) -> Options:
    """Options of these kinds from KEY=NUMBER texts. Raises ConfigError naming what is known."""
    known = [option.name for name in names for option in fields(find(name).options)]
    chosen: dict[str, float] = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        if key not in known:
            raise ConfigError(f"unknown option {key!r}; known here are {', '.join(known)}")
        try:
            chosen[key] = float(value)
        except ValueError:
            raise ConfigError(f"option {pair!r}: write it as {key}=NUMBER") from None
    return chosen
