"""The `fleetctl` program: which commands there are, and how an expected failure becomes an exit code.

0 done, 1 refused or failed, 2 usage, 3 daemon not reachable. A bug still shows its traceback.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fleetd.cli import screen
from fleetd.cli.options import Exit, wants_json
from fleetd.errors import FleetError


class Commands(TyperGroup):
    """The command table; expected failures of any command end here as one line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except FleetError as error:
            raise typer.Exit(_report(error, as_json=wants_json(ctx))) from None


def _report(error: FleetError, *, as_json: bool) -> Exit:
    from fleetd.cli.api import Unreachable
    from fleetd.errors import Refusal

    unreachable = isinstance(error, Unreachable)
    if as_json:
        rule = error.rule if isinstance(error, Refusal) else "unreachable" if unreachable else type(error).__name__
        screen.print_json({"error": str(error), "rule": rule})
    screen.complain(str(error))
    return Exit.UNREACHABLE if unreachable else Exit.REFUSED


def _version(wanted: bool) -> None:
    if wanted:
        from fleetd import __version__

        screen.say(f"fleetctl {__version__}")
        raise typer.Exit


app = typer.Typer(
    name="fleetctl",
    cls=Commands,
    help="Ask and steer fleetd: passes, antennas, robots, alarms and the relay; or one device by hand, without it.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main() -> None:
    """The entry point of the `fleetctl` script."""
    app(prog_name="fleetctl")
