"""`fleetctl doctor`: what on this machine would keep fleetd from working, and what to do about each."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from fleetd.cli import screen
from fleetd.cli.options import DEFAULT_SOCKET, AsJson, Exit, Socket


def doctor(
    config: Annotated[
        Path | None, typer.Option("--config", help="Site file: examine its elements, links and brokers, too.")
    ] = None,
    socket: Socket = DEFAULT_SOCKET,
    as_json: AsJson = False,
) -> None:
    """Examine this machine and, with --config, the site's parts."""
    from fleetd.cli.examine import Level, examine_machine, examine_site

    findings = [*examine_machine(socket), *(examine_site(config) if config else ())]
    if as_json:
        screen.print_json([asdict(finding) for finding in findings])
    else:
        screen.print_table(
            ("", "what", "how it stands", "what to do"),
            [(finding.level.value, finding.what, finding.text, finding.cure or "") for finding in findings],
        )
    if any(finding.level is Level.BAD for finding in findings):
        raise typer.Exit(Exit.REFUSED)
