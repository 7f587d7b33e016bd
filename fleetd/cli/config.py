"""`fleetctl config`: judge a site file, and print the schema that editors complete it by."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fleetd.cli import screen
from fleetd.cli.options import AsJson, Exit

app = typer.Typer(help="Check a site file, or print its JSON Schema.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Site file.", show_default=False)],
    overlay: Annotated[
        Path | None, typer.Option("--hil", help="Overlay to lay over the site, as 'fleetd --hil' does.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say whether a site file is right, and list every fault as file:line:column: path: what is wrong."""
    from fleetd.config.elements import element_faults
    from fleetd.config.site import load_site
    from fleetd.errors import ConfigError

    try:
        faults = element_faults(load_site(file, overlay))
    except ConfigError as error:
        faults = list(error.problems)
    if as_json:
        screen.print_json({"file": str(file), "ok": not faults, "faults": faults})
    elif not faults:
        screen.say(f"{file} is right")
    else:
        screen.print_faults(faults)
    if faults:
        raise typer.Exit(Exit.REFUSED)


@app.command()
def schema(as_json: AsJson = False) -> None:
    """Print the JSON Schema of a site file, with the settings of every installed driver."""
    from fleetd.config.schema import installed_specs, site_schema

    del as_json  # a schema is JSON either way
    screen.print_json(site_schema(installed_specs()))
