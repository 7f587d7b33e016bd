"""Every rotator driver on bad lines: what arrives late, broken or not at all never passes for an answer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from farend import Kind, connected, far_end
from rotators import KINDS, Seat, on_bench

from fleetd.clock import SystemClock
from fleetd.devices import AzEl, Rotator
from fleetd.errors import DeviceError, LinkLost, ReplyTimeout
from fleetd_hil.sim import Answer

CLOCK = SystemClock()
NEVER_S = 3.0  # real seconds; far beyond every deadline in these tests


@pytest.fixture(params=KINDS, ids=str)
def kind(request: pytest.FixtureRequest) -> Kind:
    return replace(request.param, baud=115_200)  # so that no line is slower than a deadline of these tests


@pytest.fixture(params=["first", "last"])
def medium(request: pytest.FixtureRequest, kind: Kind) -> str:
    """The first and the last medium of a kind: a serial line and a socket, where it takes both."""
    if request.param == "last" and len(kind.media) == 1:
        pytest.skip("it takes one medium only")
    return kind.media[0 if request.param == "first" else -1]


def patient(kind: Kind) -> Mapping[str, Any]:
    """No pause between exchanges, and time enough for each."""
    return {**kind.quick, "timeout_ms" if "timeout_ms" in kind.quick else "reply_timeout_ms": 1000}


def here(seat: Seat) -> AzEl:
    return seat.target(100.0, 20.0)


async def stays_failed(seat: Seat) -> None:
    """A link that failed in mid exchange is of no more use; a bus that tells answers apart may go on."""
    if "modbus" not in seat.url:
        with pytest.raises(LinkLost):
            await seat.driver.where()


async def test_one_byte_at_a_time(kind: Kind, medium: str) -> None:
    async with on_bench(kind, medium, CLOCK, patient(kind)) as seat:
        seat.bench.break_("trickle=0.0005")
        assert seat.near(await seat.driver.where(), here(seat))


async def test_garbage_before_the_answer_is_passed_over(kind: Kind, medium: str) -> None:
    def spoil(answer: Answer) -> list[Answer]:
        return [Answer(b"\x00\xff7\x80W\x01#" + answer.data, answer.after_s)]

    async with on_bench(kind, medium, CLOCK, patient(kind), spoil=spoil) as seat:
        for _ in range(2):
            assert seat.near(await seat.driver.where(), here(seat))


async def test_half_an_answer_is_none_and_ends_the_link(kind: Kind, medium: str) -> None:
    broken = asyncio.Event()

    def spoil(answer: Answer) -> list[Answer]:
        return [Answer(answer.data[: len(answer.data) // 2], answer.after_s)] if broken.is_set() else [answer]

    async with on_bench(kind, medium, CLOCK, kind.quick, spoil=spoil) as seat:
        assert seat.near(await seat.driver.where(), here(seat))
        broken.set()
        with pytest.raises(DeviceError):
            await seat.driver.where()
        broken.clear()
        await stays_failed(seat)


async def test_silence_is_named_and_ends_the_link(kind: Kind, medium: str) -> None:
    async with on_bench(kind, medium, CLOCK, kind.quick) as seat:
        await seat.driver.where()
        seat.bench.break_("drop")
        with pytest.raises(ReplyTimeout, match=r"no answer within 0\.\d+ s|is silent"):
            async with asyncio.timeout(NEVER_S):
                await seat.driver.where()
        seat.bench.sim.faults.clear("drop")
        await stays_failed(seat)


async def test_a_late_answer_never_passes_for_the_next(kind: Kind, medium: str) -> None:
    """The first answer comes after its deadline, when the antenna already stands elsewhere."""
    late = asyncio.Event()

    def spoil(answer: Answer) -> list[Answer]:
        return [Answer(answer.data, 0.12)] if late.is_set() else [answer]

    async with on_bench(kind, medium, CLOCK, kind.quick, spoil=spoil) as seat:
        await seat.driver.where()
        late.set()
        with pytest.raises(DeviceError):
            await seat.driver.where()
        late.clear()
        seat.bench.turn_by_hand(200.0)
        for _ in range(8):
            await asyncio.sleep(0.02)
            try:
                at = await seat.driver.where()
            except DeviceError:
                continue
            assert seat.near(at, seat.target(200.0, 20.0))


async def test_what_comes_unasked_is_dropped(kind: Kind, medium: str) -> None:
    """Each answer comes twice, the second time when nobody waits for it any more."""

    def spoil(answer: Answer) -> list[Answer]:
        return [answer, Answer(answer.data, answer.after_s + 0.01)]

    async with on_bench(kind, medium, CLOCK, patient(kind), spoil=spoil) as seat:
        await seat.driver.where()
        seat.bench.turn_by_hand(200.0)
        await asyncio.sleep(0.03)
        assert seat.near(await seat.driver.where(), seat.target(200.0, 20.0))


async def test_unplugged_in_mid_exchange(kind: Kind, medium: str) -> None:
    async with on_bench(kind, medium, CLOCK, patient(kind)) as seat:
        await seat.driver.where()
        seat.bench.break_("drop", "unplug@0.01+0.1")
        with pytest.raises(LinkLost):
            async with asyncio.timeout(NEVER_S):
                await seat.driver.where()
        with pytest.raises(LinkLost):
            await seat.driver.stop()


async def test_random_bytes_in_place_of_answers(kind: Kind, medium: str) -> None:
    """Whatever comes, a direction within reach or a DeviceError of one line results, in time, and nothing else."""
    draw = random.Random(f"{kind} {medium}")
    wild = asyncio.Event()

    def spoil(answer: Answer) -> list[Answer]:
        if not wild.is_set():
            return [answer]
        if draw.random() < 0.5:
            return [Answer(draw.randbytes(draw.randrange(1, 40)))]
        return [Answer(bytes(byte ^ (draw.random() < 0.1) * draw.randrange(256) for byte in answer.data))]

    settings = {**kind.quick, "timeout_ms" if "timeout_ms" in kind.quick else "reply_timeout_ms": 25}
    async with far_end(kind, medium, CLOCK, spoil=spoil) as far:
        outcomes: list[str] = []
        while len(outcomes) < 12:
            wild.clear()
            with suppress(ReplyTimeout):  # so short a time to say who it is may be too short on a busy machine
                async with asyncio.timeout(NEVER_S), connected(kind, far.url, settings, CLOCK) as driver:
                    wild.set()
                    outcomes.append(await outcome_of(driver))
        assert set(outcomes) - {"where"} == {"error"}


async def outcome_of(driver: Rotator) -> str:
    """What asking where it points comes to."""
    try:
        at = await driver.where()
    except DeviceError as error:
        return "two lines" if "\n" in str(error) else "error"
    limits = driver.limits
    assert limits.azimuth_min_deg - 15 <= at.azimuth_deg <= limits.azimuth_max_deg + 15
    assert limits.elevation_min_deg - 15 <= at.elevation_deg <= limits.elevation_max_deg + 15
    return "where"
