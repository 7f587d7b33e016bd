"""What the judge of measured against commanded makes of motors that work, and of each way in which they do not."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetd.contact.axis import Axes
from fleetd.contact.motion import Motion, Trouble
from fleetd.devices import AzEl
from fleetd_hil.models.rotator import AxisBuild, RotatorBuild, RotatorModel

START = AzEl(100.0, 20.0)


class Scene:
    """A judge before a rotator model, which is looked at once in a while through a scale of whole degrees."""

    def __init__(self, slew: float = 6.0, look_s: float = 1.0, start: AzEl = START) -> None:
        build = AxisBuild(0.0, 450.0, slew, 4.0), AxisBuild(0.0, 180.0, slew / 2, 4.0)
        self.model = RotatorModel(RotatorBuild(*build, start.azimuth_deg, start.elevation_deg))
        self.motion = Motion.of(Axes(0.0, 450.0, 0.0, 180.0, slew, slew / 2, 4.0, 4.0, 1.0), 3.0)
        self.look_s, self.at_s = look_s, 0.0
        self.frozen: AzEl | None = None
        self.named: dict[Trouble, float] = {}
        self.look()

    @property
    def shows(self) -> AzEl:
        return AzEl(float(round(self.model.azimuth.position_deg)), float(round(self.model.elevation.position_deg)))

    def send(self, azimuth_deg: float, elevation_deg: float) -> None:
        self.model.azimuth.go(azimuth_deg)
        self.model.elevation.go(elevation_deg)
        self.motion.sent(AzEl(azimuth_deg, elevation_deg), self.at_s)

    def stop(self) -> None:
        for axis in self.model.axes:
            axis.stop()
        self.motion.halted(self.at_s)

    def look(self, shown: AzEl | None = None) -> None:
        shown = shown or self.frozen or self.shows
        if not self.motion.wild(shown, self.at_s):
            self.motion.take(shown, self.at_s)
        for finding in self.motion.findings(self.at_s):
            self.named.setdefault(finding.trouble, self.at_s)

    def run(self, seconds: float) -> dict[Trouble, float]:
        for _ in range(round(seconds / self.look_s)):
            self.model.step(self.look_s)
            self.at_s += self.look_s
            self.look()
        return self.named


@pytest.mark.parametrize("slew", [2.0, 6.0, 20.0])
@pytest.mark.parametrize("look_s", [0.5, 1.0, 2.0])
def test_a_motor_that_works_is_never_blamed(slew: float, look_s: float) -> None:
    scene = Scene(slew, look_s)
    for azimuth, elevation, lasting_s in ((300, 80, 7), (200, 90, 40), (205, 20, 3), (0, 0, 60), (450, 180, 300)):
        scene.send(azimuth, elevation)
        scene.run(lasting_s)
        scene.stop()
        scene.run(3)
    assert scene.named == {}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 450), st.floats(0, 180), st.floats(0.5, 30), st.booleans()), max_size=12))
def test_whatever_it_is_told_a_sound_motor_is_sound(orders: list[tuple[float, float, float, bool]]) -> None:
    scene = Scene(look_s=0.5)
    for azimuth, elevation, lasting_s, stopped in orders:
        scene.send(azimuth, elevation)
        scene.run(lasting_s)
        if stopped:
            scene.stop()
    assert scene.named == {}


@pytest.mark.parametrize("slew", [2.0, 6.0])
@pytest.mark.parametrize("begun_s", [0.0, 5.0])
def test_one_motor_that_stands_is_a_stalled_motor(slew: float, begun_s: float) -> None:
    scene = Scene(slew)
    scene.send(300, 80)
    scene.run(begun_s)
    scene.model.azimuth.seized = True
    assert scene.run(10.0) == {Trouble.STALLED: pytest.approx(begun_s + 2.5, abs=0.5)}
    (finding,) = scene.motion.findings(scene.at_s)
    assert "the azimuth stands still" in finding.text
    assert finding.value is not None
    assert finding.limit is not None
    assert finding.value > finding.limit
    scene.model.azimuth.seized = False
    scene.run(3.0)
    assert scene.motion.findings(scene.at_s) == []


def test_a_scale_that_trembles_is_no_movement_and_a_creep_is_one() -> None:
    motion = Motion.of(Axes(0.0, 450.0, 0.0, 180.0, 6.0, 3.0, 4.0, 4.0, 0.001), 3.0)
    motion.take(AzEl(100.0, 20.0), 0.0)
    motion.sent(AzEl(200.0, 20.0), 0.0)
    for second in range(1, 5):
        motion.take(AzEl(100.0 + 0.05 * (-1) ** second, 20.0), float(second))
    assert [finding.trouble for finding in motion.findings(4.0)] == [Trouble.STALLED]
    for second in range(5, 30):
        motion.take(AzEl(100.0 + 0.07 * (second - 4), 20.0), float(second))
    assert motion.findings(29.0) == []


def test_a_motor_that_has_nothing_to_do_may_stand() -> None:
    scene = Scene()
    scene.send(100, 80)
    scene.model.azimuth.seized = True
    assert scene.run(30.0) == {}


@pytest.mark.parametrize("look_s", [0.25, 1.0])
@pytest.mark.parametrize("begun_s", [0.0, 5.0])
def test_both_standing_still_at_once_is_frozen_feedback(begun_s: float, look_s: float) -> None:
    scene = Scene(look_s=look_s)
    scene.motion.elevation.acceleration_deg_s2 = 1.0  # it may take its time, so that azimuth is late before it
    scene.send(300, 80)
    scene.run(begun_s)
    scene.frozen = scene.shows
    assert scene.run(10.0) == {Trouble.FROZEN: pytest.approx(begun_s + 2.75, abs=0.75)}
    assert scene.motion.frozen
    scene.frozen = None
    scene.run(2.0)  # it shows up elsewhere, which is believed once it is shown twice
    assert not scene.motion.frozen


@pytest.mark.parametrize("later", ["azimuth", "elevation"])
def test_frozen_feedback_whose_last_step_came_later_on_one_axis_is_no_stalled_motor(later: str) -> None:
    scene = Scene(look_s=0.75)
    scene.send(300, 80)
    scene.run(4.5)
    here = scene.shows
    step = (2.0, 0.0) if later == "azimuth" else (0.0, 2.0)
    scene.frozen = here
    scene.run(0.75)
    scene.frozen = AzEl(here.azimuth_deg + step[0], here.elevation_deg + step[1])
    assert list(scene.run(10.0)) == [Trouble.FROZEN]


def test_a_motor_that_sets_out_the_other_way_turns_the_wrong_way() -> None:
    scene = Scene()
    scene.model.azimuth.reversed = True
    scene.send(300, 20)
    assert list(scene.run(3.0)) == [Trouble.WRONG_WAY]
    assert "turned the wrong way" in scene.motion.findings(scene.at_s)[0].text


def test_a_motor_that_runs_past_its_target_runs_away() -> None:
    scene = Scene()
    scene.send(130, 20)
    scene.run(2.0)
    scene.model.azimuth.welded = True
    passed_s = (130 - scene.model.azimuth.position_deg) / 6.0
    scene.run(passed_s)
    assert scene.run(3.0).keys() == {Trouble.RUNAWAY}


def test_a_motor_that_a_stop_does_not_stop_runs_away() -> None:
    scene = Scene()
    scene.send(300, 20)
    scene.run(5.0)
    scene.model.azimuth.welded = True
    scene.stop()
    assert scene.run(3.0).keys() == {Trouble.RUNAWAY}
    scene.motion.forgive()
    assert scene.motion.findings(scene.at_s) == []


def test_an_antenna_that_nobody_sent_runs_away() -> None:
    scene = Scene()
    scene.model.azimuth.go(300)
    assert scene.run(3.0).keys() == {Trouble.RUNAWAY}


def test_an_overshoot_that_settles_is_no_runaway() -> None:
    scene = Scene()
    scene.model.azimuth.overshoot_deg = 4.0
    scene.send(300, 80)
    assert scene.run(60.0) == {}


def test_one_wild_position_is_not_believed_and_three_are_noise() -> None:
    scene = Scene()
    scene.send(300, 80)
    scene.run(3.0)
    for count in range(1, 4):
        assert scene.motion.wild(AzEl(scene.shows.azimuth_deg + 60, scene.shows.elevation_deg), scene.at_s)
        scene.run(2.0)
        assert (Trouble.NOISY in scene.named) == (count == 3)
    assert scene.named.keys() == {Trouble.NOISY}
    scene.run(70.0)
    assert scene.motion.findings(scene.at_s) == []


def test_two_that_agree_are_believed() -> None:
    """Somebody turned it by hand, or set its scale: there it stands."""
    scene = Scene()
    elsewhere = AzEl(300.0, 20.0)
    assert scene.motion.wild(elsewhere, 1.0)
    assert not scene.motion.wild(elsewhere, 1.1)
    scene.motion.take(elsewhere, 1.1)
    assert scene.motion.findings(1.1) == []
    assert scene.motion.shown == elsewhere


def test_no_news_is_no_standstill() -> None:
    scene = Scene()
    scene.send(300, 80)
    assert scene.motion.findings(scene.at_s + 60.0) == []
    assert scene.motion.under_way(scene.at_s + 60.0)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["send", "stop", "look", "none"]), st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)))
)
def test_nothing_shown_breaks_the_judge(acts: list[tuple[str, float, float]]) -> None:
    motion, now_s = Motion.of(Axes(0.0, 450.0, 0.0, 180.0, 6.0, 3.0), 3.0), 0.0
    for act, azimuth, elevation in acts:
        now_s += abs(azimuth) % 3
        at = AzEl(azimuth, elevation)
        if act == "send":
            motion.sent(at, now_s)
        elif act == "stop":
            motion.halted(now_s)
        elif act == "look" and not motion.wild(at, now_s):
            motion.take(at, now_s)
        for finding in motion.findings(now_s):
            assert finding.value is None or math.isfinite(finding.value)
