"""`fleetctl elements`: which orbital elements are in use, what waits for a decision, and deciding it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from fleetd.cli import screen
from fleetd.cli.answers import show_done
from fleetd.cli.options import DEFAULT_SOCKET, AsJson, Socket

app = typer.Typer(help="See the orbital elements, and accept or reject a held set.", rich_markup_mode=None)

Satellite = Annotated[
    str, typer.Argument(metavar="SATELLITE", help="Name of the satellite in the site file.", show_default=False)
]

_COLUMNS = ("satellite", "state", "epoch", "age d", "what changed", "fetched", "hash", "source")


@app.callback(invoke_without_command=True)
def elements(context: typer.Context, socket: Socket = DEFAULT_SOCKET, as_json: AsJson = False) -> None:
    """List the elements, when no command follows."""
    if context.invoked_subcommand is None:
        list_(socket, as_json)


@app.command("list")
def list_(socket: Socket = DEFAULT_SOCKET, as_json: AsJson = False) -> None:
    """List the sets in use and those that wait, with age, source and what changed; then what is wrong."""
    from fleetd.cli.api import Daemon

    answer = Daemon(socket).get("elements")
    if as_json:
        screen.print_json(answer)
        return
    screen.print_table(_COLUMNS, [row for one in answer for row in _rows(one)], empty="no satellite is configured")
    for line in [line for one in answer for line in _remarks(one)]:
        screen.say(line)


@app.command()
def accept(satellite: Satellite, socket: Socket = DEFAULT_SOCKET, as_json: AsJson = False) -> None:
    """Put the held set of a satellite in use; a contact that runs keeps the elements that it began with."""
    _decide(satellite, "accept", "accepted, it is in use now", socket, as_json)


@app.command()
def reject(satellite: Satellite, socket: Socket = DEFAULT_SOCKET, as_json: AsJson = False) -> None:
    """Take the held set of a satellite away; that set is never considered again."""
    _decide(satellite, "reject", "rejected, the set in use stays", socket, as_json)


def _decide(satellite: str, verb: str, done: str, socket: Any, as_json: bool) -> None:
    from fleetd.cli.api import Daemon

    answer = Daemon(socket).post("elements", satellite, verb)
    show_done(answer, f"{satellite}: {done}", as_json=as_json)


def _rows(one: Mapping[str, Any]) -> list[Sequence[object]]:
    rows = [_row(one["satellite"], one.get("state"), one)]
    if held := one.get("held"):
        rows.append(_row(one["satellite"], "held", held))
    return rows if one.get("epoch") or not held else rows[1:]


def _row(satellite: str, state: object, part: Mapping[str, Any]) -> Sequence[object]:
    epoch, fetched = (_to_the_minute(part.get(key)) for key in ("epoch", "fetched_at"))
    age_days = part.get("age_days")
    age = None if age_days is None else round(age_days, 2)
    return satellite, state, epoch, age, _changed(part), fetched, part.get("hash"), part.get("source")


def _to_the_minute(when: Any) -> str:
    return f"{when[:10]} {when[11:16]}Z" if when else ""


def _changed(part: Mapping[str, Any]) -> str:
    shift_s, along_km = part.get("aos_shift_s"), part.get("along_track_km")
    if shift_s is None or along_km is None:
        return ""
    return f"AOS {shift_s:+.2f} s, {along_km:+.1f} km"


def _remarks(one: Mapping[str, Any]) -> list[str]:
    """What is wrong with a satellite's elements or their sources, a line each."""
    name, held = one["satellite"], one.get("held") or {}
    lines = [f"{name}: {one['failure']}"] if one.get("failure") else []
    if held:
        lines.append(f"{name}: held: {held['reason']}; 'fleetctl elements accept {name}' or reject")
    for source in one.get("sources", ()):
        if source.get("failure"):
            again = f"; asked again from {_to_the_minute(source['not_before'])}" if source.get("not_before") else ""
            lines.append(f"{name}: source fails: {source['failure']}{again}")
    return lines
