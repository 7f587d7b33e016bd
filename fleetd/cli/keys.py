"""`fleetctl keys`: a pair of keys for somebody who signs commands."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from fleetd.cli import screen
from fleetd.cli.options import AsJson
from fleetd.errors import Refusal

app = typer.Typer(help="Make the keys with which commands are signed.", rich_markup_mode=None, no_args_is_help=True)

_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?")


@app.callback()
def keys() -> None:
    """Make the keys with which commands are signed."""


@app.command()
def new(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="What the key is called, as in li-2026.")],
    file: Annotated[
        Path | None, typer.Option("--file", help="Where the private key goes; ID.pem in this folder unless given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a pair: the private key into a file that only you can read, the public one for the site file."""
    from fleetd.access.signature import new_pair

    if _ID.fullmatch(key_id) is None:
        raise typer.BadParameter(f"{key_id!r}: lower case, digits and inner hyphens, as in li-2026")
    path = file or Path(f"{key_id}.pem")
    private, public = new_pair()
    _write_private(path, private)
    if as_json:
        screen.print_json({"key": key_id, "public": public, "file": str(path)})
        return
    screen.say(f"private key: {path} (keep it to yourself; 'fleetctl sign --key {path}' uses it)")
    screen.say("for the site file, under access.people.<you>.keys:")
    screen.say(f'  {key_id}: "{public}"')


def _write_private(path: Path, private: bytes) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise Refusal(
            "file", f"{path} cannot be made: {error.strerror}; an existing key is never overwritten"
        ) from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(private)
