"""The sky of a scenario: satellites in their true orbits, and the air that joins them to antennas with radio and TNC.

The truth is the elements of the site's files, moved along the track by what the scenario says; fleetd knows the files
alone. The reference satellites send and obey; of any other it is known where it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from fleetd.config.site import Site
from fleetd.downlink.settings import WorkedSatellite
from fleetd.errors import ElementsError
from fleetd.orbit.elements import read_elements
from fleetd.orbit.elementset import ElementSet
from fleetd.orbit.station import Station
from fleetd.orbit.trajectory import Look
from fleetd_hil.air import Air, Flying, Ground, Orbit
from fleetd_hil.models.rig import RigModel
from fleetd_hil.models.rotator import RotatorModel
from fleetd_hil.models.satellite import SatelliteBuild, SatelliteModel
from fleetd_hil.scenario.model import OrbitWish
from fleetd_hil.sims.kiss import KissSim
from fleetd_hil.sims.satellite import SatelliteSim

_AS_TOLD = OrbitWish()
_DAY_S = 86_400.0


@dataclass(slots=True)
class Sky:
    """What flies over the site, from `start` on, which is running time zero."""

    station: Station
    start: datetime
    orbits: dict[str, Orbit]
    air: Air

    def look(self, satellite: str, at_s: float) -> Look | None:
        """Where a satellite really stands; None where nothing flies on its elements any more."""
        orbit = self.orbits.get(satellite)
        try:
            return orbit.look(self.station, self.civil(at_s)) if orbit is not None else None
        except ElementsError:
            del self.orbits[satellite]
            return None

    def civil(self, at_s: float) -> datetime:
        """The true civil time, however fleetd's clock is set."""
        return self.start + timedelta(seconds=at_s)


def build_sky(site: Site, sims: Mapping[str, Any], wishes: Mapping[str, OrbitWish], start: datetime) -> Sky:
    """`sims` are the simulated devices by name. Raises ElementsError for a file that holds none."""
    station = Station("site", site.station.latitude_deg, site.station.longitude_deg, site.station.altitude_m)
    orbits: dict[str, Orbit] = {}
    flying: list[Flying] = []
    sky = Sky(station, start, orbits, Air((), (), lambda _: start))
    for satellite in site.satellites:
        wish = wishes.get(satellite.name, _AS_TOLD)
        elements = _elements(satellite)
        if elements is not None and _flies(elements, station, start):
            orbits[satellite.name] = orbit = Orbit(late(elements, wish.late))
            flying += _flying(satellite, orbit, wish, start)
    sky.air = Air(flying, _grounds(site, station, sims) if flying else (), sky.civil)
    return sky


def late(elements: ElementSet, by_s: float) -> ElementSet:
    """The same orbit, on which the satellite comes so many seconds later."""
    turn_deg = 360 * elements.mean_motion_rev_day * by_s / _DAY_S
    return replace(elements, mean_anomaly_deg=(elements.mean_anomaly_deg - turn_deg) % 360)


def _flies(elements: ElementSet, station: Station, start: datetime) -> bool:
    """Whether anything can be on these elements at all: what has come down neither sends nor hears."""
    try:
        Orbit(elements).look(station, start)
    except ElementsError:
        return False
    return True


def _elements(satellite: WorkedSatellite) -> ElementSet | None:
    """The first set of its files; what comes from the web is nobody's truth here."""
    for source in satellite.elements:
        if (path := Path(str(source))).is_file():
            return next((each for each in read_elements(path) if each.norad_id == satellite.norad_id), None)
    return None


def _flying(satellite: WorkedSatellite, orbit: Orbit, wish: OrbitWish, start: datetime) -> list[Flying]:
    settings: Any = satellite.decoder.settings if satellite.decoder else None
    kind = getattr(settings, "reference", None)
    if kind is None or satellite.downlink_hz is None:
        return []
    key = satellite.uplink.key.read().encode() if satellite.uplink else b"nobody has it"
    model = SatelliteModel(SatelliteBuild(beacon_period_s=wish.beacon))
    sim = SatelliteSim(kind, model, start.timestamp(), key)
    return [Flying(sim, orbit, satellite.downlink_hz, satellite.uplink_hz or 0, name=satellite.name)]


def _grounds(site: Site, station: Station, sims: Mapping[str, Any]) -> list[Ground]:
    """The antennas whose rotator and TNC are simulated."""
    grounds: list[Ground] = []
    for antenna in site.antennas:
        rotator, tnc, rig = (sims.get(name or "") for name in (antenna.rotator, antenna.tnc, antenna.rig))
        model = getattr(rotator, "model", None)
        if isinstance(tnc, KissSim) and isinstance(model, RotatorModel):
            radio = getattr(rig, "model", None)
            ground = Ground(station, model, radio if isinstance(radio, RigModel) else None, tnc)
            ground.beam_width_deg = antenna.beam_width_deg
            ground.refresh = getattr(rotator, "advance", ground.refresh)
            tnc.period_s = 0.0  # real frames come now
            grounds.append(ground)
    return grounds
