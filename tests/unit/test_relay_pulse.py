"""When a silent line is tested and when it is left, told by the time alone."""

from __future__ import annotations

import pytest

from fleetd.relay.pulse import Pulse, Verdict


def verdicts(pulse: Pulse, *, seconds: int, owed: bool, heard_at: tuple[int, ...] = ()) -> dict[int, Verdict]:
    """What is to be done, a look a second, where it is anything."""
    found = {now: pulse.look(float(now), heard=now in heard_at, owed=owed) for now in range(1, seconds + 1)}
    return {now: verdict for now, verdict in found.items() if verdict is not Verdict.FINE}


def test_a_line_that_owes_answers_is_asked_and_left_within_seven_seconds() -> None:
    found = verdicts(Pulse(15.0, 0.1, 0.0), seconds=8, owed=True)
    assert min(found) == 3
    assert found[3] is Verdict.PING
    assert found[7] is Verdict.GONE
    assert 6 not in found


def test_whatever_comes_in_is_a_sign_of_life() -> None:
    found = verdicts(Pulse(15.0, 0.1, 0.0), seconds=20, owed=True, heard_at=(2, 4, 6, 9, 12, 15, 18))
    assert set(found.values()) <= {Verdict.PING}


@pytest.mark.parametrize("keepalive_s", [5.0, 15.0, 60.0])
def test_a_line_with_nothing_to_say_is_asked_after_half_the_keepalive(keepalive_s: float) -> None:
    found = verdicts(Pulse(keepalive_s, 0.1, 0.0), seconds=40, owed=False)
    asked = min(found)
    assert keepalive_s / 2 < asked <= keepalive_s / 2 + 1
    assert found[asked] is Verdict.PING
    assert found[asked + 4] is Verdict.GONE


def test_a_broker_that_answers_pings_is_never_left_for_silence() -> None:
    pulse, pinged = Pulse(15.0, 0.1, 0.0), False
    for now in range(1, 100):
        verdict = pulse.look(float(now), heard=pinged, owed=True)
        assert verdict is not Verdict.GONE
        pinged = verdict is Verdict.PING


def test_a_long_line_is_given_more_time() -> None:
    found = verdicts(Pulse(15.0, 2.0, 0.0), seconds=14, owed=True)
    assert found[14] is Verdict.GONE
    assert list(found) == [3, 14]
