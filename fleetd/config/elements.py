"""Whether element files hold what a site's satellites need: the one check that reads files beyond the site's own."""

from __future__ import annotations

from pathlib import Path

from fleetd.config.site import Site
from fleetd.errors import ElementsError
from fleetd.orbit.elements import read_elements
from fleetd.orbit.settings import SatelliteSettings


def element_faults(site: Site) -> list[str]:
    """A line for each element file that cannot be used, and for each satellite that none of its files knows."""
    return [fault for satellite in site.satellites for fault in _faults_of(satellite)]


def _faults_of(satellite: SatelliteSettings) -> list[str]:
    known: set[int] = set()
    faults: list[str] = []
    for file in satellite.elements:
        try:
            known |= {elements.norad_id for elements in read_elements(Path(file))}
        except ElementsError as error:
            faults.append(str(error))
    if not faults and satellite.norad_id not in known:
        there = ", ".join(map(str, sorted(known)))
        faults.append(
            f"satellite {satellite.name}: its element files hold {there} and not its norad_id {satellite.norad_id}"
        )
    return faults
