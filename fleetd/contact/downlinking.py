"""What a running contact lends to those who handle its frames: its name, and how the station stands at each moment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from fleetd.contact.antenna import Antenna
from fleetd.contact.axis import SkyTrack
from fleetd.contact.beside import beside
from fleetd.contact.booking import Contact
from fleetd.contact.radio import Radio
from fleetd.contact.transmit import TransmitGate
from fleetd.devices import AzEl
from fleetd.downlink.reception import Reception
from fleetd.downlink.scene import Circumstances
from fleetd.downlink.tally import FrameTally
from fleetd.downlink.uplink import Uplink
from fleetd.errors import Refusal, StoreError
from fleetd.records import Value

log = structlog.get_logger(__name__)

_LIGHT_KM_S = 299_792.458


class ContactScene:
    """One running contact as its frames see it."""

    def __init__(
        self, contact: Contact, antenna: Antenna, sky: SkyTrack, downlink_hz: int | None, radio: Radio | None = None
    ) -> None:
        self.contact = contact.id
        self.satellite = contact.candidate.satellite
        self.antenna = antenna.name
        self._station = antenna
        self._sky = sky
        self._downlink_hz = downlink_hz
        self._radio = radio

    def circumstances(self) -> Circumstances:
        """Where the satellite is now, how far off the antenna points, and by how much its signal is shifted."""
        try:
            look = self._sky.at(self._station.clock.now())
        except ValueError:
            return Circumstances(
                radio=self._radio_state()
            )  # so long after its end that nobody has worked out where the satellite went
        return Circumstances(
            azimuth_deg=round(look.azimuth_deg % 360, 2),
            elevation_deg=round(look.elevation_deg, 2),
            pointing_error_deg=self._pointing_error_deg(),
            doppler_hz=self._doppler_hz(look),
            radio=self._radio_state(),
        )

    def _radio_state(self) -> Mapping[str, Value]:
        """How the radio stood when it was last read back."""
        if self._radio is None:
            return {}
        status = self._radio.status()
        return {"main_hz": status.main_hz, "sub_hz": status.sub_hz, "transmitting": status.transmitting}

    def _pointing_error_deg(self) -> float | None:
        measured = self._station.measured
        if measured is None:
            return None
        try:
            then = self._sky.at(measured.at)
        except ValueError:
            return None
        return round(measured.position.separation_deg(AzEl(then.azimuth_deg, then.elevation_deg)), 2)

    def _doppler_hz(self, look: Any) -> float | None:
        rate_km_s: float | None = getattr(look, "range_rate_km_s", None)
        if rate_km_s is None or self._downlink_hz is None:
            return None
        return round(-self._downlink_hz * rate_km_s / _LIGHT_KM_S, 1)


class ContactTransmit:
    """The antenna's gate on behalf of one contact's orders."""

    def __init__(self, gate: TransmitGate, contact: str) -> None:
        self.holder = contact
        self._gate = gate

    def check(self) -> None:
        """Raise Refusal unless transmitting is allowed now."""
        self._gate.check()

    def still(self) -> None:
        """Raise Refusal unless somebody holds the gate open at this instant."""
        if self._gate.open_by is None:
            raise Refusal("transmit-gate", "the transmitter is off again")

    def open(self, by: str) -> AbstractAsyncContextManager[None]:
        """Transmit while the context lasts."""
        return self._gate.open(by)


@dataclass(frozen=True, slots=True)
class ContactUplink:
    """The orders for the satellite of one contact, and the gate through which they leave."""

    uplink: Uplink
    transmit: ContactTransmit


class ContactDownlink:
    """The frames of one contact, both ways; without a TNC there are none."""

    def __init__(
        self,
        reception: Reception | None = None,
        scene: ContactScene | None = None,
        uplink: ContactUplink | None = None,
    ) -> None:
        self._reception = reception
        self._scene = scene
        self._uplink = uplink
        self._tally: FrameTally | None = None

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Frames belong to the contact while the context lasts; at its end all that came is decoded and counted."""
        if self._reception is None or self._scene is None:
            yield
            return
        with self._reception.contact(self._scene) as self._tally:
            try:
                yield
            finally:
                await self._reception.settled()

    @asynccontextmanager
    async def ordering(self) -> AsyncIterator[None]:
        """Orders that wait are given while the context lasts; enter it when the gate can open."""
        if self._uplink is None or self._reception is None:
            yield
            return
        work = self._orders(self._uplink, self._reception)
        async with beside(work, f"{self._uplink.transmit.holder}-orders"):
            yield

    async def _orders(self, uplink: ContactUplink, reception: Reception) -> None:
        """A store that takes nothing ends the giving of orders, and not the contact."""
        try:
            await uplink.uplink.work(reception.device, uplink.transmit)
        except StoreError as error:
            log.critical("orders cannot be given", satellite=uplink.uplink.satellite, reason=str(error))

    def reported(self) -> Mapping[str, Any]:
        """What the contact's report says of its frames."""
        tally = self._tally
        if tally is None:
            return {}
        return {
            "frames": tally.frames,
            "packets": tally.packets,
            "checksum_errors": tally.checksum_errors,
            "frames_bad": tally.bad,
            "packets_missing": tally.sequence.missing,
            "longest_silence_s": round(tally.longest_silence_s, 3),
            "first_frame_at": tally.first_at,
            "last_frame_at": tally.last_at,
        }
