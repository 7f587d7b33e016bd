"""`fleetctl contacts`: which passes are booked on which antenna, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from fleetd.cli.answers import show_done, show_facts, show_records
from fleetd.cli.options import DEFAULT_SOCKET, AsJson, Socket

app = typer.Typer(help="See, book, cancel and explain contacts.", rich_markup_mode=None)

Contact = Annotated[
    str, typer.Argument(metavar="CONTACT", help="Id of the contact, as 'contacts list' shows it.", show_default=False)
]

_COLUMNS = {
    "contact": "id",
    "satellite": "satellite",
    "antenna": "antenna",
    "AOS": "aos",
    "LOS": "los",
    "max el °": "max_elevation_deg",
    "state": "state",
    "why": "reason",
}


@app.callback(invoke_without_command=True)
def contacts(context: typer.Context, socket: Socket = DEFAULT_SOCKET, as_json: AsJson = False) -> None:
    """List the contacts, when no command follows."""
    if context.invoked_subcommand is None:
        list_(socket, as_json)


@app.command("list")
def list_(socket: Socket = DEFAULT_SOCKET, as_json: AsJson = False) -> None:
    """List booked, running and recent contacts."""
    from fleetd.cli.api import Daemon

    answer = Daemon(socket).get("contacts")
    show_records(answer, _COLUMNS, "no contact is booked", as_json=as_json)


@app.command()
def book(
    satellite: Annotated[str, typer.Argument(metavar="SATELLITE", help="Name of the satellite.", show_default=False)],
    aos: Annotated[
        str, typer.Argument(metavar="AOS", help="AOS of the pass, as 'fleetctl passes' shows it.", show_default=False)
    ],
    antenna: Annotated[str, typer.Argument(metavar="ANTENNA", help="Name of the antenna.", show_default=False)],
    socket: Socket = DEFAULT_SOCKET,
    as_json: AsJson = False,
) -> None:
    """Book a pass on an antenna."""
    from fleetd.cli.api import Daemon

    answer = Daemon(socket).post("contacts", "book", body={"satellite": satellite, "aos": aos, "antenna": antenna})
    show_facts(answer, as_json=as_json)


@app.command()
def cancel(contact: Contact, socket: Socket = DEFAULT_SOCKET, as_json: AsJson = False) -> None:
    """Give a booking up; a contact that is running is stopped."""
    from fleetd.cli.api import Daemon

    answer = Daemon(socket).post("contacts", contact, "cancel")
    show_done(answer, f"{contact}: cancelled", as_json=as_json)


@app.command()
def explain(contact: Contact, socket: Socket = DEFAULT_SOCKET, as_json: AsJson = False) -> None:
    """Say why a pass is booked as it is, or not booked."""
    from fleetd.cli.api import Daemon

    answer = Daemon(socket).get("contacts", contact, "explain")
    show_facts(answer, as_json=as_json)
