"""`fleetctl registers watch` and `decode`: what changes on a device, and what a few registers could mean."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from fleetd.cli import screen
from fleetd.cli.options import AsJson
from fleetd.cli.registers import LinkOption, MapOption, TimeoutOption, UnitOption, known_map, line_url

if TYPE_CHECKING:
    from fleetd.link.url import LinkUrl
    from fleetd.registers.model import RegisterMap, Type, ValueSpec, WordOrder

_LIKELY = (1e-6, 1e9)  # what a real number of no known range is mostly between, or zero


def watch(
    link: LinkOption,
    unit: UnitOption,
    map_name: MapOption,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Only these values.", show_default=False)
    ] = None,
    every_s: Annotated[float, typer.Option("--every", min=0.01, help="Seconds from one look to the next.")] = 1.0,
    count: Annotated[int, typer.Option("--count", min=0, help="Look so many times; 0: until Ctrl-C.")] = 0,
    timeout_ms: TimeoutOption = 500,
    as_json: AsJson = False,
) -> None:
    """Read a device again and again, and tell what changed. A look that fails is told and tried again at the next."""
    known = known_map(map_name)
    if known is None:
        raise typer.BadParameter("name the device's register map", param_hint="--map")
    try:
        asyncio.run(
            _watch(line_url(link), unit, known, names or [], every_s, count, timeout_ms / 1000, as_json=as_json)
        )
    except KeyboardInterrupt:
        screen.say("")


def decode(
    words: Annotated[
        list[str],
        typer.Argument(metavar="REGISTER...", help="Registers as read, such as 16840 or 0x41c8; at most four."),
    ],
    map_name: MapOption = "",
    name: Annotated[str, typer.Option("--name", help="With a map: the value that they hold.")] = "",
    scale: Annotated[float | None, typer.Option("--scale", min=1e-12, help="How much one count stands for.")] = None,
    offset: Annotated[float | None, typer.Option("--offset", help="Added after the scale.")] = None,
    minimum: Annotated[float | None, typer.Option("--min", help="The least that makes sense.")] = None,
    maximum: Annotated[float | None, typer.Option("--max", help="The most that makes sense.")] = None,
    as_json: AsJson = False,
) -> None:
    """Take registers for a number in each type and byte order, and say which results make sense."""
    from fleetd.cli.registeracts import raw_cells

    cells = raw_cells("holding", words)
    specs = (
        [_named(known_map(map_name), name)] if map_name else list(_guesses(len(cells), scale, offset, minimum, maximum))
    )
    rows = [row for spec in specs for row in _meanings(spec, cells)]
    if as_json:
        screen.print_json({"registers": cells, "meanings": rows})
        return
    screen.print_records(
        {"type": "type", "order": "order", "reads": "value", "sense": "sense", "why not": "reason"}, rows
    )


def _guesses(
    count: int, scale: float | None, offset: float | None, minimum: float | None, maximum: float | None
) -> Iterator[ValueSpec]:
    from fleetd.registers.model import SIZES, Type, ValueSpec

    types: tuple[Type, ...] = get_args(Type)
    fitting = [each for each in types if each[0] in "uif" and SIZES[each] == count]
    if not fitting:
        raise typer.BadParameter("a number has one, two or four registers")
    for each in fitting:
        yield ValueSpec(
            name="value", table="holding", address=0, type=each,
            scale=scale, offset=offset, minimum=minimum, maximum=maximum,
        )  # fmt: skip


def _named(known: RegisterMap | None, name: str) -> ValueSpec:
    spec = known.by_name.get(name) if known else None
    if spec is None or spec.type in ("bool", "bits", "string"):
        raise typer.BadParameter("name a number of the map", param_hint="--name")
    return spec


def _meanings(spec: ValueSpec, cells: Sequence[int]) -> Iterator[dict[str, Any]]:
    """What the registers mean in each order, by the daemon's own codec."""
    from fleetd.registers.codec import decode as decoded
    from fleetd.registers.model import RegisterMap, Sample, WordOrder

    if len(cells) != spec.size:
        raise typer.BadParameter(f"{spec.name} has {spec.size} registers, not {len(cells)}")
    orders: tuple[WordOrder, ...] = get_args(WordOrder)
    for order in orders if spec.size > 1 else orders[:2]:
        here = spec.model_copy(update={"word_order": order})
        alone = RegisterMap(name="by-hand", title="", about="", values=(here,), samples=(Sample(about=""),))
        found = decoded(alone, spec.table, spec.address, cells)
        value, reason = found.values[spec.name], found.absent.get(spec.name, "")
        yield {
            "type": spec.type,
            "order": order,
            "value": value,
            "sense": not reason and _likely(here, value),
            "reason": reason,
        }


def _likely(spec: ValueSpec, value: object) -> bool:
    """Whether a value in its range makes sense; of a real number without one, whether it is of ordinary size."""
    if spec.minimum is not None or spec.maximum is not None or not isinstance(value, float):
        return True
    return value == 0 or (math.isfinite(value) and _LIKELY[0] <= abs(value) <= _LIKELY[1])


async def _watch(
    url: LinkUrl, unit: int, known: RegisterMap, names: list[str], every_s: float, count: int, within_s: float,
    *, as_json: bool,
) -> None:  # fmt: skip
    before: dict[str, Any] = {}
    async for at, values in _looks(url, unit, known, names, every_s, count, within_s):
        changed = {name: value for name, value in values.items() if name not in before or before[name] != value}
        if as_json and changed:
            screen.print_json_line({"at": at, "changed": changed})
        elif not as_json:
            for name, value in changed.items():
                was = f"  (was {screen.plain(before[name])})" if name in before else ""
                screen.say_shortly(f"{at}  {name:<32}{screen.plain(value)}{was}")
        before |= values


async def _looks(
    url: LinkUrl, unit: int, known: RegisterMap, names: list[str], every_s: float, count: int, within_s: float
) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """What each look finds: values by name, and the reasons where they are absent; on failure, nothing."""
    from fleetd.cli.modbusline import open_line
    from fleetd.cli.registeracts import read_values
    from fleetd.clock import SystemClock, iso_ms
    from fleetd.errors import DeviceError

    clock, looks = SystemClock(), 0
    async with open_line(url, within_s) as line:
        due_s = clock.monotonic()
        while not count or looks < count:
            looks += 1
            try:
                found = await read_values(line, unit, known, names)
            except DeviceError as error:
                screen.complain(str(error))
            else:
                for text in found["failed"]:
                    screen.complain(text)
                absent = {name: f"absent: {why}" for name, why in found["absent"].items()}
                yield iso_ms(clock.now()), found["values"] | absent
            due_s = max(due_s + every_s, clock.monotonic())
            await clock.sleep(due_s - clock.monotonic())
