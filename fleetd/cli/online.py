"""Commands that only look: status, audit and watch, as the daemon answers them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from fleetd.cli import screen
from fleetd.cli.options import DEFAULT_SOCKET, AsJson, Socket


def status(socket: Socket = DEFAULT_SOCKET, as_json: AsJson = False) -> None:
    """Show how the whole site stands."""
    show(socket, "status", as_json=as_json)


def watch(
    kind: Annotated[
        list[str] | None,
        typer.Option(help="Only this kind: reading, status, event, alarm, result or contact; repeatable."),
    ] = None,
    device: Annotated[str | None, typer.Option(help="Only records of this device.")] = None,
    socket: Socket = DEFAULT_SOCKET,
    as_json: AsJson = False,
) -> None:
    """Follow records as they happen, until interrupted."""
    from fleetd.cli.api import Daemon

    query = ({"kinds": ",".join(kind)} if kind else {}) | ({"device": device} if device else {})
    with suppress(KeyboardInterrupt):
        for record in Daemon(socket).stream("watch", **query):
            if as_json:
                screen.print_json_line(record)
            else:
                screen.say_shortly(sentence(record))


def show(socket: Path, what: str, *, as_json: bool, columns: Sequence[str] = (), **query: object) -> None:
    """Print what the daemon says of `what`, as JSON, as a table of these columns, or laid out by its own form."""
    from fleetd.cli.api import Daemon

    answer = Daemon(socket).get(what, **query)
    if as_json:
        screen.print_json(answer)
    elif columns:
        screen.print_records({column: column for column in columns}, answer)
    else:
        screen.print_answer(answer)


def sentence(record: dict[str, Any]) -> str:
    """One record on one line: when, who, what kind, and the rest."""
    rest = dict(record)
    at, kind = rest.pop("at", ""), rest.pop("type", "")
    who = next((rest.pop(key) for key in ("device", "source", "antenna") if key in rest), "")
    rest.pop("clock_synced", None)
    said = ", ".join(f"{name} {screen.plain(value)}" for name, value in rest.items() if value not in (None, "", {}, []))
    return "  ".join(str(part) for part in (at, who, kind, said) if part)
