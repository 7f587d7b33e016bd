"""`Whereabouts`: where one antenna points, as last measured, and what the world is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fleetd.clock import Clock
from fleetd.devices import AzEl
from fleetd.hub import Hub
from fleetd.records import Quality, Reading

_PUBLISH_PERIOD_S = 1.0
_COMMANDED = ("commanded_azimuth_deg", "commanded_elevation_deg")


@dataclass(frozen=True, slots=True)
class Measured:
    """Where the antenna points, offsets taken off, and when that was so: half way through the exchange."""

    at: datetime
    position: AzEl


class Whereabouts:
    """The newest position of an antenna; published as readings of its rotator, at most one a second."""

    def __init__(self, rotator: str, clock: Clock, hub: Hub) -> None:
        self.measured: Measured | None = None
        self.measured_at_s = float("-inf")
        """When, by the clock's running time."""
        self._rotator = rotator
        self._clock = clock
        self._hub = hub
        self._published_at_s = float("-inf")

    @property
    def age_s(self) -> float:
        """For how long it has not been measured."""
        return self._clock.monotonic() - self.measured_at_s

    def take(self, measured: Measured) -> None:
        """It points there now."""
        self.measured, self.measured_at_s = measured, self._clock.monotonic()

    def publish(self, commanded: AzEl | None) -> None:
        """Tell where it points and where it was sent, unless that was told a moment ago."""
        now_s = self._clock.monotonic()
        if self.measured is not None and now_s - self._published_at_s >= _PUBLISH_PERIOD_S:
            self._published_at_s = now_s
            self._hub.publish(self._reading(self.measured, commanded, Quality.GOOD))

    def publish_stale(self) -> None:
        """Tell that where it pointed is no longer known to be so."""
        if self.measured is not None:
            self._hub.publish(self._reading(self.measured, None, Quality.STALE))

    def _reading(self, measured: Measured, commanded: AzEl | None, quality: Quality) -> Reading:
        unknown = {} if commanded else dict.fromkeys(_COMMANDED, "not sent anywhere since it was stopped or connected")
        return Reading(
            at=measured.at,
            clock_synced=self._clock.synced,
            device=self._rotator,
            quality=quality,
            values={
                "azimuth_deg": measured.position.azimuth_deg,
                "elevation_deg": measured.position.elevation_deg,
                "commanded_azimuth_deg": commanded.azimuth_deg if commanded else None,
                "commanded_elevation_deg": commanded.elevation_deg if commanded else None,
            },
            absent=unknown,
        )
