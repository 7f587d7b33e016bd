"""The Modbus server of the sims: the specification's own examples, then clients that nobody here wrote."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient

from fleetd.clock import SystemClock
from fleetd_hil import catalogue
from fleetd_hil.bench import Bench
from fleetd_hil.faults import Faults
from fleetd_hil.line import Pace
from fleetd_hil.ports import Port
from fleetd_hil.sims.framing import crc16, rtu_frame
from fleetd_hil.sims.modbus import ILLEGAL_ADDRESS, Conduct, Denial, Framing, ModbusSim, Table


class Cells:
    """A unit that is nothing but its cells."""

    turnaround_s = 0.0

    def __init__(self) -> None:
        self.conduct = Conduct()
        self.tables: dict[Table, dict[int, int]] = {"coil": {}, "discrete": {}, "input": {}, "holding": {}}

    def read(self, table: Table, address: int, count: int, at_s: float) -> Sequence[int]:
        if address + count > 1000:
            raise Denial(ILLEGAL_ADDRESS)
        return [self.tables[table].get(address + offset, 0) for offset in range(count)]

    def write(self, table: Table, address: int, cells: Sequence[int], at_s: float) -> None:
        if address + len(cells) > 1000:
            raise Denial(ILLEGAL_ADDRESS)
        self.tables[table].update(enumerate(cells, address))


def server(framing: Framing = "rtu") -> tuple[ModbusSim, Cells]:
    cells = Cells()
    return ModbusSim("cells", {17: cells}, Faults(()), framing), cells


def exchange(sim: ModbusSim, pdu: str, unit: int = 17) -> str:
    """The answer's PDU to a request's, in hexadecimal, over RTU; '' for silence."""
    answers = list(sim.attach()(rtu_frame(unit, bytes.fromhex(pdu)), 0.0))
    if not answers:
        return ""
    data = answers[0].data
    assert data[0] == unit
    assert crc16(data[:-2]) == int.from_bytes(data[-2:], "little")
    return data[1:-2].hex(" ").upper()


def test_crc_is_the_published_one() -> None:
    assert crc16(b"123456789") == 0x4B37  # check value of CRC-16/MODBUS
    # "MODBUS over Serial Line V1.02", appendix B: 02 07 gives 41 12 on the wire.
    assert rtu_frame(2, b"\x07") == bytes.fromhex("02 07 41 12")


# The examples of "MODBUS Application Protocol Specification V1.1b3", sections 6.1 to 6.4, 6.5, 6.6, 6.11 and 6.12.


def test_read_coils_as_in_the_specification() -> None:
    sim, cells = server()
    bits = f"{0xCD:08b}"[::-1] + f"{0x6B:08b}"[::-1] + f"{0x05:08b}"[::-1]
    cells.tables["coil"] = {0x13 + i: int(bit) for i, bit in enumerate(bits)}
    assert exchange(sim, "01 00 13 00 13") == "01 03 CD 6B 05"


def test_read_discrete_inputs_as_in_the_specification() -> None:
    sim, cells = server()
    bits = f"{0xAC:08b}"[::-1] + f"{0xDB:08b}"[::-1] + f"{0x35:08b}"[::-1]
    cells.tables["discrete"] = {0xC4 + i: int(bit) for i, bit in enumerate(bits)}
    assert exchange(sim, "02 00 C4 00 16") == "02 03 AC DB 35"


def test_read_registers_as_in_the_specification() -> None:
    sim, cells = server()
    cells.tables["holding"] = {0x6B: 0x022B, 0x6C: 0x0000, 0x6D: 0x0064}
    cells.tables["input"] = {0x08: 0x000A}
    assert exchange(sim, "03 00 6B 00 03") == "03 06 02 2B 00 00 00 64"
    assert exchange(sim, "04 00 08 00 01") == "04 02 00 0A"


def test_writes_as_in_the_specification() -> None:
    sim, cells = server()
    assert exchange(sim, "05 00 AC FF 00") == "05 00 AC FF 00"
    assert exchange(sim, "06 00 01 00 03") == "06 00 01 00 03"
    assert exchange(sim, "0F 00 13 00 0A 02 CD 01") == "0F 00 13 00 0A"
    assert exchange(sim, "10 00 01 00 02 04 00 0A 01 02") == "10 00 01 00 02"
    assert cells.tables["coil"] == {0xAC: 1, **{0x13 + i: int(b) for i, b in enumerate("1011001110")}}
    assert cells.tables["holding"] == {1: 0x000A, 2: 0x0102}


@pytest.mark.parametrize(
    ("request_pdu", "answer"),
    [
        ("07", "87 01"),
        ("2B 0E 01 00", "AB 01"),
        ("03 03 E8 00 01", "83 02"),
        ("03 00 00 00 00", "83 03"),
        ("03 00 00 00 7E", "83 03"),
        ("05 00 00 12 34", "85 03"),
        ("10 00 00 00 02 03 00 00 00", "90 03"),
    ],
)
def test_exceptions(request_pdu: str, answer: str) -> None:
    assert exchange(server()[0], request_pdu) == answer


def test_an_absent_unit_is_silent_and_a_broadcast_is_taken_in_silence() -> None:
    sim, cells = server()
    assert exchange(sim, "03 00 00 00 01", unit=18) == ""
    assert exchange(sim, "06 00 05 00 2A", unit=0) == ""
    assert cells.tables["holding"] == {5: 42}


@given(noise=st.binary(max_size=40), cuts=st.lists(st.integers(1, 7), max_size=4))
def test_a_request_is_found_behind_noise_and_in_pieces(noise: bytes, cuts: list[int]) -> None:
    sim, _ = server()
    feed = sim.attach()
    feed(noise, 0.0)
    data, answers = rtu_frame(17, bytes.fromhex("03 00 00 00 01")), []
    for end in [*sorted(set(cuts)), len(data)]:
        start = max((cut for cut in [0, *cuts] if cut < end), default=0)
        answers += feed(data[start:end], 0.0)
    assert [answer.data for answer in answers][-1:] == [rtu_frame(17, bytes.fromhex("03 02 00 00"))]


def test_tcp_carries_the_transaction_back_and_takes_two_requests_in_one_segment() -> None:
    sim, _ = server("tcp")
    feed = sim.attach()
    request = struct.pack(">HHHB", 0x1501, 0, 6, 17) + bytes.fromhex("03 00 00 00 01")
    answer = struct.pack(">HHHB", 0x1501, 0, 5, 17) + bytes.fromhex("03 02 00 00")
    assert [a.data for a in feed(request + request[:4], 0.0)] == [answer]
    assert [a.data for a in feed(request[4:], 0.0)] == [answer]
    assert list(feed(struct.pack(">HHHB", 1, 7, 6, 17) + bytes(5), 0.0)) == []  # protocol 7 is not Modbus
    assert [a.data for a in feed(request, 0.0)] == [answer]


# Real clients against robots and a weather station


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with Bench.open(SystemClock()) as opened:
        yield opened


async def robots_on_tcp(bench: Bench) -> Port:
    return await bench.tcp(catalogue.build("little-donkey", {}, 0, catalogue.Bus("tcp", 20)))


async def bus(bench: Bench) -> Port:
    others = {10: "weather-station"}
    sim = catalogue.build("little-donkey", {}, 0, catalogue.Bus("rtu", 3, others))
    return await bench.pty(sim, Pace.of(19_200, rtu=True))


async def mbpoll(*words: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        "mbpoll", "-q", "-0", "-1", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


@pytest.mark.peer("mbpoll")
async def test_mbpoll_reads_a_robot_over_tcp(bench: Bench) -> None:
    port = await robots_on_tcp(bench)
    tcp_port = port.address.rpartition(":")[2]
    code, said = await mbpoll("-m", "tcp", "-p", tcp_port, "-a", "17", "-r", "0", "-c", "3", "-t", "3:hex", "127.0.0.1")
    assert code == 0
    assert "[0]: \t0x4C44" in said  # the map's identity
    assert "[2]: \t0x0001" in said  # idle
    code, said = await mbpoll(
        "-m", "tcp", "-p", tcp_port, "-a", "1", "-r", "8", "-c", "2", "-t", "3:int", "-B", "127.0.0.1"
    )
    assert "[8]: \t303010000" in said  # stop 1 of configs/demo.yaml: latitude 30.3010
    assert "[10]: \t1200800000" in said


@pytest.mark.peer("mbpoll")
async def test_mbpoll_reads_and_writes_on_the_shared_bus(bench: Bench) -> None:
    port = await bus(bench)
    line = ("-m", "rtu", "-b", "19200", "-P", "none")
    code, said = await mbpoll(*line, "-a", "10", "-r", "0", "-c", "8", "-t", "3", port.address)
    assert code == 0
    pressure_dhpa = int(said.partition("[5]: \t")[2].split()[0])
    assert 10_000 < pressure_dhpa < 10_300
    code, said = await mbpoll(*line, "-a", "2", "-r", "0", "-t", "0", port.address, "1")  # coil 0: stop
    assert code == 0
    code, said = await mbpoll(*line, "-a", "2", "-r", "2", "-c", "4", "-t", "3", port.address)
    assert "[2]: \t4" in said  # stopped
    code, said = await mbpoll(*line, "-a", "9", "-o", "0.05", "-r", "0", "-c", "1", "-t", "3", port.address)
    assert code != 0
    assert "timed out" in said


async def test_pymodbus_reads_robots_over_tcp(bench: Bench) -> None:
    host, _, port = (await robots_on_tcp(bench)).address.rpartition(":")
    client = AsyncModbusTcpClient(host, port=int(port), timeout=2, retries=0)
    assert await client.connect()
    try:
        for unit in (1, 20):
            answer = await client.read_input_registers(0, count=32, device_id=unit)
            assert not answer.isError()
            assert answer.registers[0] == 0x4C44
        assert (await client.read_input_registers(0, count=65, device_id=1)).exception_code == 3  # the map's block cap
        assert (await client.read_input_registers(31, count=2, device_id=1)).exception_code == 2
    finally:
        client.close()


@pytest.mark.parametrize("unit", [1, 3, 10])
async def test_pymodbus_reads_the_bus(bench: Bench, unit: int) -> None:
    port = await bus(bench)
    client = AsyncModbusSerialClient(port.address, baudrate=19_200, framer=FramerType.RTU, timeout=2, retries=0)
    assert await client.connect()
    try:
        answer = await client.read_input_registers(0, count=8, device_id=unit)
        assert not answer.isError()
        assert len(answer.registers) == 8
    finally:
        client.close()


def test_line_time_is_that_of_the_serial_line_guide() -> None:
    # Serial line guide V1.02: an 11-bit character at 19200 baud takes 0.573 ms, 3.5 of them 2.0 ms; above, 1.75 ms.
    pace = Pace.of(19_200, "E", rtu=True)
    assert (pace.character_s, pace.gap_s) == pytest.approx((0.000_573, 0.002_005), rel=1e-3)
    assert Pace.of(115_200, "E", rtu=True).gap_s == 0.001_75
    assert Pace.of(9600).gap_s == 0.0
