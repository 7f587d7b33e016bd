"""The robots' streets: the demo's places, one connected town per seed, shortest ways, and places on them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from fleetd_hil.models.streets import Point, Route, Streets

DEMO = Path(__file__).parents[2] / "configs" / "demo.yaml"


def test_the_first_stops_are_the_places_of_the_demo_site() -> None:
    places = yaml.safe_load(DEMO.read_text(encoding="utf-8"))["robots"]["places"]
    stops = Streets.of_seed(0).stops
    for place in places.values():
        stop = stops[place["stop"]]
        assert (stop.latitude_deg, stop.longitude_deg) == (place["latitude_deg"], place["longitude_deg"])


def test_a_seed_gives_the_same_town_and_another_seed_another() -> None:
    assert Streets.of_seed(7).stops == Streets.of_seed(7).stops
    assert Streets.of_seed(7).stops != Streets.of_seed(8).stops
    assert sorted(Streets.of_seed(7).stops) == list(range(1, 21))


@pytest.mark.parametrize("seed", range(5))
def test_every_stop_can_be_reached_and_the_way_back_is_as_long(seed: int) -> None:
    streets = Streets.of_seed(seed)
    for stop in streets.stops:
        there, back = Route(streets.way(1, stop)), Route(streets.way(stop, 1))
        assert there.length_m == pytest.approx(back.length_m)
        assert there.length_m < 10_000


def test_the_way_is_the_shortest() -> None:
    # A square of 111 m sides with one diagonal missing: 1-2-3 must beat 1-4-5-3.
    corners = {1: (0.0, 0.0), 2: (0.0, 0.001), 3: (0.001, 0.001), 4: (0.001, 0.0), 5: (0.002, 0.0005)}
    streets = Streets([Point(*corner, number) for number, corner in corners.items()])
    length_m = Route(streets.way(1, 3)).length_m
    assert length_m <= 2 * 111.2 + 0.1


def test_a_degree_of_latitude_is_111_km() -> None:
    assert Point(0.0, 0.0).distance_m(Point(1.0, 0.0)) == pytest.approx(111_195, abs=1)
    assert Point(60.0, 0.0).distance_m(Point(60.0, 1.0)) == pytest.approx(111_195 / 2, abs=10)


def test_a_place_on_a_route_is_named_by_the_distance_driven() -> None:
    route = Route([Point(0.0, 0.0, 1), Point(0.0, 0.001, 2), Point(0.001, 0.001, 3)])
    east_m = route.points[0].distance_m(route.points[1])
    assert route.place(0.0).stop == 1
    halfway = route.place(east_m / 2)
    assert (halfway.latitude_deg, halfway.longitude_deg) == pytest.approx((0.0, 0.0005))
    assert halfway.stop == 0
    assert route.heading_deg(east_m / 2) == pytest.approx(90.0)
    assert route.heading_deg(east_m + 1) == pytest.approx(0.0)
    assert route.last_stop(east_m - 1) == 1
    assert route.last_stop(east_m + 1) == 2
    assert route.place(route.length_m).stop == 3


def test_a_new_target_in_mid_street_is_reached_along_the_streets() -> None:
    streets = Streets.of_seed(0)
    route = Route(streets.way(1, 3))
    driven_m = 0.4 * route.length_m
    behind, ahead = route.leg(driven_m)
    for target in streets.stops:
        fresh = streets.route(route, driven_m, target)
        assert fresh.points[0] == route.place(driven_m)
        assert fresh.points[1] in (behind, ahead)
        assert fresh.points[-1].stop == target
        around_m = [
            fresh.points[0].distance_m(end) + Route(streets.way(end.stop, target)).length_m for end in (behind, ahead)
        ]
        assert fresh.length_m == pytest.approx(min(around_m))
        assert all(a.stop in streets.stops for a, _ in list(pairwise(fresh.points))[1:])
