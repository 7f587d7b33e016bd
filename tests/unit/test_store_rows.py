"""Rows of the outbox: what they hold, and that no damage stays unseen."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetd.records import (
    Alarm,
    ContactReport,
    DeviceState,
    DeviceStatus,
    Event,
    NodeStatus,
    Quality,
    Reading,
    Result,
    Severity,
    Stage,
)
from fleetd.store.rows import DROPPED_FIRST, Draft, Kept, Kind, checksum, draft, microseconds, runs

NOW = datetime(2026, 11, 11, 12, 0, 0, 123456, tzinfo=UTC)
READING = Reading(at=NOW, device="robot-01", quality=Quality.GOOD, values={"soc": 55})
REPORT = ContactReport(
    at=NOW,
    contact="c",
    satellite="candy-tin",
    norad_id=1,
    antenna="dish",
    outcome="worked",
    aos=NOW,
    los=NOW,
    max_elevation_deg=40.0,
    started_at=NOW,
    ended_at=NOW,
    samples=0,
    max_pointing_error_deg=None,
    rms_pointing_error_deg=None,
    off_beam_s=0.0,
    elements_epoch=NOW,
    elements_hash="",
)


def alarm(active: bool) -> Alarm:
    return Alarm(at=NOW, device="r", name="hot", active=active, severity=Severity.WARNING, text="hot")


@pytest.mark.parametrize(
    ("record", "kind", "device", "name"),
    [
        (READING, Kind.READING, "robot-01", ""),
        (DeviceStatus(at=NOW, device="r", state=DeviceState.STALE), Kind.STATUS, "r", ""),
        (Event(at=NOW, source="s", name="n", text="t"), Kind.EVENT, "", ""),
        (alarm(active=True), Kind.ALARM, "r", "hot"),
        (alarm(active=False), Kind.ALARM_CLEARED, "r", "hot"),
        (Result(at=NOW, id="1", device="r", action="stop", stage=Stage.FAILED), Kind.RESULT, "r", ""),
        (REPORT, Kind.CONTACT, "dish", ""),
        (NodeStatus(at=NOW, state="online", site="s", version="1"), Kind.NODE, "", ""),
    ],
)
def test_each_record_has_its_kind_and_place(record: Kept, kind: Kind, device: str, name: str) -> None:
    made = draft(record)
    assert (made.kind, made.device, made.name) == (kind, device, name)
    assert msgspec.json.decode(made.body, type=type(record)) == record


def test_what_is_no_record_is_a_bug() -> None:
    with pytest.raises(TypeError, match="str is no record"):
        draft("hello")  # type: ignore[arg-type]


def test_everything_but_the_nodes_own_status_can_give_way_and_readings_first() -> None:
    assert set(DROPPED_FIRST) == set(Kind) - {Kind.NODE}
    assert DROPPED_FIRST[0] is Kind.READING
    assert DROPPED_FIRST[-1] is Kind.RESULT


@given(st.datetimes(timezones=st.just(UTC)))
def test_microseconds_are_exact(when: datetime) -> None:
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds(when)) == when


@given(st.sets(st.integers(1, 200)))
def test_runs_hold_the_same_numbers(numbers: set[int]) -> None:
    found = runs(sorted(numbers))
    assert [n for first, last in found for n in range(first, last + 1)] == sorted(numbers)
    assert all(before[1] + 1 < after[0] for before, after in itertools.pairwise(found))


@given(st.data())
def test_any_single_flipped_bit_changes_the_checksum(data: st.DataObject) -> None:
    made = draft(READING)
    at = data.draw(st.integers(0, len(made.body) * 8 - 1))
    body = bytearray(made.body)
    body[at // 8] ^= 1 << at % 8
    assert checksum(7, "boot", made) != checksum(7, "boot", made._replace(body=bytes(body)))


def test_the_checksum_covers_every_column() -> None:
    made = Draft(Kind.ALARM, "r", "hot", 5, b"{}")
    sums = {
        checksum(1, "boot", made),
        checksum(2, "boot", made),
        checksum(1, "beet", made),
        checksum(1, "boot", made._replace(kind=Kind.ALARM_CLEARED)),
        checksum(1, "boot", made._replace(device="q")),
        checksum(1, "boot", made._replace(name="cold")),
        checksum(1, "boot", made._replace(at_us=6)),
    }
    assert len(sums) == 7
