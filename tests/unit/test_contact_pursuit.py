"""What is sent to a rotator, and when: ahead of the path, within its dead band, its pace and its budget of moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fleetd.contact.axis import Axes, AxisPath
from fleetd.contact.pursuit import Thrift, aim
from fleetd.devices import AzEl

T = datetime(2026, 11, 11, 12, tzinfo=UTC)
AXES = Axes(0.0, 450.0, 0.0, 180.0, 6.0, 3.0, 4.0, 4.0, 1.0)


def path(azimuth_deg_s: float, elevation_deg_s: float = 0.0) -> AxisPath:
    azimuth, elevation = 100 + azimuth_deg_s * np.arange(61.0), 20 + elevation_deg_s * np.arange(61.0)
    return AxisPath(T, 1.0, azimuth, elevation, np.zeros(61), 0, 0.0)


def test_a_slow_path_is_led_by_half_a_period() -> None:
    to = aim(path(0.4, 0.2), T + timedelta(seconds=10), 2.0, AXES)
    assert to.azimuth_deg == pytest.approx(104.4)
    assert to.elevation_deg == pytest.approx(22.2)


def test_on_a_path_at_full_rate_the_motor_is_never_made_to_brake() -> None:
    to = aim(path(6.0), T + timedelta(seconds=10), 1.0, AXES)
    assert to.azimuth_deg == pytest.approx(160 + 6.0 * (1.0 + 1.5))  # a period, and the time that braking takes
    assert to.elevation_deg == 20


def test_where_it_will_soon_run_at_full_rate_it_sets_out_now() -> None:
    """At 24 deg/s² from rest: an order later it would stand still where the path runs, and never catch up."""
    azimuth = 100 + np.concatenate([np.zeros(11), 6.0 * np.arange(1, 51)])  # runs from the tenth second on
    stands = AxisPath(T, 1.0, azimuth, np.full(61, 20.0), np.zeros(61), 0, 0.0)
    assert aim(stands, T + timedelta(seconds=9.0), 1.0, AXES).azimuth_deg == pytest.approx(100 + 6.0 * 1.5)
    assert aim(stands, T + timedelta(seconds=8.0), 1.0, AXES).azimuth_deg == 100  # there is time for another order
    early = aim(stands, T + timedelta(seconds=9.0), 1.0, Axes(0, 450, 0, 180, 12, 12, 4, 4))
    assert early.azimuth_deg == 100  # half its rate is no full rate


def test_where_a_slew_ends_it_is_sent_to_its_end() -> None:
    to = aim(path(6.0), T + timedelta(seconds=59.5), 1.0, AXES)
    assert to.azimuth_deg == 460


def test_the_dead_band_counts_both_axes_together() -> None:
    thrift = Thrift(dead_band_deg=2.0)
    assert thrift.worth(AzEl(10, 10), None, 0.0)
    assert not thrift.worth(AzEl(11.9, 8.1), AzEl(10, 10), 0.0)
    assert thrift.worth(AzEl(12, 10), AzEl(10, 10), 0.0)
    assert not Thrift().worth(AzEl(10, 10), AzEl(10, 10), 0.0)


def test_moves_keep_their_least_distance_in_time() -> None:
    thrift = Thrift(min_interval_s=5.0)
    thrift.sent(100.0)
    assert not thrift.worth(AzEl(90, 10), AzEl(10, 10), 104.9)
    assert thrift.worth(AzEl(90, 10), AzEl(10, 10), 105.0)


@settings(max_examples=60, deadline=None)
@example(12, [187.0, 191.0, 191.0])  # the last of them waits until the first is an hour old
@given(st.integers(12, 300), st.lists(st.floats(0.05, 200), min_size=1, max_size=400))
def test_no_hour_sees_more_moves_than_it_may(most: int, pauses: list[float]) -> None:
    thrift, now_s, sent = Thrift(most_an_hour=most), 0.0, []
    for pause_s in pauses * 6:
        now_s += pause_s
        if thrift.worth(AzEl(now_s, 0), AzEl(-1, 0), now_s):
            thrift.sent(now_s)
            sent.append(now_s)
    for first, last in zip(sent, sent[most:], strict=False):
        assert last - first >= 3600 - 1e-6


def test_the_last_quarter_of_an_hours_moves_is_spread_out() -> None:
    thrift = Thrift(most_an_hour=100)
    for second in range(75):
        assert thrift.interval_s(float(second)) == 0.0
        thrift.sent(float(second))
    assert thrift.sparing
    assert thrift.interval_s(75.0) == pytest.approx((3600 - 75) / 26)
    assert thrift.interval_s(3600.0 + 50) == 0.0
    assert not thrift.sparing
