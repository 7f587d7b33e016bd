"""The air between satellites and one ground station: who hears whom, by geometry, pointing and tuning.

A frame gets through when the satellite is above the horizon, within half a beam of where the antenna really points,
and the receiver stands within its passband of where the signal really is. All that is sent is counted, with what became
of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

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


@dataclass(slots=True)
class AirCount:
    """What became of the frames of one satellite."""

    sent: int = 0
    in_view: int = 0
    heard: int = 0
    """In view, pointed at and tuned to."""
    off_beam: int = 0
    off_frequency: int = 0
    orders_heard: int = 0


@dataclass(slots=True)
class Flying:
    """One satellite in its orbit."""

    sim: SatelliteSim
    elements: ElementSet
    downlink_hz: int
    uplink_hz: int
    count: AirCount = field(default_factory=AirCount)
    _track: Trajectory | None = None
    _light: tuple[datetime, list[bool]] | None = None

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
    """Carries frames both ways; `epoch` is the civil time at running time zero."""

    def __init__(self, satellites: Sequence[Flying], ground: Ground, civil: Callable[[float], datetime]) -> None:
        self.satellites = satellites
        self._ground = ground
        self._civil = civil
        ground.tnc.before = self.advance
        ground.tnc.on_air = self.carry_up

    def advance(self, at_s: float) -> None:
        """Bring everything up to running time `at_s`; what is due comes down."""
        self._ground.refresh(at_s)
        now = self._civil(at_s)
        for each in self.satellites:
            while each.sim.due_s <= now.timestamp():
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
        for frame in each.sim.advance(unix_s, sunlit=each.sunlit(when)):
            self._carry_down(each, frame, when, at_s)

    def _carry_down(self, each: Flying, frame: bytes, when: datetime, at_s: float) -> None:
        each.count.sent += 1
        look = each.look(self._ground.station, when)
        if look.elevation_deg <= 0:
            return
        each.count.in_view += 1
        if not self._pointed(look):
            each.count.off_beam += 1
        elif not self._tuned(each.downlink_hz, look, "main"):
            each.count.off_frequency += 1
        else:
            each.count.heard += 1
            self._ground.tnc.hear(frame, at_s)

    def carry_up(self, frame: bytes, at_s: float) -> None:
        """A frame leaves the station: whoever is there to hear it does, and answers."""
        when = self._civil(at_s)
        for each in self.satellites:
            look = each.look(self._ground.station, when)
            if look.elevation_deg <= 0 or not self._pointed(look) or not self._tuned(each.uplink_hz, look, "sub"):
                continue
            if self._ground.rig is not None and not self._ground.rig.keyed:
                continue
            each.count.orders_heard += 1
            for answer in each.sim.hear(frame):
                self._carry_down(each, answer, when, at_s)

    def _pointed(self, look: Look) -> bool:
        satellite = AzEl(look.azimuth_deg, look.elevation_deg)
        return self._ground.direction.separation_deg(satellite) <= self._ground.beam_width_deg / 2

    def _tuned(self, nominal_hz: int, look: Look, side: str) -> bool:
        if self._ground.rig is None:
            return True
        shift = 1 - look.range_rate_km_s / _LIGHT_KM_S
        wanted_hz = nominal_hz * shift if side == "main" else nominal_hz / shift
        stands_hz = (self._ground.rig.main if side == "main" else self._ground.rig.sub).frequency_hz
        return abs(stands_hz - wanted_hz) <= self._ground.passband_hz
