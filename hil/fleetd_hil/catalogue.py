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
from fleetd_hil.models.streets import Streets
from fleetd_hil.models.ups import UpsModel
from fleetd_hil.models.weather import WeatherModel
from fleetd_hil.options import (
    KissOptions,
    RigctldOptions,
    RigOptions,
    RotatorOptions,
    RotctldOptions,
    ServoOptions,
    SpidOptions,
    SwitchOptions,
    UpsOptions,
    WeatherOptions,
)
from fleetd_hil.sim import Sim
from fleetd_hil.sims import (
    easycomm,
    gs232b,
    icom_civ,
    kiss,
    little_donkey,
    modbus,
    modbus_switch,
    rigctld,
    rotctld,
    servo,
    spid,
    ups,
    weather_station,
)
from fleetd_hil.sims.modbus import Framing, ModbusSim, Unit


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


def _gs232a(options: Options) -> Sim:
    return gs232b.Gs232bSim(RotatorOptions(**options).build(), "a")


def _gs232b(options: Options) -> Sim:
    return gs232b.Gs232bSim(RotatorOptions(**options).build())


def _easycomm2(options: Options) -> Sim:
    return easycomm.EasycommSim(RotatorOptions(**options).build(), 2)


def _easycomm3(options: Options) -> Sim:
    return easycomm.EasycommSim(RotatorOptions(**options).build(), 3)


def _kiss(options: Options) -> Sim:
    return kiss.KissSim(KissOptions(**options).period_s)


def _rotctld(options: Options) -> Sim:
    chosen = RotctldOptions(**options)
    return rotctld.RotctldSim(chosen.build(chosen.azimuth_min_deg))


def _spid(kind: spid.Model) -> Callable[[Options], Sim]:
    def alone(options: Options) -> Sim:
        chosen = SpidOptions(**options)
        model = chosen.build(chosen.azimuth_min_deg, chosen.elevation_min_deg)
        return spid.SpidSim(model, kind, int(chosen.pulses_per_degree))

    return alone


def _rigctld(options: Options) -> Sim:
    chosen = RigctldOptions(**options)
    return rigctld.RigctldSim(chosen.build(), vfo_mode=bool(chosen.vfo_mode))


def _icom_civ(options: Options) -> Sim:
    return icom_civ.IcomCivSim(RigOptions(**options).build())


def _servo(options: Options, _seed: int, faults: Faults, number: int) -> Unit:
    chosen = ServoOptions(**options)
    return servo.ServoUnit(load_map("servo-rotator"), chosen.build(chosen.azimuth_min_deg), faults, number)


def _switch(_options: Options, _seed: int, faults: Faults, number: int) -> Unit:
    return modbus_switch.ModbusSwitchUnit(load_map("modbus-switch"), faults, number)


def _robot(options: Options, seed: int, faults: Faults, number: int) -> Unit:
    streets = _streets(seed)
    start = (number - 1) % len(streets.stops) + 1
    parcels = random.Random(f"parcels {seed} {number}").randint(10, 50)
    model = RobotModel(RobotBuild(**options), streets, start, parcels)
    return little_donkey.LittleDonkeyUnit(load_map("little-donkey"), model, faults, number)


def _weather(options: Options, seed: int, faults: Faults, number: int) -> Unit:
    model = WeatherModel(seed, **options)
    return weather_station.WeatherStationUnit(load_map("weather-station"), model, faults, number)


def _ups(options: Options, _seed: int, faults: Faults, number: int) -> Unit:
    return ups.UpsUnit(load_map("ups"), UpsModel(**options), faults, number)


_streets = lru_cache(maxsize=8)(Streets.of_seed)

KINDS: Mapping[str, SimKind] = {
    kind.name: kind
    for kind in (
        SimKind("easycomm2", "a controller that speaks EasyComm II", easycomm.FAULTS, RotatorOptions, alone=_easycomm2),
        SimKind(
            "easycomm3", "a controller that speaks EasyComm III", easycomm.FAULTS, RotatorOptions, alone=_easycomm3
        ),
        SimKind(
            "gs232a",
            "a Yaesu GS-232A controller with an azimuth-elevation rotator behind it",
            gs232b.FAULTS,
            RotatorOptions,
            alone=_gs232a,
        ),
        SimKind(
            "gs232b",
            "a Yaesu GS-232B controller with an azimuth-elevation rotator behind it",
            gs232b.FAULTS,
            RotatorOptions,
            alone=_gs232b,
        ),
        SimKind("kiss", "a KISS TNC that hears a test frame now and then", kiss.FAULTS, KissOptions, alone=_kiss),
        SimKind("icom-civ", "an Icom IC-9700 on CI-V", icom_civ.FAULTS, RigOptions, alone=_icom_civ),
        SimKind(
            "little-donkey",
            "delivery robots on the reference register map, one a Modbus unit, driving between stops 1 to 20",
            (*little_donkey.FAULTS, *modbus.FAULTS),
            RobotBuild,
            unit=_robot,
        ),
        SimKind(
            "modbus-switch",
            "one relay of a board with a contact on it, one Modbus unit",
            (*modbus_switch.FAULTS, *modbus.FAULTS),
            SwitchOptions,
            unit=_switch,
        ),
        SimKind("rigctld", "Hamlib's radio server; a TCP port", rigctld.FAULTS, RigctldOptions, alone=_rigctld),
        SimKind("rotctld", "Hamlib's rotator server; a TCP port", rotctld.FAULTS, RotctldOptions, alone=_rotctld),
        SimKind(
            "servo-rotator",
            "a rotator of servo drives on its register map, one Modbus unit",
            (*servo.FAULTS, *modbus.FAULTS),
            ServoOptions,
            unit=_servo,
        ),
        SimKind("spid-md01", "a SPID MD-01", spid.FAULTS, SpidOptions, alone=_spid("md01")),
        SimKind("spid-rot1", "a SPID Rot1Prog, azimuth alone", spid.FAULTS, SpidOptions, alone=_spid("rot1")),
        SimKind("spid-rot2", "a SPID Rot2Prog", spid.FAULTS, SpidOptions, alone=_spid("rot2")),
        SimKind(
            "ups",
            "a UPS on its register map, one Modbus unit",
            (*ups.FAULTS, *modbus.FAULTS),
            UpsOptions,
            unit=_ups,
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
    return build_line(name, {number: (each, options) for number, each in numbers.items()}, seed, bus.framing)


def build_line(name: str, units: Mapping[int, tuple[str, Options]], seed: int, framing: Framing) -> ModbusSim:
    """A Modbus line with these units, each a kind with options of its own. Raises ConfigError."""
    faults = Faults(())
    built = {number: _unit(find(kind), options, seed, faults, number) for number, (kind, options) in units.items()}
    return ModbusSim(name, built, faults, framing)


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
