"""`Tuning`: the radio of one contact, worked beside the antenna: modes, Doppler on both links, and the transmit gate.

What fails here degrades the contact and is tried again each period; it never stops the antenna. Nothing is written
while the radio transmits, unless its settings allow it. On every way out the transmitter is off first.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from fleetd.contact.beside import beside
from fleetd.contact.booking import Contact
from fleetd.contact.doppler import Steps, heard_hz, to_send_hz
from fleetd.contact.radio import Radio
from fleetd.contact.transmit import Terms, TransmitGate
from fleetd.devices import RigMode, Side
from fleetd.errors import DeviceError, Refusal
from fleetd.orbit.settings import SatelliteSettings


class Moving(Protocol):
    """Where something stands in the sky, and how fast it recedes."""

    @property
    def azimuth_deg(self) -> float: ...

    @property
    def elevation_deg(self) -> float: ...

    @property
    def range_rate_km_s(self) -> float: ...


class MovingTrack(Protocol):
    """The way of a satellite through the sky, with its range rate."""

    def at(self, when: datetime, /) -> Moving: ...


@dataclass(slots=True)
class RadioTally:
    """How the radio of a contact was worked, for its report."""

    tunings: int = 0
    max_error_hz: float | None = None
    """The largest difference between where a side was read back and where it should have stood then."""
    trouble: str = ""


@dataclass(slots=True)
class _Way:
    """One link: the side that is tuned for it, and what the radio was told and says of it."""

    side: Side
    nominal_hz: int
    mode: RigMode
    sends: bool
    steps: Steps
    read_back_hz: int | None = None
    mode_set: bool = False

    def wanted_hz(self, range_rate_km_s: float) -> float:
        """Where the side should stand at a range rate."""
        shifted = to_send_hz if self.sends else heard_hz
        return shifted(self.nominal_hz, range_rate_km_s)

    def forget(self) -> None:
        """Nobody knows any more how it is tuned."""
        self.read_back_hz, self.mode_set, self.steps.written_hz = None, False, None


@dataclass(slots=True)
class Tuning:
    """One contact's radio; `tally` tells how it went."""

    contact: Contact
    satellite: SatelliteSettings
    sky: MovingTrack
    radio: Radio
    gate: TransmitGate
    tally: RadioTally = field(default_factory=RadioTally)
    _ways: list[_Way] = field(default_factory=list)
    _connection: int = -1

    @asynccontextmanager
    async def worked(self) -> AsyncIterator[None]:
        """Tune from now until the context is left; then the transmitter is off, whatever happened."""
        terms = Terms(self.contact, self.satellite, self.sky, self.off_frequency)
        with self.gate.during(terms):
            try:
                async with beside(self._follow(), f"{self.contact.id}-tuning"):
                    yield
            finally:
                await self.gate.close()

    def reported(self) -> dict[str, Any]:
        """What a contact report says of the radio."""
        error_hz = self.tally.max_error_hz
        return {
            "tunings": self.tally.tunings,
            "max_tuning_error_hz": None if error_hz is None else round(error_hz, 1),
            "radio_trouble": self.tally.trouble,
            "transmissions": self.gate.transmissions,
            "transmitted_s": round(self.gate.transmitted_s, 3),
        }

    def off_frequency(self, *, transmitting: bool) -> str:
        """Why the uplink was not read back where it belongs at present; '' if it was."""
        device = self.radio.device
        if device.driver is None:
            return f"{device.name} is {device.state}: {device.reason}"
        way = next((way for way in self._ways if way.sends), None)
        if way is None or way.read_back_hz is None or self._connection != self.radio.connections:
            return f"the uplink of {self.satellite.name} was not read back: {self.tally.trouble or 'not tuned yet'}"
        wanted = [way.wanted_hz(self._range_rate(around)) for around in (-1.0, 0.0, 1.0)]
        slack_hz = way.steps.step_hz
        if transmitting and not self.radio.settings.write_while_keyed:
            slack_hz = max(slack_hz, self.satellite.uplink_drift_hz)
        if min(wanted) - slack_hz <= way.read_back_hz <= max(wanted) + slack_hz:
            return ""
        return f"the uplink stands on {way.read_back_hz} Hz, not within {slack_hz} Hz of {wanted[1]:.0f} Hz"

    async def _follow(self) -> None:
        clock, period_s = self.radio.clock, self.radio.settings.doppler_period_s
        while True:
            try:
                await self._tune()
            except (Refusal, DeviceError) as error:
                self._hindered(str(error))
            await clock.sleep(period_s)

    async def _tune(self) -> None:
        """Bring each side to where its link will be half a period from now."""
        if self._connection != self.radio.connections or not self._ways:
            self._ways = self._made()
            self._connection = self.radio.connections
        for way in self._ways:
            self._compare(way)
        if self.radio.transmitting and not self.radio.settings.write_while_keyed:
            return
        for way in self._ways:
            if not way.mode_set:
                await self.radio.set_mode(way.side, way.mode)
                way.mode_set = True
            step_hz = way.steps.due(way.wanted_hz(self._range_rate(0.5)))
            if step_hz is not None:
                way.read_back_hz = await self.radio.tune(way.side, step_hz)
                way.steps.written_hz = step_hz
                self.tally.tunings += 1
                if abs(way.read_back_hz - step_hz) > way.steps.step_hz:
                    text = f"{way.side} was told {step_hz} Hz and stands on {way.read_back_hz} Hz"
                    raise DeviceError(text, device=self.radio.device.name)

    def _compare(self, way: _Way) -> None:
        """How far off a side stands now, at the end of a period."""
        if way.read_back_hz is not None:
            error_hz = abs(way.read_back_hz - way.wanted_hz(self._range_rate(0.0)))
            self.tally.max_error_hz = max(self.tally.max_error_hz or 0.0, error_hz)

    def _made(self) -> list[_Way]:
        """The links that this satellite has, on the sides that this radio has for them."""
        settings, satellite, limits = self.radio.settings, self.satellite, self.radio.limits
        if limits is None:
            raise DeviceError(
                f"is {self.radio.device.state}: {self.radio.device.reason}", device=self.radio.device.name
            )
        links = (
            (settings.downlink_side, satellite.downlink_hz, satellite.downlink_mode, False),
            (settings.uplink_side, satellite.uplink_hz, satellite.uplink_mode, True),
        )
        return [
            _Way(side, hz, mode, sends, Steps(settings.doppler_step_hz, limits.step_hz))
            for side, hz, mode, sends in links
            if hz is not None
        ]

    def _hindered(self, why: str) -> None:
        """Begin anew at the next period; before AOS there is time for that, and no harm is done."""
        if self.radio.clock.now() >= self.contact.candidate.begin:
            self.tally.trouble = self.tally.trouble or why
        for way in self._ways:
            way.forget()

    def _range_rate(self, periods: float) -> float:
        """The range rate so many periods from now; before AOS that of AOS, where the radio waits for it."""
        ahead = timedelta(seconds=self.radio.settings.doppler_period_s * periods)
        candidate = self.contact.candidate
        when = min(max(self.radio.clock.now() + ahead, candidate.begin), candidate.end)
        return self.sky.at(when).range_rate_km_s
