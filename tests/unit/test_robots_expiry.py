"""Until when a command may be sent, over a clock that steps and a daemon that starts afresh."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fleetd.clock import VirtualClock
from fleetd.records import Command
from fleetd.robots.expiry import Expiries

NOON = datetime(2026, 11, 11, 12, tzinfo=UTC)
COMMAND = Command(
    id="c1", device="r", action="send", issuer="me", issued_at=NOON, expires_at=NOON + timedelta(seconds=30)
)


def test_a_clock_that_is_set_back_makes_no_command_live_longer() -> None:
    clock = VirtualClock(NOON)
    expiries = Expiries(clock)
    expiries.note(COMMAND)
    assert expiries.left_s(COMMAND) == pytest.approx(30)
    clock.step(-3_600)
    assert expiries.left_s(COMMAND) == pytest.approx(30)


@pytest.mark.parametrize(
    ("step_s", "synced", "left_s", "unknown"),
    [(10, True, 20, False), (40, True, -10, False), (-3_600, True, None, True), (10, False, None, True)],
)
def test_what_is_left_from_an_earlier_life(step_s: float, synced: bool, left_s: float | None, unknown: bool) -> None:
    """Before it was issued no command can be: the clock was set back, and nobody knows how old it is."""
    clock = VirtualClock(NOON, synced=synced)
    clock.step(step_s)
    expiries = Expiries(clock)
    expiries.inherit(COMMAND)
    assert expiries.unknown(COMMAND) is unknown
    assert expiries.left_s(COMMAND) == (float("-inf") if left_s is None else pytest.approx(left_s))
