"""The pass search against Skyfield's own altitude function: none missed, none invented, times to a millisecond."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest
from orbit_referee import START, Window, draw_orbit, draw_station, orbit, seconds, timescale

from fleetd.errors import Refusal
from fleetd.orbit.elements import read_elements
from fleetd.orbit.elementset import ElementSet
from fleetd.orbit.passes import Pass, failures, find_passes, pass_json
from fleetd.orbit.station import Station
from fleetd.orbit.trajectory import Trajectory

HANGZHOU = Station("hangzhou", 30.27, 120.15, 20.0)
DAY = timedelta(days=1)
CONFIGS = Path(__file__).parents[2] / "configs" / "elements"
one_millisecond_s = 1e-3
a_few_centimetres_deg = 5e-6

GEOSTATIONARY = {"mean_motion_rev_day": 1.0027379, "inclination_deg": 0.05, "eccentricity": 0.0003, "bstar": 0.0}
MOLNIYA = {
    "mean_motion_rev_day": 2.006,
    "inclination_deg": 63.4,
    "eccentricity": 0.74,
    "argument_of_perigee_deg": 270.0,
    "bstar": 0.0,
}
# So much drag that SGP4 fails within days.
FALLING = {"mean_motion_rev_day": 16.2, "eccentricity": 0.0005, "bstar": 0.005}


def passes_over(
    elements: ElementSet, station: Station, length: timedelta, mask_deg: float = 0.0, start: datetime = START
) -> list[Pass]:
    return find_passes([elements], [station], start, start + length, mask_deg)


def edges(window: Window, passes: list[Pass]) -> Iterator[tuple[float, bool]]:
    """(seconds, whether rising) of all rises and sets."""
    for each in passes:
        if each.aos:
            yield seconds(window.start, each.aos), True
        if each.los:
            yield seconds(window.start, each.los), False


def check_against_skyfield(window: Window, elements: ElementSet, station: Station, mask_deg: float) -> list[Pass]:
    passes = passes_over(elements, station, timedelta(seconds=window.length_s), mask_deg, window.start)
    altitude = window.altitudes_deg(elements, station)
    up = altitude >= mask_deg
    assert (bool(passes) and passes[0].aos is None) == up[0]
    assert (bool(passes) and passes[-1].los is None) == up[-1]

    found = dict(edges(window, passes))
    for number in np.nonzero(up[1:] != up[:-1])[0]:
        low_s, high_s = window.after_s[number], window.after_s[number + 1]
        root_s = window.root_s(elements, station, mask_deg, low_s, high_s)
        nearest_s = min(
            (each for each, rising in found.items() if rising == up[number + 1]), key=lambda each: abs(each - root_s)
        )
        assert abs(nearest_s - root_s) < one_millisecond_s
        del found[nearest_s]
    # What the samples did not show lies between two of them, and is a true crossing all the same.
    for edge_s, rising in found.items():
        before, after = (window.altitude_deg(elements, station, edge_s + side) - mask_deg for side in (-0.02, 0.02))
        assert (before < 0 < after) if rising else (before > 0 > after)

    for each in passes:
        culmination_s = seconds(window.start, each.culmination)
        assert window.altitude_deg(elements, station, culmination_s) == pytest.approx(
            each.max_elevation_deg, abs=a_few_centimetres_deg
        )
        begin_s = seconds(window.start, each.aos or window.start)
        end_s = seconds(window.start, each.los) if each.los else window.length_s
        within = (window.after_s >= begin_s) & (window.after_s <= end_s)
        assert altitude[within].max(initial=-90) <= each.max_elevation_deg + a_few_centimetres_deg
    return passes


def draw(count: int, seed: int, step_s: float) -> int:
    """Check so many random orbits, stations, masks and windows; how many passes they had."""
    random = np.random.default_rng(seed)
    passes, window = 0, Window(START, 60.0, 6.0)
    for number in range(count):
        if number % 25 == 0:
            length_s = (86_400.0, 60.0, 43_200.0, 2 * 86_400.0, 3_600.0)[number // 25 % 5]
            start = START + timedelta(days=float(random.uniform(-2, 2)))
            window = Window(start, length_s, min(step_s, length_s / 10))
        mask_deg = float(random.choice([0, 0, 5, 10, 30, 60, 80, -1]))
        station = draw_station(random, int(random.integers(1000)))
        passes += len(check_against_skyfield(window, draw_orbit(random, number), station, mask_deg))
    return passes


def test_random_orbits_of_every_regime() -> None:
    assert draw(40, 20261111, 60.0) > 40


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_thousand_random_orbits() -> None:
    assert draw(1000, 1111, 20.0) > 1000


@pytest.mark.parametrize("name", ["candy-tin", "tmall-international"])
def test_reference_orbits(name: str) -> None:
    (elements,) = read_elements(CONFIGS / f"{name}.json")
    passes = check_against_skyfield(Window(START, 86_400.0, 30.0), elements, HANGZHOU, 10.0)
    assert len(passes) >= 3


def test_a_stretch_of_the_reference_day_holds_one_pass_of_each() -> None:
    """What configs/elements/README.md says."""
    sets = [each for name in ("candy-tin", "tmall-international") for each in read_elements(CONFIGS / f"{name}.json")]
    begin, end = START + timedelta(hours=3, minutes=3), START + timedelta(hours=3, minutes=30)
    horizon = find_passes(sets, [HANGZHOU], begin, end, 0.0)
    assert [each.norad_id for each in horizon] == [999_100_101, 999_100_102]
    assert all(each.aos and each.los for each in horizon)
    first, second = find_passes(sets, [HANGZHOU], begin, end, 10.0)
    assert first.los
    assert second.aos
    assert timedelta(minutes=2) < second.aos - first.los < timedelta(minutes=6)
    assert all(25 < each.max_elevation_deg < 55 for each in (first, second))


def test_culmination_is_where_skyfield_s_altitude_is_highest() -> None:
    (first, *_) = passes_over(orbit(), HANGZHOU, DAY, 10.0)
    culmination_s = seconds(START, first.culmination)
    window = Window(START, 86_400.0, 86_400.0 / 4)
    # A parabola through three altitudes two seconds apart has its vertex there.
    a, b, c = (window.altitude_deg(orbit(), HANGZHOU, culmination_s + side) for side in (-2, 0, 2))
    assert abs((a - c) / (a - 2 * b + c)) < 2 * one_millisecond_s


def test_directions_and_ranges_are_skyfield_s() -> None:
    window = Window(START, 86_400.0, 3600.0)
    for each in passes_over(orbit(), HANGZHOU, DAY, 10.0):
        assert each.aos
        assert each.los
        for when, azimuth_deg in (
            (each.aos, each.aos_azimuth_deg),
            (each.culmination, each.culmination_azimuth_deg),
            (each.los, each.los_azimuth_deg),
        ):
            assert window.azimuth_deg(orbit(), HANGZHOU, seconds(START, when)) == pytest.approx(azimuth_deg, abs=1e-4)
        assert each.culmination_range_km >= each.closest_range_km - 1e-6
        assert each.aos_range_rate_km_s is not None
        assert each.los_range_rate_km_s is not None
        assert each.aos_range_rate_km_s < 0 < each.los_range_rate_km_s


def test_closest_approach_is_not_the_culmination_on_an_ellipse() -> None:
    """Perigee in mid pass: nearest there, highest elsewhere."""
    elements, station = orbit(eccentricity=0.6, mean_motion_rev_day=4.0, bstar=0.0), Station("s", 40.0, 10.0)
    window = Window(START, 86_400.0, 20.0)
    ranges_km = window._altaz(elements, station, window.times(window.after_s))[2]
    for each in passes_over(elements, station, DAY):
        begin_s = seconds(START, each.aos or START)
        end_s = seconds(START, each.los) if each.los else 86_400.0
        within = (window.after_s >= begin_s) & (window.after_s <= end_s)
        assert ranges_km[within].min() >= each.closest_range_km - 1e-3
        closest_s = seconds(START, each.closest)
        assert window._altaz(elements, station, window.times(closest_s))[2] == pytest.approx(
            each.closest_range_km, abs=1e-3
        )


# --- the edges of the window ---


def test_up_at_the_opening_and_at_the_close() -> None:
    (whole, *_) = passes_over(orbit(), HANGZHOU, DAY, 10.0)
    assert whole.aos
    assert whole.los
    (late,) = find_passes(
        [orbit()], [HANGZHOU], whole.culmination + timedelta(seconds=30), whole.los + timedelta(minutes=5), 10.0
    )
    assert late.aos is None
    assert late.aos_azimuth_deg is None
    assert late.culmination == whole.culmination + timedelta(seconds=30)
    assert late.culminations == []
    assert late.los
    assert abs(late.los - whole.los) < timedelta(milliseconds=1)
    (early,) = find_passes(
        [orbit()], [HANGZHOU], whole.aos - timedelta(minutes=5), whole.culmination + timedelta(seconds=30), 10.0
    )
    assert early.aos
    assert abs(early.aos - whole.aos) < timedelta(milliseconds=1)
    assert early.los is None
    assert early.los_azimuth_deg is None
    assert abs(early.culmination - whole.culmination) < timedelta(milliseconds=1)


def test_window_inside_one_half_of_a_pass() -> None:
    (whole, *_) = passes_over(orbit(), HANGZHOU, DAY, 10.0)
    begin = whole.culmination + timedelta(seconds=20)
    (found,) = find_passes([orbit()], [HANGZHOU], begin, begin + timedelta(seconds=60), 10.0)
    assert (found.aos, found.los, found.culmination) == (None, None, begin)


def test_never_ending_and_never_up() -> None:
    elements = orbit(**GEOSTATIONARY)
    # Where it stands: under its longitude it never sets, on the other side of the Earth it never rises.
    longitude_deg = float(_subpoint_longitude_deg(elements))
    below, opposite = Station("below", 0.0, longitude_deg), Station("opposite", 0.0, (longitude_deg + 360) % 360 - 180)
    (found,) = passes_over(elements, below, 3 * DAY, 5.0)
    assert (found.aos, found.los) == (None, None)
    assert found.max_elevation_deg > 85
    assert len(found.culminations) >= 2
    assert passes_over(elements, opposite, 3 * DAY) == []


def _subpoint_longitude_deg(elements: ElementSet) -> float:
    from skyfield.api import wgs84

    return wgs84.subpoint_of(elements.skyfield(timescale()).at(timescale().from_datetime(START))).longitude.degrees


def test_several_culminations_in_one_pass() -> None:
    found = check_against_skyfield(
        Window(START, 2 * 86_400.0, 60.0), orbit(**MOLNIYA), Station("under both apogees", 40.0, 90.0), 0.0
    )
    several = [each for each in found if len(each.culminations) > 1]
    assert several
    for each in several:
        assert each.culmination in each.culminations
        assert each.culminations == sorted(each.culminations)


def test_a_valley_between_nodes_parts_a_pass_only_where_it_reaches_the_mask() -> None:
    station = Station("under both apogees", 40.0, 90.0)
    whole = next(each for each in passes_over(orbit(**MOLNIYA), station, 2 * DAY) if len(each.culminations) == 2)
    first, second = whole.culminations
    trajectory = Trajectory.of(orbit(**MOLNIYA), station, first, second)
    valley_deg = min(trajectory.at(first + part / 4000 * (second - first)).elevation_deg for part in range(4001))
    for mask_deg, count in ((valley_deg - 1e-5, 1), (valley_deg + 1e-5, 2)):
        found = find_passes([orbit(**MOLNIYA)], [station], first, second, mask_deg)
        assert len(found) == count
        assert (found[0].aos, found[-1].los) == (None, None)


def test_high_ellipse_that_merges_neighbours_elsewhere() -> None:
    """Of the kind of skyfielders/python-skyfield#1017: e = 0.81, 1.22 revolutions a day."""
    elements = orbit(eccentricity=0.81, mean_motion_rev_day=1.22, inclination_deg=28.0, bstar=0.0)
    for latitude_deg in (-40.0, 30.0):
        check_against_skyfield(Window(START, 2 * 86_400.0, 60.0), elements, Station("s", latitude_deg, 20.0), 10.0)


def test_grazing_passes_between_nodes() -> None:
    """The mask just under and just over the summit: a pass of seconds is found, and none where it stays below."""
    (whole, *_) = passes_over(orbit(), HANGZHOU, DAY, 10.0)
    top_deg = whole.max_elevation_deg
    begin, end = whole.culmination - timedelta(minutes=9), whole.culmination + timedelta(minutes=9)
    (short,) = find_passes([orbit()], [HANGZHOU], begin, end, top_deg - 1e-4)
    assert short.aos
    assert short.los
    assert timedelta(seconds=0.1) < short.los - short.aos < timedelta(seconds=2)
    assert find_passes([orbit()], [HANGZHOU], begin, end, top_deg + 1e-4) == []


@pytest.mark.parametrize("inclination_deg", [0.0, 116.6, 144.0, 180.0])
@pytest.mark.parametrize(
    "station",
    [
        Station("north pole", 90.0, 0.0),
        Station("south pole", -90.0, 12.0),
        Station("east", 10.0, 180.0),
        Station("west", 10.0, -180.0),
    ],
)
def test_retrograde_orbits_poles_and_the_date_line(inclination_deg: float, station: Station) -> None:
    check_against_skyfield(Window(START, 43_200.0, 30.0), orbit(inclination_deg=inclination_deg), station, 0.0)


def test_both_names_of_the_date_line_are_one_place() -> None:
    east, west = (passes_over(orbit(), Station("s", 10.0, longitude), DAY) for longitude in (180.0, -180.0))
    assert [each.aos for each in east] == [each.aos for each in west]


def test_sixty_days_hold_what_sixty_single_days_hold() -> None:
    whole = passes_over(orbit(bstar=0.0), HANGZHOU, 60 * DAY, 10.0)
    rises = [
        each.aos for day in range(60) for each in passes_over(orbit(bstar=0.0), HANGZHOU, DAY, 10.0, START + day * DAY)
    ]
    singles = [each for each in rises if each]
    assert len(whole) == len(singles)
    for ours, theirs in zip(whole, singles, strict=True):
        assert ours.aos
        assert abs(ours.aos - theirs) < timedelta(milliseconds=1)


def test_empty_and_reversed_windows_hold_nothing() -> None:
    assert find_passes([orbit()], [HANGZHOU], START, START) == []
    assert find_passes([orbit()], [HANGZHOU], START, START - DAY) == []
    assert find_passes([], [HANGZHOU], START, START + DAY) == []
    assert find_passes([orbit()], [], START, START + DAY) == []


def test_many_satellites_and_stations_at_once_are_each_alone() -> None:
    random = np.random.default_rng(7)
    sets = [draw_orbit(random, number) for number in range(12)]
    stations = [draw_station(random, number) for number in range(5)]
    together = find_passes(sets, stations, START, START + DAY, 5.0)
    alone = [
        each for one in sets for place in stations for each in find_passes([one], [place], START, START + DAY, 5.0)
    ]
    assert {_times(each) for each in together} == {_times(each) for each in alone}
    assert len(together) == len(alone)
    assert [each.aos or START for each in together] == sorted(each.aos or START for each in together)


def _times(each: Pass) -> tuple[object, ...]:
    def rounded(when: datetime | None) -> int | None:
        return when and round(when.timestamp() * 1e3)

    return each.norad_id, each.station, rounded(each.aos), rounded(each.culmination), rounded(each.los)


# --- elements that fail ---


def test_search_ends_where_sgp4_fails_and_says_so() -> None:
    elements = orbit(**FALLING)
    when, why = failures([elements], START, START + 5 * DAY)[elements.norad_id]
    assert why
    assert START < when < START + 5 * DAY
    model = elements.satrec()
    for side_s, failing in ((-0.01, False), (0.01, True)):
        error, _, _ = model.sgp4(model.jdsatepoch, model.jdsatepochF + (seconds(START, when) + side_s) / 86_400)
        assert bool(error) == failing
    found = passes_over(elements, HANGZHOU, 5 * DAY)
    assert found
    assert all((each.los or each.culmination) <= when for each in found)
    # A station under the place of the failure sees the pass cut off, and is told why.
    window = Window(START, seconds(START, when) - 0.01, 600.0)
    cut = [each for each in passes_over(elements, _under(elements, window), 5 * DAY) if each.elements_failure]
    assert [(each.los, each.elements_failure) for each in cut] == [(None, why)]
    check_against_skyfield(window, elements, HANGZHOU, 0.0)


def _under(elements: ElementSet, window: Window) -> Station:
    from skyfield.api import wgs84

    place = wgs84.subpoint_of(elements.skyfield(timescale()).at(window.times(window.length_s)))
    return Station("under", float(place.latitude.degrees), float(place.longitude.degrees))


def test_a_dip_into_the_ground_between_nodes_is_a_failure() -> None:
    """Perigee 8 km up on average, but some seconds below ground at each return: SGP4 is right again in between."""
    axis_km = (6378.135 + 8.0) / (1 - 0.5)
    elements = orbit(
        eccentricity=0.5,
        mean_motion_rev_day=86_400 / (math.tau * math.sqrt(axis_km**3 / 398_600.8)),
        mean_anomaly_deg=180.0,
        bstar=0.0,
    )
    when, why = failures([elements], START, START + DAY / 2)[elements.norad_id]
    assert "decayed" in why
    model = elements.satrec()
    errors, _, _ = model.sgp4_array(np.full(43_200, model.jdsatepoch), np.arange(43_200) / 86_400)
    failing = np.nonzero(errors)[0]
    assert 0 < len(failing) < 200
    assert seconds(START, when) == pytest.approx(failing[0], abs=1.0)


def test_a_set_that_fails_before_the_window_gives_no_ghosts() -> None:
    elements = orbit(**FALLING)
    assert passes_over(elements, HANGZHOU, DAY, start=START + 10 * DAY) == []
    assert elements.norad_id in failures([elements], START + 10 * DAY, START + 11 * DAY)
    assert failures([orbit()], START, START + DAY) == {}


def test_a_failing_set_does_not_harm_its_neighbours() -> None:
    good = orbit(norad_id=7)
    together = find_passes([orbit(**FALLING), good], [HANGZHOU], START, START + 5 * DAY)
    alone = find_passes([good], [HANGZHOU], START, START + 5 * DAY)
    assert [_times(each) for each in together if each.norad_id == 7] == [_times(each) for each in alone]


# --- the record ---


def test_times_outside_the_tables_are_refused() -> None:
    for start in (datetime(1970, 1, 1, tzinfo=UTC), datetime(2059, 12, 30, tzinfo=UTC)):
        with pytest.raises(Refusal, match="passes can be computed from 1980-02-01 to 2059"):
            passes_over(orbit(), HANGZHOU, DAY, start=start)


def test_json_of_a_pass() -> None:
    (first, *_) = passes_over(orbit(), HANGZHOU, DAY, 10.0)
    plain = pass_json(first)
    keys = (
        "satellite", "norad_id", "station", "aos", "culmination", "los", "max_elevation_deg", "aos_azimuth_deg",
        "culmination_azimuth_deg", "los_azimuth_deg", "sunlit",
    )  # fmt: skip
    assert tuple(plain)[: len(keys)] == keys
    assert plain["norad_id"] == 999_100_101
    assert plain["elements_hash"] == orbit().hash
    assert plain["aos"].endswith("Z")
    assert len(plain["aos"]) == len("2026-11-11T00:00:00.000Z")
    assert plain["elements_age_days"] == pytest.approx(orbit().age_days(first.culmination), abs=1e-6)
    cut = pass_json(msgspec.structs.replace(first, aos=None))
    assert cut["aos"] is None


def test_stations_must_be_on_earth() -> None:
    with pytest.raises(ValueError, match="latitude is within"):
        Station("nowhere", 91.0, 0.0)
    with pytest.raises(ValueError, match="latitude is within"):
        Station("nowhere", math.nan, 0.0)
