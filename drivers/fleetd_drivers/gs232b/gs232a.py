"""The older sister: a GS-232A takes the same commands, and words its positions in a way that the wire knows, too."""

from __future__ import annotations

from fleetd.devices import DriverSpec
from fleetd_drivers.gs232b.driver import Gs232bSettings, connect

SPEC = DriverSpec(
    name="gs232a",
    capability="rotator",
    summary="Yaesu GS-232A and controllers that speak like it, one-degree steps, azimuth with or without elevation",
    schemes=("serial", "tcp"),
    settings=Gs232bSettings,
    connect=connect,
)
