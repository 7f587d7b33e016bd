"""`TransmitGate`: the one judge of whether an antenna may transmit now, and the one door through which it does.

Whoever wants to transmit opens the gate, transmits while it is open, and leaves it: `async with gate.open(by="ada")`.
It judges again ten times a second; when it may no longer be, the transmitter is off first, and the body is cancelled
and gets the Refusal. Whatever the way out, the transmitter is off. Not here: what is transmitted, and how a radio is
keyed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Protocol

import structlog

from fleetd.contact.antenna import Antenna
from fleetd.contact.axis import SkyTrack
from fleetd.contact.beside import beside
from fleetd.contact.booking import Contact
from fleetd.contact.leaving import seen_through
from fleetd.devices import AzEl
from fleetd.errors import DeviceError, Refusal
from fleetd.hub import Hub
from fleetd.orbit.settings import Age, SatelliteSettings
from fleetd.records import Event, Severity

log = structlog.get_logger(__name__)

_JUDGE_EVERY_S = 0.1
_OFF_WITHIN_S = 5.0  # real time: some exchanges of the slowest driver


class Transmitter(Protocol):
    """What transmits at an antenna: its radio, with whatever must be switched before and after."""

    async def on(self, still: Callable[[], None], /) -> None:
        """Make ready and transmit; `still` is called just before and raises Refusal if it may not be any more.

        Raises Refusal or DeviceError, and is not transmitting then.
        """
        ...

    async def off(self) -> None:
        """Transmit no more, then put right what was switched. Raises DeviceError if it cannot be said to be off."""
        ...


class OffFrequency(Protocol):
    """Why a radio does not stand on its uplink frequency; '' if it was read back there."""

    def __call__(self, *, transmitting: bool) -> str: ...


@dataclass(frozen=True, slots=True)
class Terms:
    """What one running contact brings to the question whether it may transmit."""

    contact: Contact
    satellite: SatelliteSettings
    sky: SkyTrack
    off_frequency: OffFrequency


class TransmitGate:
    """The gate of one antenna. `transmitter` is None where no radio is configured: then it never opens."""

    def __init__(self, antenna: Antenna, transmitter: Transmitter | None, hub: Hub) -> None:
        self._antenna = antenna
        self._transmitter = transmitter
        self._hub = hub
        self._clock = antenna.clock
        self._terms: Terms | None = None
        self._open_by: str | None = None
        self.transmissions = 0
        self.transmitted_s = 0.0

    @property
    def open_by(self) -> str | None:
        """Who transmits now."""
        return self._open_by

    @contextmanager
    def during(self, terms: Terms) -> Iterator[None]:
        """One contact runs while the context lasts; without one nothing is transmitted."""
        self._terms, self.transmissions, self.transmitted_s = terms, 0, 0.0
        try:
            yield
        finally:
            self._terms = None

    def check(self) -> None:
        """Raise Refusal, with the rule and its figures, unless transmitting is allowed now."""
        self._judge(transmitting=False)

    @asynccontextmanager
    async def open(self, by: str) -> AsyncIterator[None]:
        """Transmit on behalf of `by` while the context lasts. Raises Refusal, and DeviceError if the radio fails.

        The radio transmits when the context is entered, or its TNC may key it then, and is off when it is left.
        """
        if self._open_by is not None:
            raise Refusal("transmitting", f"{self._antenna.name} is transmitting for {self._open_by}")
        self.check()
        transmitter = self._transmitter
        if transmitter is None:
            raise Refusal("no-rig", f"{self._antenna.name} has no radio")
        self._open_by = by
        begun_s: float | None = None
        why = ""
        try:
            await transmitter.on(self.check)
            begun_s = self._clock.monotonic()
            self._say("transmit-on", f"for {by}")
            async with beside(self._judge_on(), f"{self._antenna.name}-transmit-gate"):
                yield
        except (Refusal, DeviceError) as error:
            why = str(error)
            raise
        finally:
            await self._leave(begun_s, why)

    async def close(self) -> None:
        """End whatever transmission there is, and return once the transmitter is off, or it is told that it is not."""
        self._terms = None
        if self._open_by is not None:
            await self._off()

    async def _leave(self, begun_s: float | None, why: str) -> None:
        try:
            await self._off()
        finally:
            self._open_by = None
            if begun_s is not None:
                self.transmissions += 1
                self.transmitted_s += self._clock.monotonic() - begun_s
                self._say("transmit-off", why, Severity.WARNING if why else Severity.INFO)

    async def _off(self) -> None:
        """Put the transmitter off, whatever else happens; that it could not be is told, and does not hide a failure."""
        if self._transmitter is None:
            return
        try:
            await seen_through(self._transmitter.off(), name=f"{self._antenna.name}-tx-off", within_s=_OFF_WITHIN_S)
        except (DeviceError, TimeoutError) as error:
            self._say("transmit-not-off", f"nobody knows whether it is off: {error}", Severity.CRITICAL)

    async def _judge_on(self) -> None:
        """Judge again and again; a no puts the transmitter off first, and ends the body with it."""
        while True:
            await self._clock.sleep(_JUDGE_EVERY_S)
            try:
                self._judge(transmitting=True)
            except Refusal:
                await self._off()
                raise

    # The rules

    def _judge(self, *, transmitting: bool) -> None:
        terms = self._terms
        if terms is None:
            raise Refusal("no-contact", f"{self._antenna.name} works no contact that could transmit")
        self._judge_permission(terms)
        self._judge_time(terms)
        self._judge_antenna(terms)
        if self._transmitter is None:
            raise Refusal("no-rig", f"{self._antenna.name} has no radio")
        if why := terms.off_frequency(transmitting=transmitting):
            raise Refusal("off-frequency", why)

    def _judge_permission(self, terms: Terms) -> None:
        if not self._antenna.settings.transmit:
            raise Refusal("receive-only", f"{self._antenna.name} is receive only: 'transmit' is not set for it")
        if terms.satellite.uplink_hz is None:
            raise Refusal("receive-only", f"{terms.satellite.name} has no uplink_hz")

    def _judge_time(self, terms: Terms) -> None:
        if not self._clock.synced:
            raise Refusal("clock", "the machine's clock is not synchronised, so nobody knows where a satellite is")
        now, candidate = self._clock.now(), terms.contact.candidate
        if not candidate.begin <= now < candidate.end:
            raise Refusal("no-contact", f"{candidate.id} is not between its AOS and its LOS")
        limits, age_days = terms.satellite.element_age, candidate.elements.age_days(now)
        if limits.judge(age_days) in (Age.NO_TRANSMIT, Age.NO_BOOKING):
            text = f"the elements of {candidate.satellite} are {abs(age_days):.1f} days old"
            raise Refusal("element-age", f"{text}, more than {limits.no_transmit_days:g}: get newer ones")
        at = terms.sky.at(now)
        least_deg = terms.satellite.uplink_min_elevation_deg
        if at.elevation_deg < least_deg:
            text = f"{candidate.satellite} stands at {at.elevation_deg:.1f} degrees"
            raise Refusal("uplink-elevation", f"{text}, below the {least_deg:g} from which it may be transmitted to")

    def _judge_antenna(self, terms: Terms) -> None:
        antenna = self._antenna
        if antenna.hold.owner != terms.contact.id:
            raise Refusal("in-use", f"{antenna.name} is held by {antenna.hold.owner or 'nobody'}")
        commanded, measured = antenna.commanded, antenna.measured
        if (lock := antenna.interlock.lock) is not None:
            raise Refusal("maintenance", f"{antenna.name} is locked by {lock.who}: {lock.why}")
        if antenna.interlock.wind:
            raise Refusal("wind", f"{antenna.name} is stowed: {antenna.interlock.wind}")
        if commanded is None or measured is None:
            raise Refusal(
                "not-tracking", f"{antenna.name} is not following: it is stopped, or nobody knows where it is"
            )
        sky = terms.sky.at(measured.at)
        off_deg = measured.position.separation_deg(AzEl(sky.azimuth_deg, sky.elevation_deg))
        if off_deg > antenna.settings.beam_width_deg / 2:
            half = f"half a beam, {antenna.settings.beam_width_deg / 2:g}"
            raise Refusal("off-beam", f"{antenna.name} points {off_deg:.1f} degrees off, more than {half}")

    def _say(self, name: str, text: str, severity: Severity = Severity.INFO) -> None:
        terms = self._terms
        detail = {"contact": terms.contact.id, "satellite": terms.satellite.name} if terms else {}
        self._hub.publish(Event.now(self._clock, self._antenna.name, name, text, severity, detail))
