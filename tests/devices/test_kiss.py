"""The KISS driver against its sim over pseudo-terminal and TCP."""

from __future__ import annotations

import asyncio
import socket

import pytest
from tncs import Seat, on_bench

from fleetd.devices import Tnc, TncFrame, driver_names
from fleetd.errors import DeviceError, LinkLost, Refusal
from fleetd_hil.sims.kiss import KissSim

media = pytest.mark.parametrize("medium", ["serial", "tcp"])


def yes() -> None:
    """May transmit."""


@media
async def test_it_hears_frames_in_their_order(medium: str) -> None:
    assert "kiss" in driver_names()
    async with on_bench(medium) as seat:
        assert isinstance(seat.driver, Tnc)
        frames = [bytes((number,)) * 40 + b"\xc0\xdb\xdc\xdd" for number in range(20)]
        seat.hear(*frames)
        assert [await seat.next() for _ in frames] == [TncFrame(frame) for frame in frames]


@media
async def test_other_ports_are_passed_over(medium: str) -> None:
    async with on_bench(medium, ports=[0, 2]) as seat:
        seat.hear(b"not mine", port=1)
        seat.hear(b"mine", port=2)
        assert await seat.next() == TncFrame(b"mine", port=2)
        assert seat.driver.ignored == 1


@media
async def test_what_is_sent_arrives_whole(medium: str) -> None:
    async with on_bench(medium, ports=[0, 12]) as seat:
        frame = bytes(range(256))
        with seat.driver.gate.opened("contact-1", yes):
            await seat.driver.send(TncFrame(frame))
            await seat.driver.send(TncFrame(b"up", port=12))
            assert await seat.sent(2) == [(0, frame), (12, b"up")]
        assert not seat.sim.violations


@media
async def test_parameters_are_set_for_each_port_when_it_is_opened(medium: str) -> None:
    settings = {"tx_delay_ms": 300, "persistence": 255, "slot_time_ms": 0, "tx_tail_ms": 40, "full_duplex": True}
    async with on_bench(medium, ports=[0, 1], **settings) as seat:
        wanted = {"txdelay": 30, "persistence": 255, "slottime": 0, "txtail": 4, "fullduplex": 1}
        assert seat.sim.parameters == {f"{name}/{port}": value for name, value in wanted.items() for port in (0, 1)}


async def test_without_settings_no_parameter_is_touched() -> None:
    async with on_bench("tcp") as seat:
        assert seat.sim.parameters == {}


@media
async def test_a_half_sent_frame_of_an_earlier_program_is_closed_first(medium: str) -> None:
    sim = KissSim()
    sim.attach()
    async with on_bench("serial", sim) as seat:
        with seat.driver.gate.opened("contact-1", yes):
            await seat.driver.send(TncFrame(b"whole"))
            assert await seat.sent() == [(0, b"whole")]


# The gate


async def refused(seat: Seat, rule: str) -> None:
    with pytest.raises(Refusal) as caught:
        await seat.driver.send(TncFrame(b"x"))
    assert caught.value.rule == rule


async def test_nothing_is_sent_past_a_shut_gate() -> None:
    async with on_bench("tcp") as seat:
        await refused(seat, "transmit-gate")
        with seat.driver.gate.opened("contact-1", yes):
            assert seat.driver.gate.holder == "contact-1"
        await refused(seat, "transmit-gate")
        await asyncio.sleep(0.02)
        assert not seat.sim.sent


async def test_an_open_gate_asks_for_each_frame() -> None:
    allowed = True

    def may() -> None:
        if not allowed:
            raise Refusal("below-uplink-elevation", "the satellite is too low")

    async with on_bench("tcp") as seat:
        with seat.driver.gate.opened("contact-1", may):
            await seat.driver.send(TncFrame(b"first"))
            allowed = False
            await refused(seat, "below-uplink-elevation")
        assert await seat.sent() == [(0, b"first")]


@pytest.mark.parametrize("way", [RuntimeError("a bug"), asyncio.CancelledError(), Refusal("x", "y")])
async def test_the_gate_is_shut_on_every_way_out(way: BaseException) -> None:
    async with on_bench("tcp") as seat:
        with pytest.raises(type(way)), seat.driver.gate.opened("contact-1", yes):
            raise way
        await refused(seat, "transmit-gate")


async def test_the_gate_has_one_holder() -> None:
    async with on_bench("tcp") as seat:
        with seat.driver.gate.opened("contact-1", yes):
            with pytest.raises(Refusal, match="contact-1's already"), seat.driver.gate.opened("contact-2", yes):
                pytest.fail("two hold it")
            await seat.driver.send(TncFrame(b"still open"))


async def test_what_cannot_be_a_frame_is_refused_before_the_gate() -> None:
    async with on_bench("tcp", longest_frame_bytes=64) as seat:
        with seat.driver.gate.opened("contact-1", yes):
            for frame, rule in [(TncFrame(b""), "frame-length"), (TncFrame(b"x" * 65), "frame-length")]:
                with pytest.raises(Refusal) as caught:
                    await seat.driver.send(frame)
                assert caught.value.rule == rule
            with pytest.raises(Refusal, match="port 3 is not among"):
                await seat.driver.send(TncFrame(b"x", port=3))


# Beginning and end


@media
async def test_unplugged_is_said_and_stays_said(medium: str) -> None:
    async with on_bench(medium) as seat:
        seat.bench.inject(seat.sim, "unplug+0.2")
        with pytest.raises(LinkLost):
            await seat.next()
        with seat.driver.gate.opened("contact-1", yes), pytest.raises(LinkLost):
            await seat.driver.send(TncFrame(b"x"))


async def flood(seat: Seat) -> None:
    for _ in range(200):
        await seat.driver.send(TncFrame(b"x" * 65_000))


async def test_a_line_that_takes_nothing_is_left() -> None:
    """The far end reads no more: the buffers fill, and the frame that found no room was not sent in part."""
    async with on_bench("tcp", longest_frame_bytes=65_536, write_timeout_ms=50) as seat:
        transport = seat.driver._link._transport
        assert transport is not None
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        seat.bench.inject(seat.sim, "stall")
        await asyncio.sleep(0.04)
        vain = pytest.raises(DeviceError, match=r"took nothing for 0\.05 s")
        with seat.driver.gate.opened("contact-1", yes), vain:
            await flood(seat)
        with pytest.raises(LinkLost):
            await seat.next()


async def test_cancelled_listening_loses_no_frame() -> None:
    async with on_bench("tcp") as seat:
        for number in range(20):
            listening = asyncio.ensure_future(seat.driver.receive())
            await asyncio.sleep(0)
            if number % 2:
                seat.hear(b"frame %d" % number)
                await asyncio.sleep(0.001)
            if not listening.done():
                listening.cancel()
            else:
                assert listening.result() == TncFrame(b"frame %d" % number)
                continue
            if number % 2:
                assert await seat.next() == TncFrame(b"frame %d" % number)
