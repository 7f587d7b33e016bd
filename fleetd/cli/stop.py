"""`fleetctl stop --all`: everything that moves, at once."""

from __future__ import annotations

from typing import Annotated

import typer

from fleetd.cli import screen
from fleetd.cli.options import DEFAULT_SOCKET, AsJson, Exit, Socket


def stop(
    everything: Annotated[bool, typer.Option("--all", help="Every robot and every antenna.")] = False,
    socket: Socket = DEFAULT_SOCKET,
    as_json: AsJson = False,
) -> None:
    """Stop every robot and every antenna of the site now."""
    from fleetd.cli.api import Daemon

    if not everything:
        raise typer.BadParameter(
            "say --all; one robot stops by 'fleetctl robots stop NAME', one antenna by 'fleetctl antenna NAME stop'"
        )
    answer = Daemon(socket).post("stop")
    failed = [each for each in answer if each.get("stage") != "succeeded"] if isinstance(answer, list) else []
    if as_json:
        screen.print_json(answer)
    else:
        screen.print_records({"device": "device", "stop": "stage", "why": "reason"}, answer)
    if failed:
        raise typer.Exit(Exit.REFUSED)
