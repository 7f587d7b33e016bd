"""`fleetctl maintenance`: when people work on antennas, so that nothing moves them and no contact is booked there."""

from __future__ import annotations

from typing import Annotated

import typer

from fleetd.cli.answers import show_done, show_facts, show_records
from fleetd.cli.options import DEFAULT_SOCKET, AsJson, Socket

app = typer.Typer(help="See, enter and remove stretches of maintenance.", rich_markup_mode=None)

_COLUMNS = {"id": "id", "antenna": "antenna", "begin": "begin", "end": "end", "who": "who", "why": "why"}


@app.callback(invoke_without_command=True)
def maintenance(context: typer.Context, socket: Socket = DEFAULT_SOCKET, as_json: AsJson = False) -> None:
    """List what goes on and what is to come, when no command follows."""
    if context.invoked_subcommand is None:
        list_(socket, as_json)


@app.command("list")
def list_(socket: Socket = DEFAULT_SOCKET, as_json: AsJson = False) -> None:
    """List what goes on and what is to come; without an end it is a lock."""
    from fleetd.cli.api import Daemon

    answer = Daemon(socket).get("maintenance")
    show_records(answer, _COLUMNS, "no maintenance is entered", as_json=as_json)


@app.command()
def add(
    antenna: Annotated[str, typer.Argument(metavar="ANTENNA", help="Name of the antenna.", show_default=False)],
    begin: Annotated[str, typer.Argument(metavar="BEGIN", help="As 2026-12-01T08:00:00Z.", show_default=False)],
    end: Annotated[str, typer.Argument(metavar="END", help="As 2026-12-01T10:00:00Z.", show_default=False)],
    why: Annotated[list[str], typer.Argument(metavar="WHY", help="What is done.", show_default=False)],
    socket: Socket = DEFAULT_SOCKET,
    as_json: AsJson = False,
) -> None:
    """Enter a stretch of time; contacts are booked around it, and what is booked there gives way."""
    from fleetd.cli.api import Daemon

    body = {"antenna": antenna, "begin": begin, "end": end, "why": " ".join(why)}
    answer = Daemon(socket).post("maintenance", "add", body=body)
    show_facts(answer, as_json=as_json)


@app.command()
def remove(
    entry: Annotated[
        str, typer.Argument(metavar="ID", help="Its id, as 'maintenance list' shows it.", show_default=False)
    ],
    socket: Socket = DEFAULT_SOCKET,
    as_json: AsJson = False,
) -> None:
    """Take an entry out again."""
    from fleetd.cli.api import Daemon

    answer = Daemon(socket).post("maintenance", entry, "remove")
    show_done(answer, f"{entry}: removed", as_json=as_json)
