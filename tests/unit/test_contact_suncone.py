"""The cone round the Sun: kept out of by every way, upright and leaning over, and left by whoever stands in it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetd.contact.axis import Axes
from fleetd.contact.clearance import looks_at, next_turn
from fleetd.contact.suncone import SunCone
from fleetd.devices import AzEl
from fleetd.errors import Refusal

AXES = Axes(-180.0, 540.0, 0.0, 180.0, 6.0, 3.0)
SUN = SunCone(10.0, AzEl(180.0, 40.0))


@pytest.mark.parametrize(
    ("to", "away"),
    [(AzEl(180, 49.9), False), (AzEl(180, 50.1), True), (AzEl(540, 40), False), (AzEl(0, 140), False)],
)
def test_it_counts_where_the_antenna_looks(to: AzEl, away: bool) -> None:
    assert (SUN.at(to) == "") == away


def test_a_refusal_names_both_places_and_the_figure() -> None:
    assert SUN.at(AzEl(180, 45)) == (
        "azimuth 180.0, elevation 45.0 is 5.0 degrees from the Sun, which stands at azimuth 180.0, elevation 40.0; "
        "at least 10 are kept"
    )


def test_a_slew_across_the_sun_goes_round_it() -> None:
    start, to = AzEl(150, 40), AzEl(210, 40)
    turns = []
    while start != to:
        start = next_turn(start, to, AXES, [SUN])
        turns.append(start)
    assert len(turns) == 3
    assert abs(turns[0].elevation_deg - 40) >= 10


def test_whoever_stands_in_it_is_let_out_away_from_the_sun() -> None:
    assert next_turn(AzEl(180, 44), AzEl(180, 60), AXES, [SUN]) == AzEl(180, 60)
    assert not SUN.lets_pass(AzEl(180, 44), AzEl(180, 20))  # that leads across it
    with pytest.raises(Refusal, match="keeps clear of the sun-cone"):
        next_turn(AzEl(0, 10), AzEl(0, 80), Axes(0, 450, 0, 90, 6, 3), [SunCone(10.0, AzEl(0.0, 45.0))])


places = st.builds(AzEl, st.floats(-180, 540), st.floats(0, 180))


@given(places, places, st.builds(AzEl, st.floats(0, 359), st.floats(-20, 89)), st.floats(2, 40), st.integers(0, 2**32))
def test_no_turn_that_passes_comes_near_the_sun_however_the_motors_run(
    start: AzEl, to: AzEl, sun: AzEl, cone_deg: float, seed: int
) -> None:
    cone = SunCone(cone_deg, sun)
    if cone.at(start) or not cone.lets_pass(start, to):
        return
    shares = np.sort(np.random.default_rng(seed).random((80, 2)), axis=0)
    for az, el in shares.tolist():
        look = looks_at(
            AzEl(
                start.azimuth_deg + az * (to.azimuth_deg - start.azimuth_deg),
                start.elevation_deg + el * (to.elevation_deg - start.elevation_deg),
            )
        )
        assert look.separation_deg(sun) > cone_deg - 0.05 or math.isclose(look.separation_deg(sun), cone_deg)
