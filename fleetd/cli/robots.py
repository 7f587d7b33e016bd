"""`fleetctl robots`: see the robots, send them somewhere, stop and resume them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fleetd.cli import screen
from fleetd.cli.options import DEFAULT_SOCKET, AsJson, Exit, Socket

if TYPE_CHECKING:
    from fleetd.cli.api import Daemon

app = typer.Typer(help="See the robots, send them somewhere, stop and resume them.", rich_markup_mode=None)

RobotName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the robot.", show_default=False)]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the command to its end, or only hand it over.")]
Expires = Annotated[
    float | None, typer.Option("--expires", metavar="SECONDS", help="How long from now it may still be carried out.")
]

_LONG_POLL_S = 5.0
_LOOK_AGAIN_S = 0.5
_FINAL = ("succeeded", "refused", "failed", "unknown")
_COLUMNS = {
    "robot": "name",
    "state": "state",
    "doing": "mode",
    "errand": "errand",
    "battery %": "battery_percent",
    "stopped": "stop_latched",
    "quality": "quality",
    "measured": "at",
    "why": "reason",
}


@app.callback(invoke_without_command=True)
def robots(context: typer.Context, socket: Socket = DEFAULT_SOCKET, as_json: AsJson = False) -> None:
    """List the robots, when no command follows."""
    if context.invoked_subcommand is None:
        list_(socket, as_json)


@app.command("list")
def list_(socket: Socket = DEFAULT_SOCKET, as_json: AsJson = False) -> None:
    """List the robots with what they do and how they are."""
    from fleetd.cli.api import Daemon

    answer = Daemon(socket).get("robots")
    if as_json:
        screen.print_json(answer)
    else:
        screen.print_records(_COLUMNS, answer, empty="this site has no robots")


@app.command()
def show(name: RobotName, socket: Socket = DEFAULT_SOCKET, as_json: AsJson = False) -> None:
    """Show all that is known of one robot, and what it can be told."""
    from fleetd.cli.api import Daemon

    answer = Daemon(socket).get("robots", name)
    if as_json:
        screen.print_json(answer)
        return
    values, absent, actions = (answer.pop(part, {}) for part in ("values", "absent", "actions"))
    screen.print_facts(answer)
    screen.print_table(("value", "", ""), [(each, values[each], absent.get(each, "")) for each in values], empty="")
    screen.print_table(("action", ""), [(each, spec.get("help")) for each, spec in actions.items()], empty="")


@app.command()
def send(
    name: RobotName,
    place: Annotated[
        str, typer.Argument(metavar="PLACE", help="A place of the site, or a stop's number.", show_default=False)
    ],
    wait: Wait = True,
    expires: Expires = None,
    socket: Socket = DEFAULT_SOCKET,
    as_json: AsJson = False,
) -> None:
    """Send a robot to a place."""
    args: dict[str, Any] = {"stop": int(place)} if place.isdecimal() else {"place": place}
    command(socket, {"device": name, "action": "send", "args": args}, expires, wait=wait, as_json=as_json)


@app.command()
def stop(name: RobotName, wait: Wait = True, socket: Socket = DEFAULT_SOCKET, as_json: AsJson = False) -> None:
    """Stop a robot now; it stays where it is until it is resumed."""
    command(socket, {"device": name, "action": "stop"}, None, wait=wait, as_json=as_json)


@app.command()
def resume(
    name: RobotName,
    wait: Wait = True,
    expires: Expires = None,
    socket: Socket = DEFAULT_SOCKET,
    as_json: AsJson = False,
) -> None:
    """Let a stopped or held robot go on."""
    command(socket, {"device": name, "action": "resume"}, expires, wait=wait, as_json=as_json)


def command(socket: Path, wish: Mapping[str, Any], expires_in_s: float | None, *, wait: bool, as_json: bool) -> None:
    """Hand a command to the daemon and tell each stage that it reaches; exits 1 unless it goes well."""
    from fleetd.cli.api import Daemon

    body = dict(wish) if expires_in_s is None else {**wish, "expires_in_s": expires_in_s}
    stages: list[dict[str, Any]] = []
    for stage in _stages(Daemon(socket), body, wait=wait):
        stages.append(stage)
        if not as_json:
            reason = f": {stage['reason']}" if stage.get("reason") else ""
            screen.say(f"{stage['device']} {stage['action']}: {stage['stage']}{reason}")
    if as_json:
        screen.print_json(stages)
    last = stages[-1]["stage"] if stages else "unknown"
    if last in _FINAL and last != "succeeded":
        raise typer.Exit(Exit.REFUSED)


def _stages(daemon: Daemon, body: Mapping[str, Any], *, wait: bool) -> Iterator[dict[str, Any]]:
    """The results of a command as they come, each once, to the last one or to the first when not waiting."""
    wait_s = _LONG_POLL_S if wait else 0.0
    results = daemon.post("commands", body={**body, "wait_s": wait_s}, wait_s=wait_s)
    yield from results
    told = len(results)
    while wait and results[-1]["stage"] not in _FINAL:
        results = daemon.get("commands", results[-1]["id"])
        if len(results) == told:
            time.sleep(_LOOK_AGAIN_S)
        yield from results[told:]
        told = len(results)
