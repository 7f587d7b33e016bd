"""How `fleetctl` shows things: tables for people, JSON for programs, one line on standard error for what went wrong.

What a device or a broker sent is shown as text, never as markup or terminal control.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_PIPE_WIDTH = 240  # a pipe has no width: wide enough that no cell of ours is folded
_SHORT = 3
_NOTHING: tuple[Any, ...] = (None, "", [], {})
_GOOD = frozenset({"online", "good", "ok", "succeeded", "done", "connected", "worked", "booked", "tracking", "up"})
_BAD = frozenset({"offline", "critical", "failed", "refused", "unknown", "missing", "disconnected", "down", "missed"})
_WARN = frozenset({"stale", "suspect", "warning", "warn", "quarantined", "started", "accepted", "cancelled"})


def print_json(value: Any) -> None:
    """One JSON value, indented, in UTF-8."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def print_json_line(value: Any) -> None:
    """One JSON value on one line, at once."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """A line for people."""
    sys.stdout.write(printable(text) + "\n")


def say_shortly(text: str) -> None:
    """A line for people, at once; cut to the width of a terminal, whole in a pipe."""
    line = printable(text)
    if sys.stdout.isatty():
        columns = shutil.get_terminal_size().columns
        line = line if len(line) <= columns else f"{line[: columns - 1]}…"
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Why it did not work, as one line on standard error."""
    sys.stderr.write(f"fleetctl: {printable(text)}\n")


def print_faults(faults: Iterable[str]) -> None:
    """Faults of a file on standard error, each beginning with its place, as editors and pagers know how to follow."""
    for fault in faults:
        sys.stderr.write(f"{printable(fault)}\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str = "none") -> None:
    """A table with these headings, or the word `empty`. Columns all of numbers are set to the right."""
    from rich import box
    from rich.table import Table

    cells = [list(row) for row in rows]
    if not cells:
        say(empty)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, heading in enumerate(columns):
        numbers = all(isinstance(row[index], int | float | None) and not isinstance(row[index], bool) for row in cells)
        table.add_column(heading, justify="right" if numbers else "left", overflow="fold")
    for row in cells:
        table.add_row(*(_cell(value) for value in row))
    terminal = console()
    with terminal.capture() as drawn:
        terminal.print(table)
    lines = [line.rstrip() for line in drawn.get().splitlines()]
    sys.stdout.write("".join(f"{line}\n" for line in lines if line))


def print_records(columns: Mapping[str, str], records: Iterable[Mapping[str, Any]], *, empty: str = "none") -> None:
    """A table of JSON objects: `columns` gives for each heading the key whose value stands under it."""
    rows = [[record.get(key) for key in columns.values()] for record in records]
    print_table(list(columns), rows, empty=empty)


def print_answer(answer: Mapping[str, Any]) -> None:
    """Any JSON object: its plain facts first, then each group of facts and each list of objects under its name."""
    groups = {name: part for name, part in answer.items() if _is_group(part)}
    print_facts({name: part for name, part in answer.items() if name not in groups})
    for name, part in groups.items():
        say("")
        say(name)
        if isinstance(part, Mapping):
            print_facts(part)
        else:
            headings = [key for key in part[0] if any(row.get(key) not in _NOTHING for row in part)]
            print_records({heading: heading for heading in headings}, part)


def _is_group(part: Any) -> bool:
    """Facts that belong together, or objects that make a table; what is empty or short stands on one line."""
    if isinstance(part, Mapping):
        return len(part) > _SHORT
    return isinstance(part, list) and bool(part) and all(isinstance(row, Mapping) for row in part)


def print_facts(facts: Mapping[str, object]) -> None:
    """One fact a line: its name, then its value."""
    width = max((len(name) for name in facts), default=0)
    for name, value in facts.items():
        say(f"{name:<{width}}  {plain(value)}")


def console() -> Console:
    """Standard output; colours only on a terminal."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def plain(value: object) -> str:
    """A value as an operator reads it: no None, no braces, three decimals at most."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.3f}".rstrip("0").rstrip(".")
        case Mapping():
            return ", ".join(f"{name} {plain(inner)}" for name, inner in value.items()) or "-"
        case list() | tuple():
            return ", ".join(plain(inner) for inner in value) or "-"
        case _:
            return printable(str(value))


def printable(text: str) -> str:
    """`text` with control characters made visible, so that nothing can drive the terminal."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def _cell(value: object) -> Any:
    from rich.text import Text

    text = plain(value)
    word = text.lower()
    style = "green" if word in _GOOD else "red" if word in _BAD else "yellow" if word in _WARN else ""
    return Text(text, style=style)
