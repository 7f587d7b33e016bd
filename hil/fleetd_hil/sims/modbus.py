"""The server's side of Modbus: requests to answers, for any number of units at one port, and their faults.

Written from "MODBUS Application Protocol Specification V1.1b3": functions 1-6, 15, 16 and exceptions, sections 6 and 7.
A unit that is not there is silent. Not here: frames (`framing`), and what any register means.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from fleetd_hil.faults import FaultKind, Faults
from fleetd_hil.sim import Answer, Feed
from fleetd_hil.sims.framing import Request, RtuEar, TcpEar, rtu_frame, tcp_frame

FAULTS = (
    FaultKind("silent", "the unit is dead to the bus: it neither hears nor answers"),
    FaultKind("exception", "the unit carries nothing out and answers with this exception", 4.0, "code"),
    FaultKind("late", "the unit takes this much longer to answer", 2.0, "s"),
    FaultKind("half", "the answer breaks off in the middle"),
    FaultKind("crc", "the answer's CRC is wrong; over TCP, the length in its header"),
    FaultKind("short", "the answer carries one register less than asked for, all else being right"),
    FaultKind("wrong-unit", "the answer bears the next unit's number"),
    FaultKind("wrong-function", "the answer is to another function"),
    FaultKind("wrong-transaction", "over TCP, the answer bears the last transaction's number"),
)

Table = Literal["coil", "discrete", "input", "holding"]
Framing = Literal["rtu", "tcp"]

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3

_READS: Mapping[int, tuple[Table, int]] = {
    1: ("coil", 2000),
    2: ("discrete", 2000),
    3: ("holding", 125),
    4: ("input", 125),
}
_WRITE_COIL, _WRITE_REGISTER, _WRITE_COILS, _WRITE_REGISTERS = 5, 6, 15, 16
_BROADCAST = 0


class Denial(Exception):
    """The unit says no, and by which code; on the wire it is called an exception."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(slots=True)
class Conduct:
    """How masters have treated a unit, and what came of it."""

    violations: deque[str] = field(default_factory=lambda: deque(maxlen=100))
    """The latest of what no well-behaved master would have asked."""
    locked: bool = False
    """Whether the unit does not answer any more until its power is cycled."""


class Unit(Protocol):
    """One device at a Modbus address. Registers are 0 to 65535, bits 0 or 1."""

    turnaround_s: float
    conduct: Conduct

    def read(self, table: Table, address: int, count: int, at_s: float, /) -> Sequence[int]:
        """The cells asked for, at running time `at_s`. Raises Denial."""
        ...

    def write(self, table: Table, address: int, cells: Sequence[int], at_s: float, /) -> None:
        """Take the cells of one request, all or none. Raises Denial."""
        ...


class ModbusSim:
    """Units that share one port: a serial bus, or a gateway's TCP port."""

    def __init__(self, name: str, units: Mapping[int, Unit], faults: Faults, framing: Framing) -> None:
        self.name = name
        self.units = units
        self.faults = faults
        self.framing = framing
        faults.learn(FAULTS)

    @property
    def violations(self) -> list[str]:
        """What no well-behaved master would have sent, by unit."""
        return [f"unit {number}: {what}" for number, unit in self.units.items() for what in unit.conduct.violations]

    def attach(self) -> Feed:
        """An ear for one connection, with its own half-read frame and transactions."""
        return (RtuEar if self.framing == "rtu" else TcpEar)(self._answer).feed

    def _answer(self, request: Request, at_s: float) -> list[Answer]:
        if request.unit == _BROADCAST and self.framing == "rtu":
            for each in self.units.values():
                _carry_out(each, request.pdu, at_s)
            return []
        unit = self.units.get(request.unit)
        if unit is None or self._fault("silent", request, at_s) is not None:
            return []
        if not self.faults:
            return self._answer_well(unit, request, at_s)
        if (code := self._fault("exception", request, at_s)) is not None:
            pdu = bytes([request.pdu[0] | 0x80, int(code)])
        else:
            pdu = self._bent(_carry_out(unit, request.pdu, at_s), request, at_s)
        if unit.conduct.locked:
            return []
        data = self._framed(pdu, request, at_s)
        return [Answer(data, unit.turnaround_s + (self._fault("late", request, at_s) or 0.0))]

    def _answer_well(self, unit: Unit, request: Request, at_s: float) -> list[Answer]:
        """While nothing is broken, which is nearly always."""
        pdu = _carry_out(unit, request.pdu, at_s)
        if unit.conduct.locked:
            return []
        is_rtu = self.framing == "rtu"
        frame = rtu_frame(request.unit, pdu) if is_rtu else tcp_frame(request.transaction, request.unit, pdu)
        return [Answer(frame, unit.turnaround_s)]

    def _fault(self, name: str, request: Request, at_s: float) -> float | None:
        return self.faults.value(name, at_s, request.unit)

    def _bent(self, pdu: bytes, request: Request, at_s: float) -> bytes:
        if self._fault("wrong-function", request, at_s) is not None:
            return bytes([pdu[0] ^ 0x07]) + pdu[1:]
        if self._fault("short", request, at_s) is not None and pdu[0] in (3, 4):
            return bytes([pdu[0], pdu[1] - 2]) + pdu[2:-2]
        return pdu

    def _framed(self, pdu: bytes, request: Request, at_s: float) -> bytes:
        damaged = self._fault("crc", request, at_s) is not None
        unit = request.unit % 247 + 1 if self._fault("wrong-unit", request, at_s) is not None else request.unit
        if self.framing == "rtu":
            data = rtu_frame(unit, pdu, damaged=damaged)
        else:
            stale = self._fault("wrong-transaction", request, at_s) is not None
            data = tcp_frame(request.last_transaction if stale else request.transaction, unit, pdu, damaged=damaged)
        return data[: len(data) // 2] if self._fault("half", request, at_s) is not None else data


# One request


def _carry_out(unit: Unit, pdu: bytes, at_s: float) -> bytes:
    """The answer of one unit to one request, exceptions included."""
    function = pdu[0]
    try:
        if function in _READS:
            return _read(unit, pdu, at_s)
        if function in (_WRITE_COIL, _WRITE_REGISTER):
            return _write_one(unit, pdu, at_s)
        if function in (_WRITE_COILS, _WRITE_REGISTERS):
            return _write_many(unit, pdu, at_s)
    except Denial as denial:
        return bytes([function | 0x80, denial.code])
    return bytes([function | 0x80, ILLEGAL_FUNCTION])


def _read(unit: Unit, pdu: bytes, at_s: float) -> bytes:
    table, most = _READS[pdu[0]]
    address, count = _two_words(pdu, exactly=5)
    if not 1 <= count <= most:
        raise Denial(ILLEGAL_VALUE)
    cells = unit.read(table, address, count, at_s)
    data = _packed_bits(cells) if table in ("coil", "discrete") else struct.pack(f">{count}H", *cells)
    return bytes([pdu[0], len(data)]) + data


def _write_one(unit: Unit, pdu: bytes, at_s: float) -> bytes:
    address, value = _two_words(pdu, exactly=5)
    if pdu[0] == _WRITE_REGISTER:
        unit.write("holding", address, [value], at_s)
    elif value in (0x0000, 0xFF00):
        unit.write("coil", address, [int(value == 0xFF00)], at_s)
    else:
        raise Denial(ILLEGAL_VALUE)
    return pdu


def _write_many(unit: Unit, pdu: bytes, at_s: float) -> bytes:
    address, count = _two_words(pdu, exactly=None)
    data = pdu[6:]
    size = (count + 7) // 8 if pdu[0] == _WRITE_COILS else 2 * count
    most = 1968 if pdu[0] == _WRITE_COILS else 123
    if not 1 <= count <= most or len(pdu) < 6 or pdu[5] != size or len(data) != size:
        raise Denial(ILLEGAL_VALUE)
    if pdu[0] == _WRITE_COILS:
        unit.write("coil", address, [data[i // 8] >> i % 8 & 1 for i in range(count)], at_s)
    else:
        unit.write("holding", address, struct.unpack(f">{count}H", data), at_s)
    return pdu[:5]


def _two_words(pdu: bytes, *, exactly: int | None) -> tuple[int, int]:
    if len(pdu) < 5 or exactly not in (None, len(pdu)):
        raise Denial(ILLEGAL_VALUE)
    address, value = struct.unpack_from(">HH", pdu, 1)
    return address, value


def _packed_bits(cells: Sequence[int]) -> bytes:
    data = bytearray((len(cells) + 7) // 8)
    for index, bit in enumerate(cells):
        data[index // 8] |= (bit & 1) << index % 8
    return bytes(data)
