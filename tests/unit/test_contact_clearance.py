"""What stands in an antenna's way: where it may look, upright and leaning over, and the ways past it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetd.contact.axis import Axes
from fleetd.contact.clearance import SLACK_DEG, Obstruction, looks_at, next_turn
from fleetd.devices import AzEl
from fleetd.errors import Refusal
from fleetd.orbit.horizon import HorizonMask

AXES = Axes(-180.0, 540.0, 0.0, 180.0, 6.0, 3.0)
MAST = Obstruction(HorizonMask(((0, 5), (90, 5), (95, 40), (105, 40), (110, 5), (359, 5))))


@pytest.mark.parametrize(
    ("to", "look"),
    [
        (AzEl(10, 20), AzEl(10, 20)),
        (AzEl(370, 20), AzEl(10, 20)),
        (AzEl(-10, 90), AzEl(350, 90)),
        (AzEl(10, 170), AzEl(190, 10)),
        (AzEl(200, 95), AzEl(20, 85)),
    ],
)
def test_leaning_over_it_looks_the_other_way(to: AzEl, look: AzEl) -> None:
    assert looks_at(to) == look


@pytest.mark.parametrize(
    ("to", "words"),
    [
        (AzEl(100, 40), ""),
        (AzEl(100, 39), "azimuth 100.0, elevation 39.0 is below the mask there, 40.0 degrees"),
        (AzEl(460, 39), "azimuth 460.0, elevation 39.0 is below the mask there, 40.0 degrees"),
        (
            AzEl(280, 150),
            (
                "azimuth 280.0, elevation 150.0 (leaning over, it looks at azimuth 100.0, elevation 30.0) "
                "is below the mask there, 40.0 degrees"
            ),
        ),
        (AzEl(280, 140), ""),
        (AzEl(200, 4.9), "azimuth 200.0, elevation 4.9 is below the mask there, 5.0 degrees"),
    ],
)
def test_the_mask_counts_where_it_looks(to: AzEl, words: str) -> None:
    assert MAST.at(to) == words


def test_a_straight_order_past_a_mast_is_taken_apart_elevation_first() -> None:
    start, to = AzEl(80, 10), AzEl(120, 10)
    turns = []
    while start != to:
        start = next_turn(start, to, AXES, [MAST])
        turns.append(start)
    assert turns == [AzEl(80, 40), AzEl(120, 40), AzEl(120, 10)]


def test_leaning_over_it_keeps_below_the_mirrored_mast() -> None:
    assert next_turn(AzEl(260, 170), AzEl(300, 170), AXES, [MAST]) == AzEl(260, 140)


def test_where_nothing_is_between_the_order_stays_whole() -> None:
    assert next_turn(AzEl(300, 10), AzEl(120, 10), AXES, [MAST]) == AzEl(120, 10)
    assert next_turn(AzEl(80, 60), AzEl(120, 45), AXES, [MAST]) == AzEl(120, 45)


def test_no_way_is_refused_by_name() -> None:
    low = Axes(0.0, 450.0, 0.0, 30.0, 6.0, 3.0)
    with pytest.raises(Refusal, match=r"no way from azimuth 80\.0, elevation 10\.0 .* keeps clear of the mask") as no:
        next_turn(AzEl(80, 10), AzEl(120, 10), low, [MAST])
    assert no.value.rule == "mask"


def test_whoever_stands_below_the_mask_is_let_up_and_nowhere_else() -> None:
    assert next_turn(AzEl(100, 10), AzEl(100, 50), AXES, [MAST]) == AzEl(100, 50)
    assert next_turn(AzEl(100, 10), AzEl(120, 50), AXES, [MAST]) == AzEl(100, 50)


masks = st.lists(
    st.tuples(st.integers(0, 359), st.floats(0, 80)), min_size=1, max_size=8, unique_by=lambda point: point[0]
).map(lambda points: Obstruction(HorizonMask(tuple(sorted((float(az), el) for az, el in points)))))
places = st.builds(AzEl, st.floats(-180, 540), st.floats(0, 180))


@given(masks, places, places, st.randoms(use_true_random=False))
def test_no_turn_ever_looks_below_the_mask_however_the_motors_run(
    mast: Obstruction, start: AzEl, to: AzEl, draw: object
) -> None:
    """Each turn is walked along with both motors at paces drawn anew; only the way out of the mask itself is spared."""
    rng = np.random.default_rng(draw.getrandbits(32))  # type: ignore[attr-defined]
    if mast.at(to):
        return
    try:
        turns = [start, *itertools.islice(_turns(start, to, mast), 5)]
    except Refusal:
        return
    assert turns[-1] == to, "arrived after a few turns"
    here = start
    out = not mast.at(start)
    for turn in turns:
        for look in _walked(here, turn, rng):
            excess = _excess_deg(mast, look)
            out = out or excess >= 0
            assert not out or excess >= -SLACK_DEG - 1e-6, (here, turn, look)
        here = turn


def _turns(start: AzEl, to: AzEl, mast: Obstruction):  # type: ignore[no-untyped-def]
    while start != to:
        start = next_turn(start, to, AXES, [mast])
        yield start


def _walked(here: AzEl, there: AzEl, rng: np.random.Generator) -> list[AzEl]:
    shares = np.sort(rng.random((60, 2)), axis=0)  # each axis at a pace of its own, neither going back
    return [
        AzEl(
            here.azimuth_deg + float(az) * (there.azimuth_deg - here.azimuth_deg),
            here.elevation_deg + float(el) * (there.elevation_deg - here.elevation_deg),
        )
        for az, el in shares
    ]


def _excess_deg(mast: Obstruction, at: AzEl) -> float:
    look = looks_at(at)
    return look.elevation_deg - float(mast.mask.elevation_deg(np.array([look.azimuth_deg]))[0])
