"""Every rig driver on bad lines: what arrives late, broken or not at all never passes for an answer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from farend import Kind, connected, far_end
from rigs import KINDS, Desk, on_bench

from fleetd.clock import SystemClock
from fleetd.devices import Side
from fleetd.errors import DeviceError, LinkLost, ReplyTimeout
from fleetd_hil.sim import Answer

CLOCK = SystemClock()
NEVER_S = 3.0  # real seconds; far beyond every deadline in these tests
MAIN_HZ = 435_000_000
PATIENT: Mapping[str, Any] = {"reply_timeout_ms": 1000}


@pytest.fixture(params=KINDS, ids=str)
def kind(request: pytest.FixtureRequest) -> Kind:
    return replace(request.param, baud=115_200)  # so that no line is slower than a deadline of these tests


@pytest.fixture(params=["first", "last"])
def medium(request: pytest.FixtureRequest, kind: Kind) -> str:
    """The first and the last medium of a kind: a serial line and a socket, where it takes both."""
    if request.param == "last" and len(kind.media) == 1:
        pytest.skip("it takes one medium only")
    return kind.media[0 if request.param == "first" else -1]


async def main_hz(desk: Desk) -> int:
    return await desk.driver.tuned(Side.MAIN)


async def test_one_byte_at_a_time(kind: Kind, medium: str) -> None:
    async with on_bench(kind, medium, CLOCK, PATIENT) as desk:
        desk.bench.break_("trickle=0.0005")
        assert await main_hz(desk) == MAIN_HZ


async def test_garbage_before_the_answer_is_passed_over(kind: Kind, medium: str) -> None:
    noisy = asyncio.Event()

    def spoil(answer: Answer) -> list[Answer]:
        garbage = b"\x00\xff7\x80\xfeW\x01#" if noisy.is_set() else b""
        return [Answer(garbage + answer.data, answer.after_s)]

    async with on_bench(kind, medium, CLOCK, PATIENT, spoil=spoil) as desk:
        noisy.set()
        for _ in range(2):
            assert await main_hz(desk) == MAIN_HZ


async def test_half_an_answer_is_none_and_ends_the_link(kind: Kind, medium: str) -> None:
    broken = asyncio.Event()

    def spoil(answer: Answer) -> list[Answer]:
        return [Answer(answer.data[: len(answer.data) // 2], answer.after_s)] if broken.is_set() else [answer]

    async with on_bench(kind, medium, CLOCK, kind.quick, spoil=spoil) as desk:
        assert await main_hz(desk) == MAIN_HZ
        broken.set()
        with pytest.raises(DeviceError):
            await main_hz(desk)
        broken.clear()
        with pytest.raises(LinkLost):
            await main_hz(desk)


async def test_silence_is_named_and_ends_the_link(kind: Kind, medium: str) -> None:
    async with on_bench(kind, medium, CLOCK, kind.quick) as desk:
        await main_hz(desk)
        desk.bench.break_("drop")
        with pytest.raises(ReplyTimeout, match=r"no answer within 0\.\d+ s"):
            async with asyncio.timeout(NEVER_S):
                await main_hz(desk)
        desk.bench.sim.faults.clear("drop")
        with pytest.raises(LinkLost):
            await desk.driver.unkey()


async def test_a_late_answer_never_passes_for_the_next(kind: Kind, medium: str) -> None:
    """The first answer comes after its deadline, when the radio already stands elsewhere."""
    late = asyncio.Event()

    def spoil(answer: Answer) -> list[Answer]:
        return [Answer(answer.data, 0.3)] if late.is_set() else [answer]

    async with on_bench(kind, medium, CLOCK, kind.quick, spoil=spoil) as desk:
        await main_hz(desk)
        late.set()
        with pytest.raises(DeviceError):
            await main_hz(desk)
        late.clear()
        desk.model.main.frequency_hz = 436_000_000
        for _ in range(8):
            await asyncio.sleep(0.02)
            try:
                hz = await main_hz(desk)
            except DeviceError:
                continue
            assert hz == 436_000_000


async def test_what_comes_unasked_is_dropped(kind: Kind, medium: str) -> None:
    """Each answer comes twice, the second time when nobody waits for it any more."""

    def spoil(answer: Answer) -> list[Answer]:
        return [answer, Answer(answer.data, answer.after_s + 0.01)]

    async with on_bench(kind, medium, CLOCK, PATIENT, spoil=spoil) as desk:
        await main_hz(desk)
        desk.model.main.frequency_hz = 436_000_000
        await asyncio.sleep(0.03)
        assert await main_hz(desk) == 436_000_000


async def test_unplugged_in_mid_exchange(kind: Kind, medium: str) -> None:
    async with on_bench(kind, medium, CLOCK, PATIENT) as desk:
        await main_hz(desk)
        desk.bench.break_("drop", "unplug@0.01+0.1")
        with pytest.raises(LinkLost):
            async with asyncio.timeout(NEVER_S):
                await main_hz(desk)
        with pytest.raises(LinkLost):
            await desk.driver.unkey()


async def test_random_bytes_in_place_of_answers(kind: Kind, medium: str) -> None:
    """Whatever comes, a frequency that can be or a DeviceError of one line results, in time, and nothing else."""
    draw = random.Random(f"{kind} {medium}")
    wild = asyncio.Event()

    def spoil(answer: Answer) -> list[Answer]:
        if not wild.is_set():
            return [answer]
        if draw.random() < 0.5:
            return [Answer(draw.randbytes(draw.randrange(1, 40)))]
        return [Answer(bytes(byte ^ (draw.random() < 0.1) * draw.randrange(256) for byte in answer.data))]

    async with far_end(kind, medium, CLOCK, spoil=spoil) as far:
        outcomes = set()
        for _ in range(12):
            wild.clear()
            async with asyncio.timeout(NEVER_S), connected(kind, far.url, {"reply_timeout_ms": 60}, CLOCK) as driver:
                wild.set()
                try:
                    hz = await driver.tuned(Side.MAIN)
                except DeviceError as error:
                    outcomes.add("two lines" if "\n" in str(error) else "error")
                else:
                    assert driver.limits.low_hz <= hz <= driver.limits.high_hz
        assert "error" in outcomes
        assert "two lines" not in outcomes
