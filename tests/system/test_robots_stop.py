"""A stop under load, by the whole daemon: MQTT in to register written, while a fleet is polled and one bus hangs."""

from __future__ import annotations

import pytest

from bench.stops import stop_ms

P99_MS, MOST_MS = 100.0, 250.0


@pytest.mark.peer("mosquitto")
@pytest.mark.parametrize(
    ("robots", "stops"),
    [(30, 15), pytest.param(700, 300, marks=[pytest.mark.slow, pytest.mark.timeout(240)])],
)
async def test_goal_18_a_stop_overtakes_polls_and_a_hung_bus(robots: int, stops: int) -> None:
    figures = await stop_ms(robots, stops)
    assert figures["p99"] <= (P99_MS if stops >= 100 else MOST_MS)  # of a few, p99 is the slowest
    assert figures["max"] <= MOST_MS
