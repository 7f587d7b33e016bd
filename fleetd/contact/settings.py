"""What a site may say about its antennas and about how contacts are booked. All seconds are those of the clock."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fleetd.contact.clearance import Obstruction
from fleetd.contact.radiosettings import RadioSettings
from fleetd.contact.safetysettings import CableSettings, MaintenanceSettings, WindSettings
from fleetd.devices import AzEl
from fleetd.orbit.horizon import HorizonMask
from fleetd.settings import Name, PositiveSeconds, Settings

Degrees = Annotated[float, Field(ge=-720, le=720)]
Limits = tuple[Degrees, Degrees]


class SlewSettings(Settings):
    """How fast each axis turns at least, in degrees a second; plans rely on it, so measure rather than believe it."""

    azimuth: Annotated[float, Field(gt=0, le=180)]
    elevation: Annotated[float, Field(gt=0, le=180)]


class AccelerationSettings(Settings):
    """How quickly each axis gains and loses speed, in degrees a second squared."""

    azimuth: Annotated[float, Field(gt=0, le=360)] = 4.0
    elevation: Annotated[float, Field(gt=0, le=360)] = 4.0


class DirectionSettings(Settings):
    """A direction in the antenna's own frame."""

    azimuth_deg: Degrees
    """Clockwise from north, unwrapped: 370 is a full turn and ten degrees."""
    elevation_deg: Degrees
    """Above the horizon; beyond 90 the antenna leans over backwards."""

    @property
    def direction(self) -> AzEl:
        """The same as a direction."""
        return AzEl(self.azimuth_deg, self.elevation_deg)


class AntennaSettings(Settings):
    """One antenna: the rotator that turns it, how far and how fast it may, and how closely it is tracked."""

    name: Name
    """How the antenna is called in bookings, commands and logs; unique in the site."""
    rotator: Name
    """Name of the device that turns it."""
    azimuth_limits_deg: Limits
    """Lowest and highest azimuth it may turn to; a span above 360 is overlap, which passes across north can use."""
    elevation_limits_deg: Limits
    """Lowest and highest elevation; a highest one of 180 lets it lean over backwards instead of turning round."""
    slew_deg_s: SlewSettings
    acceleration_deg_s2: AccelerationSettings = AccelerationSettings()
    """How soon each axis is at its slew rate, and stands again; left out: 4 deg/s², some 1.5 s to full speed."""
    park: DirectionSettings
    """Where it rests."""
    park_policy: Literal["after-pass", "never"] = "after-pass"
    """Whether a finished contact leaves the antenna parked or merely stopped."""
    tracking_period_s: Annotated[float, Field(ge=0.05, le=10)] = 1.0
    """How often a contact measures and corrects the direction."""
    idle_period_s: Annotated[float, Field(gt=0, le=30)] = 5.0
    """How often the direction is measured while no contact is worked."""
    dead_band_deg: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Moves shorter than this on both axes are not sent; what the controller cannot resolve never is."""
    min_command_interval_s: Annotated[float, Field(ge=0, le=60)] = 0.0
    """Least time between two moves of a contact, where relays or a controller ask for it."""
    moves_per_hour: Annotated[int, Field(ge=12, le=100_000)] | None = None
    """Most moves of contacts in any hour, to spare relays; the last quarter is spread out. Left out: no such limit."""
    settles_within_deg: Annotated[float, Field(ge=0.1, le=20)] = 3.0
    """How near to where it was sent an axis may come to rest; farther off it is due to move, and is watched for it."""
    pre_position_s: PositiveSeconds = 120.0
    """How long before AOS the antenna is sent to the start of its path."""
    setup_s: Annotated[float, Field(ge=0, le=3600)] = 10.0
    """Time that a contact takes to set up, beside that for turning there from the one before."""
    beam_width_deg: Annotated[float, Field(gt=0, le=180)] = 6.0
    """Full width of the beam: beyond half of it the satellite counts as off beam."""
    operator_lease_s: PositiveSeconds = 60.0
    """How long after an operator's last move other operators are refused; a contact takes precedence at once."""
    require_synced_clock: bool = True
    """Refuse to track while the machine's clock is not synchronised: at 7 km/s a wrong second is a wrong direction."""
    rig: Name | None = None
    """Name of the radio at this antenna, a device; contacts tune it. Left out: nothing is tuned."""
    radio: RadioSettings = RadioSettings()
    """How the radio is worked."""
    tnc: Name | None = None
    """Name of the TNC behind the radio, a device."""
    transmit: bool = False
    """Whether contacts through this antenna may transmit at all; needs a rig."""
    offset: DirectionSettings = DirectionSettings(azimuth_deg=0.0, elevation_deg=0.0)
    """What the rotator's scale shows when the antenna points at azimuth 0, elevation 0; set when it is surveyed."""
    stow: DirectionSettings | None = None
    """Where the wind can do it the least harm; where it rests if it is left out."""
    wind: WindSettings | None = None
    """From which wind on it is stowed. Left out: no wind is watched."""
    cable: CableSettings | None = None
    """How far its cables may be wound up. Left out: as far as azimuth_limits_deg allow."""
    sun_cone_deg: Annotated[float, Field(gt=0, le=90)] | None = None
    """It keeps so far away from the centre of the Sun, on every way, too. Left out: the Sun is not looked after."""
    maintenance: tuple[MaintenanceSettings, ...] = ()
    """When people work on it; `fleetctl maintenance` knows of more."""
    mask_deg: tuple[tuple[Degrees, Degrees], ...] = ()
    """Where it may not turn: points of azimuth (rising, 0 to below 360) and the least elevation allowed there.

    Straight lines between them, all the way round. Leaning over, it is the direction looked at that counts.
    """

    @property
    def stow_at(self) -> AzEl:
        """Where it is stowed."""
        return (self.stow or self.park).direction

    @property
    def mask(self) -> HorizonMask | None:
        """The same as a mask; None where nothing is in the way."""
        return HorizonMask(self.mask_deg) if self.mask_deg else None

    @model_validator(mode="after")
    def _mask_drawn(self) -> Self:
        try:
            mask = self.mask
        except ValueError as error:
            raise ValueError(f"mask_deg: {error}") from None
        for name, rest in (("park", self.park.direction), ("stow", self.stow_at)):
            if mask is not None and (why := Obstruction(mask).at(rest)):
                raise ValueError(f"{name}: {why}")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.transmit and self.rig is None:
            raise ValueError("transmit: needs a rig: without one nobody knows the frequency on which it would transmit")
        at = self.stow_at
        for axis, (low, high), park, stow in (
            ("azimuth", self.azimuth_limits_deg, self.park.azimuth_deg, at.azimuth_deg),
            ("elevation", self.elevation_limits_deg, self.park.elevation_deg, at.elevation_deg),
        ):
            if not low < high:
                raise ValueError(f"{axis}_limits_deg: the lowest, {low:g}, must be below the highest, {high:g}")
            for name, rest in (("park", park), ("stow", stow)):
                if not low <= rest <= high:
                    raise ValueError(f"{name}.{axis}_deg: {rest:g} is outside {axis}_limits_deg {low:g} to {high:g}")
        return self


class ContactsSettings(Settings):
    """How contacts are booked."""

    look_ahead_h: Annotated[float, Field(ge=1, le=240)] = 24.0
    """How far ahead passes are searched and booked."""
    replan_every_s: PositiveSeconds = 600.0
    """How often passes are searched anew and what is not yet running is planned again."""
    spacing_s: Annotated[float, Field(ge=0, le=3600)] = 60.0
    """Least time between the end of one contact and the AOS of the next on the same antenna; more where turning over
    and setting up take longer."""
    min_duration_s: Annotated[float, Field(ge=0, le=3600)] = 30.0
    """Passes shorter than this are not booked."""
    announce_s: Annotated[float, Field(ge=0, le=86_400)] = 600.0
    """How long before AOS a pass is announced as an event."""
