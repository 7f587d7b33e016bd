"""What is promised of a Modbus line in figures: noise, answers to other questions, and codes that mean "no value".

Each promise is kept at a small count in every run, and at its full count among the slow tests.
"""

from __future__ import annotations

import asyncio
import random
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from fleetd.errors import BadReply, DeviceError, LinkLost, ReplyTimeout
from fleetd.link.ports import Ports
from fleetd.link.url import LinkUrl, parse_link
from fleetd.registers.codec import FORMATS, Decoded, Decoder
from fleetd.registers.loader import load_map, map_names
from fleetd.registers.model import INTEGERS, RegisterMap, Sample, ValueSpec, absent_codes
from fleetd.registers.plan import Block
from fleetd.registers.straight import straight
from fleetd_drivers.modbus import wire
from fleetd_drivers.modbus.bus import Bus
from fleetd_drivers.modbus.line import bus_for

RTU = parse_link("modbus+rtu:///dev/nowhere?baud=115200")
TCP = parse_link("modbus+tcp://127.0.0.1:502")
COUNT = 3
MANY = 40  # enough for as many shorter answers as there may be silences in a row


class Line(asyncio.Transport):
    """A line in memory; `hear` is the far end and gets each frame."""

    def __init__(self, protocol: asyncio.Protocol, hear: Callable[[Line, bytes], None]) -> None:
        super().__init__()
        self.protocol, self.hear, self.lost = protocol, hear, False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.hear(self, bytes(data))

    def deliver(self, data: bytes) -> None:
        if not self.lost:
            self.protocol.data_received(data)

    def soon(self, data: bytes, delay_s: float = 0.0) -> None:
        asyncio.get_running_loop().call_later(delay_s, self.deliver, data)

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        if not self.lost:
            self.lost = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)


@asynccontextmanager
async def bus_over(url: LinkUrl, hear: Callable[[Line, bytes], None]) -> AsyncIterator[tuple[Bus, Line]]:
    lines: list[Line] = []

    async def opener(_url: LinkUrl, make: Callable[[], asyncio.Protocol]) -> asyncio.WriteTransport:
        lines.append(Line(make(), hear))
        lines[0].protocol.connection_made(lines[0])
        return lines[0]

    async with bus_for(Ports({url.scheme: opener}), url) as bus:
        yield bus, lines[0]


def registers(pdu: bytes) -> bytes:
    """A good answer: as many registers as were asked for, each holding its own address."""
    function, address, count = struct.unpack(">BHH", pdu)
    return struct.pack(f">BB{count}H", function, 2 * count, *range(address, address + count))


def answer_rtu(frame: bytes) -> bytes:
    return wire.frame_rtu(frame[0], registers(frame[1:-2]))


# 10. Noise on the line


async def test_goal_10_a_stray_byte_before_each_of_256_frames_costs_none_of_them() -> None:
    strays = iter(range(256))
    request = wire.read("input", 2, COUNT)
    async with bus_over(RTU, lambda line, frame: line.soon(bytes((next(strays),)) + answer_rtu(frame))) as (bus, _):
        read = [await bus.ask(17, request, within_s=0.2) for _ in range(256)]
    assert [answer.data for answer in read] == [struct.pack(">3H", 2, 3, 4)] * 256


async def babble(line: Line, baud: int) -> None:
    """0xFF at line rate, as a receiver without bias sees it."""
    start_s, sent = time.monotonic(), 0
    while True:
        due = int((time.monotonic() - start_s) * baud / 10)
        line.deliver(b"\xff" * (due - sent))
        sent = due
        await asyncio.sleep(0.002)


async def polled_in_noise(seconds: float, baud: int) -> tuple[list[float], int, int]:
    """How much later than their deadlines calls on a babbling line end, how many fail, and what another bus got."""
    deadline_s, late_s, failed, others = 0.05, [], 0, 0
    request = wire.read("input", 2, COUNT)
    url = parse_link(f"modbus+rtu:///dev/nowhere?baud={baud}")
    async with (
        bus_over(url, lambda line, frame: line.soon(answer_rtu(frame))) as (noisy, line),
        bus_over(RTU, lambda line, frame: line.soon(answer_rtu(frame))) as (other, _),
    ):
        noise, end_s = asyncio.ensure_future(babble(line, baud)), time.monotonic() + seconds
        await asyncio.sleep(0.01)
        try:
            while time.monotonic() < end_s:
                start_s = time.monotonic()
                try:
                    await noisy.ask(1, request, within_s=deadline_s)
                except DeviceError:
                    failed += 1
                late_s.append(time.monotonic() - start_s - deadline_s)
                await asyncio.sleep(0.05)
                others += (await other.ask(1, request)).data == struct.pack(">3H", 2, 3, 4)
        finally:
            noise.cancel()
        await asyncio.sleep(0.04)
        assert (await noisy.ask(1, request)).data == struct.pack(">3H", 2, 3, 4)
    return late_s, failed, others


async def test_goal_10_a_babbling_line_fails_its_own_callers_alone_and_is_read_again_in_quiet() -> None:
    # At 1200 baud the bus wants 29 ms of quiet, which no pause of this process is taken for.
    late_s, failed, others = await polled_in_noise(0.3, 1200)
    assert failed == others == len(late_s) >= 1


@pytest.mark.slow
@pytest.mark.timeout(700)
async def test_goal_10_ten_minutes_of_noise_at_line_rate_cost_a_tenth_of_a_core_and_no_deadline() -> None:
    start_s, cpu_s = time.monotonic(), time.process_time()
    late_s, _, others = await polled_in_noise(600.0, 19_200)
    assert others == len(late_s)
    assert max(late_s) <= 0.05
    assert (time.process_time() - cpu_s) / (time.monotonic() - start_s) <= 0.10  # the babbler's own work included


# 11. Late, foreign and wrong-length answers

FULL = pytest.param(1_000_000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])


def mixed(draw: random.Random, unit: int, request: wire.Request) -> bytes:
    """A frame that is no answer to this request of this unit, though it may look much like one."""
    good = registers(request.pdu)
    kind = draw.randrange(7)
    if kind == 0:
        return wire.frame_rtu(unit % 247 + 1, good)
    if kind == 1:
        return wire.frame_rtu(unit, bytes((good[0] ^ 7,)) + good[1:])
    if kind == 2:
        fewer = draw.choice([COUNT - 1, COUNT + 1])
        return wire.frame_rtu(unit, struct.pack(f">BB{fewer}H", good[0], 2 * fewer, *range(fewer)))
    if kind == 3:
        frame = bytearray(wire.frame_rtu(unit, good))
        frame[draw.randrange(len(frame))] ^= 1 << draw.randrange(8)
        return bytes(frame)
    if kind == 4:
        return wire.frame_rtu(unit, good)[: draw.randrange(1, len(good) + 3)]
    if kind == 5:
        return wire.frame_rtu(unit, wire.write_register(draw.randrange(65_536), draw.randrange(65_536)).pdu)
    return draw.randbytes(draw.randrange(1, 20))


@pytest.mark.parametrize("frames", [10_000, FULL])
def test_goal_11_no_frame_that_is_not_the_answer_is_taken_for_it(frames: int) -> None:
    draw, wrong, found = random.Random(11), 0, 0
    for _ in range(frames // 4):
        request = wire.read("input", draw.randrange(60_000), COUNT)
        decoder, expected = wire.RtuDecoder(17, request), registers(request.pdu)
        for _ in range(3):
            # Two pieces that happen to have the right CRC together, once in 65536, do not come alone.
            wrong += decoder.feed(mixed(draw, 17, request)) not in (None, expected) and not decoder.doubtful
        pdu = decoder.feed(wire.frame_rtu(17, expected))
        wrong += pdu not in (None, expected) and not decoder.doubtful
        found += pdu == expected
    assert wrong == 0
    assert found >= 0.9999 * (frames // 4)


@pytest.mark.parametrize("frames", [400, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
async def test_goal_11_no_answer_of_another_time_is_given_to_a_caller_of_a_serial_line(frames: int) -> None:
    """Every answer has the shape of every other, and tells by its values which question it belongs to.

    However late, a unit's answers come in the order of its questions: that is what the bus relies on.
    """
    draw, late = random.Random(11), [b""]

    def hear(line: Line, frame: bytes) -> None:
        if late[0] and draw.random() < 0.5:  # it comes with the next exchange, before the answer, or together with it
            line.deliver(late[0])
            late[0] = b""
        kind = draw.randrange(8)
        if late[0]:
            late[0] += answer_rtu(frame)
            line.soon(late[0])
            late[0] = b""
        elif kind == 0:
            late[0] = answer_rtu(frame)
        elif kind == 1:
            line.soon(answer_rtu(frame), 0.0025)  # after its deadline, while the bus listens
        elif kind == 2:
            line.soon(mixed(draw, frame[0], wire.read("input", 7, COUNT)))  # shaped like a question of no present use
        else:
            line.soon(answer_rtu(frame), 0.001 if kind == 3 else 0.0)

    async with bus_over(RTU, hear) as (bus, _):
        right, wrong = await outcomes(bus, draw, frames, MANY, within_s=0.0002)
    assert wrong == 0
    assert right > frames // 8


@pytest.mark.parametrize("frames", [400, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
async def test_goal_11_no_answer_of_another_time_is_given_to_a_caller_over_tcp(frames: int) -> None:
    draw = random.Random(11)

    def hear(line: Line, frame: bytes) -> None:
        transaction = int.from_bytes(frame[:2], "big")
        answer = wire.frame_tcp(transaction, frame[6], registers(frame[7:]))
        kind = draw.randrange(6)
        if kind == 0:
            line.soon(answer, 0.004)
        elif kind == 1:
            line.soon(wire.frame_tcp(transaction, frame[6] + 1, registers(frame[7:])))
        elif kind == 2:
            line.soon(wire.frame_tcp(transaction, frame[6], registers(frame[7:])[:-2]))
        else:
            line.soon(answer)

    async with bus_over(TCP, hear) as (bus, _):
        right, wrong = await outcomes(bus, draw, frames, COUNT, within_s=0.002)
    assert wrong == 0
    assert right > frames // 8


async def outcomes(bus: Bus, draw: random.Random, asks: int, count: int, within_s: float) -> tuple[int, int]:
    right = wrong = 0
    for _ in range(asks):
        address = draw.randrange(60_000)
        try:
            answer = await bus.ask(17, wire.read("input", address, count), within_s=within_s)
        except (ReplyTimeout, BadReply):
            continue
        except LinkLost:
            break
        expected = struct.pack(f">{count}H", *range(address, address + count))
        right, wrong = right + (answer.data == expected), wrong + (answer.data != expected)
    return right, wrong


# 12. Codes that mean that there is no value


def raws(spec: ValueSpec) -> list[tuple[bytes, str]]:
    """What stands on the wire, in order ABCD, for each absent code of a value, and the reason that must come of it."""
    found: list[tuple[bytes, str]] = []
    for code, reason in spec.absent.items():
        form = f">{FORMATS[spec.type]}"
        numbers = absent_codes(code)
        if numbers is None:
            found += [(struct.pack(form, number), reason) for number in (float("nan"), -float("nan"))]
        elif spec.type in INTEGERS:
            found += [(struct.pack(form, number), reason) for number in numbers]
        else:
            found += [(struct.pack(form, float(number)), reason) for number in numbers]
    return found


def floating() -> RegisterMap:
    values = tuple(
        ValueSpec(name=kind, table="input", address=at, type=kind, absent={"nan": "sensor out", "-999": "cold start"})  # type: ignore[arg-type]
        for kind, at in (("f32", 0), ("f64", 2))
    )
    return RegisterMap(name="floating", title="T", about="a", values=values, samples=(Sample(about="none"),))


MAPS = [*(load_map(name) for name in map_names()), floating()]
CASES = [(each, spec) for each in MAPS for spec in each.values if spec.absent]


@pytest.mark.parametrize(("register_map", "spec"), CASES, ids=[f"{each.name} {spec.name}" for each, spec in CASES])
def test_goal_12_each_no_value_code_is_absent_with_its_reason_and_never_a_number(
    register_map: RegisterMap, spec: ValueSpec
) -> None:
    assert register_map.order_of(spec) == "ABCD"
    decoder, polled = Decoder(register_map, Block.of([spec])), straight(register_map, Block.of([spec]))
    for raw, reason in raws(spec):
        decoded, quick = Decoded(), Decoded()
        decoder.decode(raw, decoded)
        polled(raw, quick.values, quick.absent)
        for seen in (decoded, quick):
            assert seen.values == {spec.name: None}
            assert seen.absent == {spec.name: reason}


def test_goal_12_the_table_covers_every_kind_of_code() -> None:
    kinds = {(spec.type, code) for _, spec in CASES for code in spec.absent}
    assert {("u16", "65535"), ("i16", "32767"), ("u16", "65280..65535"), ("f32", "nan"), ("f64", "nan")} <= kinds
