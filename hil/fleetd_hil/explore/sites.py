"""A site at random: which devices on which lines, how each antenna is built and bounded. Always one that loads."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from fleetd_hil.explore.sky import MIN_ELEVATION_DEG, SATELLITES, Sky

Plain = dict[str, Any]

WHOLE: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "gs232a": ((0.0, 450.0), (0.0, 180.0)),
    "gs232b": ((0.0, 450.0), (0.0, 180.0)),
    "easycomm2": ((0.0, 450.0), (0.0, 180.0)),
    "easycomm3": ((0.0, 450.0), (0.0, 180.0)),
    "rotctld": ((0.0, 450.0), (0.0, 180.0)),
    "spid-md01": ((-180.0, 540.0), (-20.0, 210.0)),
    "spid-rot2": ((-180.0, 540.0), (-20.0, 210.0)),
    "servo-rotator": ((-180.0, 540.0), (0.0, 180.0)),
}
"""By driver: azimuth and elevation between the end stops of the simulated rotator."""

_MASK_DEG = [[0.0, 4.0], [90.0, 12.0], [180.0, 3.0], [270.0, 18.0]]
CALLSIGNS = {"candy-tin": "CANDY-11", "tmall-international": "TMALL-11"}
KEY_FILE = "uplink.key"
_YARD = [[30.2990, 120.0790], [30.3040, 120.0790], [30.3040, 120.0850], [30.2990, 120.0850]]
PLACES = {
    "depot": {"stop": 1, "latitude_deg": 30.3010, "longitude_deg": 120.0800},
    "library": {"stop": 2, "latitude_deg": 30.3052, "longitude_deg": 120.0841},
    "dormitory": {"stop": 3, "latitude_deg": 30.2985, "longitude_deg": 120.0868},
}


@dataclass(slots=True)
class Grounds:
    """A site in the making: its parts, and the lines that still have addresses free."""

    draw: Random
    devices: list[Plain] = field(default_factory=list)
    simulate: Plain = field(default_factory=dict)
    buses: list[str] = field(default_factory=list)
    _ports: int = 0
    _units: dict[str, int] = field(default_factory=dict)

    def serial(self, baud: int) -> str:
        """A serial line of its own."""
        self._ports += 1
        return f"serial:///dev/ttyS{self._ports}?baud={baud}"

    def tcp(self, scheme: str = "tcp") -> str:
        """An address of its own."""
        self._ports += 1
        return f"{scheme}://10.20.0.{self._ports}:{502 if 'modbus' in scheme else 4533}"

    def modbus(self, *, shared: float) -> Plain:
        """A link and a unit: on one of the shared serial lines with that probability, else on the network."""
        if self.draw.random() >= shared:
            return {"link": self.tcp("modbus+tcp"), "settings": {"unit": 1}}
        if not self.buses or (len(self.buses) < 2 and self.draw.random() < 0.3):
            self._ports += 1
            self.buses.append(f"modbus+rtu:///dev/ttyS{self._ports}?baud={self.draw.choice((9_600, 19_200, 38_400))}")
        link = self.draw.choice(self.buses)
        self._units[link] = self._units.get(link, 0) + 1
        return {"link": link, "settings": {"unit": self._units[link]}}

    def add(self, name: str, driver: str, where: Plain, /, options: Plain | None = None, **settings: Any) -> str:
        """A device; returns its name."""
        whole = where.get("settings", {}) | settings
        self.devices.append(
            {"name": name, "driver": driver, "link": where["link"]} | ({"settings": whole} if whole else {})
        )
        if options:
            self.simulate[name] = options
        return name


def compose_site(draw: Random, sky: Sky) -> tuple[Plain, Plain]:
    """The site file's content, and the options of the simulated devices."""
    grounds = Grounds(draw)
    weather = _weather(grounds) if draw.random() < 0.7 else None
    antennas = [_antenna(grounds, f"dish-{number}", weather, sky) for number in range(1, draw.choice((2, 2, 2, 3)))]
    for number in range(1, draw.randint(0, 5) + 1):
        _robot(grounds, f"robot-{number}")
    if draw.random() < 0.3:
        grounds.add(
            "ups", "modbus-sensor", grounds.modbus(shared=0.5), {"load": round(draw.uniform(0.1, 0.9), 2)}, map="ups"
        )
    site: Plain = {
        "site": "explored",
        "station": {"latitude_deg": sky.latitude_deg, "longitude_deg": sky.longitude_deg, "altitude_m": 20.0},
        "store": {"path": "store"},
        "control": {"socket": "control.sock"},
        "relay": {"brokers": ["mqtt://127.0.0.1:1883"], "protocol": draw.choice(("5", "5", "3.1.1"))},
        "satellites": _satellites(draw, obeying=any(antenna.get("transmit") for antenna in antennas)),
        "antennas": antennas,
        "robots": {"places": PLACES},
        "devices": grounds.devices,
    }
    if draw.random() < 0.3:
        site["relay"] |= {"in_flight": draw.choice((1, 5, 20)), "live_first": draw.random() < 0.5}
    if draw.random() < 0.1:
        site["relay"]["home_assistant"] = {"devices": ["*"]}
    if draw.random() < 0.2:
        site["robots"]["max_silence_s"] = draw.choice((10.0, 30.0))
    if draw.random() < 0.2:
        site["robots"]["zones"] = {"yard": {"corners": _YARD, "kind": draw.choice(("keep-in", "keep-out", "note"))}}
    if draw.random() < 0.2:
        site["contacts"] = {"replan_every_s": draw.choice((20.0, 90.0)), "spacing_s": draw.choice((0.0, 60.0))}
    if draw.random() < 0.2:
        site["elements"] = {"look_every_s": draw.choice((5.0, 600.0))}
    return site, grounds.simulate


def _satellites(draw: Random, *, obeying: bool) -> list[Plain]:
    found: list[Plain] = [
        {
            "name": name,
            "norad_id": 999_100_101 + index,
            "elements": [f"{name}.json"],
            "min_elevation_deg": MIN_ELEVATION_DEG,
            "priority": draw.randint(1, 3),
            "downlink_hz": 437_225_000 + 300_000 * index,
            "uplink_hz": 145_925_000 + 25_000 * index,
        }
        for index, name in enumerate(SATELLITES)
    ]
    for each in found if obeying else ():
        name, callsign = each["name"], CALLSIGNS[each["name"]]
        each["decoder"] = {"name": "xtce", "settings": {"reference": name, "source": callsign}}
        each["uplink"] = {"orders": name, "station": "GROUND-1", "callsign": callsign, "key": {"file": KEY_FILE}}
    return found


def _weather(grounds: Grounds) -> str:
    options = {"wind_m_s": round(grounds.draw.uniform(0, 5), 1)}
    return grounds.add("weather", "weather-station", grounds.modbus(shared=0.6), options, poll_s=5.0)


def _robot(grounds: Grounds, name: str) -> None:
    draw = grounds.draw
    options: Plain = {"start_charge_percent": draw.choice((100, 100, 60, 15, 4))}
    if draw.random() < 0.4:
        options["keeper_s"] = draw.choice((10, 60))
    grounds.add(name, "little-donkey", grounds.modbus(shared=0.5), options, poll_s=draw.choice((1.0, 2.0, 5.0, 10.0)))


def _antenna(grounds: Grounds, name: str, weather: str | None, sky: Sky) -> Plain:
    draw, driver = grounds.draw, grounds.draw.choice(sorted(WHOLE))
    azimuth, elevation = _limits(draw, driver)
    slews = {"azimuth": round(draw.uniform(2, 10), 1), "elevation": round(draw.uniform(1.5, 6), 1)}
    options: Plain = {"azimuth_slew_deg_s": slews["azimuth"], "elevation_slew_deg_s": slews["elevation"]}
    options |= {
        "start_azimuth_deg": round(draw.uniform(*azimuth), 1),
        "start_elevation_deg": round(draw.uniform(max(20.0, elevation[0]), min(90.0, elevation[1])), 1),
    }
    stops = {"azimuth_max_deg": WHOLE[driver][0][1]} if driver.startswith("easycomm") else {}
    rotator = grounds.add(f"{name}-rotator", driver, _rotator_link(grounds, driver), options, **stops)
    antenna: Plain = {
        "name": name,
        "rotator": rotator,
        "azimuth_limits_deg": list(azimuth),
        "elevation_limits_deg": list(elevation),
        "slew_deg_s": slews,
        "park": {"azimuth_deg": round(draw.uniform(*azimuth)), "elevation_deg": draw.choice((30.0, 60.0, 90.0))},
    }
    if weather is not None and draw.random() < 0.8:
        calm_for_s = draw.choice((30.0, 60.0))
        antenna["wind"] = {
            "sensor": weather,
            "value": "wind_gust_m_s",
            "limit": 20.0,
            "calm": 15.0,
            "calm_for_s": calm_for_s,
        }
    antenna |= _habits(draw, sky)
    if draw.random() < 0.4:
        antenna |= _radio(grounds, name)
    return antenna


def _limits(draw: Random, driver: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """Now as wide as the rotator is, now narrower."""
    azimuth, elevation = WHOLE[driver]
    if draw.random() < 0.4:
        return azimuth, elevation
    low = draw.choice((azimuth[0], 0.0, 30.0))
    high = draw.choice((azimuth[1], 360.0, 330.0))
    return (low, high), (max(0.0, elevation[0]), draw.choice((90.0, 180.0)))


def _rotator_link(grounds: Grounds, driver: str) -> Plain:
    if driver == "servo-rotator":
        return grounds.modbus(shared=0.4)
    if driver == "rotctld" or grounds.draw.random() < 0.3:
        return {"link": grounds.tcp()}
    return {"link": grounds.serial(600 if driver == "spid-rot2" else 9_600)}


def _habits(draw: Random, sky: Sky) -> Plain:
    """What else may be said of an antenna, each now and then."""
    found: Plain = {}
    if draw.random() < 0.25:
        found["mask_deg"] = _MASK_DEG
    if draw.random() < 0.15:
        found["sun_cone_deg"] = draw.choice((3.0, 10.0))
    if draw.random() < 0.15:
        found["moves_per_hour"] = draw.choice((60, 200, 2_000))
    if draw.random() < 0.2:
        found["dead_band_deg"] = draw.choice((0.5, 2.0))
    if draw.random() < 0.2:
        found["min_command_interval_s"] = draw.choice((0.5, 3.0))
    if draw.random() < 0.3:
        found["tracking_period_s"] = draw.choice((0.25, 0.5, 2.0))
    if draw.random() < 0.3:
        found["idle_period_s"] = draw.choice((1.0, 10.0))
    if draw.random() < 0.2:
        found["park_policy"] = "never"
    if draw.random() < 0.1:
        begin = sky.aos.replace(second=0)
        end = begin.replace(minute=(begin.minute + 3) % 60) if begin.minute < 57 else sky.los
        found["maintenance"] = [{"begin": _iso(begin), "end": _iso(end), "why": "grease the bearing"}]
    return found


def _radio(grounds: Grounds, name: str) -> Plain:
    draw = grounds.draw
    found: Plain = {}
    if draw.random() < 0.5:
        found["rig"] = grounds.add(f"{name}-rig", "icom-civ", {"link": grounds.serial(19_200)})
    else:
        found["rig"] = grounds.add(f"{name}-rig", "rigctld", {"link": grounds.tcp()})
    if draw.random() < 0.6:
        options = {"period_s": draw.choice((0, 5, 30))}
        found["tnc"] = grounds.add(f"{name}-tnc", "kiss", {"link": grounds.tcp()}, options)
        found["transmit"] = draw.random() < 0.7
    if draw.random() < 0.3:
        preamp = grounds.add(f"{name}-preamp", "modbus-switch", grounds.modbus(shared=0.5))
        found["radio"] = {"preamp": preamp}
    return found


def _iso(when: Any) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"
