"""`fleetctl alarms`: what needs attention, and who has seen it."""

from __future__ import annotations

from typing import Annotated

import typer

from fleetd.cli import screen
from fleetd.cli.options import DEFAULT_SOCKET, AsJson, Socket

app = typer.Typer(help="See and acknowledge alarms.", rich_markup_mode=None)

_COLUMNS = {
    "device": "device",
    "alarm": "name",
    "severity": "severity",
    "active": "active",
    "since": "at",
    "seen by": "acknowledged_by",
    "what": "text",
}


@app.callback(invoke_without_command=True)
def alarms(context: typer.Context, socket: Socket = DEFAULT_SOCKET, as_json: AsJson = False) -> None:
    """List the alarms, when no command follows."""
    if context.invoked_subcommand is None:
        list_(socket, as_json)


@app.command("list")
def list_(socket: Socket = DEFAULT_SOCKET, as_json: AsJson = False) -> None:
    """List the alarms that are active or not yet acknowledged."""
    from fleetd.cli.api import Daemon

    answer = Daemon(socket).get("alarms")
    if as_json:
        screen.print_json(answer)
    else:
        screen.print_records(_COLUMNS, answer, empty="no alarms")


@app.command()
def ack(
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="Device of the alarm.", show_default=False)],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the alarm.", show_default=False)],
    socket: Socket = DEFAULT_SOCKET,
    as_json: AsJson = False,
) -> None:
    """Say that an alarm has been seen; it stays listed while its condition lasts."""
    from fleetd.cli.api import Daemon

    answer = Daemon(socket).post("alarms", device, name, "ack")
    if as_json:
        screen.print_json(answer)
    else:
        screen.say(f"{device} {name}: acknowledged")
