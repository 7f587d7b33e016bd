"""Polling without a task: the same samples and errors as `read`, told once, and nothing after it was given up."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from fleetd.clock import VirtualClock
from fleetd.devices import Pollable, Sample
from fleetd.errors import Declined, DeviceError, LinkLost, ReplyTimeout
from fleetd.link.ports import Ports
from fleetd.link.url import parse_link
from fleetd.records import Reading
from fleetd.registers.model import RegisterMap, ValueSpec
from fleetd.registers.model import Sample as Golden
from fleetd.robots.poll import Poller, Rhythm
from fleetd.supervise import Device, Progress, Supervision
from fleetd_drivers.modbus import wire
from fleetd_drivers.modbus.device import MapDevice, Unit
from fleetd_drivers.modbus.line import bus_for
from fleetd_drivers.modbus.profile import Profile, Reads

URL = parse_link("modbus+tcp://127.0.0.1:502")
FAR = 1000  # too far from the others to be read along
Far = Callable[[bytes], bytes | None]
"""A device: the answer to a request, without its head; None for silence."""


def profile() -> Profile:
    values = tuple(ValueSpec(name=f"v{at}", table="input", address=at, type="u16") for at in (0, 1, FAR))
    golden = (Golden(about="none"),)
    return Profile(RegisterMap(name="two-blocks", title="T", about="a", values=values, samples=golden))


class Wire(asyncio.Transport):
    """A TCP connection to one device that answers as soon as the loop turns."""

    def __init__(self, protocol: Any, far: Far) -> None:
        super().__init__()
        self.protocol, self.far, self.asked = protocol, far, 0

    def write(self, data: Any) -> None:
        self.asked += 1
        transaction, pdu = int.from_bytes(data[:2], "big"), bytes(data[7:])
        answer = self.far(pdu)
        if answer is not None:
            frame = wire.frame_tcp(transaction, data[6], answer)
            asyncio.get_running_loop().call_soon(self.protocol.data_received, frame)

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)


def good(pdu: bytes) -> bytes:
    address, count = int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")
    cells = b"".join(at.to_bytes(2, "big") for at in range(address, address + count))
    return bytes((pdu[0], len(cells))) + cells


def refuses(address: int) -> Far:
    return lambda pdu: b"\x84\x02" if int.from_bytes(pdu[1:3], "big") == address else good(pdu)


@asynccontextmanager
async def device(far: Far, *, within_s: float = 0.03) -> AsyncIterator[tuple[MapDevice, Wire]]:
    wires: list[Wire] = []

    async def opener(_url: object, make: Callable[[], Any]) -> Any:
        protocol = make()
        wires.append(Wire(protocol, far))
        protocol.connection_made(wires[-1])
        return wires[-1]

    async with bus_for(Ports({URL.scheme: opener}), URL) as bus:
        yield MapDevice(profile(), Unit(bus, 1, within_s), VirtualClock(datetime(2026, 11, 11, tzinfo=UTC))), wires[0]


async def outcome(robot: MapDevice) -> Sample | Exception:
    told: asyncio.Queue[Sample | Exception] = asyncio.Queue()
    robot.poll(told.put_nowait)
    async with asyncio.timeout(1):
        first = await told.get()
    await asyncio.sleep(0.001)
    assert told.empty()
    return first


async def test_a_poll_brings_what_a_read_brings() -> None:
    async with device(good) as (robot, _):
        assert isinstance(robot, Pollable)
        read = await robot.read()
        assert read.values == {"v0": 0, "v1": 1, f"v{FAR}": FAR}
        for _ in range(3):
            assert await outcome(robot) == read


async def test_what_goes_wrong_is_told_and_not_raised() -> None:
    async with device(lambda _: None) as (robot, _):
        assert isinstance(await outcome(robot), ReplyTimeout)
    async with device(refuses(FAR)) as (robot, _):
        assert isinstance(await outcome(robot), Declined)
    assert isinstance(await outcome(robot), LinkLost)  # the bus is closed


async def test_a_line_that_is_lost_in_the_middle_tells_it_once() -> None:
    async with device(lambda _: None) as (robot, line):
        told: list[Sample | Exception] = []
        robot.poll(told.append)
        line.abort()
        await asyncio.sleep(0.001)
        assert [type(each) for each in told] == [LinkLost]


async def test_what_was_given_up_is_told_to_nobody_and_asks_no_further() -> None:
    async with device(good) as (robot, line):
        told: list[Sample | Exception] = []
        robot.poll(told.append).give_up()
        await asyncio.sleep(0.005)
        assert told == []
        assert line.asked == 1


class Site:
    """One robot, polled each second of a virtual clock."""

    def __init__(self, robot: MapDevice, max_silence_s: float | None = None) -> None:
        self.clock = VirtualClock(datetime(2026, 11, 11, tzinfo=UTC))
        self.readings: list[Reading] = []
        supervision = Supervision(self.clock, lambda _: None, Progress(self.clock))
        rhythm = Rhythm(1.0, max_silence_s=max_silence_s)
        self.poller = Poller(Device("donkey", lambda: None), supervision, self.readings.append, rhythm)  # type: ignore[arg-type, return-value]
        self.work = asyncio.ensure_future(self.poller.work(robot))

    async def seconds(self, number: int) -> None:
        for _ in range(number):
            await self.clock.advance(1.0)
            await asyncio.sleep(0.002)

    async def leave(self) -> None:
        self.work.cancel()
        await asyncio.gather(self.work, return_exceptions=True)


async def test_a_robot_is_polled_in_step_with_the_clock() -> None:
    async with device(good) as (robot, _):
        site = Site(robot)
        await asyncio.sleep(0.005)
        await site.seconds(5)
        assert len(site.readings) == 6
        times = [reading.at.timestamp() for reading in site.readings[1:]]
        assert {round(b - a, 3) for a, b in itertools.pairwise(times)} == {1.0}
        await site.leave()


async def test_a_bug_in_decoding_ends_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> Sample:
        raise RuntimeError("a bug")

    async with device(good) as (robot, _):
        site = Site(robot)
        await asyncio.sleep(0.005)
        monkeypatch.setattr("fleetd_drivers.modbus.profile.Reads.sample", broken)
        await site.seconds(1)
        with pytest.RaisesGroup(RuntimeError):
            await site.work


async def test_what_says_the_same_as_before_is_not_even_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[object] = []
    decode = Reads.sample

    def counted(reads: Reads, answers: Sequence[bytes], *, suspect: bool) -> Sample:
        decoded.append(answers)
        return decode(reads, answers, suspect=suspect)

    monkeypatch.setattr("fleetd_drivers.modbus.profile.Reads.sample", counted)
    cells = b"\x00\x07"

    def far(pdu: bytes) -> bytes:
        answer = good(pdu)
        return answer[:2] + cells + answer[4:]

    async with device(far) as (robot, line):
        site = Site(robot, max_silence_s=60.0)
        await asyncio.sleep(0.005)
        await site.seconds(5)
        assert line.asked == 12  # two blocks, six times
        assert len(site.readings) == 1
        assert len(decoded) == 2  # what was read at first, and the first poll
        newest = site.poller.newest
        assert newest is not None
        assert newest.values == site.readings[0].values
        assert newest.at > site.readings[-1].at
        cells = b"\x00\x08"
        await site.seconds(1)
        assert [reading.values["v0"] for reading in site.readings] == [7, 8]
        await site.leave()


async def test_a_poll_that_is_still_under_way_at_its_next_instant_is_not_asked_twice() -> None:
    answering = True

    def far(pdu: bytes) -> bytes | None:
        return good(pdu) if answering else None

    async with device(far, within_s=5.0) as (robot, line):
        site = Site(robot)
        await asyncio.sleep(0.005)
        answering = False
        await site.seconds(1)
        asked = line.asked
        await site.seconds(3)
        assert line.asked == asked
        await site.leave()


async def test_a_register_that_is_refused_later_is_looked_into_and_absent_from_then_on() -> None:
    lacks = -1

    def far(pdu: bytes) -> bytes:
        return refuses(lacks)(pdu)

    async with device(far) as (robot, _):
        site = Site(robot)
        await asyncio.sleep(0.005)
        lacks = FAR
        await site.clock.advance(100.0)  # so that a search is due again
        await site.seconds(3)
        assert not site.work.done()
        newest = site.readings[-1]
        assert newest.values["v1"] == 1
        assert newest.absent == {f"v{FAR}": "the device has no such register"}
        await site.leave()


async def test_a_silent_robot_ends_the_work_as_it_always_did() -> None:
    answering = True

    def far(pdu: bytes) -> bytes | None:
        return good(pdu) if answering else None

    async with device(far) as (robot, _):
        site = Site(robot)
        await asyncio.sleep(0.005)
        answering = False
        await site.seconds(2)
        await asyncio.sleep(0.05)
        with pytest.raises(ExceptionGroup) as raised:
            await site.work
        assert all(isinstance(error, DeviceError) for error in raised.value.exceptions)
        assert site.readings[-1].quality == "STALE"


# Writes whose answer stays out


class Cell:
    """A device of one holding register, which takes writes and loses the first answers."""

    def __init__(self, *, taken: bool, lost: int = 1) -> None:
        self.value, self.taken, self.lost, self.writes = 7, taken, lost, 0

    def __call__(self, pdu: bytes) -> bytes | None:
        if pdu[0] == 3:
            return bytes((3, 2)) + self.value.to_bytes(2, "big")
        self.writes += 1
        lost = self.writes <= self.lost
        if self.taken or not lost:
            self.value = int.from_bytes(pdu[3:5], "big")
        return None if lost else pdu[:5]


@asynccontextmanager
async def writable(cell: Cell, **spec: Any) -> AsyncIterator[MapDevice]:
    values = (ValueSpec(name="v", table="holding", address=0, type="u16", **spec),)
    known = RegisterMap(name="one", title="T", about="a", values=values, samples=(Golden(about="none"),))
    async with device(cell) as (made, _):
        yield MapDevice(Profile(known), made._unit, VirtualClock(datetime(2026, 11, 11, tzinfo=UTC)))


async def test_a_write_whose_answer_was_lost_is_read_back_and_not_sent_again() -> None:
    cell = Cell(taken=True)
    async with writable(cell) as robot:
        await robot.set("v", 42)
    assert (cell.writes, cell.value) == (1, 42)


async def test_a_write_that_was_lost_is_not_sent_again_unless_the_map_says_that_it_may_be() -> None:
    cell = Cell(taken=False)
    async with writable(cell) as robot:
        with pytest.raises(ReplyTimeout):
            await robot.set("v", 42)
    assert (cell.writes, cell.value) == (1, 7)
    cell = Cell(taken=False)
    async with writable(cell, idempotent=True) as robot:
        await robot.set("v", 42)
    assert (cell.writes, cell.value) == (2, 42)


async def test_what_cannot_be_read_back_is_sent_again_only_where_that_does_no_harm() -> None:
    cell = Cell(taken=True)
    async with writable(cell, access="w") as robot:
        with pytest.raises(ReplyTimeout):
            await robot.set("v", 42)
    assert cell.writes == 1
    cell = Cell(taken=True)
    async with writable(cell, access="w", idempotent=True) as robot:
        await robot.set("v", 42)
    assert cell.writes == 2


async def test_it_is_sent_twice_at_most() -> None:
    cell = Cell(taken=False, lost=9)
    async with writable(cell, idempotent=True) as robot:
        with pytest.raises(ReplyTimeout):
            await robot.set("v", 42)
    assert cell.writes == 2
