"""The air between satellites and ground stations: who hears whom, by geometry, pointing and tuning.

A frame gets through when the satellite is above the horizon, within half a beam of where the antenna really points,
and the receiver stands within its passband of where the signal really is. All that is sent is counted, with what became
of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Literal

import numpy as np

from fleetd.devices import AzEl
from fleetd.orbit.earth import to_ground
from fleetd.orbit.elementset import ElementSet
from fleetd.orbit.motion import Window
from fleetd.orbit.station import Station
from fleetd.orbit.sun import shadow_depth_km, sun_km
from fleetd.orbit.trajectory import Look, Trajectory
from fleetd_hil.models.rig import RigModel
from fleetd_hil.models.rotator import RotatorModel
from fleetd_hil.sims.kiss import KissSim
from fleetd_hil.sims.satellite import SatelliteSim

_LIGHT_KM_S = 299_792.458
_STRETCH = timedelta(minutes=20)
_LIGHT_STEP_S = 10.0

Fate = Literal["heard", "off-beam", "off-frequency", "out-of-view"]
_BEST: tuple[Fate, ...] = ("heard", "off-frequency", "off-beam", "out-of-view")
"""What may become of a frame, the best first: of several stations the one that came nearest to hearing it counts."""


@dataclass(frozen=True, slots=True)
class Carried:
    """One frame of a satellite in view of a station, or one that went up to it, and what became of it."""

    at_s: float
    satellite: str
    up: bool
    fate: Fate


@dataclass(slots=True)
class AirCount:
    """What became of the frames of one satellite."""

    sent: int = 0
    in_view: int = 0
    heard: int = 0
    """In view, pointed at and tuned to."""
    off_beam: int = 0
    off_frequency: int = 0


class Orbit:
    """Where one satellite really is. Worked out a stretch of twenty minutes at a time."""

    def __init__(self, elements: ElementSet) -> None:
        self.elements = elements
        self._track: Trajectory | None = None
        self._light: tuple[datetime, list[bool]] | None = None

    def look(self, station: Station, when: datetime) -> Look:
        """Where it stands in the station's sky."""
        if self._track is None or not self._track.start <= when <= self._track.end:
            self._track = Trajectory.of(self.elements, station, when, when + _STRETCH)
        return self._track.at(when)

    def sunlit(self, when: datetime) -> bool:
        """Whether it is out of the Earth's shadow, to ten seconds."""
        if self._light is None or not self._light[0] <= when < self._light[0] + _STRETCH:
            after_s = np.arange(0.0, _STRETCH.total_seconds() + _LIGHT_STEP_S, _LIGHT_STEP_S)
            window = Window(when, _STRETCH.total_seconds())
            _, position_km = window.position_km(self.elements.satrec(), after_s)
            depth_km = shadow_depth_km(position_km, to_ground(sun_km(when, after_s), window.sidereal(after_s)))
            self._light = when, (depth_km <= 0).tolist()
        begin, lit = self._light
        return lit[int((when - begin).total_seconds() // _LIGHT_STEP_S)]


@dataclass(slots=True)
class Flying:
    """One satellite in its orbit."""

    sim: SatelliteSim
    orbit: Orbit
    downlink_hz: int
    uplink_hz: int
    count: AirCount = field(default_factory=AirCount)
    name: str = ""
    """How the site calls it; left out, what it is."""
    obeyed: list[tuple[float, int]] = field(default_factory=list)
    """Running time and code of each order that it carried out."""


@dataclass(slots=True)
class Ground:
    """What the station has: an antenna, a radio (None: a receiver that is always tuned), a TNC, how wide it hears."""

    station: Station
    antenna: RotatorModel
    rig: RigModel | None
    tnc: KissSim
    beam_width_deg: float = 6.0
    passband_hz: float = 7_500.0
    refresh: Callable[[float], None] = lambda _at_s: None
    """Brings the antenna up to a running time."""

    @property
    def direction(self) -> AzEl:
        """Where the antenna really points."""
        return AzEl(self.antenna.azimuth.position_deg, self.antenna.elevation.position_deg)


class Air:
    """Carries frames both ways; `civil` tells the true civil time at a running time."""

    def __init__(
        self, satellites: Sequence[Flying], grounds: Sequence[Ground], civil: Callable[[float], datetime]
    ) -> None:
        self.satellites = satellites
        self.carried: deque[Carried] = deque(maxlen=100_000)
        """The latest frames that could have been heard, in order."""
        self._grounds = grounds
        self._civil = civil
        for ground in grounds:
            ground.tnc.before = self.advance
            ground.tnc.on_air = partial(self.carry_up, ground)

    def advance(self, at_s: float) -> None:
        """Bring everything up to running time `at_s`; what is due comes down."""
        for ground in self._grounds:
            ground.refresh(at_s)
        now_s = self._civil(at_s).timestamp()
        for each in self.satellites:
            while each.sim.due_s <= now_s:
                self._let_send(each, each.sim.due_s, at_s)

    def report(self) -> dict[str, Any]:
        """What became of the frames of each satellite, and what it made of orders."""
        return {
            each.sim.kind: {
                **asdict(each.count),
                "orders": [list(order) for order in each.sim.heard_orders],
                "performed": [list(done) for done in each.sim.model.performed],
            }
            for each in self.satellites
        }

    def _let_send(self, each: Flying, unix_s: float, at_s: float) -> None:
        when = datetime.fromtimestamp(unix_s, UTC)
        for frame in each.sim.advance(unix_s, sunlit=each.orbit.sunlit(when)):
            self._carry_down(each, frame, when, at_s)

    def _carry_down(self, each: Flying, frame: bytes, when: datetime, at_s: float) -> None:
        fates: list[Fate] = []
        for ground in self._grounds:
            fates.append(self._fate(each, ground, when, up=False))
            if fates[-1] == "heard":
                ground.tnc.hear(frame, at_s)
        self._note(each, min(fates, key=_BEST.index), at_s)

    def _note(self, each: Flying, fate: Fate, at_s: float) -> None:
        each.count.sent += 1
        each.count.in_view += fate != "out-of-view"
        each.count.heard += fate == "heard"
        each.count.off_beam += fate == "off-beam"
        each.count.off_frequency += fate == "off-frequency"
        if fate != "out-of-view":
            self.carried.append(Carried(at_s, each.name or each.sim.kind, up=False, fate=fate))

    def carry_up(self, ground: Ground, frame: bytes, at_s: float) -> None:
        """A frame leaves a station: whoever is there to hear it does, and answers."""
        if ground.rig is not None and not ground.rig.keyed:
            return
        when = self._civil(at_s)
        for each in self.satellites:
            fate = self._fate(each, ground, when, up=True)
            if fate != "out-of-view":
                self.carried.append(Carried(at_s, each.name or each.sim.kind, up=True, fate=fate))
            if fate == "heard":
                self._reach(each, frame, when, at_s)

    def _reach(self, each: Flying, frame: bytes, when: datetime, at_s: float) -> None:
        performed = each.sim.model.performed
        before = len(performed)
        for answer in each.sim.hear(frame):
            self._carry_down(each, answer, when, at_s)
        each.obeyed += [(at_s, code) for _, code in performed[before:]]

    def _fate(self, each: Flying, ground: Ground, when: datetime, *, up: bool) -> Fate:
        look = each.orbit.look(ground.station, when)
        if look.elevation_deg <= 0:
            return "out-of-view"
        satellite = AzEl(look.azimuth_deg, look.elevation_deg)
        if ground.direction.separation_deg(satellite) > ground.beam_width_deg / 2:
            return "off-beam"
        return "heard" if _tuned(each, ground, look, up=up) else "off-frequency"


def _tuned(each: Flying, ground: Ground, look: Look, *, up: bool) -> bool:
    if ground.rig is None:
        return True
    shift = 1 - look.range_rate_km_s / _LIGHT_KM_S
    wanted_hz = each.uplink_hz / shift if up else each.downlink_hz * shift
    stands_hz = (ground.rig.sub if up else ground.rig.main).frequency_hz
    return abs(stands_hz - wanted_hz) <= ground.passband_hz
