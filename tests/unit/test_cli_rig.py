"""`fleetctl device` with a radio or a switch: what it says, what it refuses, and that nothing is left transmitting."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from fleetd.cli.byhand import Hand, verbs_of
from fleetd.clock import VirtualClock
from fleetd.devices import Capability, RigLimits, RigMode, Side
from fleetd.errors import DeviceError, LinkLost, Refusal

LIMITS = RigLimits(100_000, 9_999_999_999, 1)


class Radio:
    """Remembers; `deaf` to an unkey, or `broken` once it transmits."""

    limits = LIMITS

    def __init__(self) -> None:
        self.stands = {Side.MAIN: 435_000_000, Side.SUB: 145_000_000}
        self.modes: dict[Side, RigMode] = {}
        self.on = False
        self.deaf = False
        self.keyings = 0

    async def tune(self, side: Side, frequency_hz: int, /) -> None:
        self.stands[side] = frequency_hz

    async def tuned(self, side: Side, /) -> int:
        return self.stands[side]

    async def set_mode(self, side: Side, mode: RigMode, /) -> None:
        self.modes[side] = mode

    async def key(self) -> None:
        self.on = True
        self.keyings += 1

    async def unkey(self) -> None:
        await asyncio.sleep(0)
        self.on = self.deaf and self.on

    async def keyed(self) -> bool:
        return self.on


class Relay:
    def __init__(self) -> None:
        self.on = False
        self.stuck = False

    async def turn(self, *, on: bool) -> None:
        self.on = self.on if self.stuck else on

    async def is_on(self) -> bool:
        return self.on


def hand(*, transmit: bool = False) -> tuple[Hand, list[str], VirtualClock]:
    clock, said = VirtualClock(datetime(2026, 11, 11, tzinfo=UTC)), list[str]()
    return Hand(clock, said.append, transmit=transmit), said, clock


async def act(device: Any, capability: Capability, verb: str, *words: str, transmit: bool = False) -> dict[str, Any]:
    by, _, clock = hand(transmit=transmit)
    task = asyncio.ensure_future(verbs_of(capability)[verb](device, words, by))
    for _ in range(100):
        await clock.advance(1.0)
        if task.done():
            break
    return await task


async def test_frequencies_are_told_and_set_and_read_back() -> None:
    radio = Radio()
    assert await act(radio, "rig", "frequency") == {"main": 435_000_000, "sub": 145_000_000}
    answer = await act(radio, "rig", "frequency", "sub", "145_900_000")
    assert answer == {"side": "sub", "asked_hz": 145_900_000, "frequency_hz": 145_900_000}
    await act(radio, "rig", "mode", "main", "usb-data")
    assert radio.modes == {Side.MAIN: "usb-data"}


@pytest.mark.parametrize(
    ("verb", "words", "rule"),
    [
        ("frequency", ["main"], "usage"),
        ("frequency", ["left", "145000000"], "usage"),
        ("frequency", ["main", "145.9e6"], "usage"),
        ("frequency", ["main", "nan"], "usage"),
        ("frequency", ["main", "-1"], "rig-limits"),
        ("mode", ["main", "ssb"], "usage"),
        ("ptt", ["maybe"], "usage"),
        ("ptt", ["on"], "transmit"),
        ("ptt", ["on", "5"], "transmit"),
    ],
)
async def test_what_is_wrong_is_refused_and_changes_nothing(verb: str, words: Sequence[str], rule: str) -> None:
    radio = Radio()
    with pytest.raises(Refusal) as no:
        await act(radio, "rig", verb, *words)
    assert no.value.rule == rule
    assert (radio.keyings, radio.stands[Side.MAIN], radio.modes) == (0, 435_000_000, {})


async def test_transmitting_needs_its_word_and_ends_by_itself() -> None:
    radio = Radio()
    assert await act(radio, "rig", "ptt", "on", "2", transmit=True) == {"transmitted_s": 2.0, "transmitting": False}
    assert (radio.keyings, radio.on) == (1, False)
    for wrong in ("0", "-1", "61", "nan", "x"):
        with pytest.raises(Refusal):
            await act(radio, "rig", "ptt", "on", wrong, transmit=True)
    assert radio.keyings == 1


async def test_interrupted_at_every_await_it_is_off() -> None:
    for rounds in range(12):
        radio = Radio()
        by, _, _ = hand(transmit=True)
        task = asyncio.ensure_future(verbs_of("rig")["ptt"](radio, ["on", "5"], by))
        for _ in range(rounds):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not radio.on


async def test_what_still_transmits_is_told() -> None:
    radio = Radio()
    radio.on = radio.deaf = True
    assert await act(radio, "rig", "ptt") == {"transmitting": True}
    with pytest.raises(DeviceError, match="still transmits"):
        await act(radio, "rig", "ptt", "off")


async def test_a_radio_that_fails_while_it_transmits_is_told() -> None:
    radio = Radio()

    async def lost() -> bool:
        raise LinkLost("unplugged")

    radio.keyed = lost  # type: ignore[method-assign]
    with pytest.raises(LinkLost):
        await act(radio, "rig", "ptt", "on", "1", transmit=True)
    assert not radio.on


async def test_a_switch_is_set_and_read_back() -> None:
    relay = Relay()
    assert await act(relay, "switch", "switch") == {"on": False}
    assert await act(relay, "switch", "switch", "on") == {"on": True}
    relay.stuck = True
    with pytest.raises(DeviceError, match="stands on all the same"):
        await act(relay, "switch", "switch", "off")
    with pytest.raises(Refusal):
        await act(relay, "switch", "switch", "toggle")
