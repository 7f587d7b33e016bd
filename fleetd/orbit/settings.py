"""What may be configured of the sky: where the station stands, and which satellites it looks for."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from fleetd.settings import Name, Settings

if TYPE_CHECKING:
    from fleetd.orbit.horizon import HorizonMask

Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]
Days = Annotated[float, Field(gt=0, le=3_650)]


def is_url(source: str) -> bool:
    """Whether a source of elements is a URL, and not a path."""
    return "://" in source


def _checked(source: str) -> str:
    if not is_url(source):
        return source
    parts = urlsplit(source)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{source!r} is neither a path nor an address such as https://host/query?CATNR=…")
    if "@" in parts.netloc:
        raise ValueError("an address of elements holds no user and password: they would stand in logs and events")
    return source


Source = Annotated[str, Field(min_length=1), AfterValidator(_checked)]


def _mask(points: tuple[tuple[float, float], ...]) -> HorizonMask:
    from fleetd.orbit.horizon import HorizonMask

    return HorizonMask(points)


class StationSettings(Settings):
    """Where the antennas stand, on the WGS84 ellipsoid."""

    latitude_deg: Latitude
    """Geodetic latitude in degrees, north positive."""
    longitude_deg: Longitude
    """Longitude in degrees, east positive."""
    altitude_m: Annotated[float, Field(ge=-500, le=9_000)]
    """Height above the ellipsoid in metres (above sea level is at most 110 m away from it, which matters little)."""
    horizon_deg: tuple[tuple[float, float], ...] = ()
    """How high hills and houses reach: [azimuth, elevation] pairs, azimuths rising from 0 to below 360, straight lines
    between them. A pass lasts while the satellite is above this and above its own minimum elevation."""

    @field_validator("horizon_deg")
    @classmethod
    def _a_horizon(cls, points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        if points:
            _mask(points)
        return points

    @property
    def horizon(self) -> HorizonMask | None:
        """The same as a mask; None where the view is free."""
        return _mask(self.horizon_deg) if self.horizon_deg else None


class Age(StrEnum):
    """How old a set is against its satellite's limits."""

    FRESH = "fresh"
    WARN = "warn"
    NO_TRANSMIT = "no-transmit"
    NO_BOOKING = "no-booking"


class ElementAgeSettings(Settings):
    """How old elements may be, in days since their epoch; the defaults suit low Earth orbit."""

    warn_days: Days = 3.0
    """Older than this: an alarm is raised, everything goes on."""
    no_transmit_days: Days = 7.0
    """Older than this: contacts are receive only."""
    no_booking_days: Days = 14.0
    """Older than this: no new contact is booked."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if not self.warn_days <= self.no_transmit_days <= self.no_booking_days:
            raise ValueError("must rise: warn_days <= no_transmit_days <= no_booking_days")
        return self

    def judge(self, age_days: float) -> Age:
        """The one rule of ages, in days from the epoch; before the epoch a set is as doubtful as after it."""
        days = abs(age_days)
        if days > self.no_booking_days:
            return Age.NO_BOOKING
        if days > self.no_transmit_days:
            return Age.NO_TRANSMIT
        return Age.WARN if days > self.warn_days else Age.FRESH

    def limit(self, age: Age) -> float:
        """The days beyond which a set is as old as this; of a fresh one, those up to which it is fresh."""
        if age is Age.NO_BOOKING:
            return self.no_booking_days
        return self.no_transmit_days if age is Age.NO_TRANSMIT else self.warn_days


RadioMode = Literal["lsb", "usb", "cw", "am", "fm", "usb-data", "fm-data"]
Hertz = Annotated[int, Field(ge=100_000, le=300_000_000_000)]


class SatelliteSettings(Settings):
    """One satellite to work, and where its orbital elements come from."""

    name: Name
    """Short name, used in topics, commands and records."""
    title: Annotated[str, Field(max_length=80)] = ""
    """Name for people; the short name if empty."""
    norad_id: Annotated[int, Field(ge=1, le=999_999_999)]
    """Catalogue number; only sets bearing it are used for this satellite."""
    designator: Annotated[str, Field(pattern=r"^(\d{4}-\d{3}[A-Z]{1,3})?$")] = ""
    """International designator such as 2018-081A; when given, only sets bearing it are used."""
    elements: Annotated[list[Source], Field(min_length=1)]
    """Where its element sets (OMM or TLE) come from: files and folders, relative to the site file, and http(s) URLs."""
    min_elevation_deg: Annotated[float, Field(ge=-5, lt=90)] = 10.0
    """Passes are counted from this elevation upwards, in degrees."""
    priority: Annotated[int, Field(ge=0, le=100)] = 1
    """Where two passes want one antenna, the higher number gets it."""
    element_age: ElementAgeSettings = ElementAgeSettings()
    """Age limits of the elements."""
    downlink_hz: Hertz | None = None
    """Frequency on which it transmits, in Hz, as measured beside it: without Doppler."""
    downlink_mode: RadioMode = "fm"
    """Mode in which the station's radio receives it."""
    uplink_hz: Hertz | None = None
    """Frequency on which it receives, in Hz; without one nothing is ever transmitted to it."""
    uplink_mode: RadioMode = "fm"
    """Mode in which the station's radio transmits to it."""
    uplink_min_elevation_deg: Annotated[float, Field(ge=0, lt=90)] = 10.0
    """Nothing is transmitted while it stands lower than this."""
    uplink_drift_hz: Annotated[int, Field(ge=1, le=1_000_000)] = 1_000
    """How far the uplink may drift off during one transmission, where the radio cannot be tuned while it transmits."""
