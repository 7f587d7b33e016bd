"""`fleetctl sign`: a signed command on standard output, for any MQTT client to publish."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from fleetd.cli import screen
from fleetd.cli.options import AsJson
from fleetd.cli.robots import parse_arguments
from fleetd.errors import Refusal


def sign(
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="The robot, a group of them, or all.")],
    action: Annotated[
        str, typer.Argument(metavar="ACTION", help="What it is told: send, resume, open_door, confirm, ...")
    ],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="As in stop=2, or command=ID to confirm.")
    ] = None,
    site: Annotated[str, typer.Option("--site", help="The site's name.", show_default=False)] = ...,  # type: ignore[assignment]
    key: Annotated[
        Path, typer.Option("--key", help="File of the private key (PEM).", envvar="FLEETD_KEY", show_default=False)
    ] = ...,  # type: ignore[assignment]
    key_id: Annotated[
        str | None, typer.Option("--key-id", help="What the key is called; the file's name unless given.")
    ] = None,
    expires: Annotated[float, typer.Option("--expires", metavar="SECONDS", help="How long it stays valid.")] = 30.0,
    command_id: Annotated[str | None, typer.Option("--id", help="The command's id; made up unless given.")] = None,
    at: Annotated[
        datetime | None,
        typer.Option(
            "--at", formats=["%Y-%m-%dT%H:%M:%S.%fZ"], help="By the daemon's time, where that is another than ours."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Sign a command, for 'mosquitto_pub -t fleetd/SITE/DEVICE/command -s' and the like.

    It must arrive within seconds. The counter is the time in microseconds, so that it rises from one to the next.
    """
    import msgspec

    from fleetd.access.signature import sign as signed
    from fleetd.clock import SystemClock
    from fleetd.store.rows import microseconds

    now = SystemClock().now() if at is None else at.replace(tzinfo=UTC)
    wish = {
        "site": site,
        "device": device,
        "id": command_id or f"signed-{secrets.token_hex(8)}",
        "action": action,
        "args": parse_arguments(arguments or []),
        "counter": microseconds(now),
        "issued_at": now,
        "expires_at": now + timedelta(seconds=expires),
    }
    try:
        token = signed(key.read_bytes(), key_id or key.stem, msgspec.json.encode(wish)).decode()
    except (OSError, ValueError, TypeError) as error:
        raise Refusal("key", f"{key} cannot be used: {getattr(error, 'strerror', None) or error}") from None
    if as_json:
        screen.print_json({"id": wish["id"], "topic": f"fleetd/{site}/{device}/command", "payload": token})
    else:
        screen.say(token)
