"""Options and exit codes that all commands of `fleetctl` share. Light imports only: its help must feel instant."""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path
from typing import Annotated

import typer

DEFAULT_SOCKET = Path("/run/fleetd/control.sock")
_BROKER_KEY = "fleetd.cli.broker"
_JSON_KEY = "fleetd.cli.json"


class Exit(IntEnum):
    """What `fleetctl` tells the shell."""

    DONE = 0
    REFUSED = 1  # or failed
    USAGE = 2
    UNREACHABLE = 3  # the daemon


def _remember_json(context: typer.Context, value: bool) -> bool:
    context.meta[_JSON_KEY] = value
    return value


def wants_json(context: typer.Context) -> bool:
    """Whether the command that ran under this context was given `--json`; errors take the same form as answers."""
    return bool(context.meta.get(_JSON_KEY))


def remember_broker(context: typer.Context, value: str | None) -> str | None:
    """Keep the broker that was named before the command."""
    context.meta[_BROKER_KEY] = value
    return value


def broker_of(context: typer.Context) -> str:
    """The broker that was named before the command. Raises BadParameter when none was."""
    broker = context.meta.get(_BROKER_KEY)
    if not broker:
        raise typer.BadParameter("name the broker before the command: fleetctl --broker mqtt://host:port fleet")
    return str(broker)


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.", callback=_remember_json)]
Socket = Annotated[
    Path,
    typer.Option("--socket", envvar="FLEETD_SOCKET", help="The daemon's control socket.", show_default=True),
]
