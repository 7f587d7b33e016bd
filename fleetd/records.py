"""The records that travel: what the hub fans out, the store keeps and the relay publishes.

All are frozen; each carries the instant at which it became true in the world, which nothing downstream rewrites.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Protocol

import msgspec

Value = bool | int | float | str | None
"""One measured or commanded value; None where it is absent, with the reason beside it."""


class Quality(StrEnum):
    """How far to believe a reading."""

    GOOD = "GOOD"
    SUSPECT = "SUSPECT"  # the first after a timeout on a shared line: it could belong to an older question
    STALE = "STALE"  # the device is lost; values and time are those of its last answer


class DeviceState(StrEnum):
    """Where a supervised device stands."""

    ONLINE = "online"
    OFFLINE = "offline"
    STALE = "stale"  # asked and silent, not yet given up
    QUARANTINED = "quarantined"  # kept from its shared line but for rare probes


class Severity(StrEnum):
    """How much an event or an alarm matters to whoever is on duty."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Stage(StrEnum):
    """The life of a command; the last four are final."""

    ACCEPTED = "accepted"
    STARTED = "started"
    REFUSED = "refused"
    SUCCEEDED = "succeeded"  # read back from the device
    FAILED = "failed"
    UNKNOWN = "unknown"  # sent, and no way to learn its effect

    @property
    def final(self) -> bool:
        """Whether nothing more will be heard of the command."""
        return self not in (Stage.ACCEPTED, Stage.STARTED)


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What all records have: `at`, the acquisition time (UTC), and whether the clock could be trusted then."""

    at: datetime
    clock_synced: bool = True
    retimed: bool | msgspec.UnsetType = msgspec.UNSET
    """True where `at` was put right afterwards, from running time; otherwise it is not there."""


class Reading(Record, frozen=True, kw_only=True):
    """What one device measured at one instant. `absent` gives the reason for each value that is None."""

    device: str
    quality: Quality
    values: Mapping[str, Value]
    absent: Mapping[str, str] = {}


class Telemetry(Reading, frozen=True, kw_only=True):
    """What one satellite measured of itself, decoded from one packet; `device` is the satellite.

    `at` is when the station received it. What the satellite's own clock said stands in `onboard_at`.
    """

    packet: str
    """Name of the packet in the satellite's database."""
    raw: Mapping[str, Value] = {}
    """Values as they were sent, where they differ."""
    units: Mapping[str, str] = {}
    onboard_at: datetime | None = None
    onboard_ahead_s: float | None = None
    """How far the satellite's clock is ahead of ours, the way of the signal left out."""
    frame: int = 0
    """Number of its frame in the archive."""
    tnc: str = ""
    contact: str = ""
    replayed: bool = False
    """Decoded anew from the archive, later than it came."""


class Frame(Record, frozen=True, kw_only=True):
    """One frame off the air as it came, and what the station was doing in that moment. JSON has its bytes in base64."""

    device: str
    """The TNC."""
    data: bytes
    number: int = 0
    """In the archive of frames; rising."""
    port: int = 0
    flaw: str = ""
    """What was known to be wrong with it before anybody looked inside."""
    contact: str = ""
    satellite: str = ""
    antenna: str = ""
    azimuth_deg: float | None = None
    """Where the satellite was."""
    elevation_deg: float | None = None
    pointing_error_deg: float | None = None
    """Angle on the sky between satellite and antenna."""
    doppler_hz: float | None = None
    """By how much the downlink was shifted."""
    radio: Mapping[str, Value] = {}
    """How the radio stood."""


class DeviceStatus(Record, frozen=True, kw_only=True):
    """A device changed its state; retained on MQTT."""

    device: str
    state: DeviceState
    reason: str = ""


class Timekeeper(Protocol):
    """Whoever knows what time it is, and whether that can be trusted: a clock."""

    @property
    def synced(self) -> bool: ...

    def now(self) -> datetime: ...


class Event(Record, frozen=True, kw_only=True):
    """Something happened that people or programs may want to know; `name` is stable, `text` is for people."""

    source: str
    name: str
    text: str
    severity: Severity = Severity.INFO
    detail: Mapping[str, Any] = {}

    @classmethod
    def now(
        cls,
        clock: Timekeeper,
        source: str,
        name: str,
        text: str,
        severity: Severity = Severity.INFO,
        detail: Mapping[str, Any] | None = None,
    ) -> Event:
        """One that happens at this instant."""
        return cls(
            at=clock.now(),
            clock_synced=clock.synced,
            source=source,
            name=name,
            text=text,
            severity=severity,
            detail=detail or {},
        )


class Alarm(Record, frozen=True, kw_only=True):
    """A condition that needs attention has come (`active`) or gone; value and limit stand in the text, too."""

    device: str
    name: str
    active: bool
    severity: Severity
    text: str
    value: Value = None
    limit: Value = None
    latched: bool = False
    """Active only because nobody has acknowledged it: its condition is over."""
    shelved_by: str = ""
    """Who does not want to hear of it until `shelved_until`; whoever rings bells leaves it out."""
    shelved_until: datetime | None = None


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A request to act on a device: never carried out twice, never after `expires_at`."""

    id: str
    device: str
    action: str
    args: Mapping[str, Value] = {}
    issuer: str
    issued_at: datetime
    expires_at: datetime


class Result(Record, frozen=True, kw_only=True):
    """How far a command has come. `reason` says why for everything but plain success.

    `rule` is a stable word for programs where fleetd itself refused.
    """

    id: str
    device: str
    action: str
    stage: Stage
    reason: str = ""
    rule: str = ""


class ContactReport(Record, frozen=True, kw_only=True):
    """One worked contact, planned against actual.

    Pointing errors are angles on the sky between where the antenna was measured and where the satellite was; the
    largest and the rms leave out the time for which it was known beforehand that the antenna could not keep up.
    """

    contact: str
    satellite: str
    norad_id: int
    antenna: str
    outcome: str
    """worked, degraded (hindered for a while), failed (never seen), stopped, cancelled, broken-off or refused."""
    reason: str = ""
    aos: datetime
    los: datetime
    max_elevation_deg: float
    started_at: datetime
    ended_at: datetime
    samples: int
    samples_missing: int = 0
    """Times at which the position could not be read."""
    max_pointing_error_deg: float | None
    rms_pointing_error_deg: float | None
    off_beam_s: float
    """For how long the satellite was outside the beam, or nobody knows."""
    stowed_s: float = 0.0
    """For how long of that the antenna was stowed from the wind; it counts as off the beam, not as pointing error."""
    planned_off_beam_s: float = 0.0
    planned_max_error_deg: float | None = None
    turn_rounds: int = 0
    """How often the plan turned the antenna round in mid pass."""
    frames: int = 0
    """Frames that came off the air, good and bad."""
    packets: int = 0
    """Packets in them that passed every check."""
    checksum_errors: int = 0
    frames_bad: int = 0
    """Frames and packets that could not be believed, checksum errors among them."""
    packets_missing: int = 0
    """Packets that must have been sent between those that came, by their sequence counts."""
    longest_silence_s: float | None = None
    """Between two frames, or from the beginning or to the end; None without a TNC."""
    first_frame_at: datetime | None = None
    last_frame_at: datetime | None = None
    tunings: int = 0
    """How often the radio was tuned."""
    max_tuning_error_hz: float | None = None
    """Largest difference between where a side of the radio was read back and where its link was at that moment."""
    radio_trouble: str = ""
    """What hindered the radio first, after AOS."""
    transmissions: int = 0
    transmitted_s: float = 0.0
    elements_epoch: datetime
    elements_hash: str
    track: list[tuple[float, float, float, float, float]] = []
    """(seconds after AOS, planned azimuth, planned elevation, measured azimuth, measured elevation), degrees."""


class NodeStatus(Record, frozen=True, kw_only=True):
    """The daemon itself is there or not; retained on MQTT, its last will there. Made by the relay alone."""

    state: Literal["online", "offline"]
    site: str
    version: str
    will_seq: int | None = None
    """Of `online`: the number that is kept back, for the broker has it as the last will of this connection."""


AnyRecord = Reading | Frame | DeviceStatus | Event | Alarm | Result | ContactReport
