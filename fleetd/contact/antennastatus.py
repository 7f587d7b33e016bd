"""How an antenna stands, as programs see it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from fleetd.contact.antenna import Antenna


class AntennaStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One antenna as programs see it; angles in degrees, None while unknown."""

    name: str
    rotator: str
    state: str
    reason: str
    held_by: str | None
    guarded: bool = False
    """Whether the guard would stop it if the daemon fell silent; false for a driver that has no last words."""
    wind: str = ""
    """Why it is stowed from the wind; '' while it is not."""
    locked_by: str | None
    lock_reason: str | None
    measured_at: datetime | None
    azimuth_deg: float | None
    elevation_deg: float | None
    commanded_azimuth_deg: float | None
    commanded_elevation_deg: float | None
    offset_azimuth_deg: float
    offset_elevation_deg: float


def status_of(antenna: Antenna) -> AntennaStatus:
    """How it stands now."""
    measured, commanded, lock = antenna.measured, antenna.commanded, antenna.interlock.lock
    return AntennaStatus(
        name=antenna.name,
        rotator=antenna.settings.rotator,
        state=antenna.device.state,
        reason=antenna.device.reason,
        held_by=antenna.hold.owner,
        guarded=antenna.guarded,
        wind=antenna.interlock.wind,
        locked_by=lock.who if lock else None,
        lock_reason=lock.why if lock else None,
        measured_at=measured.at if measured else None,
        azimuth_deg=measured.position.azimuth_deg if measured else None,
        elevation_deg=measured.position.elevation_deg if measured else None,
        commanded_azimuth_deg=commanded.azimuth_deg if commanded else None,
        commanded_elevation_deg=commanded.elevation_deg if commanded else None,
        offset_azimuth_deg=antenna.scale.offset.azimuth_deg,
        offset_elevation_deg=antenna.scale.offset.elevation_deg,
    )
