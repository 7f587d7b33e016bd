"""`fleetctl registers`: read, write and look for Modbus devices by hand, with no daemon and no driver in between."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from fleetd.cli import screen
from fleetd.cli.options import AsJson, Exit

if TYPE_CHECKING:
    from fleetd.link.url import LinkUrl
    from fleetd.records import Value
    from fleetd.registers.model import RegisterMap, Table

registers_app = typer.Typer(
    help="Read, write and look for Modbus devices by hand. No daemon may have the line open at the same time.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

LinkOption = Annotated[
    str,
    typer.Option(
        "--link", help="modbus+tcp://HOST:PORT, modbus+rtuovertcp://… or modbus+rtu:///dev/ttyUSB0?baud=19200"
    ),
]
UnitOption = Annotated[int, typer.Option("--unit", min=1, max=255, help="Unit (slave) id of the device.")]
MapOption = Annotated[
    str, typer.Option("--map", help="Register map: a file, or the name of a shipped one.", metavar="FILE|NAME")
]
TimeoutOption = Annotated[
    int, typer.Option("--timeout-ms", min=10, max=30_000, help="How long the device may think before it answers.")
]
TableOption = Annotated[str, typer.Option("--table", help="Without a map: coil, discrete, input or holding.")]
AddressOption = Annotated[
    int | None, typer.Option("--address", min=0, max=65535, help="Without a map: the first address, counted from 0.")
]


@registers_app.command()
def read(
    link: LinkOption,
    unit: UnitOption,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="With a map: only these values.", show_default=False)
    ] = None,
    map_name: MapOption = "",
    table: TableOption = "holding",
    address: AddressOption = None,
    count: Annotated[int, typer.Option("--count", min=1, max=2000, help="Without a map: how many.")] = 1,
    timeout_ms: TimeoutOption = 500,
    as_json: AsJson = False,
) -> None:
    """Read a device: by its map, with names, units and the reasons for absent values, or raw from --address on."""
    url, known = line_url(link), known_map(map_name)
    if known is not None and address is None:
        answer = asyncio.run(_read_map(url, unit, known, names or [], timeout_ms / 1000))
        _show_values(known, {"link": link, "unit": unit, "map": known.name, **answer}, as_json=as_json)
        if answer["failed"]:
            raise typer.Exit(Exit.REFUSED)
        return
    if address is None or names:
        raise typer.BadParameter("name a --map, with the values of it that you want, or an --address")
    chosen = _table(table)
    cells = asyncio.run(_read_raw(url, unit, known, chosen, address, count, timeout_ms / 1000))
    if as_json:
        facts = {"link": link, "unit": unit, "table": table, "address": address}
        screen.print_json({**facts, "cells": cells})
    else:
        rows = [(address + offset, cell, f"0x{cell:04x}") for offset, cell in enumerate(cells)]
        screen.print_table(("address", "value", "hexadecimal"), rows)


@registers_app.command()
def write(
    link: LinkOption,
    unit: UnitOption,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME=VALUE...|VALUE...", help="With a map NAME=VALUE, else the numbers for --address on."
        ),
    ],
    map_name: MapOption = "",
    table: TableOption = "holding",
    address: AddressOption = None,
    timeout_ms: TimeoutOption = 500,
    as_json: AsJson = False,
) -> None:
    """Write values and read them back. What a map calls read-only or out of range is refused; nothing is sent twice."""
    from fleetd.cli.registeracts import Write, encoded, raw_cells

    url, known = line_url(link), known_map(map_name)
    if known is not None and address is None:
        writes = [encoded(known, word) for word in words]
    elif address is not None:
        writes = [Write("", _table(table), address, tuple(raw_cells(_table(table), words)))]
    else:
        raise typer.BadParameter("name a --map and NAME=VALUE, or an --address and numbers")
    seen = asyncio.run(_write(url, unit, known, writes, timeout_ms / 1000))
    if as_json:
        screen.print_json({"link": link, "unit": unit, "written": seen})
    else:
        screen.print_records({"what": "what", "sent": "sent", "read back": "read_back"}, seen)


@registers_app.command()
def scan(
    link: LinkOption,
    units: Annotated[str, typer.Option("--units", help="Which units to ask, as in 1-32,247.")] = "1-247",
    table: TableOption = "holding",
    address: Annotated[int, typer.Option("--address", min=0, max=65535, help="What each unit is asked for.")] = 0,
    timeout_ms: TimeoutOption = 200,
    budget_s: Annotated[
        float, typer.Option("--budget-s", min=1.0, help="Ask nobody any more after so many seconds.")
    ] = 600.0,
    bauds: Annotated[
        str, typer.Option("--bauds", help="On a serial line: try each of these, as in 9600,19200,115200.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Find out who answers on a line. An exception is an answer, too; silence and garbled bytes are told apart."""
    from fleetd.cli.registeracts import at_bauds, scanned, unit_numbers

    chosen, numbers = _table(table), unit_numbers(units)
    urls = at_bauds(line_url(link), bauds)
    most_s = min(budget_s, len(urls) * len(numbers) * timeout_ms / 1000)
    if not as_json:
        each = f"asking {len(numbers)} units for {chosen} {address}, {timeout_ms} ms each"
        screen.say(f"{each}{f', at {len(urls)} rates' if bauds else ''}: at most {most_s:.1f} s")
    found = asyncio.run(scanned(urls, numbers, chosen, address, timeout_ms / 1000, budget_s, quiet=as_json))
    if as_json:
        screen.print_json({"link": link, "table": chosen, "address": address, **found})
        return
    told = [unit for unit in found["units"] if unit["result"] not in ("silent", "not asked")]
    columns = {"baud": "baud"} if bauds else {}
    columns |= {"unit": "unit", "result": "result", "detail": "detail"}
    screen.print_records(columns, told, empty="nobody answered")
    screen.say(f"{found['silent']} silent, {found['not_asked']} not asked, {found['took_s']:.1f} s")


@registers_app.command()
def schema() -> None:
    """Print the JSON Schema of register maps; editors complete and check maps by it."""
    from fleetd.registers.loader import map_schema

    typer.echo(map_schema(), nl=False)


def line_url(link: str) -> LinkUrl:
    """The Modbus line of a --link option. Raises BadParameter."""
    from fleetd.cli.modbusline import SCHEMES
    from fleetd.errors import ConfigError
    from fleetd.link.url import parse_link

    try:
        url = parse_link(link)
    except ConfigError as error:
        raise typer.BadParameter(str(error), param_hint="--link") from None
    if url.scheme not in SCHEMES:
        raise typer.BadParameter(
            f"a Modbus line is {', '.join(f'{scheme}://' for scheme in SCHEMES)}", param_hint="--link"
        )
    return url


def known_map(name: str) -> RegisterMap | None:
    """The register map of a --map option; None where none was named. Raises ConfigError."""
    from fleetd.registers.loader import load_map

    return load_map(name) if name else None


def _table(word: str) -> Table:
    from fleetd.registers.model import Table

    tables: tuple[Table, ...] = get_args(Table)
    for table in tables:
        if table == word:
            return table
    raise typer.BadParameter(f"{word!r} is none of {', '.join(tables)}", param_hint="--table")


async def _read_map(url: LinkUrl, unit: int, known: RegisterMap, names: list[str], within_s: float) -> dict[str, Any]:
    from fleetd.cli.modbusline import open_line
    from fleetd.cli.registeracts import read_values

    async with open_line(url, within_s) as line:
        return await read_values(line, unit, known, names)


async def _read_raw(
    url: LinkUrl, unit: int, known: RegisterMap | None, table: Table, address: int, count: int, within_s: float
) -> list[int]:
    from fleetd.cli.modbusline import open_line
    from fleetd.cli.registeracts import refuse_forbidden

    refuse_forbidden(known, table, address, count)
    async with open_line(url, within_s) as line:
        return await line.read(unit, table, address, count)


async def _write(
    url: LinkUrl, unit: int, known: RegisterMap | None, writes: list[Any], within_s: float
) -> list[dict[str, Any]]:
    from fleetd.cli.modbusline import open_line
    from fleetd.cli.registeracts import refuse_forbidden, write_and_look

    for each in writes:
        refuse_forbidden(known, each.table, each.address, len(each.cells))
    async with open_line(url, within_s) as line:
        return [await write_and_look(line, unit, known, each) for each in writes]


def _show_values(known: RegisterMap, answer: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        screen.print_json(answer)
        return
    values: Mapping[str, Value] = answer["values"]
    units = {name: spec.unit for spec in known.values for name in spec.names}
    rows = [
        (
            name,
            f"{value:.10g}" if isinstance(value, float) else value,
            units.get(name, ""),
            answer["absent"].get(name, ""),
        )
        for name, value in values.items()
    ]
    screen.print_table(("value", "reads", "unit", "absent because"), rows)
    for text in answer["failed"]:
        screen.complain(text)
