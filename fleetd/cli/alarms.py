"""`fleetctl alarms`: what needs attention, who has seen it, and who does not want to hear of it for a while."""

from __future__ import annotations

from typing import Annotated

import typer

from fleetd.cli.answers import show_done, show_records
from fleetd.cli.options import DEFAULT_SOCKET, AsJson, Socket

app = typer.Typer(help="See, acknowledge and shelve alarms.", rich_markup_mode=None)

_COLUMNS = {
    "device": "device",
    "alarm": "name",
    "severity": "severity",
    "active": "active",
    "since": "at",
    "seen by": "acknowledged_by",
    "shelved until": "shelved_until",
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
    show_records(answer, _COLUMNS, "no alarms", as_json=as_json)


Device = Annotated[str, typer.Argument(metavar="DEVICE", help="Device of the alarm.", show_default=False)]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the alarm.", show_default=False)]


@app.command()
def ack(device: Device, name: Name, socket: Socket = DEFAULT_SOCKET, as_json: AsJson = False) -> None:
    """Say that an alarm has been seen; it stays listed while its condition lasts."""
    from fleetd.cli.api import Daemon

    show_done(Daemon(socket).post("alarms", device, name, "ack"), f"{device} {name}: acknowledged", as_json=as_json)


@app.command()
def shelve(
    device: Device,
    name: Name,
    length: Annotated[str, typer.Option("--for", metavar="LENGTH", help="How long, as in 30m, 2h or 7d.")],
    why: Annotated[str, typer.Option(help="The reason, for those who come after you.")] = "",
    socket: Socket = DEFAULT_SOCKET,
    as_json: AsJson = False,
) -> None:
    """Say that an alarm is not to bother anybody for a while; your name and the end of that time go with it."""
    from fleetd.cli.api import Daemon
    from fleetd.cli.times import parse_length

    body = {"for_s": parse_length(length).total_seconds(), "why": why}
    answer = Daemon(socket).post("alarms", device, name, "shelve", body=body)
    show_done(answer, f"{device} {name}: shelved for {length}", as_json=as_json)


@app.command()
def unshelve(device: Device, name: Name, socket: Socket = DEFAULT_SOCKET, as_json: AsJson = False) -> None:
    """Let a shelved alarm ring again."""
    from fleetd.cli.api import Daemon

    answer = Daemon(socket).post("alarms", device, name, "unshelve")
    show_done(answer, f"{device} {name}: no longer shelved", as_json=as_json)
