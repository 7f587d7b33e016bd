"""A satellite's physics, and who hears it: in view, in the beam and on frequency, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fleetd.downlink.xtce import XtceDecoder, XtceSettings
from fleetd.orbit.elements import read_elements
from fleetd.orbit.station import Station
from fleetd_hil.air import Air, Flying, Ground, Orbit
from fleetd_hil.models.rig import RigModel
from fleetd_hil.models.rotator import AxisBuild, RotatorBuild, RotatorModel
from fleetd_hil.models.satellite import SatelliteModel
from fleetd_hil.sims.kiss import KissSim
from fleetd_hil.sims.satellite import SatelliteSim

ELEMENTS = Path(__file__).parents[2] / "configs" / "elements" / "tmall-international.json"
STATION = Station("hangzhou", 30.27, 120.15, 20.0)
HIGH = datetime(2026, 11, 11, 3, 21, tzinfo=UTC)  # in the midst of the pass that configs/elements/README.md names
DOWN_HZ = 437_525_000


class Sky:
    """One satellite above one station whose antenna is held where a test wants it."""

    def __init__(self, when: datetime) -> None:
        self.when = when
        self.tnc, self.rig = KissSim(), RigModel()
        axes = AxisBuild(0.0, 450.0, 6.0, 6.0), AxisBuild(0.0, 180.0, 3.0, 6.0)
        self.antenna = RotatorModel(RotatorBuild(*axes))
        sim = SatelliteSim("tmall-international", SatelliteModel(), when.timestamp(), b"key")
        self.flying = Flying(sim, Orbit(read_elements(ELEMENTS)[0]), DOWN_HZ, 145_950_000)
        ground = Ground(STATION, self.antenna, self.rig, self.tnc)
        self.air = Air([self.flying], [ground], lambda at_s: when + timedelta(seconds=at_s))
        self.told: list[bytes] = []
        self.feed = self.tnc.attach()

    def point(self, off_deg: float = 0.0) -> None:
        look = self.flying.orbit.look(STATION, self.when)
        self.antenna.azimuth._motion.position = look.azimuth_deg % 360
        self.antenna.elevation._motion.position = look.elevation_deg + off_deg

    def tune(self, off_hz: float = 0.0) -> None:
        shift = 1 - self.flying.orbit.look(STATION, self.when).range_rate_km_s / 299_792.458
        self.rig.main.frequency_hz = round(DOWN_HZ * shift + off_hz)

    def hears(self) -> bool:
        """Let the first beacon be sent, a second later."""
        self.air.advance(1.0)
        said = [answer.data for answer in self.feed(b"", 1.0)]
        assert self.flying.count.sent == 1
        assert self.flying.count.heard == len(said)
        self.told += said
        return bool(said)


def test_what_is_pointed_at_and_tuned_to_is_heard_and_makes_sense() -> None:
    sky = Sky(HIGH)
    sky.point()
    sky.tune()
    assert sky.hears()


async def test_the_ground_decodes_what_the_satellite_wrote() -> None:
    """Two codecs, written apart, that have only the database in common."""
    sim = SatelliteSim("tmall-international", SatelliteModel(), HIGH.timestamp(), b"key")
    decoder = XtceDecoder(XtceSettings(reference="tmall-international", source="TMALL-11"))
    names = []
    for number in range(3):
        (frame,) = sim.advance(sim.due_s, sunlit=True)
        decoded = await decoder.decode(frame)
        assert not decoded.flaws
        names += [packet.name for packet in decoded.packets]
        assert decoded.packets[0].onboard_at == HIGH + timedelta(seconds=1 + 10 * number)
        assert decoded.packets[0].values["battery_v"] == round(sim.model.battery_v, 3)
    assert names == ["beacon", "beacon", "beacon", "housekeeping", "payload"]


@pytest.mark.parametrize(("off_deg", "heard"), [(2.4, True), (-2.4, True), (3.6, False), (-3.6, False)])
def test_half_a_beam_is_the_limit(off_deg: float, heard: bool) -> None:
    sky = Sky(HIGH)
    sky.point(off_deg)
    sky.tune()
    assert sky.hears() is heard
    assert sky.flying.count.off_beam == (not heard)


@pytest.mark.parametrize(("off_hz", "heard"), [(7_000, True), (-7_000, True), (8_000, False), (-8_000, False)])
def test_the_passband_is_the_limit(off_hz: float, heard: bool) -> None:
    sky = Sky(HIGH)
    sky.point()
    sky.tune(off_hz)
    assert sky.hears() is heard
    assert sky.flying.count.off_frequency == (not heard)


def test_below_the_horizon_nothing_is_heard() -> None:
    sky = Sky(HIGH - timedelta(minutes=30))
    sky.antenna.azimuth._motion.position = 0.0
    assert not sky.hears()
    assert sky.flying.count.in_view == 0


# The satellite


def test_the_battery_empties_and_ages_in_eclipse_and_fills_in_the_sun() -> None:
    model = SatelliteModel()
    model.step(2_100, sunlit=False)
    dark = model.charge
    assert dark < 0.9
    assert 0.9999 < model.health < 1.0
    health = model.health
    model.step(3_600, sunlit=True)
    assert model.charge > dark
    assert model.health == health  # in the Sun it does not age
    for _ in range(5 * 365 * 15):
        model.step(2_100, sunlit=False)
        model.step(3_600, sunlit=True)
    assert 0.5 < model.health < 0.99


def test_time_in_one_step_or_in_many() -> None:
    one, many = SatelliteModel(), SatelliteModel()
    one.step(600, sunlit=False)
    for _ in range(600):
        many.step(1, sunlit=False)
    assert one.charge == pytest.approx(many.charge, abs=1e-6)
    assert one.health == pytest.approx(many.health, abs=1e-9)
