"""The `fleetctl` program: which commands there are, and how an expected failure becomes an exit code.

0 done, 1 refused or failed, 2 usage, 3 daemon not reachable. A bug still shows its traceback.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fleetd.cli import (
    alarms,
    antenna,
    audit,
    config,
    contacts,
    device,
    doctor,
    downlink,
    drivers,
    elements,
    fleet,
    history,
    keys,
    maintenance,
    online,
    passes,
    ports,
    registers,
    registerwatch,
    relay,
    robots,
    screen,
    sign,
    stop,
    uplink,
)
from fleetd.cli.options import Exit, remember_broker, wants_json
from fleetd.errors import ConfigError, FleetError, Refusal


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

    match error:
        case Unreachable():
            rule, code = "unreachable", Exit.UNREACHABLE
        case Refusal(rule=rule):
            code = Exit.USAGE if rule == "usage" else Exit.REFUSED
        case _:
            rule, code = "failed", Exit.REFUSED
    if as_json:
        screen.print_json({"error": str(error), "rule": rule})
    if isinstance(error, ConfigError):
        screen.print_faults(error.problems)
    else:
        screen.complain(str(error))
    return code


def _version(wanted: bool) -> None:
    if wanted:
        from fleetd import __version__

        screen.say(f"fleetctl {__version__}")
        raise typer.Exit


_NEGATIVES = {"ignore_unknown_options": True}
"""For commands that take angles: `-10` is a number there and not an option."""

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
    broker: Annotated[  # remembered by its callback
        str | None,
        typer.Option(
            envvar="FLEETD_BROKER", help="The broker that `fleet` asks.", metavar="URL", callback=remember_broker
        ),
    ] = None,
) -> None:
    pass


app.command()(online.status)
app.command()(passes.passes)
app.command(context_settings=_NEGATIVES)(antenna.antenna)
app.add_typer(contacts.app, name="contacts")
app.add_typer(maintenance.app, name="maintenance")
app.add_typer(robots.app, name="robots")
app.command()(stop.stop)
app.add_typer(alarms.app, name="alarms")
app.add_typer(elements.app, name="elements")
app.add_typer(relay.app, name="relay")
app.command()(fleet.fleet)
app.add_typer(audit.app, name="audit")
app.add_typer(keys.app, name="keys")
app.command()(sign.sign)
app.command()(online.watch)
app.command()(history.history)
app.add_typer(downlink.app, name="downlink")
app.add_typer(uplink.app, name="uplink")
app.command(context_settings=_NEGATIVES)(device.device)
app.command()(drivers.drivers)
app.command()(ports.ports)
registers.registers_app.command()(registerwatch.watch)
registers.registers_app.command()(registerwatch.decode)
app.add_typer(registers.registers_app, name="registers")
app.command()(doctor.doctor)
app.add_typer(config.app, name="config")


def main() -> None:
    """The entry point of the `fleetctl` script."""
    app(prog_name="fleetctl")
