"""What a contact lends to its frames: where the satellite was, how far off the antenna, how the radio stood."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from contact_bench import AOS, LOS, Flyby, bench, contact

from fleetd.contact.downlinking import ContactScene, ContactTransmit
from fleetd.devices import AzEl
from fleetd.downlink.scene import Circumstances
from fleetd.errors import Refusal


class Receding(Flyby):
    """The same flight with a range rate, and an end."""

    def at(self, when: Any) -> Any:
        if not AOS <= when <= LOS:
            raise ValueError("outside the trajectory")
        look = Flyby.at(self, when)
        return SimpleNamespace(
            azimuth_deg=look.azimuth_deg - 360, elevation_deg=look.elevation_deg, range_rate_km_s=5.0
        )


def radio(**state: Any) -> Any:
    return SimpleNamespace(
        status=lambda: SimpleNamespace(**{"main_hz": 1, "sub_hz": None, "transmitting": False} | state)
    )


async def test_a_frame_in_mid_contact() -> None:
    async with bench() as here:
        await here.advance((AOS - here.clock.now()).total_seconds() + 60)
        scene = ContactScene(contact(), here.antenna, Receding(), 437_525_000, radio(main_hz=437_517_703))
        where = Flyby().at(here.clock.now())
        await here.antenna.point(AzEl(round(where.azimuth_deg) + 3, round(where.elevation_deg)))
        await here.advance(60.0)
        await here.antenna.measure()
        now = Flyby().at(here.clock.now())
        around = scene.circumstances()
        assert (scene.satellite, scene.antenna) == ("candy-tin", "dish")
        assert around.azimuth_deg == pytest.approx(now.azimuth_deg % 360, abs=0.01)
        assert around.elevation_deg == pytest.approx(now.elevation_deg, abs=0.01)
        off_deg = here.antenna.measured.position.separation_deg(now)  # type: ignore[union-attr]
        assert around.pointing_error_deg == pytest.approx(off_deg, abs=0.2)
        assert around.doppler_hz == pytest.approx(-437_525_000 * 5.0 / 299_792.458, abs=0.1)
        assert around.radio == {"main_hz": 437_517_703, "sub_hz": None, "transmitting": False}


async def test_long_after_the_contact_nothing_is_claimed() -> None:
    async with bench() as here:
        scene = ContactScene(contact(), here.antenna, Receding(), 437_525_000)
        assert scene.circumstances() == Circumstances()


async def test_the_tncs_gate_asks_whether_the_transmitter_is_on() -> None:
    gate: Any = SimpleNamespace(open_by=None)
    transmit = ContactTransmit(gate, "contact-1")
    with pytest.raises(Refusal, match="off again"):
        transmit.still()
    gate.open_by = "order order-1"
    transmit.still()
