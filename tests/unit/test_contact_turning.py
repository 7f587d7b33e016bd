"""The search for the cheapest course, against trying every course there is on cases small enough for that."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetd.contact.axis import Angles, Around, Axes
from fleetd.contact.reach import Reach
from fleetd.contact.sighting import Sighting
from fleetd.contact.turning import cheapest_course
from fleetd.devices import AzEl
from fleetd.orbit.horizon import HorizonMask

T = datetime(2026, 11, 11, 12, tzinfo=UTC)


class Tried:
    """All courses over the same grid, one by one, each judged by itself."""

    def __init__(self, seen: Sighting, reach: Reach, around: Around) -> None:
        self.seen, self.reach, self.around, self.axes = seen, reach, around, reach.axes
        self.cells = max(1, math.ceil(self.axes.azimuth_slew_deg_s * seen.step_s))
        width = self.axes.azimuth_slew_deg_s * seen.step_s / self.cells
        span = self.axes.azimuth_max_deg - self.axes.azimuth_min_deg
        self.grid = [self.axes.azimuth_min_deg + n * width for n in range(int(span / width + 1e-9) + 1)]
        self.known: dict[tuple[int, int, bool], float] = {}

    def least(self) -> float:
        """The cost of the best of them."""
        over = self.axes.elevation_max_deg > 90
        ends = [(cell, leaning) for cell in range(len(self.grid)) for leaning in ((False, True) if over else (False,))]
        return min(self.come(len(self.seen) - 1, cell, leaning) + self.after(cell, leaning) for cell, leaning in ends)

    def come(self, sample: int, cell: int, over: bool) -> float:
        """The least cost of any course that comes here."""
        key = (sample, cell, over)
        if key not in self.known:
            self.known[key] = self.off(sample, cell, over) + self.on_the_way(sample, cell, over)
        return self.known[key]

    def on_the_way(self, sample: int, cell: int, over: bool) -> float:
        if sample == 0:
            return self.before(cell, over)
        near = range(max(0, cell - self.cells), min(len(self.grid), cell + self.cells + 1))
        ways = [self.come(sample - 1, other, over) for other in near]
        if self.axes.elevation_max_deg > 90:
            ways += self.leaning_over(sample, cell, over)
        return min(ways)

    def leaning_over(self, sample: int, cell: int, over: bool) -> list[float]:
        """Changes of posture that end here; what they take is lost, less what both ends still see."""
        slew = self.axes.elevation_slew_deg_s
        needs_s = (180 - 2 * float(self.seen.elevation_deg[sample])) / slew
        steps = max(1, math.ceil(needs_s / self.seen.step_s - 1e-9))
        if steps > sample or (steps > 4 and sample % 4):
            return []
        worth = float(self.seen.worth_s[sample - steps + 1 : sample + 1].mean()) / self.seen.step_s
        lost = max(0.0, needs_s - 2 * self.seen.half_beam_deg / slew) * worth
        reach = self.cells * steps
        near = range(max(0, cell - reach), min(len(self.grid), cell + reach + 1))
        return [self.come(sample - steps, other, not over) + lost for other in near]

    def off(self, sample: int, cell: int, over: bool) -> float:
        satellite = (self.seen.azimuth_deg[sample], self.seen.elevation_deg[sample])
        azimuth = self.grid[cell]
        low, high = (float(each[0]) for each in self.reach.elevations(np.array([azimuth])))
        low, high = (max(low, 90), high) if over else (low, min(high, 90))
        # The nearest of all elevations, found by trying them.
        tried = np.append(np.arange(low, high, 0.05), high)
        nearest = float((vector(np.array(azimuth), tried).T @ vector(*satellite)).max())
        return self.share(math.degrees(math.acos(min(1.0, nearest)))) * float(self.seen.worth_s[sample])

    def share(self, error_deg: float) -> float:
        return float(self.seen.share_off(np.array(error_deg)))

    def before(self, cell: int, over: bool) -> float:
        start, within_s = self.around.start, self.around.start_within_s
        if start is None:
            return 0.0
        azimuth_s, elevation_s = self.slews(0, cell, over, start)
        nearest_s = min(abs(each - start.azimuth_deg) for each in self.grid) / self.axes.azimuth_slew_deg_s
        if azimuth_s > max(within_s, nearest_s) + 1e-9:
            return math.inf
        return max(0.0, elevation_s - within_s) + max(azimuth_s, elevation_s) * 1e-5

    def after(self, cell: int, over: bool) -> float:
        if self.around.onward is None:
            return 0.0
        slew_s = max(self.slews(-1, cell, over, self.around.onward))
        return max(0.0, slew_s - self.around.onward_within_s) + slew_s * 1e-5

    def slews(self, sample: int, cell: int, over: bool, other: AzEl) -> tuple[float, float]:
        looked = float(self.seen.elevation_deg[sample])
        aim = 180 - looked if over else looked
        return (
            abs(self.grid[cell] - other.azimuth_deg) / self.axes.azimuth_slew_deg_s,
            abs(aim - other.elevation_deg) / self.axes.elevation_slew_deg_s,
        )


def vector(azimuth_deg: Angles, elevation_deg: Angles) -> Angles:
    """East, north and up."""
    azimuth, elevation = np.radians(azimuth_deg), np.radians(elevation_deg)
    level = np.cos(elevation)
    return np.array([np.sin(azimuth) * level, np.cos(azimuth) * level, np.sin(elevation)])


def seen(azimuths: list[float], elevations: list[float], step_s: float = 1.0) -> Sighting:
    return Sighting(T, step_s, np.array(azimuths), np.array(elevations), half_beam_deg=3.0, unsure_deg=0.5)


directions = st.lists(st.tuples(st.floats(-15, 15), st.floats(5, 90)), min_size=4, max_size=9)


@settings(max_examples=30, deadline=None)
@given(
    directions,
    st.floats(-40, 400),
    st.sampled_from([(0.0, 30.0), (340.0, 372.0), (350.0, 365.0)]),
    st.sampled_from([90.0, 180.0]),
    st.sampled_from([1.0, 3.0]),
    st.booleans(),
    st.booleans(),
)
def test_no_course_is_better_than_the_one_that_is_found(
    moves: list[tuple[float, float]],
    begin_deg: float,
    azimuth: tuple[float, float],
    highest_deg: float,
    slew_deg_s: float,
    masked: bool,
    bounded: bool,
) -> None:
    azimuths = np.cumsum([begin_deg, *(turn for turn, _ in moves[1:])]).tolist()
    track = seen(azimuths, [elevation for _, elevation in moves])
    axes = Axes(*azimuth, 0.0, highest_deg, slew_deg_s, 20.0)
    reach = Reach(axes, HorizonMask(((5.0, 10.0), (12.0, 40.0), (20.0, 0.0))) if masked else None)
    around = Around(AzEl(azimuth[0] + 5, 20), 3.0, AzEl(azimuth[1], 10), 1.0) if bounded else Around()
    found = cheapest_course(track, reach, around)
    assert found.cost_s == pytest.approx(Tried(track, reach, around).least(), abs=2e-3)
    assert np.abs(np.diff(found.azimuth_deg)).max() <= slew_deg_s * 8 + 1e-9
    if highest_deg == 90:
        assert np.abs(np.diff(found.azimuth_deg)).max() <= slew_deg_s + 1e-9
        grid = Tried(track, reach, around)
        cells = [int(np.abs(np.array(grid.grid) - each).argmin()) for each in found.azimuth_deg]
        cost = sum(grid.off(sample, cell, False) for sample, cell in enumerate(cells))
        cost += grid.before(cells[0], False) + grid.after(cells[-1], False)
        assert cost == pytest.approx(found.cost_s, abs=2e-3)  # and it costs what it is said to


def test_too_little_time_to_get_there_is_known_at_the_start() -> None:
    track = seen([20.0] * 9, [10.0] * 9)
    reach = Reach(Axes(0.0, 30.0, 0.0, 90.0, 2.0, 20.0))
    found = cheapest_course(track, reach, Around(AzEl(0.0, 10.0), start_within_s=3.0))
    assert found.azimuth_deg[0] == 6.0  # as far as it gets in three seconds
    assert found.azimuth_deg[-1] == 20.0


def test_of_equal_ends_the_one_nearest_to_the_next_contact_is_taken() -> None:
    track = seen([10.0] * 5, [10.0] * 5)
    reach = Reach(Axes(0.0, 450.0, 0.0, 90.0, 2.0, 20.0))
    assert cheapest_course(track, reach, Around(onward=AzEl(40.0, 10.0))).azimuth_deg[-1] == 10.0
    assert cheapest_course(track, reach, Around(onward=AzEl(300.0, 10.0))).azimuth_deg[-1] == 370.0
