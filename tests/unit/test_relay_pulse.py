"""When a silent line is tested and when it is left, told by the time alone."""

from __future__ import annotations

import pytest

from fleetd.relay.pulse import Pulse, Verdict


def verdicts(
    seconds: int, *, owed: bool, keepalive_s: float = 15.0, patience_s: float = 3.0, heard_at: tuple[int, ...] = ()
) -> dict[int, Verdict]:
    """What is to be done, a look a second, where it is anything."""
    pulse = Pulse(keepalive_s, 0.0)
    found = {now: pulse.look(float(now), patience_s, heard=now in heard_at, owed=owed) for now in range(1, seconds + 1)}
    return {now: verdict for now, verdict in found.items() if verdict is not Verdict.FINE}


def test_a_line_that_owes_answers_is_asked_and_left_within_six_seconds() -> None:
    found = verdicts(8, owed=True)
    assert min(found) == 2
    assert found[2] is Verdict.PING
    assert found[6] is Verdict.GONE
    assert 5 not in found


def test_whatever_comes_in_is_a_sign_of_life() -> None:
    found = verdicts(20, owed=True, heard_at=(2, 4, 6, 9, 12, 15, 18))
    assert set(found.values()) <= {Verdict.PING}


@pytest.mark.parametrize("keepalive_s", [5.0, 15.0, 60.0])
def test_a_line_with_nothing_to_say_is_asked_after_half_the_keepalive(keepalive_s: float) -> None:
    found = verdicts(40, owed=False, keepalive_s=keepalive_s)
    asked = min(found)
    assert keepalive_s / 2 < asked <= keepalive_s / 2 + 1
    assert found[asked] is Verdict.PING
    assert found[asked + 4] is Verdict.GONE


def test_a_broker_that_answers_pings_is_never_left_for_silence() -> None:
    pulse, pinged = Pulse(15.0, 0.0), False
    for now in range(1, 100):
        verdict = pulse.look(float(now), 3.0, heard=pinged, owed=True)
        assert verdict is not Verdict.GONE
        pinged = verdict is Verdict.PING


def test_a_long_line_is_given_more_time() -> None:
    found = verdicts(13, owed=True, patience_s=10.0)
    assert found[13] is Verdict.GONE
    assert list(found) == [2, 13]
