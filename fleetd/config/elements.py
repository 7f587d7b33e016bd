"""Whether element files hold what a site's satellites need: the one check that reads files beyond the site's own.

URLs are not asked here, and what stands in folders may come and go: neither can be a fault of the site file.
"""

from __future__ import annotations

from pathlib import Path

from fleetd.config.site import Site
from fleetd.errors import ElementsError
from fleetd.orbit.elements import read_elements
from fleetd.orbit.settings import SatelliteSettings, is_url


def element_faults(site: Site) -> list[str]:
    """A line for each element file that cannot be used, and for each satellite that none of its files knows."""
    return [fault for satellite in site.satellites for fault in _faults_of(satellite)]


def _faults_of(satellite: SatelliteSettings) -> list[str]:
    files = [Path(source) for source in satellite.elements if not is_url(source)]
    fixed = [file for file in files if not file.is_dir()]
    known: set[int] = set()
    faults: list[str] = []
    for file in fixed:
        try:
            known |= {elements.norad_id for elements in read_elements(file)}
        except ElementsError as error:
            faults.append(str(error))
    all_known = len(fixed) == len(satellite.elements)
    if all_known and not faults and satellite.norad_id not in known:
        there = ", ".join(map(str, sorted(known)))
        faults.append(
            f"satellite {satellite.name}: its element files hold {there} and not its norad_id {satellite.norad_id}"
        )
    return faults
