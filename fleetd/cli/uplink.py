"""`fleetctl uplink`: orders to satellites, from the request to their verified effect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fleetd.cli import screen
from fleetd.cli.answers import show_done
from fleetd.cli.options import DEFAULT_SOCKET, AsJson, Socket

app = typer.Typer(
    help="Orders to satellites: see what waits, give, confirm and cancel them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Satellite = Annotated[str, typer.Argument(metavar="SATELLITE", help="Name of the satellite.", show_default=False)]
OrderId = Annotated[str, typer.Argument(metavar="ID", help="Id of the order, as 'uplink queue' shows it.")]
_COLUMNS = {
    "order": "id",
    "satellite": "satellite",
    "what": "order",
    "stage": "stage",
    "step": "step",
    "sent": "sends",
    "until": "expires_at",
    "why": "reason",
}


@app.command()
def queue(
    satellite: Annotated[str, typer.Option(help="Only this satellite's.")] = "",
    socket: Socket = DEFAULT_SOCKET,
    as_json: AsJson = False,
) -> None:
    """Show the orders that wait or are under way, oldest first."""
    _show(socket, satellite, as_json=as_json, everything=False, empty="no order waits")


@app.command("list")
def list_(
    satellite: Annotated[str, typer.Option(help="Only this satellite's.")] = "",
    socket: Socket = DEFAULT_SOCKET,
    as_json: AsJson = False,
) -> None:
    """Show all orders that are remembered, with what became of them."""
    _show(socket, satellite, as_json=as_json, everything=True, empty="no order was given yet")


@app.command()
def send(
    satellite: Satellite,
    order: Annotated[
        str | None,
        typer.Argument(metavar="ORDER", help="What to do; left out, the orders that it takes are named."),
    ] = None,
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Arguments of the order.", show_default=False)
    ] = None,
    expires: Annotated[float | None, typer.Option(help="Seconds after which it is not sent any more.")] = None,
    socket: Socket = DEFAULT_SOCKET,
    as_json: AsJson = False,
) -> None:
    """Queue an order for the next contact that may transmit.

    As in: fleetctl uplink send tmall-international set-beacon-period period_s=30
    """
    from fleetd.cli.api import Daemon

    if order is None:
        known = Daemon(socket).get("uplink", satellite)
        if as_json:
            screen.print_json(known)
        else:
            screen.print_records({"order": "order", "what it does": "help", "hazardous": "hazardous"}, known)
        return
    body: dict[str, Any] = {"order": order, "args": dict(_pair(text) for text in arguments or [])}
    _give(socket, satellite, body | ({"expires_in_s": expires} if expires else {}), as_json=as_json)


@app.command()
def confirm(satellite: Satellite, order_id: OrderId, socket: Socket = DEFAULT_SOCKET, as_json: AsJson = False) -> None:
    """Give a second person's word for a hazardous order that waits for it."""
    _give(socket, satellite, {"order": "confirm", "args": {"command": order_id}}, as_json=as_json)


@app.command()
def cancel(satellite: Satellite, order_id: OrderId, socket: Socket = DEFAULT_SOCKET, as_json: AsJson = False) -> None:
    """Give up an order that has not been sent."""
    from fleetd.cli.api import Daemon

    answer = Daemon(socket).post("uplink", satellite, "cancel", body={"id": order_id})
    show_done(answer, f"{order_id}: {answer['reason']}", as_json=as_json)


def _show(socket: Path, satellite: str, *, as_json: bool, everything: bool, empty: str) -> None:
    from fleetd.cli.api import Daemon

    answer = Daemon(socket).get("uplink", satellite=satellite, all=int(everything))
    if as_json:
        screen.print_json(answer)
    else:
        screen.print_records(_COLUMNS, answer, empty=empty)


def _give(socket: Path, satellite: str, body: dict[str, Any], *, as_json: bool) -> None:
    from fleetd.cli.api import Daemon

    answer = Daemon(socket).post("uplink", satellite, "orders", body=body)
    show_done(
        answer,
        f"{answer['id']}: {answer['stage']}{', ' if answer['reason'] else ''}{answer['reason']}",
        as_json=as_json,
    )


def _pair(text: str) -> tuple[str, Any]:
    from fleetd.strictyaml import plain_value

    key, equals, value = text.partition("=")
    if not (key and equals):
        raise typer.BadParameter(f"{text!r}: write it as KEY=VALUE")
    return key, plain_value(value)
