"""The reliability goals of antennas, by their number; the whole counts are slow tests."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime

import pytest

from fleetd.clock import VirtualClock
from fleetd.contact.clearance import Obstruction
from fleetd.contact.interlock import Interlock
from fleetd.contact.settings import AntennaSettings
from fleetd.devices import AzEl, RotatorLimits
from fleetd.errors import Refusal

T = datetime(2026, 11, 11, 12, tzinfo=UTC)
ODD = (math.nan, math.inf, -math.inf, 0.0, -0.0, 1e308, -1e308, 5e-324, 90.0, 180.0, 360.0, 450.0)


def antenna(**changes: object) -> Interlock:
    settings = AntennaSettings.model_validate(
        {
            "name": "dish",
            "rotator": "dish-rotator",
            "azimuth_limits_deg": (0.0, 450.0),
            "elevation_limits_deg": (0.0, 180.0),
            "slew_deg_s": {"azimuth": 6.0, "elevation": 3.0},
            "park": {"azimuth_deg": 0.0, "elevation_deg": 90.0},
            "offset": {"azimuth_deg": 3.3, "elevation_deg": -1.2},
            "cable": {"neutral_azimuth_deg": 180.0, "most_turns": 0.7},
            "mask_deg": ((0.0, 4.7), (90.0, 11.3), (95.0, 40.2), (105.0, 40.0), (110.0, 11.0), (300.0, 25.0)),
            "sun_cone_deg": 8.0,
        }
        | changes
    )
    interlock = Interlock(settings, VirtualClock(T), lambda _: AzEl(185.0, 42.0))
    interlock.controller = RotatorLimits(0.0, 450.0, 0.0, 180.0, 0.5)
    return interlock


def storm(count: int) -> tuple[int, int]:
    """Sends random targets from wherever the antenna has got to; returns how many were sent, and how many refused."""
    draw = random.Random(33)
    interlock = antenna()
    mask = Obstruction(interlock._settings.mask)  # type: ignore[arg-type]
    here, sent = AzEl(0.0, 90.0), 0
    for _ in range(count):
        wide = draw.random() < 0.3
        to = AzEl(
            draw.choice(ODD) if draw.random() < 0.05 else draw.uniform(-1000, 1000) if wide else draw.uniform(0, 450),
            draw.choice(ODD) if draw.random() < 0.05 else draw.uniform(-500, 500) if wide else draw.uniform(0, 180),
        )
        try:
            target = interlock.shown_for(to)
            interlock.check(target, by_time=False)
            turn = interlock.turn(here, target)
        except Refusal:
            continue
        sent += 1
        assert 0 <= turn.azimuth_deg <= 450
        assert 0 <= turn.elevation_deg <= 180
        assert abs(target.azimuth_deg - 180) / 360 <= 0.7
        look = interlock.scale.in_sky(turn)
        assert mask.at(look) == ""
        here = look
    return sent, count - sent


def test_row_33_no_random_target_leaves_the_limits_the_cables_or_the_mask() -> None:
    sent, refused = storm(5_000)
    assert sent > 1_000
    assert refused > 1_000


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_row_33_a_million_random_targets() -> None:
    storm(1_000_000)


def test_row_33_the_cables_budget_is_refused_with_its_figure() -> None:
    interlock = antenna(mask_deg=())
    interlock.check(AzEl(430.0, 90.0), by_time=False)
    with pytest.raises(Refusal, match=r"azimuth 450\.0 the cables are wound up by \+0\.75 turns, more than 0\.7") as no:
        interlock.check(AzEl(450.0, 90.0), by_time=False)
    assert no.value.rule == "cable-wrap"


def test_row_33_a_scale_that_jumps_does_not_unwind_the_cables() -> None:
    """A controller that shows 1 after 359 has gone on turning; after a whole turn more the budget is spent."""
    cable = antenna().cable
    assert cable is not None
    at_s = 0.0
    for azimuth in [*range(180, 360, 5), *range(0, 250, 5)]:
        cable.measured(float(azimuth), at_s)
        at_s += 1.0
    assert cable.turns_at(245.0) == pytest.approx((245 + 360 - 180) / 360)
    with pytest.raises(Refusal, match="cables"):
        cable.check(245.0)
    cable.measured(20.0, at_s + 600.0)  # after a long silence the scale is believed
    assert cable.turns_at(20.0) == pytest.approx((20 + 360 - 180) / 360)
