"""What must hold once nothing befalls a site any more: all is in use again, nothing waits, nobody is forgotten."""

from __future__ import annotations

from collections.abc import Iterator

from fleetd_hil.explore.case import Case, Plain, in_words

RECOVERY_S = 300.0
"""Seconds within which a site whose troubles are over is whole again."""
LOOK_S = 60.0
"""The last stretch of a story, in which it is judged whether it is."""
_FRESH_S = 45.0
_PASSING = ("wind", "feedback-noisy", "feedback-lost")
"""Alarms of an antenna that end by themselves. `feedback-frozen` ends with the next motion, and there may be none."""
_MEASURING = ("little-donkey", "weather-station", "modbus-sensor", "rotator")


def expectations(case: Case) -> list[Plain]:
    """In the words of a scenario: what must be seen at the end of this one."""
    return [
        *_devices(case),
        *_passing(case),
        *_orders(case),
        {"node": {"state": "online"}, "last": True, "within": in_words(case.lasts_s)},
    ]


def _devices(case: Case) -> Iterator[Plain]:
    rotators = {antenna["rotator"] for antenna in case.site["antennas"]}
    whole = {"last": True, "within": in_words(case.lasts_s)}
    for device in case.site["devices"]:
        name = device["name"]
        yield {"status": {"device": name, "state": "online"}} | whole
        yield {"alarm": {"device": name, "name": "offline", "active": True}, "never": True} | whole
        if name in rotators or device["driver"] in _MEASURING:
            yield {
                "reading": {"device": name, "quality": "GOOD", "age_s": f"< {_FRESH_S:g} s"},
                "after": in_words(max(0.0, case.lasts_s - LOOK_S)),
                "within": in_words(min(LOOK_S, case.lasts_s)),
            }


def _passing(case: Case) -> Iterator[Plain]:
    """What ends by itself has ended."""
    whole = {"never": True, "last": True, "within": in_words(case.lasts_s)}
    for antenna in case.site["antennas"]:
        for alarm in _PASSING:
            yield {"alarm": {"device": antenna["name"], "name": alarm, "active": True}} | whole
    yield {"alarm": {"device": "clock", "name": "clock-unsynchronised", "active": True}} | whole


def _orders(case: Case) -> Iterator[Plain]:
    """An order that was accepted comes to its end, whatever that is."""
    ids = dict.fromkeys(step["command"]["id"] for step in case.timeline if "command" in step)
    for order in ids:
        for stage in ("accepted", "started"):
            yield {
                "result": {"id": order, "stage": stage},
                "never": True,
                "last": True,
                "within": in_words(case.lasts_s),
            }
