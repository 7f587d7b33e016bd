"""`fleetctl audit`: who asked for what, what came of it, and whether that record is whole."""

from __future__ import annotations

from typing import Annotated

import typer

from fleetd.cli import screen
from fleetd.cli.online import show
from fleetd.cli.options import DEFAULT_SOCKET, AsJson, Exit, Socket

app = typer.Typer(help="Show who asked for what, and check that the record of it is whole.", rich_markup_mode=None)

Limit = Annotated[int, typer.Option(min=1, max=10_000, help="How many entries, newest last.")]
_COLUMNS = ("number", "at", "who", "act", "outcome", "detail")


@app.callback(invoke_without_command=True)
def audit(context: typer.Context, limit: Limit = 100, socket: Socket = DEFAULT_SOCKET, as_json: AsJson = False) -> None:
    """List the newest entries, when no command follows."""
    if context.invoked_subcommand is None:
        list_(limit, socket, as_json)


@app.command("list")
def list_(limit: Limit = 100, socket: Socket = DEFAULT_SOCKET, as_json: AsJson = False) -> None:
    """List the newest entries."""
    show(socket, "audit", as_json=as_json, columns=_COLUMNS, limit=limit)


@app.command()
def verify(
    number: Annotated[int, typer.Option(min=0, help="Number of an entry whose hash was noted elsewhere.")] = 0,
    noted: Annotated[
        str | None, typer.Option("--hash", metavar="HASH", help="That hash, as the event audit-head told it.")
    ] = None,
    socket: Socket = DEFAULT_SOCKET,
    as_json: AsJson = False,
) -> None:
    """Check that no entry was edited, removed or moved; exits 1 if one was.

    Whoever rewrote the whole chain is found with --number and --hash, which the daemon publishes once a minute.
    """
    from fleetd.cli.api import Daemon

    query: dict[str, object] = {"number": number, "hash": noted} if noted is not None else {}
    verdict = Daemon(socket).get("audit", "verify", **query)
    if as_json:
        screen.print_json(verdict)
    elif verdict["broken_at"] is not None:
        screen.say(f"BROKEN at entry {verdict['broken_at']}: {verdict['entries']} entries before it are whole")
    elif verdict["rewritten"]:
        screen.say(f"REWRITTEN: the chain fits, but its entry {number} does not have the hash {noted}")
    else:
        screen.say(f"whole: {verdict['entries']} entries, the last with the hash {verdict['head']}")
    if verdict["broken_at"] is not None or verdict["rewritten"]:
        raise typer.Exit(Exit.REFUSED)
