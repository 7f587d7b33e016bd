"""Zones: inside or not against an independent judge, one event a crossing, and what is refused where."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetd.errors import Refusal
from fleetd.records import Event, Quality, Reading, Severity
from fleetd.robots.settings import Zone
from fleetd.robots.zones import Corner, Zones, border_m, inside

NOON = datetime(2026, 11, 11, 12, tzinfo=UTC)
SQUARE: tuple[Corner, ...] = ((30.0, 120.0), (30.0, 120.01), (30.01, 120.01), (30.01, 120.0))
METRE = 1 / 111_195.0
IN, OUT = (30.005, 120.005), (30.005, 120.02)


def reading(at: Corner | None, quality: Quality = Quality.GOOD) -> Reading:
    values: dict[str, Any] = {"latitude_deg": at[0] if at else None, "longitude_deg": at[1] if at else None}
    return Reading(at=NOON, device="robot-01", quality=quality, values=values)


def zones(**settings: Any) -> Zones:
    return Zones({"yard": Zone(corners=SQUARE, **settings)})


def crossings(zones: Zones, *positions: Corner | None) -> list[Event]:
    return [event for at in positions for event in zones.crossed(reading(at))]


def winding(corners: tuple[Corner, ...], lat: float, lon: float) -> bool:
    """Another way to tell: how often the border goes round the point."""
    turned = 0.0
    for (y1, x1), (y2, x2) in zip(corners, (*corners[1:], corners[0]), strict=True):
        a, b = math.atan2(y1 - lat, x1 - lon), math.atan2(y2 - lat, x2 - lon)
        turned += (b - a + math.pi) % (2 * math.pi) - math.pi
    return abs(turned) > math.pi


@given(
    st.lists(st.floats(0.001, 0.01), min_size=3, max_size=12),
    st.floats(-0.012, 0.012),
    st.floats(-0.012, 0.012),
)
def test_inside_agrees_with_going_round_the_border(radii: list[float], north: float, east: float) -> None:
    angles = [2 * math.pi * index / len(radii) for index in range(len(radii))]
    corners = tuple((30 + r * math.sin(a), 120 + r * math.cos(a)) for r, a in zip(radii, angles, strict=True))
    at = (30 + north, 120 + east)
    if border_m(corners, *at) > 0.01:
        assert inside(corners, *at) is winding(corners, *at)


def test_inside_in_a_hollow_and_across_the_date_line() -> None:
    hollow = ((0.0, 0.0), (0.0, 3.0), (3.0, 3.0), (1.0, 1.5), (3.0, 0.0))
    assert inside(hollow, 0.5, 1.5)
    assert not inside(hollow, 2.0, 1.5)
    across = ((-1.0, 179.5), (-1.0, -179.5), (1.0, -179.5), (1.0, 179.5))
    assert inside(across, 0.0, 180.0)
    assert inside(across, 0.0, -179.9)
    assert not inside(across, 0.0, -179.0)


def test_how_far_the_border_is() -> None:
    assert border_m(SQUARE, 30.0 - 100 * METRE, 120.005) == pytest.approx(100, abs=0.1)
    assert border_m(SQUARE, 30.0 + 50 * METRE, 120.005) == pytest.approx(50, abs=0.1)
    corner = border_m(SQUARE, 30.0 - 30 * METRE, 120.0 - 40 * METRE / math.cos(math.radians(30)))
    assert corner == pytest.approx(50, abs=0.1)


def test_a_crossing_is_told_once_and_not_at_each_reading() -> None:
    told = crossings(zones(), OUT, OUT, IN, IN, IN, OUT, OUT)
    assert [(event.name, event.severity) for event in told] == [
        ("zone-entered", Severity.INFO),
        ("zone-left", Severity.INFO),
    ]
    assert told[0].text == "robot-01 has entered yard"
    assert told[0].detail["latitude_deg"] == IN[0]


def test_the_wrong_side_is_a_warning_and_told_of_a_robot_that_is_first_seen_there() -> None:
    assert [event.text for event in crossings(zones(kind="keep-out"), IN, OUT)] == [
        "robot-01 is in yard, which is to be kept clear of",
        "robot-01 has left yard",
    ]
    assert [(e.text, e.severity) for e in crossings(zones(kind="keep-in"), OUT)] == [
        ("robot-01 is outside yard, which is to be kept within", Severity.WARNING)
    ]
    assert crossings(zones(kind="keep-in"), IN) == []


def test_a_position_that_wavers_on_the_border_is_no_crossing() -> None:
    just_in, just_out = (30.0 + METRE, 120.005), (30.0 - METRE, 120.005)
    assert crossings(zones(), IN, *[just_out, just_in] * 50) == []
    assert len(crossings(zones(), IN, just_out, (30.0 - 4 * METRE, 120.005))) == 1


def test_what_is_not_known_is_no_crossing() -> None:
    yard = zones()
    assert crossings(yard, IN, None) == []
    assert list(yard.crossed(reading(OUT, Quality.SUSPECT))) == []
    assert list(yard.crossed(reading(OUT, Quality.STALE))) == []


@pytest.mark.parametrize(("kind", "wrong", "right"), [("note", IN, OUT), ("keep-out", IN, OUT), ("keep-in", OUT, IN)])
def test_an_action_is_refused_on_the_wrong_side_and_where_the_side_is_not_known(
    kind: str, wrong: Corner, right: Corner
) -> None:
    yard = zones(kind=kind, refuses=("open_door",))
    yard.judge("open_door", reading(right))
    yard.judge("send", reading(wrong))
    for at in (wrong, None):
        with pytest.raises(Refusal) as refused:
            yard.judge("open_door", reading(at))
        assert refused.value.rule == "zone"
