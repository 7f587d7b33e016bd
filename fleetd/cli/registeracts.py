"""What `fleetctl registers` does with an open Modbus line: read by a map, write and look, go through the units."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from fleetd.cli.modbusline import ModbusLine, open_line
from fleetd.clock import SystemClock
from fleetd.errors import BadReply, Declined, Refusal, ReplyTimeout
from fleetd.link.url import LinkUrl, SerialLine, parse_link
from fleetd.registers.codec import Decoded, Decoder, decode, encode_write, pack
from fleetd.registers.model import RegisterMap, Table, ValueSpec
from fleetd.registers.plan import plan
from fleetd.strictyaml import plain_value

_LONG_S = 2.0  # what lasts longer shows how far it is
_GATEWAY = (10, 11)  # exceptions with which a gateway says that the unit is not there


@dataclass(frozen=True, slots=True)
class Write:
    """Cells to be written, and the name that they have in a map."""

    name: str
    table: Table
    address: int
    cells: tuple[int, ...]


async def read_values(line: ModbusLine, unit: int, known: RegisterMap, names: Sequence[str]) -> dict[str, Any]:
    """The named values of a device, or all that can be read; a block that fails does not keep the others from it."""
    specs = _specs(known, names)
    decoded, failed = Decoded(), []
    for block in plan(known, specs):
        try:
            cells = await line.read(unit, block.table, block.address, block.count)
        except Declined as error:
            failed.append(f"{block.table} {block.address} to {block.end - 1}: unit {unit} {error.reason}")
            continue
        Decoder(known, block).decode(pack(block.table, cells), decoded)
    wanted = [name for spec in specs for name in spec.names if not names or name in names or spec.name in names]
    return {
        "values": {name: decoded.values[name] for name in wanted if name in decoded.values},
        "absent": {name: decoded.absent[name] for name in wanted if name in decoded.absent},
        "failed": failed,
    }


def encoded(known: RegisterMap, word: str) -> Write:
    """What NAME=VALUE writes. Raises Refusal for an unknown name, a read-only value and one out of range."""
    name, equals, text = word.partition("=")
    if not equals:
        raise Refusal("usage", f"{word!r} must be NAME=VALUE")
    spec = known.by_name.get(name)
    if spec is None:
        raise Refusal("usage", f"{known.name} has no value {name!r} that could be written")
    if spec.fields:
        raise Refusal("usage", f"{name} is a register of bits; write it raw, by its --address {spec.address}")
    value = text if spec.enum or spec.type == "string" else plain_value(text)
    return Write(name, spec.table, spec.address, tuple(encode_write(known, spec, value)))


def raw_cells(table: Table, words: Sequence[str]) -> list[int]:
    """Numbers as registers 0 to 65535, or as coils 0 and 1. Raises Refusal."""
    if table in ("discrete", "input"):
        raise Refusal("read-only", f"the {table} table can only be read")
    most = 1 if table == "coil" else 65535
    cells = [plain_value(word) for word in words]
    for word, cell in zip(words, cells, strict=True):
        if type(cell) is not int or not 0 <= cell <= most:
            raise Refusal("range", f"{word} must be a whole number from 0 to {most}")
    return cells


def refuse_forbidden(known: RegisterMap | None, table: Table, address: int, count: int) -> None:
    """Raise Refusal where a map says that these addresses must be left alone."""
    for hole in known.forbidden if known else ():
        if hole.table == table and address <= hole.last and hole.first < address + count:
            raise Refusal("forbidden", f"{table} {hole.first} to {hole.last} must be left alone: {hole.why}")


async def write_and_look(line: ModbusLine, unit: int, known: RegisterMap | None, write: Write) -> dict[str, Any]:
    """Write once; then what can be read is read back, as a value where there is a map."""
    await line.write(unit, write.table, write.address, write.cells)
    what = write.name or f"{write.table} {write.address}"
    sent = _meaning(known, write, write.cells)
    if known is not None and write.name and not known.by_name[write.name].readable:
        return {"what": what, "sent": sent, "read_back": None}
    cells = await line.read(unit, write.table, write.address, len(write.cells))
    return {"what": what, "sent": sent, "read_back": _meaning(known, write, cells)}


def unit_numbers(text: str) -> list[int]:
    """Units from words like `1-32,247`, each once, in order. Raises Refusal."""
    numbers: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        last = last if dash else first
        if not (first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last) <= 255):
            raise Refusal("usage", f"--units {text!r}: write it as 1-32,247, from 1 to 255")
        numbers.update(range(int(first), int(last) + 1))
    return sorted(numbers)


def at_bauds(url: LinkUrl, bauds: str) -> list[LinkUrl]:
    """The same line at each of these rates, written as `9600,19200`; as it is where none is named. Raises Refusal."""
    if not bauds:
        return [url]
    rates = bauds.split(",")
    if not isinstance(url.end, SerialLine) or not all(rate.isdecimal() for rate in rates):
        raise Refusal("usage", f"--bauds {bauds!r}: write rates as 9600,19200, and for a serial line")
    port, _, query = url.text.partition("?")
    others = [(name, value) for name, value in parse_qsl(query) if name != "baud"]
    return [parse_link(f"{port}?{urlencode([*others, ('baud', rate)])}") for rate in rates]


async def scanned(
    urls: Sequence[LinkUrl],
    units: Sequence[int],
    table: Table,
    address: int,
    within_s: float,
    budget_s: float,
    *,
    quiet: bool,
) -> dict[str, Any]:
    """Ask each unit once at each link for one register or coil, as far as the budget reaches. Raises LinkLost."""
    clock = SystemClock()
    began_s = clock.monotonic()
    results: list[dict[str, Any]] = []
    total = len(urls) * len(units)
    with _progress(total, shown=not quiet and total * within_s > _LONG_S) as step:
        for url in urls:
            where = {"baud": url.end.baud} if isinstance(url.end, SerialLine) else {}
            async with open_line(url, within_s) as line:
                for unit in units:
                    if clock.monotonic() - began_s + within_s > budget_s:
                        results.append({**where, "unit": unit, "result": "not asked", "detail": "out of time"})
                        continue
                    result, detail = await _asked(line, unit, table, address)
                    results.append({**where, "unit": unit, "result": result, "detail": detail})
                    step()
    counts = {word: sum(1 for each in results if each["result"] == word) for word in ("silent", "not asked")}
    took_s = round(clock.monotonic() - began_s, 3)
    return {"units": results, "silent": counts["silent"], "not_asked": counts["not asked"], "took_s": took_s}


async def _asked(line: ModbusLine, unit: int, table: Table, address: int) -> tuple[str, str]:
    try:
        cells = await line.read(unit, table, address, 1)
    except ReplyTimeout:
        return "silent", ""
    except Declined as error:
        return ("absent" if error.code in _GATEWAY else "exception"), error.reason
    except BadReply as error:
        return "garbled", error.answered or error.reason
    return "answers", f"{table} {address} is {cells[0]}"


def _specs(known: RegisterMap, names: Sequence[str]) -> list[ValueSpec]:
    readable = [spec for spec in known.values if spec.readable]
    every = {name for spec in readable for name in (spec.name, *spec.names)}
    for name in names:
        if name not in every:
            raise Refusal("usage", f"{known.name} has no value {name!r} that could be read")
    return [spec for spec in readable if not names or {spec.name, *spec.names} & set(names)]


def _meaning(known: RegisterMap | None, write: Write, cells: Sequence[int]) -> Any:
    if known is None or not write.name:
        return list(cells)
    return decode(known, write.table, write.address, cells).values.get(write.name)


@contextmanager
def _progress(total: int, *, shown: bool) -> Iterator[Callable[[], None]]:
    """A bar on standard error, where somebody looks."""
    if not shown or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("units asked", total=total)
        yield lambda: bar.advance(task)
