"""Report by exception: what is told, what is not, and that nothing creeps away in small steps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from fleetd.records import Quality, Reading, Value
from fleetd.registers.loader import load_map
from fleetd.robots.telling import Telling

DEADBANDS = {"charge": 0.5, "counter": 65_535.0}


def reading(quality: Quality = Quality.GOOD, absent: Mapping[str, str] | None = None, **values: Value) -> Reading:
    return Reading(
        at=datetime(2026, 11, 11, tzinfo=UTC),
        clock_synced=True,
        device="robot-1",
        quality=quality,
        values={"state": "idle", "charge": 80.0, "counter": 7, **values},
        absent=absent or {},
    )


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (reading(), False),
        (reading(counter=8), False),
        (reading(charge=80.5), False),
        (reading(charge=79.5, counter=60_000), False),
        (reading(charge=80.6), True),
        (reading(state="driving"), True),
        (reading(charge=None, absent={"charge": "no pack"}), True),
        (reading(charge=None), True),
        (reading(Quality.SUSPECT), True),
        (reading(more=1), True),
    ],
)
def test_what_is_news(second: Reading, told: bool) -> None:
    telling = Telling(60.0, DEADBANDS)
    assert telling.is_due(reading(), 0.0)
    assert telling.is_due(second, 10.0) is told


def test_small_steps_are_told_once_they_add_up() -> None:
    telling = Telling(1e9, DEADBANDS)
    charges = [80.0 - 0.2 * step for step in range(30)]
    told = [charge for at_s, charge in enumerate(charges) if telling.is_due(reading(charge=charge), float(at_s))]
    assert told[0] == 80.0
    assert all(0.5 < one - other < 0.75 for one, other in pairwise(told))
    assert charges[-1] > told[-1] - 0.75


def test_after_so_long_it_is_told_in_any_case() -> None:
    telling = Telling(60.0, DEADBANDS)
    assert [at_s for at_s in range(200) if telling.is_due(reading(), float(at_s))] == [0, 60, 120, 180]


def test_without_a_longest_silence_each_is_told() -> None:
    telling = Telling(None, DEADBANDS)
    assert all(telling.is_due(reading(), 0.0) for _ in range(3))


def test_a_deadband_belongs_to_numbers_and_those_of_the_reference_map_are_no_wider_than_stated() -> None:
    specs = load_map("little-donkey").by_name
    assert specs["battery_charge_percent"].deadband == 0.5
    assert specs["latitude_deg"].deadband == pytest.approx(0.5 / 111_000, rel=0.2)  # half a metre
    assert {name for name, spec in specs.items() if spec.deadband == 65_535} == {
        "heartbeat_counter",
        "heartbeat_age_ms",
    }
    with pytest.raises(ValueError, match="a deadband belongs to numbers"):
        type(specs["state"]).model_validate(specs["state"].model_dump() | {"deadband": 1.0})
