"""How the world really stood in a scenario, for its report: antennas, satellites, transmitters, frames."""

from __future__ import annotations

from dataclasses import dataclass, field

from fleetd.config.site import Site
from fleetd_hil.air import Carried
from fleetd_hil.models.rotator import RotatorModel
from fleetd_hil.scenario.world import World

_SAMPLES = 1_200  # that a plot as wide as a page can show
_LEAST_S = 0.5

Way = list[tuple[float, float, float]]
"""Seconds, azimuth and elevation in degrees."""


@dataclass
class Trace:
    """Filled by `look` while the scenario is played."""

    every_s: float = _LEAST_S
    antennas: dict[str, Way] = field(default_factory=dict)
    """Where each really pointed."""
    satellites: dict[str, Way] = field(default_factory=dict)
    """Where each really stood, while it was up."""
    keyed: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """By radio: from when until when it transmitted."""
    carried: list[Carried] = field(default_factory=list)
    _due_s: float = 0.0

    @classmethod
    def of(cls, lasts_s: float) -> Trace:
        """For a scenario of that length."""
        return cls(max(_LEAST_S, lasts_s / _SAMPLES))

    def look(self, at_s: float, site: Site, world: World) -> None:
        """One step of the world."""
        self._note_transmitters(at_s, world)
        if at_s < self._due_s:
            return
        self._due_s = at_s + self.every_s
        for antenna in site.antennas:
            seat = world.seats.get(antenna.rotator)
            model = seat.model if seat else None
            if isinstance(model, RotatorModel):
                way = self.antennas.setdefault(antenna.name, [])
                way.append((at_s, model.azimuth.position_deg, model.elevation.position_deg))
        if self.antennas and world.sky is not None:
            self._note_sky(at_s, site, world)

    def _note_sky(self, at_s: float, site: Site, world: World) -> None:
        for satellite in site.satellites:
            look = world.sky.look(satellite.name, at_s) if world.sky else None
            if look is not None and look.elevation_deg > 0:
                way = self.satellites.setdefault(satellite.name, [])
                way.append((at_s, look.azimuth_deg % 360, look.elevation_deg))

    def _note_transmitters(self, at_s: float, world: World) -> None:
        for name, rig in world.rigs.items():
            stretches = self.keyed.setdefault(name, [])
            if not rig.keyed:
                continue
            if stretches and at_s - stretches[-1][1] <= 2 * _LEAST_S:
                stretches[-1] = (stretches[-1][0], at_s)
            else:
                stretches.append((at_s, at_s))
