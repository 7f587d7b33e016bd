"""`fleetctl robots`: see the robots, send them somewhere, stop and resume them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fleetd.cli import screen
from fleetd.cli.answers import show_records
from fleetd.cli.options import DEFAULT_SOCKET, AsJson, Exit, Socket

if TYPE_CHECKING:
    from fleetd.cli.api import Daemon

app = typer.Typer(help="See the robots, send them somewhere, stop and resume them.", rich_markup_mode=None)

RobotName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the robot.", show_default=False)]
OneRobot = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help="Name of the robot, unless --group is given.", show_default=False)
]
Group = Annotated[
    str | None, typer.Option("--group", help="Each robot of this group of the site instead; 'all' is every robot.")
]
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
    show_records(answer, _COLUMNS, "this site has no robots", as_json=as_json)


@app.command()
def show(name: RobotName, socket: Socket = DEFAULT_SOCKET, as_json: AsJson = False) -> None:
    """Show all that is known of one robot, and what it can be told."""
    from fleetd.cli.api import Daemon

    answer = Daemon(socket).get("robots", name)
    if as_json:
        screen.print_json(answer)
        return
    values, absent, actions = (answer.pop(part, {}) for part in ("values", "absent", "actions"))
    errors = answer.pop("errors", [])
    screen.print_facts(answer)
    screen.print_table(("value", "", ""), [(each, values[each], absent.get(each, "")) for each in values], empty="")
    screen.print_records({"last errors": "at", "": "text"}, errors, empty="no errors since the daemon began")
    screen.print_table(("action", ""), [(each, spec.get("help")) for each, spec in actions.items()], empty="")


@app.command()
def send(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME] PLACE",
            help="The robot, unless --group names several, and a place of the site or a stop's number.",
            show_default=False,
        ),
    ],
    group: Group = None,
    wait: Wait = True,
    expires: Expires = None,
    socket: Socket = DEFAULT_SOCKET,
    as_json: AsJson = False,
) -> None:
    """Send a robot, or each one of a group, to a place."""
    if len(words) != (1 if group else 2):
        raise typer.BadParameter("say NAME PLACE for one robot, or --group GROUP PLACE for several")
    place = words[-1]
    args: dict[str, Any] = {"stop": int(place)} if place.isdecimal() else {"place": place}
    wish = {"device": group or words[0], "action": "send", "args": args}
    _tell(socket, wish, expires, group=group is not None, wait=wait, as_json=as_json)


@app.command()
def stop(
    name: OneRobot = None,
    group: Group = None,
    wait: Wait = True,
    socket: Socket = DEFAULT_SOCKET,
    as_json: AsJson = False,
) -> None:
    """Stop a robot, or each one of a group, now; they stay where they are until they are resumed."""
    wish = {"device": _one_or_group(name, group), "action": "stop"}
    _tell(socket, wish, None, group=group is not None, wait=wait, as_json=as_json)


@app.command()
def tell(
    name: RobotName,
    action: Annotated[str, typer.Argument(metavar="ACTION", help="One of those that 'robots show' lists.")],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="Its arguments, as in door=3.")
    ] = None,
    wait: Wait = True,
    expires: Expires = None,
    socket: Socket = DEFAULT_SOCKET,
    as_json: AsJson = False,
) -> None:
    """Tell a robot to do anything that it can be told, such as open_door door=3."""
    wish = {"device": name, "action": action, "args": parse_arguments(arguments or [])}
    _tell(socket, wish, expires, group=False, wait=wait, as_json=as_json)


@app.command()
def confirm(
    name: RobotName,
    command_id: Annotated[str, typer.Argument(metavar="ID", help="The id of the command that waits.")],
    socket: Socket = DEFAULT_SOCKET,
    as_json: AsJson = False,
) -> None:
    """Give a second person's word for a hazardous command that waits for it."""
    from fleetd.cli.api import Daemon

    results = Daemon(socket).post(
        "commands", command_id, "confirm", body={"device": name, "wait_s": _LONG_POLL_S}, wait_s=_LONG_POLL_S
    )
    _show_results(results[-1:], as_json=as_json)


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


def parse_arguments(words: Sequence[str]) -> dict[str, Any]:
    """NAME=VALUE words as a command's arguments: numbers where they read as such, else text."""
    args: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{word!r}: write an argument as NAME=VALUE, as in door=3")
        try:
            args[name] = int(text) if text.lstrip("-").isdecimal() else float(text)
        except ValueError:
            args[name] = text
    return args


def _one_or_group(name: str | None, group: str | None) -> str:
    if (name is None) == (group is None):
        raise typer.BadParameter("name one robot, or a group with --group")
    return str(name or group)


def _tell(
    socket: Path, wish: Mapping[str, Any], expires_in_s: float | None, *, group: bool, wait: bool, as_json: bool
) -> None:
    if not group:
        command(socket, wish, expires_in_s, wait=wait, as_json=as_json)
        return
    from fleetd.cli.api import Daemon

    daemon = Daemon(socket)
    body = dict(wish) if expires_in_s is None else {**wish, "expires_in_s": expires_in_s}
    wait_s = _LONG_POLL_S if wait else 0.0
    results = daemon.post("commands", body={**body, "wait_s": wait_s}, wait_s=wait_s)
    while wait and any(each["stage"] not in _FINAL and each["id"] for each in results):
        time.sleep(_LOOK_AGAIN_S)
        results = [each if each["stage"] in _FINAL else daemon.get("commands", each["id"])[-1] for each in results]
    _show_results(results, as_json=as_json)


def _show_results(results: list[dict[str, Any]], *, as_json: bool) -> None:
    """One line a robot; exits 1 unless all has gone well so far."""
    if as_json:
        screen.print_json(results)
    else:
        screen.print_records({"robot": "device", "action": "action", "stage": "stage", "why": "reason"}, results)
    if any(each["stage"] in _FINAL and each["stage"] != "succeeded" for each in results):
        raise typer.Exit(Exit.REFUSED)


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
