"""One Modbus line by hand, for `fleetctl registers`: pymodbus' requests, frames and decoders over a link of ours.

It shares no code with the drivers on purpose: what a device says here is a second, independent opinion. One question
at a time, asked once; silence, garbled bytes and an exception are told apart.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fleetd.errors import BadReply, ConfigError, Declined, ReplyTimeout
from fleetd.link.ports import Ports
from fleetd.link.stream import Link
from fleetd.link.url import LinkUrl, SerialLine
from fleetd.registers.model import BIT_TABLES, Table

if TYPE_CHECKING:
    from pymodbus.framer.base import FramerBase
    from pymodbus.pdu import ModbusPDU

SCHEMES = ("modbus+tcp", "modbus+rtu", "modbus+rtuovertcp")
_GAP_CHARACTERS = 4  # at least 3.5 of silence before each frame on a serial line
_WRITE_ANSWER = 8  # bytes on a serial line
_MOST_HEARD = 64  # bytes of a garbled answer that are kept to be shown


class ModbusLine:
    """An open line; `within_s` real seconds are a unit's to begin its answer."""

    def __init__(self, link: Link, framer: FramerBase, within_s: float) -> None:
        self._link = link
        self._framer = framer
        self._within_s = within_s
        self._transaction = 0
        end = link.url.end
        self._character_s = end.character_s if isinstance(end, SerialLine) else 0.0

    async def read(self, unit: int, table: Table, address: int, count: int) -> list[int]:
        """Registers, or bits as 0 and 1. Raises ReplyTimeout, BadReply, Declined, LinkLost."""
        from pymodbus.pdu import bit_message, register_message

        request = {
            "coil": bit_message.ReadCoilsRequest,
            "discrete": bit_message.ReadDiscreteInputsRequest,
            "input": register_message.ReadInputRegistersRequest,
            "holding": register_message.ReadHoldingRegistersRequest,
        }[table]
        size = (count + 7) // 8 if table in BIT_TABLES else 2 * count
        answer = await self._ask(request(dev_id=unit, address=address, count=count), 5 + size)
        cells = [int(bit) for bit in answer.bits[:count]] if table in BIT_TABLES else list(answer.registers)
        if len(cells) != count:
            raise BadReply(f"unit {unit} was asked for {count} and answered with {len(cells)}")
        return cells

    async def write(self, unit: int, table: Table, address: int, cells: Sequence[int]) -> None:
        """Write neighbouring coils or holding registers in one request. Raises as `read` does."""
        from pymodbus.pdu import bit_message, register_message

        request: ModbusPDU
        if table == "coil" and len(cells) == 1:
            request = bit_message.WriteSingleCoilRequest(dev_id=unit, address=address, bits=[bool(cells[0])])
        elif table == "coil":
            bits = [bool(cell) for cell in cells]
            request = bit_message.WriteMultipleCoilsRequest(dev_id=unit, address=address, bits=bits)
        elif len(cells) == 1:
            request = register_message.WriteSingleRegisterRequest(dev_id=unit, address=address, registers=list(cells))
        else:
            request = register_message.WriteMultipleRegistersRequest(
                dev_id=unit, address=address, registers=list(cells)
            )
        await self._ask(request, _WRITE_ANSWER)

    async def _ask(self, request: ModbusPDU, answer_size: int) -> ModbusPDU:
        self._transaction += 1
        request.transaction_id = self._transaction
        await asyncio.sleep(_GAP_CHARACTERS * self._character_s)
        self._link.discard()
        frame = self._framer.buildFrame(request)
        await self._link.write(frame)
        answer = await self._answer(request, frame, self._within_s + (len(frame) + answer_size) * self._character_s)
        if answer.isError():
            raise Declined(f"answers with exception {_said(answer.exception_code)}", code=answer.exception_code)
        if answer.function_code != request.function_code:
            raise BadReply(f"function {request.function_code} was asked, and {answer.function_code} answered")
        return answer

    async def _answer(self, request: ModbusPDU, frame: bytes, within_s: float) -> ModbusPDU:
        heard, kept = b"", b""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    data = await self._link.read_some()
                    heard, kept = heard + data, (kept + data)[:_MOST_HEARD]
                    used, answer = self._decoded(heard, request)
                    heard = heard[used:]
                    if answer is not None:
                        return answer
        except TimeoutError:
            asked = f"unit {request.dev_id} {frame.hex(' ')}"
            if kept:
                text = "only garbled bytes came: is the baud rate, the parity or the wiring wrong?"
                raise BadReply(text, asked=asked, answered=kept.hex(" ")) from None
            raise ReplyTimeout(f"no answer within {self._within_s:g} s", asked=asked) from None

    def _decoded(self, heard: bytes, request: ModbusPDU) -> tuple[int, ModbusPDU | None]:
        from pymodbus.exceptions import ModbusException

        try:
            return self._framer.handleFrame(heard, request.dev_id, request.transaction_id)
        except (ModbusException, struct.error, IndexError):
            return len(heard), None  # a frame that is whole and makes no sense is as good as noise


@asynccontextmanager
async def open_line(url: LinkUrl, within_s: float) -> AsyncIterator[ModbusLine]:
    """The line behind a Modbus URL, for this process alone. Raises LinkLost, and ConfigError for another URL."""
    from pymodbus.framer.rtu import FramerRTU
    from pymodbus.framer.socket import FramerSocket
    from pymodbus.pdu import DecodePDU

    if url.scheme not in SCHEMES:
        raise ConfigError(f"link {url}: {url.scheme} is no Modbus line; use {', '.join(SCHEMES)}")
    # What it would say of noise is ours to say.
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    framer = FramerSocket if url.scheme == "modbus+tcp" else FramerRTU
    async with Ports().open(url) as link:
        yield ModbusLine(link, framer(DecodePDU(False)), within_s)


def _said(code: int) -> str:
    from pymodbus.constants import ExcCodes

    known = {int(exception): exception.name.lower().replace("_", " ") for exception in ExcCodes}
    return f"{code}, {known.get(code, 'of no known meaning')}"
