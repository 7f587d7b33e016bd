"""The bus on hostile lines: in memory, byte by byte as each case scripts it, within milliseconds."""

from __future__ import annotations

import asyncio
import gc
import struct
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from time import monotonic

import pytest

from fleetd.errors import BadReply, ConfigError, Declined, LinkLost, Quarantined, ReplyTimeout
from fleetd.link.ports import Ports
from fleetd.link.url import LinkUrl, SerialLine, parse_link
from fleetd_drivers.modbus import wire
from fleetd_drivers.modbus.bus import Answer, Bus, Lane
from fleetd_drivers.modbus.health import UnitState
from fleetd_drivers.modbus.line import bus_for
from fleetd_drivers.modbus.rtu import gap_s, worthwhile_gap
from fleetd_drivers.modbus.tcp import POLLS_IN_FLIGHT, SILENT_REQUESTS

RTU = parse_link("modbus+rtu:///dev/nowhere?baud=115200")
TCP = parse_link("modbus+tcp://127.0.0.1:502")
SOON_S = 0.02  # a deadline for units that never answer

Script = Callable[["Line", bytes], Iterable[tuple[float, bytes]]]
"""What the far end does with a frame: bytes to send back, each after a delay in seconds."""


class Line(asyncio.Transport):
    """A transport in memory; `script` plays the far end."""

    def __init__(self, protocol: asyncio.Protocol, script: Script) -> None:
        super().__init__()
        self.protocol = protocol
        self.script = script
        self.frames: list[bytes] = []
        self.sent_s: list[float] = []
        self.lost = False
        self.unsent = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        loop = asyncio.get_running_loop()
        self.frames.append(bytes(data))
        self.sent_s.append(monotonic())
        for delay_s, answer in self.script(self, bytes(data)):
            loop.call_later(delay_s, self.deliver, answer)

    def deliver(self, data: bytes) -> None:
        if not self.lost:
            self.protocol.data_received(data)

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def abort(self) -> None:
        if not self.lost:
            self.lost = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)


@asynccontextmanager
async def bus_over(url: LinkUrl, script: Script) -> AsyncIterator[tuple[Bus, Line]]:
    lines: list[Line] = []

    async def opener(_url: LinkUrl, make: Callable[[], asyncio.Protocol]) -> asyncio.WriteTransport:
        protocol = make()
        lines.append(Line(protocol, script))
        protocol.connection_made(lines[-1])
        return lines[-1]

    async with bus_for(Ports({url.scheme: opener}), url) as bus:
        yield bus, lines[0]


def registers(pdu: bytes) -> bytes:
    """A good answer to a read of registers: as many, each holding its own address."""
    function, address, count = struct.unpack(">BHH", pdu)
    return struct.pack(f">BB{count}H", function, 2 * count, *range(address, address + count))


def answer_rtu(frame: bytes) -> bytes:
    return wire.frame_rtu(frame[0], registers(frame[1:-2]) if frame[1] in (3, 4) else frame[1:6])


def answer_tcp(frame: bytes) -> bytes:
    transaction, unit, pdu = int.from_bytes(frame[:2], "big"), frame[6], frame[7:]
    return wire.frame_tcp(transaction, unit, registers(pdu) if pdu[0] in (3, 4) else pdu[:5])


def good_rtu(_line: Line, frame: bytes) -> list[tuple[float, bytes]]:
    return [(0, answer_rtu(frame))]


def silence(_line: Line, _frame: bytes) -> list[tuple[float, bytes]]:
    return []


def in_turn(*scripts: Script) -> Script:
    """The first frame meets the first script, and so on; the last one stays."""
    left = list(scripts)

    def script(line: Line, frame: bytes) -> Iterable[tuple[float, bytes]]:
        return (left.pop(0) if len(left) > 1 else left[0])(line, frame)

    return script


READ = wire.read("input", 2, 3)
VALUES = struct.pack(">3H", 2, 3, 4)


# What arrives on a serial line


async def test_an_answer_may_come_one_byte_at_a_time() -> None:
    def dribble(_line: Line, frame: bytes) -> list[tuple[float, bytes]]:
        return [(index * 1e-4, bytes((byte,))) for index, byte in enumerate(answer_rtu(frame))]

    async with bus_over(RTU, dribble) as (bus, _):
        assert await bus.ask(17, READ) == Answer(VALUES, suspect=False)


async def test_a_stray_byte_before_each_frame_costs_nothing() -> None:
    strays = iter(range(256))

    def noisy(_line: Line, frame: bytes) -> list[tuple[float, bytes]]:
        return [(0, bytes((next(strays),)) + answer_rtu(frame))]

    async with bus_over(parse_link("modbus+rtuovertcp://127.0.0.1:1"), noisy) as (bus, line):
        for _ in range(256):
            assert (await bus.ask(17, READ)).data == VALUES
    assert len(line.frames) == 256


async def test_silence_is_a_timeout_that_says_what_was_asked() -> None:
    async with bus_over(RTU, silence) as (bus, _):
        with pytest.raises(ReplyTimeout, match=r"no answer within 0\.02 s, asked unit 17 04 00 02 00 03"):
            await bus.ask(17, READ, within_s=SOON_S)
        assert not bus.closed


async def test_garbled_bytes_are_told_from_silence() -> None:
    def garbled(_line: Line, frame: bytes) -> list[tuple[float, bytes]]:
        return [(0, answer_rtu(frame)[:-1] + b"\x00")]

    async with bus_over(RTU, garbled) as (bus, _):
        with pytest.raises(BadReply, match="only garbled bytes"):
            await bus.ask(17, READ, within_s=SOON_S)


@pytest.mark.parametrize(
    "frame",
    [
        wire.frame_rtu(18, registers(READ.pdu)),
        wire.frame_rtu(17, registers(wire.read("input", 2, 2).pdu)),
        wire.frame_rtu(17, registers(wire.read("holding", 2, 3).pdu)),
    ],
    ids=["foreign unit", "wrong length", "wrong function"],
)
async def test_a_frame_that_is_not_the_answer_is_never_taken_for_it(frame: bytes) -> None:
    async with bus_over(RTU, lambda _line, _frame: [(0, frame)]) as (bus, _):
        with pytest.raises(BadReply):
            await bus.ask(17, READ, within_s=SOON_S)


async def test_the_right_answer_behind_a_foreign_one_is_taken() -> None:
    def both(_line: Line, frame: bytes) -> list[tuple[float, bytes]]:
        return [(0, wire.frame_rtu(18, registers(frame[1:-2])[:-1] + b"\x63") + answer_rtu(frame))]

    async with bus_over(RTU, both) as (bus, _):
        assert (await bus.ask(17, READ)).data == VALUES


async def test_an_exception_is_an_answer_and_ends_nothing() -> None:
    def declined(_line: Line, frame: bytes) -> list[tuple[float, bytes]]:
        return [(0, wire.frame_rtu(frame[0], bytes((frame[1] | 0x80, 2))))]

    async with bus_over(RTU, in_turn(declined, good_rtu)) as (bus, _):
        with pytest.raises(Declined, match="exception 2, illegal data address") as caught:
            await bus.ask(17, READ)
        assert caught.value.code == 2
        assert await bus.ask(17, READ) == Answer(VALUES, suspect=False)


async def test_after_a_timeout_the_unit_is_first_asked_for_what_no_late_answer_can_be_taken_for() -> None:
    async with bus_over(RTU, in_turn(silence, good_rtu)) as (bus, line):
        with pytest.raises(ReplyTimeout):
            await bus.ask(17, READ, within_s=SOON_S)
        await bus.ask(18, READ)  # another unit: nothing of its own is late
        assert await bus.ask(17, READ) == Answer(VALUES, suspect=False)
        await bus.ask(17, READ)
    assert [(frame[0], frame[5]) for frame in line.frames] == [(17, 3), (18, 3), (17, 2), (17, 3), (17, 3)]


async def test_an_answer_however_late_is_never_taken_for_the_present_one() -> None:
    """It comes long after the bus has stopped listening, in the midst of the next exchange but one."""

    def late(line: Line, frame: bytes) -> list[tuple[float, bytes]]:
        if len(line.frames) == 1:
            stale = wire.frame_rtu(17, struct.pack(">BB3H", 4, 6, 7, 8, 9))
            return [(SOON_S + 0.01, stale)]
        return [(0.012, answer_rtu(frame))]

    async with bus_over(RTU, late) as (bus, _):
        with pytest.raises(ReplyTimeout):
            await bus.ask(17, READ, within_s=SOON_S)
        await asyncio.sleep(0.008)
        assert await bus.ask(17, READ) == Answer(VALUES, suspect=False)


async def test_a_unit_that_stays_one_answer_behind_is_never_believed() -> None:
    """It answers each question when the next one comes, as a gateway does whose queue has got out of step."""
    held = [b""]

    def behind(_line: Line, frame: bytes) -> list[tuple[float, bytes]]:
        before, held[0] = held[0], wire.frame_rtu(17, struct.pack(">BB", 4, frame[5] * 2) + b"\xbe" * frame[5] * 2)
        return [(0, before)] if before else []

    async with bus_over(RTU, behind) as (bus, _):
        for _ in range(4):
            with pytest.raises((ReplyTimeout, BadReply)):
                await bus.ask(17, READ, within_s=0.005)


async def test_after_a_timeout_an_answer_that_has_none_shorter_is_suspect() -> None:
    single = wire.read("input", 2, 1)
    async with bus_over(RTU, in_turn(silence, good_rtu)) as (bus, _):
        with pytest.raises(ReplyTimeout):
            await bus.ask(17, single, within_s=SOON_S)
        assert (await bus.ask(17, single)).suspect is True
        assert await bus.ask(17, READ) == Answer(VALUES, suspect=False)
        assert (await bus.ask(17, single)).suspect is False


async def test_a_late_answer_is_let_pass_before_the_next_question() -> None:
    """The bus knows from the answer before how slow the unit may be, and listens at least so long."""

    def late(_line: Line, frame: bytes) -> list[tuple[float, bytes]]:
        return [(0.03, answer_rtu(frame))]

    def slow(_line: Line, frame: bytes) -> list[tuple[float, bytes]]:
        return [(0.015, answer_rtu(frame))]

    async with bus_over(RTU, in_turn(slow, late, good_rtu)) as (bus, line):
        await bus.ask(17, READ)
        with pytest.raises(ReplyTimeout):
            await bus.ask(17, READ, within_s=SOON_S)
        other = wire.read("input", 40, 3)
        assert (await bus.ask(17, other)).data == struct.pack(">3H", 40, 41, 42)
        assert line.sent_s[2] - line.sent_s[1] >= 0.03 + 0.015


async def test_after_two_answers_at_once_the_unit_is_brought_into_step_and_asked_again() -> None:
    def twice(_line: Line, frame: bytes) -> list[tuple[float, bytes]]:
        late = wire.frame_rtu(17, struct.pack(">BB3H", 4, 6, 7, 8, 9))
        return [(0, late + answer_rtu(frame))]

    async with bus_over(RTU, in_turn(twice, good_rtu)) as (bus, line):
        assert await bus.ask(17, READ) == Answer(VALUES, suspect=False)
    assert [frame[5] for frame in line.frames] == [3, 2, 3]


async def test_a_unit_that_always_answers_twice_is_believed_with_suspicion() -> None:
    def twice(_line: Line, frame: bytes) -> list[tuple[float, bytes]]:
        return [(0, 2 * answer_rtu(frame))]

    async with bus_over(RTU, twice) as (bus, line):
        assert await bus.ask(17, READ) == Answer(VALUES, suspect=True)
        assert len(line.frames) < 6


async def test_a_write_is_never_sent_again_whatever_comes_beside_its_answer() -> None:
    def twice(_line: Line, frame: bytes) -> list[tuple[float, bytes]]:
        return [(0, 2 * answer_rtu(frame))]

    async with bus_over(RTU, twice) as (bus, line):
        assert (await bus.ask(17, wire.write_register(1, 2))).suspect
        assert len(line.frames) == 1


async def test_after_an_answer_too_many_the_unit_is_brought_into_step_again() -> None:
    """A device that lags one answer behind cannot be told from a good one by a single answer, but by the second."""

    def one_behind(_line: Line, frame: bytes) -> list[tuple[float, bytes]]:
        late = wire.frame_rtu(17, struct.pack(">BB3H", 4, 6, 7, 8, 9))
        return [(0, late), (0.001, answer_rtu(frame))]

    async with bus_over(RTU, in_turn(one_behind, good_rtu)) as (bus, line):
        await bus.ask(17, READ)
        await asyncio.sleep(0.005)
        assert await bus.ask(17, READ) == Answer(VALUES, suspect=False)
        assert [frame[5] for frame in line.frames] == [3, 2, 3]


async def test_silence_precedes_each_frame() -> None:
    url = parse_link("modbus+rtu:///dev/nowhere?baud=2400&parity=E")  # 11 bits a character: 16 ms of silence
    heard_s: list[float] = []

    def timed(_line: Line, frame: bytes) -> list[tuple[float, bytes]]:
        heard_s.append(monotonic())
        return [(0, answer_rtu(frame))]

    async with bus_over(url, timed) as (bus, line):
        await asyncio.gather(bus.ask(17, READ), bus.ask(18, READ))
        assert line.sent_s[1] - heard_s[0] >= 3.5 * 11 / 2400


def test_the_silence_is_three_and_a_half_characters_or_1_75_ms() -> None:
    # Serial line guide V1.02, 2.5.1.1: 3.5 characters (4.01 ms at 9600 baud with 11 bits), above 19200 a fixed 1.75 ms.
    assert gap_s(SerialLine("/dev/x", 9600, parity="E")) == pytest.approx(4.01e-3, abs=5e-6)
    assert gap_s(SerialLine("/dev/x", 19_200, parity="E")) == pytest.approx(2.005e-3, abs=5e-6)
    assert gap_s(SerialLine("/dev/x", 115_200)) == 1.75e-3


async def test_a_line_full_of_noise_fails_its_callers_in_time_and_works_again_in_quiet() -> None:
    url = parse_link("modbus+rtu:///dev/nowhere?baud=1200")  # 29 ms of silence, so that no pause of ours passes for it
    async with bus_over(url, good_rtu) as (bus, line):
        async with asyncio.TaskGroup() as tasks:
            noise = tasks.create_task(babble(line), name="noise")
            asks = [tasks.create_task(failure(bus.ask(unit, READ, within_s=SOON_S))) for unit in (1, 2, 3)]
            reasons = {error.reason for error in await asyncio.gather(*asks)}
            assert reasons == {f"{url} has not been quiet for 0.02 s"}
            noise.cancel()
        assert line.frames == []
        assert (await bus.ask(17, READ)).data == VALUES


async def babble(line: Line) -> None:
    while True:
        line.deliver(b"\xff")
        await asyncio.sleep(0.0005)


async def failure(asking: Iterable[object]) -> ReplyTimeout:
    with pytest.raises(ReplyTimeout) as caught:
        await asking  # type: ignore[misc]
    return caught.value


# Who goes first


async def test_lanes_decide_what_is_sent_next() -> None:
    sent, let_go = asyncio.Event(), asyncio.Event()

    def held(line: Line, frame: bytes) -> Iterable[tuple[float, bytes]]:
        sent.set()
        if let_go.is_set():
            return good_rtu(line, frame)
        letting_go = asyncio.ensure_future(let_go.wait())
        letting_go.add_done_callback(lambda _: line.deliver(answer_rtu(frame)))
        return []

    async with bus_over(RTU, held) as (bus, line):
        lanes = [Lane.POLL, Lane.POLL, Lane.POLL, Lane.VERIFY, Lane.COMMAND, Lane.STOP]
        asks = [asyncio.ensure_future(bus.ask(unit, READ, lane=lane, within_s=5)) for unit, lane in enumerate(lanes, 1)]
        await asyncio.wait_for(sent.wait(), 5)
        in_flight = line.frames[0][0]
        let_go.set()
        await asyncio.gather(*asks)
        assert [frame[0] for frame in line.frames] == [
            in_flight,
            *(unit for unit in (6, 5, 4, 1, 2, 3) if unit != in_flight),
        ]


async def test_a_command_waits_for_no_more_than_the_frame_in_flight() -> None:
    def slow(_line: Line, frame: bytes) -> list[tuple[float, bytes]]:
        return [(0.003, answer_rtu(frame))]

    async with bus_over(RTU, slow) as (bus, line), asyncio.TaskGroup() as tasks:
        for unit in range(1, 20):
            tasks.create_task(bus.ask(unit, READ), name=f"poll {unit}")
        await asyncio.sleep(0.01)
        in_flight = len(line.frames)
        await bus.ask(99, wire.write_coil(0, True), lane=Lane.COMMAND)
        assert [frame[0] for frame in line.frames].index(99) <= in_flight


async def test_a_silent_unit_costs_the_others_only_its_own_deadline() -> None:
    def one_dead(_line: Line, frame: bytes) -> list[tuple[float, bytes]]:
        return [] if frame[0] == 9 else [(0, answer_rtu(frame))]

    async with bus_over(RTU, one_dead) as (bus, _), asyncio.TaskGroup() as tasks:
        dead = tasks.create_task(failure(bus.ask(9, READ, within_s=SOON_S)))
        assert [await bus.ask(unit, READ) for unit in (1, 2, 3)] == [Answer(VALUES, suspect=False)] * 3
        await dead


# Callers come and go


async def test_who_stops_waiting_in_the_queue_is_never_sent() -> None:
    async with bus_over(RTU, good_rtu) as (bus, line), asyncio.TaskGroup() as tasks:
        first = tasks.create_task(bus.ask(1, READ))
        second = tasks.create_task(bus.ask(2, wire.write_coil(0, True)))
        third = tasks.create_task(bus.ask(3, READ))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(first, third)
        assert [frame[0] for frame in line.frames] == [1, 3]


@pytest.mark.parametrize("url", [RTU, TCP], ids=["rtu", "tcp"])
async def test_who_stops_waiting_for_an_answer_leaves_it_to_nobody(url: LinkUrl) -> None:
    def slow(_line: Line, frame: bytes) -> list[tuple[float, bytes]]:
        return [(0.005, answer_rtu(frame) if url is RTU else answer_tcp(frame))]

    async with bus_over(url, slow) as (bus, _), asyncio.TaskGroup() as tasks:
        left = tasks.create_task(bus.ask(1, wire.read("input", 70, 3)))
        await asyncio.sleep(0.002)
        left.cancel()
        assert await bus.ask(1, READ) == Answer(VALUES, suspect=False)


async def test_an_error_that_nobody_waits_for_is_not_complained_about() -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))

    def declined(_line: Line, frame: bytes) -> list[tuple[float, bytes]]:
        return [(0, wire.frame_rtu(frame[0], bytes((frame[1] | 0x80, 2))))]

    async with bus_over(RTU, declined) as (bus, _):
        task = asyncio.ensure_future(bus.ask(17, READ))
        await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    del task
    gc.collect()
    assert complaints == []


async def test_a_lost_line_fails_all_who_wait_and_all_who_come() -> None:
    async with bus_over(RTU, silence) as (bus, line), asyncio.TaskGroup() as tasks:
        asks = [tasks.create_task(lost(bus.ask(unit, READ))) for unit in (1, 2, 3)]
        await asyncio.sleep(0.005)
        line.protocol.connection_lost(OSError("device disconnected"))
        assert {str(error) for error in await asyncio.gather(*asks)} == {f"{RTU}: device disconnected"}
        assert bus.closed
        with pytest.raises(LinkLost, match="device disconnected"):
            await bus.ask(1, READ)


async def lost(asking: Iterable[object]) -> LinkLost:
    with pytest.raises(LinkLost) as caught:
        await asking  # type: ignore[misc]
    return caught.value


async def test_a_line_that_takes_no_bytes_is_given_up() -> None:
    async with bus_over(RTU, silence) as (bus, line):
        line.unsent = 10_000
        with pytest.raises(LinkLost, match="takes no more bytes"):
            await bus.ask(1, READ)
        assert bus.closed


@pytest.mark.parametrize("url", [RTU, TCP], ids=["rtu", "tcp"])
async def test_a_line_that_fails_while_it_is_written_to_is_lost(url: LinkUrl) -> None:
    def unplugged(_line: Line, _frame: bytes) -> list[tuple[float, bytes]]:
        raise OSError(5, "device disconnected")

    async with bus_over(url, unplugged) as (bus, _):
        with pytest.raises(LinkLost, match="device disconnected"):
            await bus.ask(1, READ)
        assert bus.closed


# TCP


def good_tcp(_line: Line, frame: bytes) -> list[tuple[float, bytes]]:
    return [(0, answer_tcp(frame))]


async def test_a_late_tcp_answer_is_dropped_and_the_next_one_beyond_doubt() -> None:
    def late(_line: Line, frame: bytes) -> list[tuple[float, bytes]]:
        return [(2.5 * SOON_S, answer_tcp(frame))]  # deadlines are looked at each 20 ms

    def slow(_line: Line, frame: bytes) -> list[tuple[float, bytes]]:
        return [(2 * SOON_S, answer_tcp(frame))]

    async with bus_over(TCP, in_turn(late, slow)) as (bus, _):
        with pytest.raises(ReplyTimeout):
            await bus.ask(1, wire.read("input", 70, 3), within_s=SOON_S)
        assert await bus.ask(1, READ) == Answer(VALUES, suspect=False)
        assert not bus.closed


async def test_an_answer_to_a_transaction_never_asked_ends_the_connection() -> None:
    def wrong(_line: Line, frame: bytes) -> list[tuple[float, bytes]]:
        return [(0, b"\xbe\xef" + answer_tcp(frame)[2:])]

    async with bus_over(TCP, wrong) as (bus, _):
        with pytest.raises(LinkLost, match="transaction 48879, which is not in flight"):
            await bus.ask(1, READ)
        assert bus.closed


async def test_another_units_answer_fails_only_its_own_question() -> None:
    def wrong(_line: Line, frame: bytes) -> list[tuple[float, bytes]]:
        answer = answer_tcp(frame)
        return [(0, answer[:6] + b"\xff" + answer[7:])]

    async with bus_over(TCP, in_turn(wrong, good_tcp)) as (bus, _):
        with pytest.raises(BadReply, match="unit 255 answered for unit 1"):
            await bus.ask(1, READ)
        assert (await bus.ask(1, READ)).data == VALUES


async def test_one_request_a_unit_and_a_few_polls_at_a_time_but_commands_at_once() -> None:
    async with bus_over(TCP, silence) as (bus, line), asyncio.TaskGroup() as tasks:
        asks = [tasks.create_task(bus.ask(unit, READ)) for unit in (1, 1, 2, 3, 4, 5)]
        asks.append(tasks.create_task(bus.ask(9, wire.write_coil(0, True), lane=Lane.STOP)))
        asks.append(tasks.create_task(bus.ask(1, wire.write_coil(0, True), lane=Lane.STOP)))
        await asyncio.sleep(0)
        assert [frame[6] for frame in line.frames] == [1, 2, 3, 4, 9]
        assert len(line.frames) == POLLS_IN_FLIGHT + 1
        line.deliver(answer_tcp(line.frames[0]))
        assert [frame[6] for frame in line.frames[5:]] == [1]
        assert line.frames[5][7] == 5  # the stop, ahead of the poll that had waited longer
        for ask in asks:
            ask.cancel()


async def test_requests_to_one_unit_keep_their_order() -> None:
    async with bus_over(TCP, silence) as (bus, line), asyncio.TaskGroup() as tasks:
        asks = [tasks.create_task(bus.ask(unit, wire.read("input", at, 3))) for at, unit in enumerate((1, 1, 1, 2, 1))]
        await asyncio.sleep(0)
        for index in range(5):
            line.deliver(answer_tcp(line.frames[index]))
        assert [(frame[6], frame[9]) for frame in line.frames] == [(1, 0), (2, 3), (1, 1), (1, 2), (1, 4)]
        await asyncio.gather(*asks)


async def test_a_connection_that_says_nothing_any_more_is_given_up() -> None:
    async with bus_over(TCP, silence) as (bus, _):
        for _ in range(SILENT_REQUESTS):
            assert not bus.closed
            with pytest.raises(ReplyTimeout):
                await bus.ask(1, READ, within_s=0.001)
        assert bus.closed


async def test_requests_that_expire_together_end_the_connection_once() -> None:
    """The one that makes the connection be given up takes the other with it, in the middle of the same look."""
    bugs: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: bugs.append(context))
    async with bus_over(TCP, silence) as (bus, _):
        for unit in range(1, SILENT_REQUESTS):
            with pytest.raises(ReplyTimeout):
                await bus.ask(unit, READ, within_s=0.001)
        asked = [bus.ask(unit, READ, within_s=0.001) for unit in (101, 102)]
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [ReplyTimeout, LinkLost]
        assert bus.closed
    assert bugs == []


async def test_one_silent_unit_behind_a_gateway_does_not_end_the_connection() -> None:
    def one_dead(_line: Line, frame: bytes) -> list[tuple[float, bytes]]:
        return [] if frame[6] == 9 else [(0, answer_tcp(frame))]

    async with bus_over(TCP, one_dead) as (bus, _):
        for _ in range(SILENT_REQUESTS + 1):
            with pytest.raises((ReplyTimeout, Quarantined)):
                await bus.ask(9, READ, within_s=0.001)
            await bus.ask(1, READ)
        assert not bus.closed


async def test_an_answer_that_breaks_off_ends_the_connection() -> None:
    def half(_line: Line, frame: bytes) -> list[tuple[float, bytes]]:
        return [(0, answer_tcp(frame)[:-3])]

    async with bus_over(TCP, half) as (bus, _):
        with pytest.raises(ReplyTimeout):
            await bus.ask(1, READ, within_s=SOON_S)
        assert bus.closed


async def test_garbage_on_a_tcp_connection_ends_it() -> None:
    async with bus_over(TCP, lambda _line, _frame: [(0, b"HTTP/1.1 400 Bad Request\r\n\r\n")]) as (bus, _):
        with pytest.raises(LinkLost, match="no Modbus TCP header"):
            await bus.ask(1, READ)


# Sharing


async def test_devices_with_one_url_share_one_bus_that_is_opened_anew_once_it_is_lost() -> None:
    opened: list[Line] = []

    async def opener(_url: LinkUrl, make: Callable[[], asyncio.Protocol]) -> asyncio.WriteTransport:
        protocol = make()
        opened.append(Line(protocol, good_rtu))
        protocol.connection_made(opened[-1])
        return opened[-1]

    ports = Ports({"modbus+rtu": opener})
    async with bus_for(ports, RTU) as one, bus_for(ports, RTU) as two:
        assert one is two
        opened[0].protocol.connection_lost(None)
        async with bus_for(ports, RTU) as three:
            assert three is not one
            assert (await three.ask(1, READ)).data == VALUES
    assert [line.lost for line in opened] == [True, True]


async def test_a_url_that_is_no_modbus_line_is_refused() -> None:
    with pytest.raises(ConfigError, match="serial is no Modbus line; use modbus"):
        bus_for(Ports(), parse_link("serial:///dev/ttyUSB0"))


# Units that are silent for long


async def test_a_dead_unit_is_not_asked_any_more_while_there_are_others_and_a_stop_is_sent_all_the_same() -> None:
    def one_dead(_line: Line, frame: bytes) -> list[tuple[float, bytes]]:
        return [] if frame[0] == 9 else [(0, answer_rtu(frame))]

    async with bus_over(RTU, one_dead) as (bus, line):
        await bus.ask(1, READ)
        for _ in range(3):
            with pytest.raises(ReplyTimeout):
                await bus.ask(9, READ, within_s=0.005)
        sent = len(line.frames)
        for lane in (Lane.POLL, Lane.VERIFY, Lane.COMMAND):
            with pytest.raises(Quarantined, match="unit 9 has been silent 3 times"):
                await bus.ask(9, READ, lane=lane)
        assert len(line.frames) == sent
        assert (bus.unit_state(1), bus.unit_state(9), bus.unit_state(5)) == (UnitState.UP, UnitState.DEAD, UnitState.UP)
        with pytest.raises(ReplyTimeout):
            await bus.ask(9, wire.write_coil(0, True), lane=Lane.STOP, within_s=0.005)
        assert line.frames[-1][0] == 9


async def test_stops_for_units_that_are_heard_go_before_stops_for_silent_ones() -> None:
    def one_dead(_line: Line, frame: bytes) -> list[tuple[float, bytes]]:
        return [] if frame[0] == 9 else [(0, answer_rtu(frame))]

    stop = wire.write_coil(0, True)
    async with bus_over(RTU, one_dead) as (bus, line), asyncio.TaskGroup() as tasks:
        await bus.ask(1, READ)
        for _ in range(3):
            with pytest.raises(ReplyTimeout):
                await bus.ask(9, READ, within_s=0.005)
        before = len(line.frames)
        first = tasks.create_task(bus.ask(1, READ))
        await asyncio.sleep(0)
        late = tasks.create_task(failure(bus.ask(9, stop, lane=Lane.STOP, within_s=0.005)))
        await asyncio.gather(*(bus.ask(unit, stop, lane=Lane.STOP) for unit in (2, 3)), first, late)
        assert [frame[0] for frame in line.frames[before:]] == [2, 3, 9, 1]


async def test_a_unit_that_a_gateway_calls_dead_is_dead() -> None:
    def gateway(_line: Line, frame: bytes) -> list[tuple[float, bytes]]:
        if frame[6] == 9:
            return [(0, wire.frame_tcp(int.from_bytes(frame[:2], "big"), 9, bytes((frame[7] | 0x80, 11))))]
        return [(0, answer_tcp(frame))]

    async with bus_over(TCP, gateway) as (bus, _):
        await bus.ask(1, READ)
        for _ in range(3):
            with pytest.raises(Declined, match="gateway target does not answer"):
                await bus.ask(9, READ)
        with pytest.raises(Quarantined):
            await bus.ask(9, READ)


async def test_the_share_of_each_unit_of_the_bus_is_known() -> None:
    def slow(_line: Line, frame: bytes) -> list[tuple[float, bytes]]:
        return [(0.004 if frame[0] == 2 else 0.0, answer_rtu(frame))]

    async with bus_over(RTU, slow) as (bus, _):
        for _ in range(5):
            await bus.ask(1, READ)
            await bus.ask(2, READ)
        shares = bus.bus_time_shares
    assert list(shares) == [1, 2]
    assert 0 < shares[1] < shares[2] <= 1
    assert bus.bus_time_share(3) == 0.0


# How far apart is near


@pytest.mark.parametrize(
    ("baud", "turnaround_s", "gap"),
    [(9600, 0, 10), (38_400, 0, 12), (115_200, 0, 24), (9600, 0.02, 18), (38_400, 0.02, 47), (115_200, 0.02, 124)],
)
def test_the_gap_that_pays_follows_from_the_baud_rate_and_the_turnaround(
    baud: int, turnaround_s: float, gap: int
) -> None:
    # By hand, 11-bit characters: (13 characters + two silences + turnaround) / 2 characters. At 9600 baud
    # (14.9 + 8.0) ms / 2.29 ms = 10.0; with 20 ms more 18.7. At 115200 the answer's own limit of 125 cuts it off.
    assert worthwhile_gap(SerialLine("/dev/x", baud, parity="E"), turnaround_s) == gap


async def test_the_bus_measures_how_long_a_unit_thinks() -> None:
    url = parse_link("modbus+rtu:///dev/nowhere?baud=115200&parity=E")
    line_s = (8 + 11) * 11 / 115_200 + 0.00175

    def thinks(_line: Line, frame: bytes) -> list[tuple[float, bytes]]:
        return [(line_s + 0.01, answer_rtu(frame))]

    async with bus_over(url, thinks) as (bus, _):
        assert bus.worthwhile_gap(17) == 24
        for _ in range(3):
            await bus.ask(17, READ)
        assert bus.worthwhile_gap(17) >= 24 + int(0.01 / (22 / 115_200))
