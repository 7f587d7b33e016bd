"""The rules of commands: what is out of range never passes, and the limit is named."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetd.devices import ActionSpec, ArgumentSpec
from fleetd.errors import Refusal
from fleetd.records import Command, Value
from fleetd.robots.judge import judge, listed
from fleetd.robots.settings import Place, RobotsSettings

NOON = datetime(2026, 11, 11, 12, tzinfo=UTC)
ACTIONS = {
    "send": ActionSpec("send", "Drive", (ArgumentSpec("stop", 1, 65_535, whole=True),)),
    "limit": ActionSpec("limit", "Slower", (ArgumentSpec("speed_m_s", 0.1, 5.5, whole=False, unit="m/s"),)),
}
SETTINGS = RobotsSettings(places={"library": Place(stop=2, latitude_deg=30.3, longitude_deg=120.1)})

values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from(["library"])
)


def ask(action: str, args: dict[str, Value], **changes: object) -> Command:
    facts = {
        "id": "c",
        "device": "robot-01",
        "action": action,
        "args": args,
        "issuer": "test",
        "issued_at": NOON,
        "expires_at": NOON + timedelta(seconds=30),
    }
    return judge(Command(**{**facts, **changes}), ACTIONS, SETTINGS, NOON)  # type: ignore[arg-type]


@given(values)
def test_a_stop_number_that_passes_is_a_whole_number_within_its_limits(value: Value) -> None:
    try:
        passed = ask("send", {"stop": value}).args["stop"]
    except Refusal:
        return
    assert type(passed) is int
    assert 1 <= passed <= 65_535
    assert passed == (2 if value == "library" else value)


@given(values)
def test_a_speed_that_passes_is_finite_and_within_its_limits(value: Value) -> None:
    try:
        passed = ask("limit", {"speed_m_s": value}).args["speed_m_s"]
    except Refusal:
        return
    assert isinstance(passed, int | float)
    assert not isinstance(passed, bool)
    assert math.isfinite(passed)
    assert 0.1 <= passed <= 5.5


@given(st.one_of(st.integers(max_value=0), st.integers(min_value=65_536)))
def test_beyond_the_limit_is_refused_by_naming_it(stop: int) -> None:
    with pytest.raises(Refusal, match=r"limit of (1|65535)$") as caught:
        ask("send", {"stop": stop})
    assert caught.value.rule == "range"


def test_a_place_may_stand_under_its_own_name_or_as_the_stop() -> None:
    assert ask("send", {"place": "library"}).args == {"stop": 2}
    assert ask("send", {"stop": "library"}).args == {"stop": 2}
    with pytest.raises(Refusal, match="place"):
        ask("send", {"place": "library", "stop": 3})


def test_a_place_means_nothing_to_an_action_without_a_stop() -> None:
    with pytest.raises(Refusal, match=r"is .library., which is not a number from 0\.1 to 5\.5 m/s"):
        ask("limit", {"speed_m_s": "library"})


@pytest.mark.parametrize("bad", ["", "x" * 129, "a\nb", "\x00"])
def test_an_id_must_be_short_and_printable(bad: str) -> None:
    with pytest.raises(Refusal, match="printable"):
        ask("send", {"stop": 1}, id=bad)


def test_times_need_a_zone() -> None:
    with pytest.raises(Refusal, match="zone"):
        ask("send", {"stop": 1}, issued_at=datetime(2026, 11, 11, 12))  # noqa: DTZ001


@given(st.integers(-100_000, 100_000))
def test_only_a_command_in_time_passes(left_ms: int) -> None:
    expires_at = NOON + timedelta(milliseconds=left_ms)
    if left_ms > 0:
        ask("send", {"stop": 1}, expires_at=expires_at)
    else:
        with pytest.raises(Refusal, match="expired at"):
            ask("send", {"stop": 1}, expires_at=expires_at)


def test_a_stop_is_never_refused_for_its_time_or_its_arguments() -> None:
    stop = ask("stop", {"speed": "fast"}, expires_at=NOON - timedelta(days=1), issued_at=NOON + timedelta(days=1))
    assert stop.args == {}


def test_long_lists_of_names_are_cut() -> None:
    assert listed([]) == "none"
    assert listed(["b", "a"]) == "a, b"
    assert listed([f"r{number:03}" for number in range(700)]).endswith("r019 and 680 more")
