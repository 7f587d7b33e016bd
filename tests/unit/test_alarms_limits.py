"""Readings against limits: hysteresis, persistence, and the times at which they were taken."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetd.alarms import Alarms
from fleetd.alarms.limits import Limits, Watched
from fleetd.clock import VirtualClock
from fleetd.errors import ConfigError
from fleetd.records import Alarm, Quality, Reading, Value
from fleetd.registers.limits import Limit
from fleetd.registers.loader import load_map

NOON = datetime(2026, 11, 11, 12, tzinfo=UTC)
LOW = Limit(below=15.0, hysteresis=5.0)
EMPTY = Limit(below=7.0, hysteresis=3.0, severity="critical")


class Judged:
    """One robot's battery (or another value) against some limits."""

    def __init__(self, *limits: Limit, value: str = "battery_percent", unit: str = "%") -> None:
        self.clock = VirtualClock(NOON)
        self.told: list[Alarm] = []
        self.alarms = Alarms(self.clock, lambda told: self.told.append(told) if isinstance(told, Alarm) else None)
        self.value = value
        self.limits = Limits(self.alarms, {"robot-17": [Watched(value, limit, unit) for limit in limits]})

    def take(self, value: Value, *, age_s: float = 0.0, quality: Quality = Quality.GOOD) -> None:
        at = self.clock.now() - timedelta(seconds=age_s)
        values: Mapping[str, Value] = {self.value: value}
        self.limits.take(Reading(at=at, device="robot-17", quality=quality, values=values))

    async def each_second(self, *values: Value) -> None:
        for value in values:
            self.take(value)
            await self.clock.advance(1.0)

    @property
    def course(self) -> list[tuple[str, bool, str]]:
        return [(alarm.name, alarm.active, str(alarm.severity)) for alarm in self.told]


async def test_value_limit_and_severity_stand_in_the_alarm_and_hysteresis_holds_it() -> None:
    judged = Judged(LOW, EMPTY)
    await judged.each_second(16.0, 14.5, 15.5, 19.9, 6.0, 9.0, 10.5, 14.0, 20.0, 16.0)
    assert judged.course == [
        ("battery-percent-low", True, "warning"),
        ("battery-percent-low", True, "critical"),
        ("battery-percent-low", True, "warning"),
        ("battery-percent-low", False, "warning"),
    ]
    first, worse, better, gone = judged.told
    assert first.text == "battery_percent of robot-17 is 14.5 %, below 15 %"
    assert (worse.value, worse.limit, better.value, better.limit) == (6.0, 7.0, 10.5, 15.0)
    assert gone.at == NOON + timedelta(seconds=8)


async def test_it_comes_only_after_its_time_and_a_single_good_reading_begins_it_anew() -> None:
    judged = Judged(Limit(above=20.0, for_s=3.0), value="gust_m_s", unit="m/s")
    await judged.each_second(25.0, 25.0, 25.0, 19.0, 25.0, 25.0, 25.0)
    assert judged.told == []
    await judged.each_second(26.0)
    assert [alarm.text for alarm in judged.told] == ["gust_m_s of robot-17 is 26 m/s, above 20 m/s for 3 s"]
    [entry] = judged.alarms.list()
    assert entry.at == NOON + timedelta(seconds=4)  # since when it holds, not since when it was seen


async def test_late_data_raise_no_live_alarm_and_clear_none() -> None:
    """Stored telemetry replayed in a contact (OpenC3/cosmos#3434)."""
    judged = Judged(LOW)
    for age_s in range(7_200, 60, -60):
        judged.take(3.0, age_s=age_s)
    assert judged.told == []
    judged.take(3.0)
    assert len(judged.told) == 1
    for age_s in range(7_200, 60, -60):
        judged.take(80.0, age_s=age_s)
    judged.take(80.0, age_s=30.0)  # not late, and yet older than what is known
    assert len(judged.told) == 1


async def test_what_came_in_one_go_counts_by_the_times_at_which_it_was_taken() -> None:
    judged = Judged(Limit(below=15.0, for_s=10.0))
    for age_s in range(12, -1, -1):
        judged.take(3.0, age_s=age_s)
    assert [alarm.active for alarm in judged.told] == [True]


async def test_stale_suspect_and_absent_values_change_nothing() -> None:
    judged = Judged(LOW)
    judged.take(3.0, quality=Quality.STALE)
    judged.take(3.0, quality=Quality.SUSPECT)
    judged.take(None)
    judged.take("three")
    assert judged.told == []
    judged.take(3.0)
    judged.take(80.0, quality=Quality.STALE)
    judged.take(80.0, quality=Quality.SUSPECT)
    judged.take(None)
    assert len(judged.told) == 1


@pytest.mark.parametrize("by_s", [3_600.0, -3_600.0, 86_400.0, -86_400.0])
async def test_a_step_of_the_wall_clock_neither_makes_an_alarm_early_nor_holds_one_back(by_s: float) -> None:
    judged = Judged(Limit(below=15.0, for_s=10.0))
    await judged.each_second(3.0, 3.0)
    judged.clock.step(by_s)
    await judged.each_second(*[3.0] * 10)
    assert judged.told == []
    await judged.each_second(3.0)
    assert len(judged.told) == 1


async def test_words_and_truth_values_have_limits_too() -> None:
    judged = Judged(Limit(equals="faulty", severity="critical"), value="state", unit="")
    await judged.each_second("idle", "faulty", "idle")
    assert judged.course == [("state-faulty", True, "critical"), ("state-faulty", False, "critical")]
    assert judged.told[0].text == "state of robot-17 is faulty"
    judged = Judged(Limit(equals=False), value="heartbeat_alive", unit="")
    await judged.each_second(True, False, 0, True)
    assert judged.course == [("not-heartbeat-alive", True, "warning"), ("not-heartbeat-alive", False, "warning")]
    assert judged.told[0].text == "heartbeat_alive of robot-17 is no"


@given(values=st.lists(st.floats(0.0, 100.0), max_size=60))
def test_an_alarm_never_chatters_within_its_hysteresis(values: list[float]) -> None:
    """Between coming and going lies the whole band, whatever the values do."""
    judged = Judged(LOW)
    for value in values:
        judged.take(value)
    turns = [alarm.active for alarm in judged.told]
    assert turns == [bool((index + 1) % 2) for index in range(len(turns))]
    expected, active = [], False
    for value in values:
        if (not active and value < 15.0) or (active and value >= 20.0):
            active = not active
            expected.append(active)
    assert turns == expected


def test_a_limit_draws_exactly_one_line() -> None:
    for wrong in ({}, {"above": 1.0, "below": 2.0}, {"equals": True, "hysteresis": 1.0}):
        with pytest.raises(ValueError, match=r"exactly one|hysteresis belongs"):
            Limit.model_validate(wrong)


def test_the_shipped_maps_have_limits() -> None:
    battery = load_map("little-donkey").by_name["battery_charge_percent"]
    assert [limit.name(battery.name) for limit in battery.limits] == ["battery-charge-percent-low"] * 2


def test_a_map_with_a_limit_on_the_wrong_kind_of_value_does_not_load(tmp_path) -> None:  # type: ignore[no-untyped-def]
    text = (
        "name: odd\ntitle: odd\nabout: odd\n"
        "values:\n"
        "  - {name: bits, table: input, address: 0, type: bits, fields: {a: {bit: 0}}, limits: [{equals: true}]}\n"
        "  - {name: word, table: coil, address: 0, limits: [{above: 3.0}]}\n"
        "samples: [{about: none}]\n"
    )
    path = tmp_path / "odd.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_map(path)
    assert "limits of a bits register stand at its fields" in str(caught.value)
    assert "above and below belong to numbers" in str(caught.value)
